"""Renders a sheet: the one caller of the engine.

Every finished batch is kept, so a killed run goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from inference.base_files import base_files
from inference.batches import (
    BatchRenderer,
    Fallback,
    LayoutMemory,
    NarrowerLayout,
    fallback_from_dict,
    fallback_of_loading,
    layout_of,
    sampling_of,
)
from inference.cells import (
    Keyed,
    discard_cells,
    keyed_cells,
    place_cells,
    store_batch,
    stored_cells,
)
from inference.errors import BrokenBase, OutOfMemory, RestoreFailed, SheetRefused
from inference.finish import finish_sheet, refuse_sheet
from inference.models import Cell, Sheet, SheetState
from inference.recipes import Batch, Role, SheetPlan, plan_from_dict
from inference.services import mark_failed
from inference.warm_bases import forget_engine, forget_other_bases, warm_engine
from registry.errors import KuraError
from registry.jobs import JobStopped
from registry.models import Blob
from registry.storage import local_path
from registry.weights import WeightsError

if TYPE_CHECKING:
    from inference.engine.ladder import Engine

Progress = Callable[[int, int], None]
ShouldStop = Callable[[], bool]


@dataclass
class Rendered:
    """What one run did: cells made now, cells that were there, seconds."""

    sheet: Sheet
    rendered: int = 0
    reused: int = 0
    seconds: float = 0.0
    keys: list[str] = field(default_factory=list)


def render_sheet(
    sheet_id: int, *, progress: Progress = lambda done, total: None, should_stop: ShouldStop = lambda: False
) -> Rendered:
    """Render or resume a sheet and write its result to its row. A sheet that is done costs nothing.

    Raises JobStopped between two batches when asked to stop, SheetRefused or a reader's error when the
    adapter cannot be shown (also on the row), RestoreFailed, BrokenBase, BaseDoesNotFit, and storage errors,
    after which trying again helps.
    """
    sheet = Sheet.objects.select_related("version__adapter", "blob", "base").get(pk=sheet_id)
    run = Rendered(sheet)
    if sheet.state == SheetState.DONE:
        run.reused = sheet.cells_total
        return run
    started = time.monotonic()
    Sheet.objects.filter(pk=sheet.pk).update(state=SheetState.RENDERING, code="", message="")
    try:
        _SheetRun(run, progress, should_stop).go()
    except (SheetRefused, WeightsError) as error:
        refuse_sheet(sheet, error)
        raise
    except KuraError as error:
        if error.permanent:
            mark_failed(sheet, error.code, error.message)
        raise
    except JobStopped:
        Sheet.objects.filter(pk=sheet.pk).update(state=SheetState.WAITING)
        raise
    run.seconds = round(time.monotonic() - started, 3)
    sheet.seconds = round(sheet.seconds + run.seconds, 3)
    sheet.save(update_fields=["seconds"])
    return run


class _SheetRun:
    """One run over the batches of one sheet."""

    def __init__(self, run: Rendered, progress: Progress, should_stop: ShouldStop) -> None:
        self._run, self._sheet = run, run.sheet
        self._progress, self._should_stop = progress, should_stop
        self._plan: SheetPlan = plan_from_dict(run.sheet.plan)
        self._files = files = base_files(run.sheet.base)
        run.sheet.base_digest = files.digest
        Sheet.objects.filter(pk=run.sheet.pk).update(base_digest=run.sheet.base_digest)
        self._engine: Engine = warm_engine(files)
        blobs = adapter_blobs(run.sheet)
        self._digests = [blob.sha256 for blob in blobs]
        self._adapters = [self._engine.load_adapter(local_path(blob)) for blob in blobs]
        # A sheet that was planned anew, or has no batch yet, begins with whole batches again.
        steps = run.sheet.fallbacks if run.sheet.places.exists() else []
        self._fallbacks = [fallback_from_dict(step) for step in steps]
        if not self._fallbacks and (known := _layouts.recall(files.digest, self._plan)) is not None:
            self._note(known)
        now = layout_of(self._fallbacks)
        if (lacked := fallback_of_loading(self._engine, now, self._plan.batch_size)) is not None:
            self._note(lacked)

    def go(self) -> None:
        """Render what is missing, check the control, then measure and compose.

        When memory does not suffice the sheet begins anew in a narrower layout, since all its cells have to
        be made alike; those that are stored in that layout already are taken.
        """
        for how in {batch.how for batch in self._plan.batches()}:
            # A column that cannot be sampled refuses the sheet before any pixel of the others.
            self._engine.check(sampling_of(how))
        while True:
            try:
                return self._go()
            except NarrowerLayout as lacking:
                self._note(lacking.fallback)
                _layouts.learn(self._files.digest, self._plan, lacking.fallback)
            except OutOfMemory:
                # The next worker may have more memory, and is not to begin with the least of it.
                Sheet.objects.filter(pk=self._sheet.pk).update(fallbacks=[])
                raise

    def _note(self, fallback: Fallback) -> None:
        self._fallbacks.append(fallback)
        self._sheet.fallbacks = [step.as_dict() for step in self._fallbacks]
        Sheet.objects.filter(pk=self._sheet.pk).update(fallbacks=self._sheet.fallbacks)

    def _go(self) -> None:
        batches = [(batch, self._keyed(batch)) for batch in self._plan.batches()]
        layout = layout_of(self._fallbacks)
        self._batches = BatchRenderer(
            self._engine,
            self._adapters,
            self._plan.recipe.family,
            layout,
            make_room=lambda: forget_other_bases(self._files),
        )
        rows = stored_cells([cell.key for _, cells in batches for cell in cells])
        total = sum(len(cells) for _, cells in batches)
        done, self._run.reused = 0, 0
        for batch, cells in batches:
            if self._should_stop():
                raise JobStopped
            if all(cell.key in rows for cell in cells):
                self._run.reused += len(cells)
            else:
                rows |= self._render(batch, cells)
            place_cells(self._sheet, cells, rows)
            done += len(cells)
            self._progress(done, total)
            self._check_base(batch, [rows[cell.key] for cell in cells])
        control = self._check_control(batches, rows)
        seeds, size = len(self._plan.recipe.seeds), self._plan.batch_size
        shape = {"prompts": -(-size // seeds), "seeds": seeds, "cells": size}
        finish_sheet(
            self._sheet,
            self._plan,
            environment=self._engine.environment,
            layout=shape | layout.as_dict(),
            control=control,
        )

    def _keyed(self, batch: Batch) -> list[Keyed]:
        return keyed_cells(
            batch,
            base=self._sheet.base_digest,
            adapters=self._digests,
            environment=self._engine.environment,
            layout=layout_of(self._fallbacks),
        )

    def _render(self, batch: Batch, cells: list[Keyed]) -> dict[str, Cell]:
        started = time.monotonic()
        pictures = self._batches.render(batch)
        self._run.rendered += len(cells)
        self._run.keys += [cell.key for cell in cells]
        return store_batch(cells, pictures, time.monotonic() - started)

    def _check_base(self, batch: Batch, rows: list[Cell]) -> None:
        if batch.column.role is Role.BASE and not all(row.facts["usable"] for row in rows):
            raise BrokenBase(f"{self._sheet.base.name} alone gives black or non-finite pictures.")

    def _check_control(
        self, batches: list[tuple[Batch, list[Keyed]]], rows: dict[str, Cell]
    ) -> dict[str, object]:
        """The control must equal the base to the last bit.

        A stored base may come from another process or machine; when it differs, the base is rendered again
        here, and only a difference from that one is a failure.
        """
        bases = {
            batch.places[0]: (batch, cells) for batch, cells in batches if batch.column.role is Role.BASE
        }
        compared, rerendered = 0, 0
        for batch, cells in batches:
            if batch.column.role is not Role.CONTROL:
                continue
            control = [rows[cell.key].facts["digest"] for cell in cells]
            base_batch, base_cells = bases[replace(batch.places[0], column=batch.column.twin)]
            compared += len(control)
            if control == [rows[cell.key].facts["digest"] for cell in base_cells]:
                continue
            fresh = self._batches.render(base_batch)
            rerendered += len(fresh)
            if control != [picture.digest for picture in fresh]:
                self._distrust()
                raise RestoreFailed("The weight-0 control differs from the base.")
        return {"equal": True, "compared": compared, "rerendered": rerendered}

    def _distrust(self) -> None:
        """The loaded base may carry a rest of the adapter: neither it nor what was made with it is kept."""
        forget_engine()
        discard_cells(self._run.keys)


def adapter_blobs(sheet: Sheet) -> list[Blob]:
    """The files of a sheet in the order of its slots; a sheet of one adapter has no rows for them."""
    rows = sheet.adapters.select_related("blob").order_by("slot")
    return [row.blob for row in rows] or [sheet.blob]


_layouts = LayoutMemory()
