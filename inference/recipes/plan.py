"""The plan of one sheet: which rows, columns, batches and cells a recipe becomes with an adapter's trigger
words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inference.recipes.columns import Column, Role, Shown, columns_of
from inference.recipes.recipe import Hires, Recipe, Trigger, recipe_from_dict


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the sheet: a prompt at a seed. `prompt` counts the recipe's prompts; prompts of one template
    have one `scene`, which is the first of them: with the trigger words and without. `group` is the prompt's.
    """

    prompt: int
    text: str
    seed: int
    triggered: bool
    scene: int = 0
    group: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A cell's place: row and column of the sheet, and its position in its batch."""

    row: int
    column: int
    position: int


@dataclass(frozen=True, slots=True)
class Sampled:
    """How the cells of a column are sampled, sizes in pixels: the recipe's values with the column's own."""

    steps: int
    cfg: float
    width: int
    height: int
    sampler: str
    negative: str
    clip_skip: int = 1
    hires: Hires | None = None
    true_cfg: float = 1.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Cells rendered in one call: some rows in one column, with the column's own texts and seeds."""

    column: Column
    texts: tuple[str, ...]
    seeds: tuple[int, ...]
    places: tuple[Place, ...]
    how: Sampled


@dataclass(frozen=True, slots=True)
class SheetPlan:
    """A recipe bound to trigger words, and to adapters where it shows more than the weights of one.

    The base text equals the adapter text, so one prompt is compared with itself.
    """

    recipe: Recipe
    trigger: Trigger
    adapters: tuple[Shown, ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """Base, control, then what the recipe's layout asks for. Raises what columns_of raises."""
        return columns_of(self.recipe, self.adapters)

    @property
    def rows(self) -> tuple[Row, ...]:
        """Prompts in the recipe's order, each with all its seeds; equal ones once where it says so."""
        scenes: dict[tuple[str, str], int] = {}
        rows = [
            Row(
                number,
                prompt.text(self.trigger),
                seed,
                prompt.takes_trigger and self.trigger.calls,
                scenes.setdefault((prompt.template, prompt.subject), number),
                prompt.group,
            )
            for number, prompt in enumerate(self.recipe.prompts)
            for seed in prompt.seeds or self.recipe.seeds
        ]
        if not self.recipe.each_once:
            return tuple(rows)
        first: dict[tuple[str, int], Row] = {}
        for row in rows:
            first.setdefault((row.text, row.seed), row)
        return tuple(first.values())

    @property
    def batch_size(self) -> int:
        """Pictures in one batch: the recipe's, or the most below that make whole batches of fewer rows."""
        rows = len(self.rows)
        return next(size for size in range(self.recipe.batch_size, 0, -1) if rows % size == 0)

    @property
    def cells(self) -> int:
        """Cells of the whole sheet."""
        return len(self.rows) * len(self.columns)

    @property
    def negatives(self) -> list[str]:
        """The negative prompts that its pictures were made with, each once; none where all had none."""
        told = (self.sampled(column).negative for column in self.columns)
        return [text for text in dict.fromkeys(told) if text]

    def sampled(self, column: Column) -> Sampled:
        """How the cells of a column are sampled."""
        recipe = self.recipe
        values: dict[str, Any] = {
            "steps": recipe.steps,
            "cfg": recipe.cfg,
            "width": recipe.width,
            "height": recipe.height,
            "sampler": recipe.sampler,
            "negative": recipe.negative,
            "clip_skip": recipe.clip_skip,
            "hires": recipe.hires,
            "true_cfg": recipe.true_cfg,
        }
        changed = {field: value for field, value in column.override if field in values}
        return Sampled(**(values | changed))

    def batches(self) -> tuple[Batch, ...]:
        """All batches in the order they are rendered: bases first, then what they are compared with, then the
        control.

        The control comes last so that it follows every patch of the sheet, not only the one it makes itself.
        """
        rows, size = self.rows, self.batch_size
        order = {Role.BASE: 0, Role.ADAPTER: 1, Role.CONTROL: 2}
        columns = sorted(enumerate(self.columns), key=lambda item: (order[item[1].role], item[0]))
        found = []
        for index, column in columns:
            how, texts, seeds = self.sampled(column), self._texts(column, rows), _seeds(column, rows)
            for start in range(0, len(rows), size):
                part = slice(start, start + size)
                places = tuple(Place(start + offset, index, offset) for offset in range(len(rows[part])))
                found.append(Batch(column, texts[part], seeds[part], places, how))
        return tuple(found)

    def _texts(self, column: Column, rows: Sequence[Row]) -> tuple[str, ...]:
        if "trigger" not in dict(column.override):
            return tuple(row.text for row in rows)
        # Only the earlier one of two versions is called by other words.
        earlier = self.adapters[1].trigger
        return tuple(self.recipe.prompts[row.prompt].text(earlier) for row in rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values: what the sheet row keeps and the manifest shows."""
        described: dict[str, Any] = {
            "recipe": self.recipe.as_dict(),
            "trigger": self.trigger.as_dict(),
            "rows": [
                {
                    "prompt": row.prompt,
                    "text": row.text,
                    "seed": row.seed,
                    "triggered": row.triggered,
                    "scene": row.scene,
                    **({"group": row.group} if row.group else {}),
                }
                for row in self.rows
            ],
            "columns": [column.as_dict() for column in self.columns],
        }
        if self.adapters:
            described["adapters"] = [shown.as_dict() for shown in self.adapters]
        return described


def plan_from_dict(data: Mapping[str, Any]) -> SheetPlan:
    """The plan that `as_dict` described; rows and columns follow from recipe, trigger and adapters."""
    adapters = tuple(
        Shown(**{**each, "trigger": Trigger(**each["trigger"]), "blocks": tuple(each["blocks"])})
        for each in data.get("adapters", ())
    )
    return SheetPlan(recipe_from_dict(data["recipe"]), Trigger(**data["trigger"]), adapters)


def _seeds(column: Column, rows: Sequence[Row]) -> tuple[int, ...]:
    offset = dict(column.override).get("seed", 0)
    assert isinstance(offset, int)
    return tuple(row.seed + offset for row in rows)
