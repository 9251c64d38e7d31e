"""Renders the sheets of the findings benchmark on the toybox; finished ones are kept under var/.

Delete var/benchmarks/findings to render all of them anew, as after a change of the engine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmarks.finding_cases import GUIDANCE, SAMPLER, SIDE, STEPS, WEIGHTS, Case
from benchmarks.variants import build
from inference.errors import SheetRefused
from inference.metrics import Shot, compare
from inference.metrics.pictures import Measured

if TYPE_CHECKING:
    from inference.engine.ladder import Engine

ROOT = Path(__file__).parents[1]
SOURCES, CACHE = ROOT, ROOT / "var" / "benchmarks" / "findings"
BATCH_PROMPTS = 2
Cells = npt.NDArray[np.uint8]


class Studio:
    """Sheets of cases: rows are prompts x seeds, columns the base and the weights."""

    def __init__(self, cache: Path = CACHE) -> None:
        self._cache, self._made = cache, cache / "adapters"
        self._engine: Engine | None = None

    def shots(self, case: Case) -> list[Shot]:
        """The case's cells, measured. Raises SheetRefused when the file does not fit the toybox."""
        base = self._column(case, None)
        columns: Mapping[float | None, tuple[Cells, Cells]] = {
            None: base, **{weight: self._column(case, weight) for weight in WEIGHTS}
        }  # fmt: skip
        rows = [
            (n, prompt, seed) for n, prompt in enumerate(case.setting.prompts) for seed in case.setting.seeds
        ]
        twins = [Measured(pixels) for pixels in base[0]]
        found = []
        for weight, (pictures, usable) in columns.items():
            for (number, prompt, seed), pixels, fine, twin in zip(rows, pictures, usable, twins, strict=True):
                cell = Measured(pixels)
                metrics = None if weight is None else compare(cell, twin)
                called = prompt.takes_trigger and bool(case.trigger.words)
                found.append(Shot(number, seed, called, weight, cell.descriptor, metrics, bool(fine)))
        return found

    def pictures(self, case: Case) -> Cells:
        """[columns, rows, height, width, 3], the base first."""
        return np.stack([self._column(case, weight)[0] for weight in (None, *WEIGHTS)])

    def _column(self, case: Case, weight: float | None) -> tuple[Cells, Cells]:
        """Pixels and usability of all rows at one weight, from the cache or rendered."""
        adapter = None if weight is None else build(case.variant, SOURCES, self._made)
        texts = [prompt.text(case.trigger) for prompt in case.setting.prompts for _ in case.setting.seeds]
        seeds = list(case.setting.seeds) * len(case.setting.prompts)
        inputs = [adapter.stem if adapter else "", weight, texts, seeds, STEPS, GUIDANCE, SIDE, SAMPLER]
        kept = self._cache / f"{hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:24]}.npz"
        if kept.exists():
            with np.load(kept) as stored:
                return stored["pixels"], stored["usable"]
        pixels, usable = self._render(adapter, weight, texts, seeds, BATCH_PROMPTS * len(case.setting.seeds))
        self._cache.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial.npz")
        np.savez_compressed(partial, pixels=pixels, usable=usable)
        partial.replace(kept)
        return pixels, usable

    def _render(
        self, adapter: Path | None, weight: float | None, texts: list[str], seeds: list[int], size: int
    ) -> tuple[Cells, Cells]:
        from inference.engine.block_weights import everywhere
        from inference.engine.ladder import Engine, Sampling

        if self._engine is None:
            self._engine = Engine.load(ROOT / "demo" / "toybox", threads=1)
        how = Sampling(STEPS, GUIDANCE, SIDE, SIDE, SAMPLER, "")
        applied = [] if adapter is None else [(self._engine.load_adapter(adapter), everywhere(weight or 0.0))]
        found = []
        for start in range(0, len(texts), size):
            part = slice(start, start + size)
            found += self._engine.render(texts[part], seeds[part], how, applied)
        return np.stack([picture.pixels for picture in found]), np.array(
            [picture.usable for picture in found]
        )


__all__ = ["CACHE", "SheetRefused", "Studio"]
