"""Cells by the column they stand in, for recipes whose columns differ in more than one weight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inference.metrics.findings import Finding, Severity, damage, deaf, memorized
from inference.metrics.sheets import Shot, WeightMetrics, at_weight
from inference.metrics.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class Head:
    """An adapter column: its label and group, the adapters in it, and the base column it is compared with."""

    label: str
    group: str = ""
    adapters: tuple[int, ...] = (0,)
    twin: int = 0


Heads = Mapping[int, Head]
"""Column number -> head, adapter columns only."""


def by_column(shots: Sequence[Shot]) -> dict[int, list[Shot]]:
    """The cells of each column, in the sheet's order of rows."""
    found: dict[int, list[Shot]] = defaultdict(list)
    for shot in shots:
        found[shot.column].append(shot)
    return dict(found)


def measure_columns(shots: Sequence[Shot], heads: Heads) -> dict[int, WeightMetrics]:
    """The measures of each adapter column that has cells, against the base column of its head."""
    columns = by_column(shots)
    return {
        number: at_weight(columns[number][0].weight or 0.0, columns[number], columns.get(head.twin, []))
        for number, head in sorted(heads.items())
        if number in columns
    }


def faults(at: WeightMetrics, limits: Thresholds) -> set[str]:
    """Codes of what is wrong in a column, as `find` names them."""
    wrong = {
        "overfit": memorized(at, limits),
        "ignores_prompt": deaf(at, limits),
        "collapses_at": damage(at, limits) is not None,
    }
    return {code for code, found in wrong.items() if found}


def black(shots: Sequence[Shot]) -> list[Finding]:
    """The finding about unusable cells, if there are any."""
    count = sum(not shot.usable for shot in shots)
    if not count:
        return []
    message = f"{count} pictures are black, flat or not finite."
    return [Finding("black_images", Severity.ERROR, message, {"pictures": count}, 0)]
