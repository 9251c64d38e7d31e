"""What is on a comparison sheet: recipes, and the plan a recipe becomes for one adapter. Pure."""

from inference.recipes.columns import Column, Role, Shown, Slot, block_vectors
from inference.recipes.library import FAMILIES, RECIPE_NAMES, UnknownRecipe, get_recipe, is_distilled
from inference.recipes.plan import Batch, Place, Row, Sampled, SheetPlan, plan_from_dict
from inference.recipes.recipe import (
    AUTHORS,
    Axis,
    Hires,
    Layout,
    Prompt,
    Recipe,
    Trigger,
    canonical_json,
    digest,
    recipe_from_dict,
)

__all__ = [
    "AUTHORS",
    "FAMILIES",
    "RECIPE_NAMES",
    "Axis",
    "Batch",
    "Column",
    "Hires",
    "Layout",
    "Place",
    "Prompt",
    "Recipe",
    "Role",
    "Row",
    "Sampled",
    "SheetPlan",
    "Shown",
    "Slot",
    "Trigger",
    "UnknownRecipe",
    "block_vectors",
    "canonical_json",
    "digest",
    "get_recipe",
    "is_distilled",
    "plan_from_dict",
    "recipe_from_dict",
]
