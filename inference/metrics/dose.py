"""How the effect follows the weight: rank correlation, and the weight from which on more adds little."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

import numpy as np
from scipy.stats import rankdata

Points = Sequence[tuple[float, float]]
"""(weight, effect), weights ascending."""


def dose_response(rows: Iterable[Points]) -> float | None:
    """Spearman's rank correlation of weight and effect within each row, the mean of those where it exists."""
    found = [spearman([weight for weight, _ in row], [effect for _, effect in row]) for row in rows]
    defined = [value for value in found if value is not None]
    return fmean(defined) if defined else None


def spearman(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Rank correlation, or None where it is not defined: fewer than three values, or all equal."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def knee(points: Points) -> float | None:
    """The weight where the curve from (0, 0) through the points lies furthest above its chord.

    After Satopää et al. 2011, "Finding a Kneedle in a Haystack". None where the curve never rises a tenth of
    its height above the chord: such an effect grows evenly, and no weight stands out.
    """
    if len(points) < 3:
        return None
    weights = np.array([0.0, *(weight for weight, _ in points)])
    effects = np.array([0.0, *(effect for _, effect in points)])
    if effects.max() <= 1e-6:
        return None
    above = effects / effects.max() - weights / weights.max() * (effects[-1] / effects.max())
    best = int(above.argmax())
    return float(weights[best]) if above[best] > 0.1 else None
