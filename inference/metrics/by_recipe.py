"""Measures and findings of a sheet by the kind of its columns: the one entry for whoever finishes sheets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inference.metrics.axes import find_axes
from inference.metrics.blocks import find_blocks
from inference.metrics.columns import Heads
from inference.metrics.findings import Finding, find
from inference.metrics.overfit import find_overfit
from inference.metrics.sheets import Shot, measure
from inference.metrics.stack import find_stack
from inference.metrics.thresholds import Thresholds
from inference.metrics.version import find_versions

_COLUMNS = {
    "axes": find_axes,
    "blocks": find_blocks,
    "stack": find_stack,
    "version": find_versions,
}


def find_by_recipe(
    name: str, layout: str, shots: Sequence[Shot], heads: Heads, limits: Thresholds | None = None
) -> tuple[dict[str, Any], list[Finding]]:
    """The measures as plain JSON and the findings, as the recipe's `layout` asks for.

    `shots` are all base and adapter cells, each with its column and its metrics against that column's twin;
    `heads` the adapter columns. `ladder` (and any layout not known here) is measured along its weights; the
    recipe `overfit` with the closest cells beside.
    """
    if layout in _COLUMNS:
        return _COLUMNS[layout](shots, heads, limits)
    if name == "overfit":
        return find_overfit(shots, limits)
    metrics = measure(shots)
    return metrics.as_dict(), find(metrics, limits)
