"""The recipe `version`: two files of one adapter at equal weights and seeds, and what the later changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from inference.metrics.columns import Heads, black, by_column, faults, measure_columns
from inference.metrics.findings import Finding, Severity
from inference.metrics.pictures import distance
from inference.metrics.sheets import Shot, rounded
from inference.metrics.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class VersionMetrics:
    """One weight: `difference` is the descriptor distance of the two files' cells; `effects` are earlier and
    this; `gone` and `new` are codes of faults that only the earlier or only this file has here.
    """

    weight: float
    difference: float
    effects: tuple[float, float]
    gone: tuple[str, ...]
    new: tuple[str, ...]


def measure_versions(
    shots: Sequence[Shot], heads: Heads, limits: Thresholds | None = None
) -> list[VersionMetrics]:
    """Columns of the groups `earlier` and `this`, by weight."""
    limits = limits or Thresholds()
    cells, measured = by_column(shots), measure_columns(shots, heads)
    places = {(heads[number].group, at.weight): number for number, at in measured.items()}
    found = []
    for weight in sorted({at.weight for at in measured.values()}):
        old, new = places.get(("earlier", weight)), places.get(("this", weight))
        if old is None or new is None:
            continue
        before = {(shot.prompt, shot.seed): shot for shot in cells[old]}
        pairs = [(before[key], shot) for shot in cells[new] if (key := (shot.prompt, shot.seed)) in before]
        wrong, now = faults(measured[old], limits), faults(measured[new], limits)
        found.append(
            VersionMetrics(
                weight=weight,
                difference=fmean(distance(a.descriptor, b.descriptor) for a, b in pairs) if pairs else 0.0,
                effects=(measured[old].effect, measured[new].effect),
                gone=tuple(sorted(wrong - now)),
                new=tuple(sorted(now - wrong)),
            )
        )
    return found


def find_versions(
    shots: Sequence[Shot], heads: Heads, limits: Thresholds | None = None
) -> tuple[dict[str, Any], list[Finding]]:
    """The measures as plain JSON, and what the later file changed for better or worse."""
    limits = limits or Thresholds()
    steps, findings = measure_versions(shots, heads, limits), black(shots)
    if steps and max(step.difference for step in steps) < limits.alike:
        most = max(step.difference for step in steps)
        message = "Both versions draw the same pictures."
        findings.append(Finding("versions_alike", Severity.INFO, message, {"difference": most}, limits.alike))
    worse = next((step for step in steps if step.new), None)
    if worse is not None:
        message = f"From weight {worse.weight:g} on this version has a fault that the earlier one lacks."
        findings.append(Finding("version_worse", Severity.WARNING, message, _counted(worse, worse.new), 0))
    better = next((step for step in steps if step.gone), None)
    if better is not None:
        message = f"At weight {better.weight:g} this version lacks a fault of the earlier one."
        findings.append(Finding("version_better", Severity.INFO, message, _counted(better, better.gone), 0))
    return {"versions": rounded([asdict(step) for step in steps])}, findings


def _counted(step: VersionMetrics, codes: tuple[str, ...]) -> dict[str, float]:
    return {"weight": step.weight, "faults": float(len(codes)), "difference": step.difference}
