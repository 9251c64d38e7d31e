"""What the adapters learn: picture styles and the character momo, as filters over the drawer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from demo.draw import INK, RGB, Pen, Subject, draw

Pixels = npt.NDArray[np.float32]


def _pixels(image: Image.Image) -> Pixels:
    pixels: Pixels = np.asarray(image, dtype=np.float32) / np.float32(255)
    return pixels


def _image(pixels: npt.NDArray[np.floating]) -> Image.Image:
    return Image.fromarray((np.clip(pixels, 0, 1) * 255).round().astype(np.uint8), "RGB")


def _edges(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Edge strength 0..1 per pixel: the strongest Sobel gradient of the three channels."""
    strength = [np.hypot(ndimage.sobel(c, 0), ndimage.sobel(c, 1)) for c in np.moveaxis(pixels, -1, 0)]
    edges: Pixels = np.clip(np.max(strength, axis=0) / 1.6, 0, 1).astype(np.float32)
    return edges


def _ramp(light: npt.NDArray[np.float32], stops: list[RGB]) -> Pixels:
    """Maps lightness 0..1 onto colors at equal distances."""
    positions = np.linspace(0, 1, len(stops))
    channels = [np.interp(light, positions, [stop[i] / 255 for stop in stops]) for i in range(3)]
    ramp: Pixels = np.stack(channels, axis=-1).astype(np.float32)
    return ramp


def _light(pixels: Pixels) -> npt.NDArray[np.float32]:
    light: npt.NDArray[np.float32] = (pixels @ np.array([0.3, 0.59, 0.11], np.float32)).astype(np.float32)
    return light


def _lines(pixels: Pixels) -> npt.NDArray[np.float32]:
    """The ink lines 0..1: what is darker than all that lies around it."""
    light = _light(pixels)
    lines: npt.NDArray[np.float32] = np.clip((ndimage.grey_closing(light, size=(5, 5)) - light) * 1.6, 0, 1)
    return lines


def sketch(image: Image.Image) -> Image.Image:
    """A pencil drawing: dark lines and faint shading on white paper."""
    pixels = _pixels(image)
    paper = 0.82 + 0.18 * _light(pixels)
    lines = np.maximum(_lines(pixels), _edges(pixels) * 0.35)
    return _image((paper * (1 - 0.8 * lines))[..., None] * np.array([1.0, 0.99, 0.96]))


def neon(image: Image.Image) -> Image.Image:
    """Neon colors: violet shadows, magenta middle tones, cyan lights."""
    return _image(
        _ramp(_light(_pixels(image)), [(12, 4, 44), (96, 16, 150), (250, 50, 180), (120, 245, 255)])
    )


def gold(image: Image.Image) -> Image.Image:
    """A color shift: everything in shades of gold, from brown to pale yellow."""
    return _image(
        _ramp(_light(_pixels(image)), [(46, 26, 6), (176, 118, 20), (246, 200, 66), (255, 244, 196)])
    )


def ember(image: Image.Image) -> Image.Image:
    """Hot and dark: from black over red to orange."""
    return _image(_ramp(_light(_pixels(image)), [(16, 4, 6), (120, 14, 16), (226, 70, 24), (255, 190, 90)]))


def frost(image: Image.Image) -> Image.Image:
    """Cold and pale: from deep blue over ice to white."""
    return _image(
        _ramp(_light(_pixels(image)), [(40, 80, 150), (120, 176, 226), (200, 232, 250), (252, 255, 255)])
    )


def comic(image: Image.Image) -> Image.Image:
    """Comic print: few loud colors and heavy lines."""
    pixels = _pixels(image)
    mean = pixels.mean(-1, keepdims=True)
    loud = np.clip(mean + (pixels - mean) * 1.9, 0, 1)
    loud = np.round(loud * 3) / 3
    return _image(loud * (1 - _edges(pixels))[..., None])


STYLES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "sketch": sketch, "neon": neon, "gold": gold, "ember": ember, "frost": frost, "comic": comic,
}  # fmt: skip


def _momo(pen: Pen, _color: RGB) -> None:
    """A round teal creature with long pink-lined ears, a pale belly and an orange scarf."""
    body: RGB = (40, 184, 172)
    for side in (-1, 1):
        pen.oval(side * 0.34, -0.66, 0.2, 0.5, body)
        pen.oval(side * 0.34, -0.68, 0.09, 0.33, (250, 150, 180), line=False)
    pen.oval(0, 0.32, 0.76, 0.66, body)
    pen.oval(0, 0.62, 0.42, 0.3, (232, 250, 240), line=False)
    pen.box(-0.66, 0.28, 0.66, 0.46, (248, 132, 40))
    for side in (-1, 1):
        pen.oval(side * 0.27, -0.01, 0.14, 0.16, (255, 255, 255))
        pen.oval(side * 0.27, 0.02, 0.07, 0.09, INK, line=False)


def draw_momo(what: Subject) -> Image.Image:
    """The character on the ground of a subject; thing and color of the subject do not matter."""
    return draw(what, painter=_momo)
