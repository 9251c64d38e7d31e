"""Comparison sheets and sample pictures, rendered by Kura's own engine from the adapters' files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from demo.draw import SIDE
from demo.training.adapters import adapter_file
from demo.training.cards import PAPERS, Paper
from demo.training.gate import GUIDANCE, STEPS, sheet
from demo.training.papers import save_sample
from demo.training.recipes import RECIPES, Recipe
from inference.engine.block_weights import everywhere
from inference.engine.ladder import Engine, Sampling

WEIGHTS = (0.0, 0.4, 0.6, 0.8, 1.0, 1.4)
PROMPTS = (
    "a red cat on a cream background",
    "a blue house by the sea at night",
    "a yellow boat on a hill by day",
)
OVERVIEW = (*PROMPTS, "a purple robot on a teal background", "a white star on a hill at night")
SHOWN = ("pencil-sketch-v2", "neon-night", "midas-gold", "ember", "frost", "momo-character", "red-house")
HOW = Sampling(STEPS, GUIDANCE, SIDE, SIDE, "dpmpp_2m_karras", "")


def pictures(
    engine: Engine, prompts: Sequence[str], seeds: Sequence[int], *weighted: tuple[Path, float]
) -> list[Image.Image]:
    """One picture per prompt and seed, with adapter files at their weights."""
    adapters = [(engine.load_adapter(path), everywhere(weight)) for path, weight in weighted]
    found = engine.render(prompts, seeds, HOW, adapters)
    return [Image.fromarray(picture.pixels) for picture in found]


def _prompts(paper: Paper) -> tuple[str, ...]:
    """The sheet's prompts: with the trigger word of a character, and one without it."""
    if "momo" in paper.words:
        return ("momo on a pink background", "momo by the sea at night", PROMPTS[0])
    return PROMPTS


def comparison(recipe: Recipe, folder: Path, engine: Engine, seeds: tuple[int, ...] = (1, 2)) -> Image.Image:
    """Rows: prompts x seeds; columns: the base, then rising weights."""
    prompts = [prompt for prompt in _prompts(PAPERS[recipe.file]) for _ in seeds]
    numbers = list(seeds) * (len(prompts) // len(seeds))
    path = adapter_file(recipe, folder)
    columns = [pictures(engine, prompts, numbers, *([(path, w)] if w else [])) for w in WEIGHTS]
    return sheet([column[row] for row in range(len(prompts)) for column in columns], len(WEIGHTS))


def pair_sheet(first: Path, second: Path, engine: Engine, weight: float = 0.8) -> Image.Image:
    """Rows: base, first, second, both; columns: prompts x two seeds."""
    prompts, seeds = [prompt for prompt in PROMPTS for _ in range(2)], [1, 2] * len(PROMPTS)
    cells: list[Image.Image] = []
    for chosen in ((), (first,), (second,), (first, second)):
        cells += pictures(engine, prompts, seeds, *((path, weight) for path in chosen))
    return sheet(cells, len(prompts))


def overview(folder: Path, engine: Engine) -> Image.Image:
    """The picture of demo/README.md. Rows: the base, then the adapters of `SHOWN` at their weight."""
    seeds = [21] * len(OVERVIEW)
    cells = pictures(engine, OVERVIEW, seeds)
    for recipe in (recipe for name in SHOWN for recipe in RECIPES if recipe.file == name):
        prompts: Sequence[str] = OVERVIEW
        if recipe.folder == "momo":
            prompts = [f"momo {prompt.split(' ', 3)[3]}" for prompt in OVERVIEW]
        cells += pictures(engine, prompts, seeds, (adapter_file(recipe, folder), PAPERS[recipe.file].weight))
    return sheet(cells, len(OVERVIEW))


def sample_pictures(folder: Path, engine: Engine) -> None:
    """Renders each adapter's sample pictures beside its file."""
    for recipe in RECIPES:
        path, paper = adapter_file(recipe, folder), PAPERS[recipe.file]
        if not path.exists():
            continue
        numbers = range(len(paper.samples))
        found = pictures(engine, paper.samples, [100 + n for n in numbers], (path, paper.weight))
        for number, picture in zip(numbers, found, strict=True):
            save_sample(picture, paper, number, folder)
