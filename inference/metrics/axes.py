"""Recipes that change one setting at a time (`tuning`, `negative`, `hires`): what each setting does here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

from inference.metrics.columns import Heads, black, by_column, faults, measure_columns
from inference.metrics.findings import Finding, Severity
from inference.metrics.pictures import distance
from inference.metrics.sheets import Shot, rounded
from inference.metrics.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class ValueMetrics:
    """One value of an axis: the adapter's effect against the base sampled alike, and what is wrong there."""

    column: int
    label: str
    effect: float
    color: float
    ssim: float
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AxisMetrics:
    """One axis. `matters`: mean descriptor distance of its values in one row; about 1 = other pictures."""

    axis: str
    matters: float
    values: tuple[ValueMetrics, ...]


def measure_axes(shots: Sequence[Shot], heads: Heads, limits: Thresholds | None = None) -> list[AxisMetrics]:
    """Every group of two columns or more, in the sheet's order."""
    limits = limits or Thresholds()
    cells, measured = by_column(shots), measure_columns(shots, heads)
    axes: dict[str, list[int]] = defaultdict(list)
    for number in measured:
        axes[heads[number].group].append(number)
    found = []
    for axis, numbers in axes.items():
        if len(numbers) < 2:
            continue
        values = tuple(
            ValueMetrics(
                number, heads[number].label, at.effect, at.color, at.ssim, tuple(sorted(faults(at, limits)))
            )
            for number in numbers
            for at in (measured[number],)
        )
        apart = [_apart(cells[a], cells[b]) for a, b in combinations(numbers, 2)]
        found.append(AxisMetrics(axis, fmean(apart), values))
    return found


def find_axes(
    shots: Sequence[Shot], heads: Heads, limits: Thresholds | None = None
) -> tuple[dict[str, Any], list[Finding]]:
    """The measures as plain JSON, and where a value of a setting brings a fault that another one lacks."""
    axes, findings = measure_axes(shots, heads, limits), black(shots)
    for axis in axes:
        sound = [value for value in axis.values if not value.faults]
        for value in axis.values if sound else ():
            if value.faults:
                message = f"With {axis.axis} {value.label} pictures show a fault that other values avoid."
                numbers = {"column": float(value.column), "faults": float(len(value.faults))}
                found = Finding("setting_spoils", Severity.INFO, message, numbers, 0, value.label)
                findings.append(found)
    return {"axes": rounded([asdict(axis) for axis in axes])}, findings


def _apart(some: Sequence[Shot], others: Sequence[Shot]) -> float:
    """Mean distance of the cells that stand in one row. An axis of seeds has its columns' rows in order."""
    found = [distance(a.descriptor, b.descriptor) for a, b in zip(some, others, strict=False)]
    return fmean(found) if found else 0.0
