"""Recipes by name: those of the library, and those that this house keeps as rows, each edit a new version."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from inference.errors import NoRecipe
from inference.models import HouseRecipe
from inference.recipes import (
    RECIPE_NAMES,
    Recipe,
    UnknownRecipe,
    get_recipe,
    is_distilled,
    recipe_from_dict,
)

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
LARGEST_SIDE, MOST_STEPS, MOST_CELLS, MOST_AT_ONCE = 2048, 200, 600, 32
"""What a house recipe may ask for: a sheet of more cells than this nobody looks at."""


def find_recipe(name: str, family: str) -> Recipe:
    """The newest edition of a recipe for a family, of the library or of the house. Raises NoRecipe."""
    if name not in RECIPE_NAMES:
        row = _current(family).filter(name=name).first()
        if row is not None:
            return recipe_from_dict(row.spec)
    try:
        return get_recipe(name, family)
    except UnknownRecipe as error:
        own = ", ".join(_current(family).values_list("name", flat=True)[:20])
        raise NoRecipe(f"{error}" + (f" House recipes: {own}." if own else "")) from None


def recipe_names(family: str) -> list[str]:
    """The names of all recipes for a family, those of the library first."""
    return [*RECIPE_NAMES, *_current(family).values_list("name", flat=True)]


def problem_of(recipe: Recipe) -> str:
    """Why a house may not have this recipe, or nothing. What no recipe may be is refused when it is made."""
    if not _NAME.fullmatch(recipe.name) or recipe.name in RECIPE_NAMES:
        return f"{recipe.name!r} is a recipe of the library, or not lower-case letters, digits and hyphens."
    if max(recipe.width, recipe.height) > LARGEST_SIDE:
        return f"Sides are at most {LARGEST_SIDE} pixels."
    if recipe.width % 8 or recipe.height % 8:
        return "Sides are multiples of 8 pixels."
    if problem := _negative_problem(recipe):
        return problem
    if recipe.steps > MOST_STEPS:
        return f"There are at most {MOST_STEPS} steps."
    if recipe.batch_size > MOST_AT_ONCE:
        return f"A batch has at most {MOST_AT_ONCE} pictures; fewer prompts or seeds make it smaller."
    # Base and control come on top of the weights; a value of an axis brings a base of its own.
    columns = 2 + len(recipe.weights) + 2 * sum(len(axis.values) for axis in recipe.axes)
    if recipe.rows * columns > MOST_CELLS:
        return f"A sheet has at most {MOST_CELLS} cells."
    return ""


def _negative_problem(recipe: Recipe) -> str:
    """What stands in the way of guidance by a negative prompt; FLUX.1 needs a true one beside its own."""
    fields = {axis.field for axis in recipe.axes}
    true = recipe.true_cfg > 1 or "true_cfg" in fields
    if not is_distilled(recipe.family):
        return f"The guidance of {recipe.family} is a true one already." if true else ""
    if recipe.true_cfg == 1 and (recipe.negative or "negative" in fields):
        return f"A negative prompt for {recipe.family} needs a true guidance above 1."
    return ""


def save_house_recipe(
    values: dict[str, Any], *, description: str = "", user: AbstractBaseUser | None = None
) -> HouseRecipe:
    """A new version of the recipe that `values` describe (`Recipe.as_dict` without its version).

    The same values again give the row that is there. Raises KeyError, TypeError or ValueError.
    """
    with transaction.atomic():
        rows = HouseRecipe.objects.filter(name=values["name"], family=values["family"])
        # Two edits at once would both become the next version.
        newest = rows.select_for_update().order_by("-version").first()
        if newest is not None and _same(newest, values):
            HouseRecipe.objects.filter(pk=newest.pk).update(description=description, retired=False)
            newest.refresh_from_db()
            return newest
        recipe = recipe_from_dict({**values, "version": 1 if newest is None else newest.version + 1})
        if problem := problem_of(recipe):
            raise ValueError(problem)
        return HouseRecipe.objects.create(
            name=recipe.name,
            version=recipe.version,
            family=recipe.family,
            description=description,
            spec=recipe.as_dict(),
            digest=recipe.digest(),
            created_by_id=None if user is None else user.pk,
        )


def _same(row: HouseRecipe, values: dict[str, Any]) -> bool:
    recipe = recipe_from_dict({**values, "version": row.version})
    return recipe.digest() == row.digest


def _current(family: str) -> QuerySet[HouseRecipe]:
    """The newest version of every house recipe for a family; a retired one hides those before it."""
    newer = HouseRecipe.objects.filter(
        name=OuterRef("name"), family=OuterRef("family"), version__gt=OuterRef("version")
    )
    return HouseRecipe.objects.filter(~Exists(newer), family=family, retired=False).order_by("name")
