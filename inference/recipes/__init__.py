"""What is on a comparison sheet: recipes, and the plan a recipe becomes for one adapter. Pure."""

from inference.recipes.library import FAMILIES, RECIPE_NAMES, UnknownRecipe, get_recipe
from inference.recipes.plan import Batch, Column, Place, Role, Row, SheetPlan, plan_from_dict
from inference.recipes.recipe import Prompt, Recipe, Trigger, canonical_json, digest

__all__ = [
    "FAMILIES",
    "RECIPE_NAMES",
    "Batch",
    "Column",
    "Place",
    "Prompt",
    "Recipe",
    "Role",
    "Row",
    "SheetPlan",
    "Trigger",
    "UnknownRecipe",
    "canonical_json",
    "digest",
    "get_recipe",
    "plan_from_dict",
]
