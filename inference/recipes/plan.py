"""The plan of one sheet: which rows, columns, batches and cells a recipe becomes with an adapter's trigger
words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from inference.recipes.recipe import Recipe, Trigger, recipe_from_dict


class Role(StrEnum):
    """What a column is for. `control` is weight 0 after the adapter was applied at 1.0 and taken out
    again.
    """

    BASE = "base"
    CONTROL = "control"
    ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the sheet. `weight` is null for the base alone."""

    role: Role
    weight: float | None

    @property
    def label(self) -> str:
        """The head of the column."""
        return "base" if self.weight is None else f"{self.weight:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the sheet: a prompt at a seed. `prompt` counts the recipe's prompts."""

    prompt: int
    text: str
    seed: int
    triggered: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A cell's place: row and column of the sheet, and its position in its batch."""

    row: int
    column: int
    position: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Cells rendered in one call: some prompts x all seeds in one column."""

    column: Column
    texts: tuple[str, ...]
    seeds: tuple[int, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class SheetPlan:
    """A recipe bound to trigger words.

    The base text equals the adapter text, so one prompt is compared with itself.
    """

    recipe: Recipe
    trigger: Trigger

    @property
    def columns(self) -> tuple[Column, ...]:
        """Base, control, then the weights ascending."""
        ladder = tuple(Column(Role.ADAPTER, weight) for weight in self.recipe.weights)
        return (Column(Role.BASE, None), Column(Role.CONTROL, 0.0), *ladder)

    @property
    def rows(self) -> tuple[Row, ...]:
        """Prompts in the recipe's order, each with all seeds."""
        has_words = bool(self.trigger.words.strip(" ,"))
        return tuple(
            Row(number, prompt.text(self.trigger), seed, prompt.takes_trigger and has_words)
            for number, prompt in enumerate(self.recipe.prompts)
            for seed in self.recipe.seeds
        )

    @property
    def cells(self) -> int:
        """Cells of the whole sheet."""
        return len(self.rows) * len(self.columns)

    def batches(self) -> tuple[Batch, ...]:
        """All batches in the order they are rendered: base first, then each weight, then the control.

        The control comes last so that it follows every patch of the sheet, not only the one it makes itself.
        """
        rows, size = self.rows, self.recipe.batch_size
        columns = sorted(enumerate(self.columns), key=lambda item: (item[1].role is Role.CONTROL, item[0]))
        found = []
        for index, column in columns:
            for start in range(0, len(rows), size):
                part = rows[start : start + size]
                places = tuple(Place(start + offset, index, offset) for offset in range(len(part)))
                texts, seeds = tuple(row.text for row in part), tuple(row.seed for row in part)
                found.append(Batch(column, texts, seeds, places))
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values: what the sheet row keeps and the manifest shows."""
        return {
            "recipe": self.recipe.as_dict(),
            "trigger": {"words": self.trigger.words, "names_subject": self.trigger.names_subject},
            "rows": [
                {"prompt": row.prompt, "text": row.text, "seed": row.seed, "triggered": row.triggered}
                for row in self.rows
            ],
            "columns": [{"role": str(column.role), "weight": column.weight} for column in self.columns],
        }


def plan_from_dict(data: Mapping[str, Any]) -> SheetPlan:
    """The plan that `as_dict` described; rows and columns follow from recipe and trigger."""
    return SheetPlan(recipe_from_dict(data["recipe"]), Trigger(**data["trigger"]))
