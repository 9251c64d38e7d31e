"""The recipe `overfit`: does the seed still count, does the prompt, are the trigger words needed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from inference.metrics.findings import Finding, find
from inference.metrics.pictures import distance
from inference.metrics.sheets import Shot, measure, rounded
from inference.metrics.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class Closest:
    """The two cells of one weight that ask for different things at different seeds and look most alike.

    `distance` is theirs with the adapter, `base_distance` that of the same two rows without.
    """

    weight: float
    rows: tuple[tuple[int, int], tuple[int, int]]
    distance: float
    base_distance: float | None


def closest_cells(shots: Sequence[Shot]) -> list[Closest]:
    """One pair per weight, ascending; rows are (prompt, seed). What a reviewer looks at first."""
    base = {(shot.prompt, shot.seed): shot for shot in shots if shot.weight is None}
    ladder: dict[float, list[Shot]] = defaultdict(list)
    for shot in shots:
        if shot.weight is not None:
            ladder[shot.weight].append(shot)
    found = []
    for weight, cells in sorted(ladder.items()):
        pairs = [
            (distance(a.descriptor, b.descriptor), a, b)
            for a, b in combinations(cells, 2)
            if a.prompt != b.prompt and a.seed != b.seed and (a.pair is None or a.pair != b.pair)
        ]
        if pairs:
            near, a, b = min(pairs, key=lambda pair: pair[0])
            rows = ((a.prompt, a.seed), (b.prompt, b.seed))
            twins = [base[row].descriptor for row in rows if row in base]
            found.append(Closest(weight, rows, near, distance(*twins) if len(twins) == 2 else None))
    return found


def find_overfit(
    shots: Sequence[Shot], limits: Thresholds | None = None
) -> tuple[dict[str, Any], list[Finding]]:
    """The ladder's own measures and findings - pairs with and without trigger words are compared with
    themselves there - and the closest cells beside them.
    """
    metrics = measure(shots)
    closest = rounded([asdict(pair) for pair in closest_cells(shots)])
    return {**metrics.as_dict(), "closest": closest}, find(metrics, limits)
