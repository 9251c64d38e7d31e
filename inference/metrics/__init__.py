"""What the pictures tell: each cell against its base twin, the sheet as a whole, and findings. Pure numpy."""

from inference.metrics.cells import CellMetrics, compare
from inference.metrics.findings import Finding, Severity, find
from inference.metrics.sheets import SheetMetrics, Shot, WeightMetrics, measure
from inference.metrics.thresholds import EDITION, PRELIMINARY, Thresholds

__all__ = [
    "EDITION",
    "PRELIMINARY",
    "CellMetrics",
    "Finding",
    "Severity",
    "SheetMetrics",
    "Shot",
    "Thresholds",
    "WeightMetrics",
    "compare",
    "find",
    "measure",
]
