"""Renders the pictures of a finished sheet again and compares them with the stored ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from django.utils import timezone

from inference.base_files import base_files
from inference.batches import (
    BatchRenderer,
    NarrowerLayout,
    fallback_from_dict,
    fallback_of_loading,
    layout_of,
)
from inference.cells import read_pixels
from inference.errors import NotReproducible
from inference.layouts import BatchLayout
from inference.models import Sheet, SheetCell, SheetState
from inference.recipes import Batch, plan_from_dict
from inference.render import adapter_blobs
from inference.warm_bases import forget_other_bases, warm_engine
from registry.jobs import JobStopped
from registry.storage import local_path

if TYPE_CHECKING:
    from inference.engine.decoding import Picture
    from inference.engine.ladder import Engine

TOLERANCE = 2.0
"""Mean difference of a picture, in levels of 255, up to which another device, precision or layout made it.

Float32 against bfloat16 differ by 0.9 in the mean, layouts and numbers of threads by less than 0.1; another
adapter, seed or prompt by more than 10.
"""
_WORST = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a picture is from the stored one: mean and largest difference in levels of 255."""

    row: int
    column: int
    mean: float
    largest: int


@dataclass
class Comparison:
    """`equal` of `cells` pictures have the same float32 pixels; `worst` are those that differ most.

    `alike` tells whether environment and layout are those of the sheet: then all should be equal, else all
    should be within TOLERANCE. `environment` and `layout` are today's.
    """

    alike: bool
    environment: dict[str, str]
    layout: dict[str, Any]
    cells: int = 0
    equal: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """`equal`, `close` (all within the tolerance) or `different`."""
        if self.equal == self.cells:
            return "equal"
        return "close" if all(each.mean <= TOLERANCE for each in self.differences) else "different"

    @property
    def as_expected(self) -> bool:
        """Whether the pictures are as equal as they have to be."""
        return self.verdict == "equal" or (self.verdict == "close" and not self.alike)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, as the sheet's row keeps them."""
        worst = sorted(self.differences, key=lambda each: -each.mean)[:_WORST]
        return {
            "verdict": self.verdict,
            "as_expected": self.as_expected,
            "alike": self.alike,
            "cells": self.cells,
            "equal": self.equal,
            "tolerance": TOLERANCE,
            "worst": [asdict(each) for each in worst],
            "environment": self.environment,
            "layout": self.layout,
            "compared": timezone.now().isoformat(),
        }


def compare_sheet(
    sheet_id: int,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Comparison:
    """Render every picture of a finished sheet again, take none from the store, and compare.

    What came of it is kept on the sheet's row; the pictures are not. Raises NotReproducible, JobStopped, and
    what loading the base or the adapter raises.
    """
    sheet = Sheet.objects.select_related("base", "blob").get(pk=sheet_id)
    if sheet.state != SheetState.DONE:
        raise NotReproducible(f"Sheet {sheet.pk} is not finished.")
    files = base_files(sheet.base)
    if files.digest != sheet.base_digest:
        raise NotReproducible(f"The weights of {sheet.base.name} are no longer those of sheet {sheet.pk}.")
    engine = warm_engine(files)
    layout = layout_of([fallback_from_dict(step) for step in sheet.fallbacks])
    if (lacked := fallback_of_loading(engine, layout, 0)) is not None:
        layout = lacked.layout
    while True:
        try:
            found = _Again(sheet, engine, layout, progress, should_stop).go()
            break
        except NarrowerLayout as lacking:
            layout = lacking.fallback.layout
    sheet.reproduction = found.as_dict()
    sheet.save(update_fields=["reproduction"])
    return found


class _Again:
    """One pass over the batches of a sheet."""

    def __init__(
        self,
        sheet: Sheet,
        engine: Engine,
        layout: BatchLayout,
        progress: Callable[[int, int], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self._plan = plan_from_dict(sheet.plan)
        adapters = [engine.load_adapter(local_path(blob)) for blob in adapter_blobs(sheet)]
        files = base_files(sheet.base)
        self._batches = BatchRenderer(
            engine, adapters, self._plan.recipe.family, layout, lambda: forget_other_bases(files)
        )
        self._progress, self._should_stop = progress, should_stop
        places = sheet.places.select_related("cell__image")
        self._stored: dict[tuple[int, int], SheetCell] = {(each.row, each.column): each for each in places}
        then = (
            sheet.manifest.get("environment"),
            layout_of([fallback_from_dict(step) for step in sheet.fallbacks]),
        )
        self._found = Comparison(
            then == (engine.environment, layout), dict(engine.environment), layout.as_dict()
        )

    def go(self) -> Comparison:
        """Compare batch by batch."""
        for batch in self._plan.batches():
            if self._should_stop():
                raise JobStopped
            self._compare(batch, self._batches.render(batch))
            self._progress(self._found.cells, self._plan.cells)
        return self._found

    def _compare(self, batch: Batch, pictures: list[Picture]) -> None:
        for place, picture in zip(batch.places, pictures, strict=True):
            stored = self._stored.get((place.row, place.column))
            if stored is None:
                raise NotReproducible(f"The picture in row {place.row}, column {place.column} is gone.")
            self._found.cells += 1
            if stored.cell.facts["digest"] == picture.digest:
                self._found.equal += 1
                continue
            apart = np.abs(read_pixels(stored.cell).astype(int) - picture.pixels.astype(int))
            self._found.differences.append(
                Difference(place.row, place.column, round(float(apart.mean()), 4), int(apart.max()))
            )
