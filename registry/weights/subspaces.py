"""One layer's two changes measured against each other: norms, inner product and shared subspaces.

Subspace overlap: the mean squared cosine of the principal angles between two column spaces (Bjorck & Golub
1973, Numerical methods for computing angles between linear subspaces), tr(G11^-1 G12 G22^-1 G21) / r from
Gram matrices. Chance: two random subspaces of dimensions r1, r2 in d share max(r1, r2) / d of the smaller
one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .matching import Match
from .operators import Change, LowRank, Numbers, wide

# Directions that carry less than this of a change's largest singular value are rounding, not training.
_SMALLEST = 1e-5


@dataclass(frozen=True, slots=True)
class Comparison:
    """One layer's two changes. `output_overlap` and `input_overlap` are 0 to 1 above chance: 0 is what random
    subspaces have, 1 the same subspace; None where a change has full rank or no factors.
    """

    first: float
    second: float
    inner: float
    output_overlap: float | None = None
    input_overlap: float | None = None

    @property
    def cosine(self) -> float | None:
        return cosine_of(self.inner, self.first, self.second)

    @property
    def overlap(self) -> float | None:
        """The geometric mean of both sides: 0 when the changes read or write nothing in common."""
        if self.output_overlap is None or self.input_overlap is None:
            return None
        return math.sqrt(self.output_overlap * self.input_overlap)


def measure(match: Match) -> Comparison:
    """Norms, inner product and overlaps of one match; zeros stand for a change that is not there."""
    first, second = match.first, match.second
    if match.comparable and isinstance(first, LowRank) and isinstance(second, LowRank):
        return _low_rank(first, second)
    inner = first.inner(second) if match.comparable and first is not None and second is not None else 0.0
    return Comparison(_norm(first), _norm(second), inner)


def _norm(change: Change | None) -> float:
    return change.frobenius() if change is not None else 0.0


def _low_rank(first: LowRank, second: LowRank) -> Comparison:
    left_1, right_1, left_2, right_2 = (
        wide(factor) for factor in (first.left, first.right, second.left, second.right)
    )
    grams_1, grams_2 = (left_1.T @ left_1, right_1 @ right_1.T), (left_2.T @ left_2, right_2 @ right_2.T)
    cross_left, cross_right = left_1.T @ left_2, right_1 @ right_2.T
    norms = [math.sqrt(max(0.0, float(np.sum(a * b)))) for a, b in (grams_1, grams_2)]
    outputs = subspace_overlap(grams_1, cross_left, grams_2)
    swapped_1, swapped_2 = (grams_1[1], grams_1[0]), (grams_2[1], grams_2[0])
    inputs = subspace_overlap(swapped_1, cross_right, swapped_2)
    rows, columns = first.shape
    return Comparison(
        norms[0],
        norms[1],
        float(np.sum(cross_left * cross_right)),
        _above_chance(outputs, rows),
        _above_chance(inputs, columns),
    )


def subspace_overlap(
    first: tuple[Numbers, Numbers], cross: Numbers, second: tuple[Numbers, Numbers]
) -> tuple[float, int, int]:
    """Mean squared cosine of the principal angles between the column spaces of two products L R, and both
    dimensions.

    `first` and `second` are (L.T L, R R.T) of each, `cross` is L1.T @ L2. For row spaces exchange L and R.
    """
    bases = [_basis(*grams) for grams in (first, second)]
    dimensions = [basis.shape[1] for basis in bases]
    if not all(dimensions):
        return 0.0, dimensions[0], dimensions[1]
    cosines = bases[0].T @ cross @ bases[1]
    return min(1.0, float(np.sum(cosines**2)) / min(dimensions)), dimensions[0], dimensions[1]


def _basis(near: Numbers, far: Numbers) -> Numbers:
    """X [r, k] such that L X is an orthonormal basis of the column space of L R, from L.T L and R R.T.

    The eigenvectors of S near S, S = far^.5, belong to the squared singular values of L R.
    """
    values, vectors = np.linalg.eigh(far)
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    squares, turns = np.linalg.eigh(root @ near @ root)
    kept = squares > max(squares.max(initial=0.0) * _SMALLEST**2, np.finfo(np.float64).tiny)
    basis: Numbers = root @ turns[:, kept] / np.sqrt(squares[kept])
    return basis


def _above_chance(overlap: tuple[float, int, int], dimension: int) -> float | None:
    shared, first, second = overlap
    chance = max(first, second) / dimension if dimension else 1.0
    return max(0.0, (shared - chance) / (1 - chance)) if chance < 1 else None


def cosine_of(inner: float, first: float, second: float) -> float | None:
    """inner / (first * second), None where one of the norms is 0; rounding is kept from leaving [-1, 1]."""
    if first == 0 or second == 0:
        return None
    return max(-1.0, min(1.0, inner / (first * second)))
