"""The recipe `stack`: what is left of each adapter beside the others, and what only shows together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np

from inference.metrics.columns import Heads, black, by_column, faults, measure_columns
from inference.metrics.findings import Finding, Severity
from inference.metrics.pictures import Floats
from inference.metrics.sheets import Shot, rounded
from inference.metrics.thresholds import Thresholds

Row = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TogetherMetrics:
    """One column with several adapters.

    kept: adapter -> the length of its own change (cell - base, as descriptors) that the joint change has in
    that direction / the length it has alone; 1 = all of it, 0 = gone. additivity: distance between the joint
    change and the sum of the single ones / the sum's length; 0 = they add up. faults: codes that this column
    has and no single one of its adapters.
    """

    column: int
    kept: dict[int, float]
    additivity: float | None
    faults: tuple[str, ...]


def measure_stack(
    shots: Sequence[Shot], heads: Heads, limits: Thresholds | None = None
) -> list[TogetherMetrics]:
    """Every column of two adapters or more against its adapters' single columns."""
    limits = limits or Thresholds()
    changes, measured = _changes(shots, heads), measure_columns(shots, heads)
    single = {head.adapters[0]: number for number, head in heads.items() if len(head.adapters) == 1}
    found = []
    for number, head in sorted(heads.items()):
        if number not in measured or not (len(head.adapters) > 1 and single.keys() >= set(head.adapters)):
            continue
        alone = {adapter: changes[single[adapter]] for adapter in head.adapters}
        before = {code for a in head.adapters for code in faults(measured[single[a]], limits)}
        found.append(
            TogetherMetrics(
                column=number,
                kept={adapter: _kept(changes[number], own) for adapter, own in alone.items()},
                additivity=_additivity(changes[number], list(alone.values())),
                faults=tuple(sorted(faults(measured[number], limits) - before)),
            )
        )
    return found


def find_stack(
    shots: Sequence[Shot], heads: Heads, limits: Thresholds | None = None
) -> tuple[dict[str, Any], list[Finding]]:
    """The measures as plain JSON, and what the adapters do to each other."""
    limits = limits or Thresholds()
    together = measure_stack(shots, heads, limits)
    findings = black(shots)
    for column in together:
        label = heads[column.column].label
        numbers = {"column": float(column.column)}
        if column.faults:
            message = f"Together ({label}) pictures show a fault that none of the adapters has alone."
            count = {"faults": float(len(column.faults))}
            findings.append(Finding("spoil_each_other", Severity.WARNING, message, numbers | count, 0, label))
        for adapter, kept in column.kept.items():
            if kept < limits.keeps:
                message = (
                    f"Of adapter {adapter + 1} only {max(kept, 0):.0%} of its change is left in {label}."
                )
                values = numbers | {"adapter": float(adapter + 1), "kept": kept}
                found = Finding("drowned_out", Severity.WARNING, message, values, limits.keeps, label)
                findings.append(found)
    return {"together": rounded([_plain(column) for column in together])}, findings


def _plain(column: TogetherMetrics) -> dict[str, Any]:
    data = asdict(column)
    data["kept"] = {str(adapter): kept for adapter, kept in column.kept.items()}
    return data


def _changes(shots: Sequence[Shot], heads: Heads) -> dict[int, dict[Row, Floats]]:
    """Column -> row -> descriptor of the cell - that of its twin."""
    columns = {
        number: {(shot.prompt, shot.seed): shot.descriptor for shot in cells}
        for number, cells in by_column(shots).items()
    }
    return {
        number: {
            row: cell - columns[head.twin][row]
            for row, cell in columns[number].items()
            if row in columns[head.twin]
        }
        for number, head in heads.items()
        if number in columns and head.twin in columns
    }


def _kept(joint: Mapping[Row, Floats], own: Mapping[Row, Floats]) -> float:
    shares = [
        float(joint[row] @ change) / float(change @ change)
        for row, change in own.items()
        if row in joint and float(change @ change) > 1e-9
    ]
    return fmean(shares) if shares else 1.0


def _additivity(joint: Mapping[Row, Floats], alone: Sequence[Mapping[Row, Floats]]) -> float | None:
    found = []
    for row, change in joint.items():
        if all(row in own for own in alone):
            total: Floats = np.sum([own[row] for own in alone], axis=0)
            if (length := float(np.linalg.norm(total))) > 1e-6:
                found.append(float(np.linalg.norm(change - total)) / length)
    return fmean(found) if found else None
