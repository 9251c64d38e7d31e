"""A sheet of the toybox against the naive way: one diffusers call per cell, the base for every adapter anew.

Both sides render the same texts, seeds and weights on the same base in this process, ours through the engine
and its batches; both read the adapter once a sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# Before torch: this one says how its threads wait.
from inference.engine.ladder import Engine  # isort: skip

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

from benchmarks.harness import Row, alternate, at_least, at_most_times
from inference.batches import BatchRenderer
from inference.engine.decoding import Picture
from inference.layouts import WHOLE
from inference.recipes import Role, SheetPlan, Trigger, get_recipe

DEMO = Path(__file__).parent.parent / "demo"
ADAPTER = sorted((DEMO / "adapters" / "momo").rglob("*.safetensors"))[0]
THREADS = 2
ROUNDS = 2
TARGET = 3.5
# Beside its own cells a further adapter pays for being read and patched, no more.
FURTHER = 1.15
_pipelines: Any = StableDiffusionPipeline
_schedulers: Any = DPMSolverMultistepScheduler


def run() -> list[Row]:
    """Sheets a second with base and adapter cells, with the control beside them, and of a further adapter."""
    engine = Engine.load(DEMO / "toybox", threads=THREADS)
    plan = SheetPlan(get_recipe("standard", "toybox"), Trigger("momo"))
    naive = Naive(DEMO / "toybox", ADAPTER, plan)

    def ours(*roles: Role) -> Callable[[], list[Picture]]:
        return lambda: render(engine, ADAPTER, plan, roles)

    without_control, whole = ours(Role.BASE, Role.ADAPTER), ours(*Role)
    for warms_up in (ours(Role.BASE), naive.one):
        warms_up()
    seconds, theirs = alternate(without_control, naive.sheet, rounds=ROUNDS)
    with_control, further = alternate(whole, ours(Role.ADAPTER), rounds=ROUNDS)
    own = sum(column.role is Role.ADAPTER for column in plan.columns) * len(plan.rows)
    return [
        at_least("sheet.per_second", 1 / seconds, "/s", against=1 / theirs, target=TARGET),
        Row("sheet.seconds", seconds, "s", theirs, seconds / theirs),
        # The naive way has no control; this is what it costs us.
        Row("sheet.seconds_with_control", with_control, "s", theirs, with_control / theirs),
        # The base's cells are in the store: its share of a whole sheet is all that a further one costs.
        at_most_times(
            "sheet.further_adapter", further, "s", against=with_control * own / plan.cells, target=FURTHER
        ),
    ]


def render(engine: Engine, file: Path, plan: SheetPlan, roles: Sequence[Role]) -> list[Picture]:
    """Our way: read the adapter, then batch after batch."""
    batches = BatchRenderer(engine, [engine.load_adapter(file)], plan.recipe.family, WHOLE)
    return [
        picture for batch in plan.batches() if batch.column.role in roles for picture in batches.render(batch)
    ]


class Naive:
    """The loop that everybody writes: load the adapter, set its weight, call the pipeline for each cell."""

    def __init__(self, folder: Path, file: Path, plan: SheetPlan) -> None:
        self._file, self._plan = file, plan
        self._pipe = _pipelines.from_pretrained(folder, safety_checker=None, local_files_only=True)
        self._pipe.set_progress_bar_config(disable=True)
        self._pipe.scheduler = _schedulers.from_config(
            self._pipe.scheduler.config,
            algorithm_type="dpmsolver++",
            solver_order=2,
            use_karras_sigmas=True,
        )

    def sheet(self) -> int:
        """All cells of base and adapter, one after the other; how many there were."""
        pipe, done = self._pipe, 0
        for batch in self._plan.batches():
            if batch.column.role is Role.BASE:
                done += self._cells(batch)
        pipe.load_lora_weights(str(self._file), adapter_name="it")
        for batch in self._plan.batches():
            if batch.column.role is Role.ADAPTER:
                pipe.set_adapters(["it"], [batch.column.weight])
                done += self._cells(batch)
        pipe.unload_lora_weights()
        return done

    def one(self) -> int:
        """One batch of the base, cell by cell."""
        return self._cells(self._plan.batches()[0])

    def _cells(self, batch: Any) -> int:
        how = batch.how
        for text, seed in zip(batch.texts, batch.seeds, strict=True):
            self._pipe(
                text,
                width=how.width,
                height=how.height,
                num_inference_steps=how.steps,
                guidance_scale=how.cfg,
                generator=torch.Generator("cpu").manual_seed(seed),
                output_type="np",
            )
        return len(batch.texts)
