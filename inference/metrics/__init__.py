"""What the pictures tell: each cell against its base twin, the sheet as a whole, and findings. Pure numpy."""

from inference.metrics.by_recipe import find_by_recipe
from inference.metrics.cells import CellMetrics, compare
from inference.metrics.columns import Head, Heads
from inference.metrics.findings import Finding, Severity, find, wrong_base
from inference.metrics.hands import Box, Detector, HandReview, find_hands, review_hands
from inference.metrics.sheets import SheetMetrics, Shot, WeightMetrics, measure
from inference.metrics.thresholds import EDITION, PRELIMINARY, Thresholds

__all__ = [
    "EDITION",
    "PRELIMINARY",
    "Box",
    "CellMetrics",
    "Detector",
    "Finding",
    "HandReview",
    "Head",
    "Heads",
    "Severity",
    "SheetMetrics",
    "Shot",
    "Thresholds",
    "WeightMetrics",
    "compare",
    "find",
    "find_by_recipe",
    "find_hands",
    "measure",
    "review_hands",
    "wrong_base",
]
