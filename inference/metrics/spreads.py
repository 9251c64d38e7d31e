"""How far the cells of a column differ among themselves: over seeds, over prompts, over both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from statistics import fmean
from typing import Protocol

from inference.metrics.pictures import Floats, distance

FLAT = 1e-3
"""Cells that differ by less say nothing about what was lost or gained."""


class Spot(Protocol):
    """A cell by its prompt and seed."""

    @property
    def prompt(self) -> int:
        """Which prompt."""
        ...

    @property
    def seed(self) -> int:
        """Which seed."""
        ...

    @property
    def descriptor(self) -> Floats:
        """What the picture shows."""
        ...


Pairing = Callable[[Spot, Spot], bool]


def same_prompt(a: Spot, b: Spot) -> bool:
    """Two seeds of one prompt."""
    return a.prompt == b.prompt


def same_seed(a: Spot, b: Spot) -> bool:
    """Two prompts at one seed."""
    return a.seed == b.seed


def nothing_shared(a: Spot, b: Spot) -> bool:
    """Another prompt and another seed."""
    return a.prompt != b.prompt and a.seed != b.seed


def spread(cells: Sequence[Spot], pairing: Pairing) -> float | None:
    """Mean distance of all pairs that `pairing` takes; None without a pair."""
    found = [distance(a.descriptor, b.descriptor) for a, b in combinations(cells, 2) if pairing(a, b)]
    return fmean(found) if found else None


def ratio(value: float | None, reference: float | None) -> float | None:
    """value / reference; None where either is missing or the reference is flat."""
    if value is None or reference is None or reference < FLAT:
        return None
    return value / reference
