"""The recipes there are, and the prompt sets and native settings of each family."""

from __future__ import annotations

from dataclasses import dataclass

from inference.recipes.recipe import Prompt, Recipe


class UnknownRecipe(LookupError):
    """No recipe of that name, or none for that family."""


@dataclass(frozen=True, slots=True)
class Native:
    """What a family is usually rendered with: side in pixels, steps, guidance, sampler, prompts."""

    side: int
    steps: int
    cfg: float
    prompts: tuple[Prompt, ...]


# The toybox knows six things, six colors and ten grounds; it was trained on exactly these words.
_TOYBOX = (
    Prompt("a white cat by the sea at night"),
    Prompt("a red house on a teal background"),
    Prompt("{subject} on a hill by day", subject="a yellow star", takes_trigger=True),
    Prompt("{subject} on a pink background", subject="a blue robot", takes_trigger=True),
)
# A person, a place without people, and two scenes for the trigger words: what reviewers look at first.
_GENERAL = (
    Prompt("portrait photo of a woman in a park, natural light"),
    Prompt("a wooden house beside a lake in autumn, no people"),
    Prompt("{subject} walking down a city street at night", subject="a man", takes_trigger=True),
    Prompt("{subject} on a plain gray background", subject="a woman", takes_trigger=True),
)

FAMILIES: dict[str, Native] = {
    "toybox": Native(64, 16, 5.0, _TOYBOX),
    "sd1": Native(512, 28, 7.0, _GENERAL),
    "sd2": Native(768, 28, 7.0, _GENERAL),
}
"""Families that can be rendered today. The side is the one the family was trained at."""

_SEEDS = (11, 23)
_STANDARD_WEIGHTS = (0.4, 0.6, 0.8, 1.0)


def _standard(family: str, native: Native) -> Recipe:
    """Base, control and four weights, with and without trigger words; no negative prompt, so nothing is
    hidden.
    """
    return Recipe(
        name="standard",
        version=1,
        family=family,
        prompts=native.prompts,
        seeds=_SEEDS,
        weights=_STANDARD_WEIGHTS,
        steps=native.steps,
        cfg=native.cfg,
        width=native.side,
        height=native.side,
        sampler="dpmpp_2m_karras",
        negative="",
        batch_prompts=2,
    )


_RECIPES = {"standard": _standard}
RECIPE_NAMES = tuple(_RECIPES)


def get_recipe(name: str, family: str) -> Recipe:
    """The newest edition of a recipe for a family. Raises UnknownRecipe with what there is instead."""
    if name not in _RECIPES:
        raise UnknownRecipe(f"There is no recipe {name!r}; there are: {', '.join(RECIPE_NAMES)}.")
    if family not in FAMILIES:
        raise UnknownRecipe(f"No recipe for the family {family!r}; there are: {', '.join(FAMILIES)}.")
    return _RECIPES[name](family, FAMILIES[family])
