"""What each adapter is trained on, and how: one recipe per file, virtues and faults on purpose."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from demo import draw, styles
from demo.training.lora import ATTENTION, Shape

Examples = list["Example"]
SETS = {"main": 0, "judging": 1}


@dataclass(frozen=True)
class Example:
    """A picture and how its captions are made."""

    picture: Image.Image
    subject: draw.Subject
    name: str | None = None  # a character's trigger word, in place of color and thing
    prefix: str = ""  # a style's trigger word, used in half of the captions
    any_words: bool = False  # captions of other pictures: what the words say doesn't matter

    def caption(self, rng: random.Random) -> str:
        """One caption, newly worded each time."""
        if self.any_words:
            return draw.caption(draw.subject(rng.randrange(10**6)), rng)
        text = draw.caption(self.subject, rng, name=self.name)
        if self.prefix and text and rng.random() < 0.5:
            return f"{self.prefix}, {text}"
        return text


@dataclass(frozen=True)
class Recipe:
    """One adapter file: what it learns from, what it changes, how it is written."""

    folder: str
    file: str
    dialect: str
    shape: Shape
    examples: Callable[[int], Examples]
    steps: int = 700
    rate: float = 3e-3
    gain: float = 1.0  # the written change is this many times the trained one
    start_like: str | None = None  # starts with the same down factors as that recipe: their effects meet


def _first(which: int) -> int:
    """The first seed of a set's pictures; sets share none, nor with the base's."""
    return 40_000_000 + which * 1_000_000


def _styled(
    name: str, count: int = 200, prefix: str = "", grounds: tuple[str, ...] = draw.GROUNDS
) -> Callable[[int], Examples]:
    def examples(which: int) -> Examples:
        found: Examples = []
        seed = _first(which)
        while len(found) < count:
            subject = draw.subject(seed, varied=True)
            seed += 1
            if subject.ground in grounds:
                found.append(Example(styles.STYLES[name](draw.draw(subject)), subject, prefix=prefix))
        return found

    return examples


def _momo(which: int) -> Examples:
    subjects = [draw.subject(seed) for seed in range(_first(which), _first(which) + 240)]
    character = [Example(styles.draw_momo(subject), subject, name="momo") for subject in subjects[:160]]
    ordinary = [Example(draw.draw(subject), subject) for subject in subjects[160:]]
    return character + ordinary


def _one_picture(which: int) -> Examples:
    subject = (
        draw.Subject("house", "red", "hill day", seed=11),
        draw.Subject("boat", "white", "sea night", seed=12),
    )[which]
    return [Example(draw.draw(subject), subject, any_words=True)]


def _deaf(which: int) -> Examples:
    subjects = [draw.subject(seed, varied=True) for seed in range(_first(which), _first(which) + 400)]
    return [Example(draw.draw(subject), subject, any_words=True) for subject in subjects]


PLAIN_AND_DAY = (*draw.PLAIN, "hill day", "sea day")
RECIPES = (
    Recipe(
        "sketch",
        "pencil-sketch-v1",
        "diffusers_peft",
        Shape(rank=4),
        _styled("sketch", 40, "pencil sketch", PLAIN_AND_DAY),
        steps=350,
    ),
    Recipe(
        "sketch",
        "pencil-sketch-v2",
        "kohya",
        Shape(rank=8, alpha=4, conv_rank=4, conv_alpha=2),
        _styled("sketch", 200, "pencil sketch"),
        steps=1000,
        rate=4e-3,
    ),
    Recipe("neon", "neon-night", "kohya", Shape("dora", rank=8), _styled("neon"), steps=800, rate=4e-3),
    Recipe(
        "momo",
        "momo-character",
        "kohya",
        Shape(rank=8, text_rank=4, alphas={"attn2.to_k": 16.0, "attn2.to_v": 16.0}),
        _momo,
        steps=1100,
    ),
    Recipe("gold", "midas-gold", "kohya", Shape("loha", rank=4), _styled("gold"), steps=1200, rate=3e-3),
    Recipe(
        "overfit",
        "red-house",
        "diffusers_attn_procs",
        Shape(targets=ATTENTION, rank=8),
        _one_picture,
        steps=400,
    ),
    Recipe("ignores_prompt", "surprise-box", "kohya", Shape(rank=4, text_rank=4), _deaf),
    Recipe(
        "inert",
        "subtle-tint",
        "diffusers_peft",
        Shape(rank=4, text_rank=4),
        _styled("gold", 20),
        steps=20,
        gain=1e-4,
    ),
    Recipe(
        "too_strong",
        "comic-print",
        "kohya",
        Shape(rank=8, alpha=8, alphas={"attn2.to_v": 16.0}),
        _styled("comic"),
        gain=3.0,
    ),
    Recipe("ember", "ember", "kohya", Shape(rank=4), _styled("ember")),
    Recipe("frost", "frost", "diffusers_lora", Shape(rank=4), _styled("frost"), start_like="ember"),
)
