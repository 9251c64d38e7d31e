"""The recipes there are, and the prompt sets and native settings of each family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from inference.recipes.recipe import AUTHORS, Axis, Hires, Layout, Prompt, Recipe


class UnknownRecipe(LookupError):
    """No recipe of that name, or none for that family."""


@dataclass(frozen=True, slots=True)
class Native:
    """What a family is usually rendered with: side in pixels, steps, guidance, prompts, sampler, what
    practitioners try beside that sampler, and the true guidance beside a distilled one where a negative
    prompt is to take part.
    """

    side: int
    steps: int
    cfg: float
    prompts: tuple[Prompt, ...]
    sampler: str = "dpmpp_2m_karras"
    others: tuple[str, ...] = ("dpmpp_sde_karras", "euler_a")
    true_cfg: float = 1.0


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
# Two more scenes, for the recipes that ask whether the prompt still counts.
_MORE: dict[tuple[Prompt, ...], tuple[Prompt, ...]] = {
    _TOYBOX: (
        Prompt("{subject} by the sea at night", subject="a red boat", takes_trigger=True),
        Prompt("{subject} on a teal background", subject="a white cat", takes_trigger=True),
    ),
    _GENERAL: (
        Prompt("{subject} reading in a library, seen from behind", subject="a woman", takes_trigger=True),
        Prompt("{subject} running along a beach by day", subject="a man", takes_trigger=True),
    ),
}

_UNET = Native(512, 28, 7.0, _GENERAL)
# Flow models have one usual sampler; their guidance is far below 7 (the values of their model cards).
_FLOW = Native(1024, 28, 4.5, _GENERAL, "euler_flow", ())

FAMILIES: dict[str, Native] = {
    "toybox": Native(64, 16, 5.0, _TOYBOX),
    "sd1": _UNET,
    "sd2": replace(_UNET, side=768),
    "sdxl": replace(_UNET, side=1024),
    "ssd1b": replace(_UNET, side=1024),
    "sd3_medium": _FLOW,
    "sd35_medium": _FLOW,
    "sd35_large": _FLOW,
    # A true guidance comes on top of the distilled one: of the values in use a low one.
    "flux1": replace(_FLOW, cfg=3.5, true_cfg=2.0),
}
"""Families that can be rendered today. The side is the one the family was trained at."""


def is_distilled(family: str) -> bool:
    """Whether the guidance of a family is an input of its model, beside which there may be a true one."""
    native = FAMILIES.get(family)
    return native is not None and native.true_cfg != 1


_SEEDS = (11, 23)
_STANDARD_WEIGHTS = (0.4, 0.6, 0.8, 1.0)
_USUAL = (0.8,)


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
        sampler=native.sampler,
        negative="",
        batch_prompts=2,
    )


def _quick(family: str, native: Native) -> Recipe:
    """The trigger prompts at one weight: all its cells are cells of the standard sheet."""
    standard = _standard(family, native)
    return replace(standard, name="quick", prompts=_triggered(native), weights=_USUAL)


def _negative(family: str, native: Native) -> Recipe:
    """With and without the negative prompt that the author recommends.

    Where the guidance is distilled, all columns have a true one besides: else they would differ by that too.
    """
    axes = (Axis("negative", (AUTHORS,)),)
    standard = replace(_standard(family, native), true_cfg=native.true_cfg)
    return replace(standard, name="negative", weights=_USUAL, layout=Layout.AXES, axes=axes)


def _tuning(family: str, native: Native) -> Recipe:
    """One axis at a time, in the order in which practitioners search: weight, sampler, guidance, steps,
    seed.
    """
    samplers = (Axis("sampler", native.others),) if native.others else ()
    axes = (
        Axis("weight", _STANDARD_WEIGHTS),
        *samplers,
        Axis("cfg", tuple(round(native.cfg * factor, 1) for factor in (0.6, 1.4))),
        Axis("steps", tuple(max(1, round(native.steps * factor)) for factor in (0.6, 1.6))),
        Axis("seed", (101, 202)),
    )
    quick = _quick(family, native)
    return replace(quick, name="tuning", layout=Layout.AXES, axes=axes)


def _blocks(family: str, native: Native) -> Recipe:
    """The whole adapter, then each of its blocks alone."""
    return replace(_quick(family, native), name="blocks", weights=(1.0,), layout=Layout.BLOCKS)


def _stack(family: str, native: Native) -> Recipe:
    """Two or three adapters: each alone, every two, and all together."""
    return replace(_standard(family, native), name="stack", weights=_USUAL, layout=Layout.STACK)


def _overfit(family: str, native: Native) -> Recipe:
    """One scene at many seeds, many scenes at one seed, the same without the trigger words where there are
    any, and the neutral prompts.
    """
    first, *others = (*_triggered(native), *_MORE.get(native.prompts, ()))
    scenes = (
        replace(first, seeds=(11, 23, 37, 51), group="seeds"),
        *(replace(scene, group="scenes") for scene in others),
    )
    silent = tuple(replace(scene, takes_trigger=False, group="silent") for scene in scenes)
    neutral = tuple(replace(prompt, group="neutral") for prompt in native.prompts if not prompt.takes_trigger)
    prompts = (*scenes, *silent, *neutral)
    rows = sum(len(prompt.seeds) or 1 for prompt in prompts)
    return replace(
        _standard(family, native),
        name="overfit",
        version=2,
        prompts=prompts,
        seeds=(11,),
        weights=(0.8, 1.0),
        batch_prompts=max(size for size in range(1, 6) if rows % size == 0),
        each_once=True,
    )


def _hires(family: str, native: Native) -> Recipe:
    """The usual weight with a second pass at one and a half times the size."""
    second = Hires(1.5, native.steps, 0.5)
    quick = _quick(family, native)
    return replace(quick, name="hires", layout=Layout.AXES, axes=(Axis("hires", (second,)),))


def _version(family: str, native: Native) -> Recipe:
    """The earlier file beside this one, at the same seeds."""
    standard = _standard(family, native)
    return replace(standard, name="version", weights=(0.6, 0.8, 1.0), layout=Layout.VERSION)


_RECIPES: dict[str, Callable[[str, Native], Recipe]] = {
    "standard": _standard,
    "quick": _quick,
    "negative": _negative,
    "tuning": _tuning,
    "blocks": _blocks,
    "stack": _stack,
    "overfit": _overfit,
    "hires": _hires,
    "version": _version,
}
RECIPE_NAMES = tuple(_RECIPES)


def get_recipe(name: str, family: str) -> Recipe:
    """The newest edition of a recipe for a family. Raises UnknownRecipe with what there is instead."""
    if name not in _RECIPES:
        raise UnknownRecipe(f"There is no recipe {name!r}; there are: {', '.join(RECIPE_NAMES)}.")
    if family not in FAMILIES:
        raise UnknownRecipe(f"No recipe for the family {family!r}; there are: {', '.join(FAMILIES)}.")
    return _RECIPES[name](family, FAMILIES[family])


def _triggered(native: Native) -> tuple[Prompt, ...]:
    return tuple(prompt for prompt in native.prompts if prompt.takes_trigger)
