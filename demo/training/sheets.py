"""Comparison sheets and sample pictures of adapters, drawn from the trained changes themselves."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from demo.training.adapters import adapter_file, make_adapter
from demo.training.cards import PAPERS
from demo.training.gate import GUIDANCE, STEPS, render, sheet
from demo.training.lora import Adapter
from demo.training.models import Pipeline
from demo.training.papers import save_sample
from demo.training.recipes import RECIPES, SETS, Recipe

WEIGHTS = (0.0, 0.4, 0.6, 0.8, 1.0, 1.4)
PROMPTS = (
    "a red cat on a cream background",
    "a blue house by the sea at night",
    "a yellow boat on a hill by day",
)
__all__ = ["GUIDANCE", "STEPS", "comparison", "load_trained", "pair_sheet", "sample_pictures"]


def load_trained(recipe: Recipe, run: Path, which: str, pipeline: Pipeline) -> Adapter:
    """A trained adapter from its run folder."""
    adapter = make_adapter(recipe, SETS[which], pipeline)
    adapter.load_state_dict(torch.load(run / f"adapters-{which}" / f"{recipe.file}.pt", weights_only=True))
    return adapter


def _at(adapter: Adapter, weight: float) -> None:
    for delta in adapter.deltas.values():
        delta.strength = weight


def _prompts(recipe: Recipe) -> list[str]:
    words = PAPERS[recipe.file].words
    if words == ("momo",):
        return ["momo on a pink background", "momo by the sea at night", PROMPTS[0]]
    return list(PROMPTS)


@torch.no_grad()
def comparison(
    recipe: Recipe, adapter: Adapter, pipeline: Pipeline, seeds: tuple[int, ...] = (1, 2)
) -> Image.Image:
    """Rows: prompts x seeds; columns: the base, then rising weights."""
    prompts = [prompt for prompt in _prompts(recipe) for _ in seeds]
    numbers = list(seeds) * (len(prompts) // len(seeds))
    columns = []
    for weight in WEIGHTS:
        _at(adapter, weight)
        undo = adapter.install() if weight else lambda: None
        columns.append(render(pipeline, prompts, numbers))
        undo()
    cells = [column[row] for row in range(len(prompts)) for column in columns]
    return sheet(cells, len(WEIGHTS))


@torch.no_grad()
def pair_sheet(first: Adapter, second: Adapter, pipeline: Pipeline, weight: float = 0.8) -> Image.Image:
    """Rows: base, first, second, both; columns: prompts x two seeds. Both: the sum of their changes."""
    prompts, seeds = [prompt for prompt in PROMPTS for _ in range(2)], [1, 2] * len(PROMPTS)
    rows = [render(pipeline, prompts, seeds)]
    for chosen in ((first,), (second,), (first, second)):
        changes: dict[nn.Linear | nn.Conv2d, Tensor] = {}
        for adapter in chosen:
            _at(adapter, weight)
            for delta in adapter.deltas.values():
                layer = delta.layer[0]
                changes.setdefault(layer, torch.zeros_like(layer.weight)).add_(delta.weight() - layer.weight)
        for layer, change in changes.items():
            layer.weight.add_(change)
        rows.append(render(pipeline, prompts, seeds))
        for layer, change in changes.items():
            layer.weight.sub_(change)
    return sheet([picture for row in rows for picture in row], len(prompts))


@torch.no_grad()
def sample_pictures(run: Path, folder: Path, pipeline: Pipeline, which: str = "main") -> None:
    """Renders each adapter's sample pictures beside its file."""
    for recipe in RECIPES:
        if not adapter_file(recipe, folder).exists():
            continue
        paper, adapter = PAPERS[recipe.file], load_trained(recipe, run, which, pipeline)
        _at(adapter, paper.weight)
        undo = adapter.install()
        pictures = render(
            pipeline, list(paper.samples), [100 + number for number in range(len(paper.samples))]
        )
        undo()
        for number, picture in enumerate(pictures):
            save_sample(picture, paper, number, folder)
