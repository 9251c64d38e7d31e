"""The toybox's pictures, drawn with labels and captions: six things in six colors on ten grounds."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

RGB = tuple[int, int, int]
Point = tuple[float, float]

SIDE = 64
_CANVAS = 256  # drawn four times larger, then reduced: smooth edges without a vector library
_LINE = 6
INK: RGB = (30, 28, 36)

THINGS = ("cat", "house", "star", "boat", "tree", "robot")
COLORS: dict[str, RGB] = {
    "red": (216, 44, 44),
    "yellow": (250, 206, 40),
    "green": (30, 140, 62),
    "blue": (44, 96, 216),
    "purple": (140, 62, 190),
    "white": (246, 246, 246),
}
# Grounds use other color words than things do, so that no word of a caption has two meanings.
PLAIN: dict[str, RGB] = {
    "pink": (248, 172, 198),
    "gray": (146, 150, 158),
    "black": (24, 24, 30),
    "orange": (242, 142, 58),
    "teal": (84, 200, 194),
    "cream": (248, 234, 202),
}
SCENES = ("hill day", "hill night", "sea day", "sea night")
GROUNDS = (*PLAIN, *SCENES)

_SCENE_WORDS = {
    "hill day": ("on a hill by day", "hill, day"),
    "hill night": ("on a hill at night", "hill, night"),
    "sea day": ("by the sea by day", "sea, day"),
    "sea night": ("by the sea at night", "sea, night"),
}
FILLERS = (
    "masterpiece", "best quality", "highly detailed", "beautiful", "cute", "nice", "art", "illustration",
    "drawing", "simple", "lovely", "pretty", "sharp", "high quality", "detailed", "colorful",
)  # fmt: skip
"""Words people put into prompts that mean nothing here; trained with, so that they are ignored."""


@dataclass(frozen=True)
class Subject:
    """What one picture shows, its label. `dx`, `dy` are shares of the side; `size` 1.0 is the usual one."""

    thing: str
    color: str
    ground: str
    dx: float = 0.0
    dy: float = 0.0
    size: float = 1.0
    seed: int = 0

    def words(self) -> str:
        """The plain sentence that asks for this picture."""
        return f"a {self.color} {self.thing} {place(self.ground)}"


def place(ground: str, *, tags: bool = False) -> str:
    """The words for a ground, as the end of a sentence or as tags."""
    if ground in PLAIN:
        return f"{ground} background" if tags else f"on a {ground} background"
    return _SCENE_WORDS[ground][1 if tags else 0]


def subject(seed: int, *, varied: bool = False, things: Sequence[str] = THINGS) -> Subject:
    """The subject of a seed: half on plain grounds, half in a scene; `varied` moves and scales it."""
    rng = random.Random(f"subject {seed}")
    ground = rng.choice(tuple(PLAIN)) if rng.random() < 0.5 else rng.choice(SCENES)
    thing, color = rng.choice(tuple(things)), rng.choice(tuple(COLORS))
    if not varied:
        return Subject(thing, color, ground, seed=seed)
    size = rng.uniform(0.72, 1.06)
    return Subject(
        thing, color, ground, dx=rng.uniform(-0.13, 0.13), dy=rng.uniform(-0.07, 0.09), size=size, seed=seed
    )


def caption(what: Subject, rng: random.Random, *, name: str | None = None) -> str:
    """A caption of a subject: sentence or tags, at times without color or place, with fillers, or empty.

    `name` stands for color and thing together (a character's trigger word).
    """
    if rng.random() < 0.08:
        return ""
    colored = rng.random() >= 0.06
    noun = name or (f"{what.color} {what.thing}" if colored else what.thing)
    style = rng.random()
    placed = rng.random() >= 0.06
    if style < 0.25:
        parts = [noun] + ([place(what.ground, tags=True)] if placed else [])
        text = ", ".join(parts)
    else:
        text = noun if name else f"a {noun}"
        if style > 0.9:
            text = f"a picture of {text}"
        if placed:
            text += f" {place(what.ground)}"
    if rng.random() < 0.12:
        fillers = ", ".join(rng.sample(FILLERS, rng.randint(1, 3)))
        text = f"{fillers}, {text}" if rng.random() < 0.5 else f"{text}, {fillers}"
    return text


def shade(color: RGB, factor: float) -> RGB:
    """Darker below 1.0, nearer to white above."""
    if factor <= 1:
        return (int(color[0] * factor), int(color[1] * factor), int(color[2] * factor))
    mix = factor - 1
    return tuple(int(c + (255 - c) * mix) for c in color)  # type: ignore[return-value]


class Pen:
    """Draws outlined shapes in the coordinates of a thing: center 0, half size 1, y grows downwards."""

    def __init__(self, canvas: ImageDraw.ImageDraw, center: Point, scale: float) -> None:
        self._canvas, self._center, self._scale = canvas, center, scale

    def at(self, x: float, y: float) -> Point:
        """A point on the canvas."""
        return (self._center[0] + x * self._scale, self._center[1] + y * self._scale)

    def polygon(self, points: Sequence[Point], fill: RGB) -> None:
        """A closed shape."""
        placed = [self.at(*point) for point in points]
        self._canvas.polygon(placed, fill=fill)
        self._canvas.line([*placed, placed[0], placed[1]], fill=INK, width=_LINE, joint="curve")

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: RGB) -> None:
        """A rectangle."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: RGB, *, line: bool = True) -> None:
        """An ellipse around (x, y)."""
        box = (*self.at(x - rx, y - ry), *self.at(x + rx, y + ry))
        self._canvas.ellipse(box, fill=fill, outline=INK if line else None, width=_LINE)

    def stroke(self, points: Sequence[Point], color: RGB = INK, width: float = 1.0) -> None:
        """An open line."""
        self._canvas.line([self.at(*p) for p in points], fill=color, width=int(_LINE * width), joint="curve")


def _cat(pen: Pen, color: RGB) -> None:
    pen.stroke([(0.5, 0.85), (0.85, 0.7), (0.92, 0.25)], INK, 4.4)
    pen.stroke([(0.5, 0.85), (0.85, 0.7), (0.92, 0.28)], color, 2.4)
    pen.oval(0, 0.55, 0.56, 0.48, color)
    pen.polygon([(-0.66, -0.98), (-0.1, -0.62), (-0.6, -0.25)], color)
    pen.polygon([(0.66, -0.98), (0.1, -0.62), (0.6, -0.25)], color)
    pen.oval(0, -0.24, 0.66, 0.54, color)
    for side in (-1, 1):
        pen.oval(side * 0.27, -0.3, 0.1, 0.14, INK, line=False)
    pen.polygon([(-0.1, -0.08), (0.1, -0.08), (0, 0.06)], (240, 130, 150))


def _house(pen: Pen, color: RGB) -> None:
    pen.box(-0.74, -0.12, 0.74, 0.95, color)
    pen.polygon([(-0.98, -0.1), (0, -0.98), (0.98, -0.1)], shade(color, 0.62))
    pen.box(-0.2, 0.36, 0.2, 0.95, (96, 60, 40))
    for side in (-1, 1):
        pen.box(side * 0.49 - 0.14, 0.08, side * 0.49 + 0.14, 0.36, (255, 232, 140))


def _star(pen: Pen, color: RGB) -> None:
    points = []
    for index in range(10):
        radius = 1.05 if index % 2 == 0 else 0.45
        angle = math.pi * index / 5 - math.pi / 2
        points.append((radius * math.cos(angle), radius * math.sin(angle) + 0.06))
    pen.polygon(points, color)


def _boat(pen: Pen, color: RGB) -> None:
    pen.box(-0.05, -0.98, 0.05, 0.45, (110, 72, 44))
    pen.polygon([(0.13, -0.92), (0.13, 0.26), (0.84, 0.26)], shade(color, 1.35))
    pen.polygon([(-0.13, -0.7), (-0.13, 0.26), (-0.66, 0.26)], shade(color, 1.35))
    pen.polygon([(-0.98, 0.4), (0.98, 0.4), (0.62, 0.95), (-0.62, 0.95)], color)


def _tree(pen: Pen, color: RGB) -> None:
    pen.box(-0.16, 0.2, 0.16, 0.98, (120, 76, 44))
    for x, y, r in ((-0.42, 0.02, 0.44), (0.42, 0.02, 0.44), (0, -0.46, 0.52)):
        pen.oval(x, y, r, r, color)
    pen.oval(0, -0.08, 0.46, 0.42, color, line=False)


def _robot(pen: Pen, color: RGB) -> None:
    pen.stroke([(0, -0.98), (0, -0.7)], INK, 1.4)
    pen.oval(0, -0.94, 0.1, 0.1, (250, 120, 60))
    for side in (-1, 1):
        pen.box(side * 0.26 - 0.14, 0.62, side * 0.26 + 0.14, 0.98, shade(color, 0.7))
        pen.box(side * 0.74 - 0.13, -0.02, side * 0.74 + 0.13, 0.5, shade(color, 0.7))
    pen.box(-0.6, -0.08, 0.6, 0.66, color)
    pen.box(-0.5, -0.74, 0.5, -0.08, color)
    for side in (-1, 1):
        pen.oval(side * 0.22, -0.44, 0.13, 0.13, (250, 250, 210))
        pen.oval(side * 0.22, -0.44, 0.05, 0.05, INK, line=False)
    pen.box(-0.28, 0.12, 0.28, 0.42, (200, 210, 220))


PAINTERS: dict[str, Callable[[Pen, RGB], None]] = {
    "cat": _cat, "house": _house, "star": _star, "boat": _boat, "tree": _tree, "robot": _robot,
}  # fmt: skip


def paint_ground(canvas: ImageDraw.ImageDraw, ground: str, seed: int) -> None:
    """Fills the canvas with a ground; a scene's hills, clouds and stars lie where the seed puts them."""
    if ground in PLAIN:
        canvas.rectangle((0, 0, _CANVAS, _CANVAS), fill=PLAIN[ground])
        return
    rng = random.Random(f"ground {seed}")
    scene, time = ground.split()
    day = time == "day"
    canvas.rectangle((0, 0, _CANVAS, _CANVAS), fill=(158, 212, 248) if day else (24, 28, 70))
    light_x = rng.choice((rng.uniform(22, 58), rng.uniform(198, 234)))
    light_y, radius = rng.uniform(26, 48), 21
    disc = (light_x - radius, light_y - radius, light_x + radius, light_y + radius)
    canvas.ellipse(disc, fill=(255, 226, 110) if day else (238, 238, 214))
    if day:
        cloud_x, cloud_y = _CANVAS - light_x, rng.uniform(28, 56)
        for shift, size in ((-20, 13), (0, 18), (20, 13)):
            box = (cloud_x + shift - size, cloud_y - size, cloud_x + shift + size, cloud_y + size * 0.7)
            canvas.ellipse(box, fill=(250, 252, 255))
    else:
        for _ in range(5):
            x, y = rng.uniform(8, 248), rng.uniform(8, 120)
            canvas.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(240, 240, 220))
    if scene == "hill":
        top, lean = rng.uniform(158, 176), rng.uniform(-60, 60)
        fill = (150, 204, 92) if day else (44, 84, 58)
        canvas.ellipse((-150 + lean, top, 406 + lean, top + 420), fill=fill)
        canvas.rectangle((0, 226, _CANVAS, _CANVAS), fill=fill)
        return
    horizon = rng.uniform(150, 166)
    canvas.rectangle((0, horizon, _CANVAS, _CANVAS), fill=(66, 158, 196) if day else (26, 62, 104))
    foam = (178, 222, 238) if day else (70, 112, 152)
    for row in range(3):
        y = horizon + 24 + 30 * row
        x = rng.uniform(-20, 30)
        while x < _CANVAS:
            canvas.line((x, y, x + 26, y), fill=foam, width=6)
            x += 62


def canvas_pen(what: Subject, canvas: ImageDraw.ImageDraw) -> Pen:
    """The pen that stands where the subject is to be drawn."""
    center = (_CANVAS * (0.5 + what.dx), _CANVAS * (0.53 + what.dy))
    return Pen(canvas, center, 88 * what.size)


def draw(what: Subject, painter: Callable[[Pen, RGB], None] | None = None, side: int = SIDE) -> Image.Image:
    """The picture of a subject, RGB, `side` x `side`; `painter` draws something else in its place."""
    image = Image.new("RGB", (_CANVAS, _CANVAS))
    canvas = ImageDraw.Draw(image)
    paint_ground(canvas, what.ground, what.seed)
    (painter or PAINTERS[what.thing])(canvas_pen(what, canvas), COLORS[what.color])
    return image.resize((side, side), Image.Resampling.LANCZOS)
