"""The best approximation of a matrix by two thin factors, exact or by random sketches.

The truncated SVD is the best of its rank (Eckart and Young 1936). For large matrices it is found by subspace
iteration (Halko, Martinsson and Tropp 2011, arXiv:0909.4061, algorithm 4.4), repeated until another round
makes the residual smaller by less than `TOLERANCE` of itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating]

TOLERANCE = 1e-3
"""A randomized residual is at most about this share above the best there is."""
_OVERSAMPLED = 16
_ROUNDS = 20
# Up to this size the whole decomposition costs less than thinking about it.
_SMALL = 256
# Below this share of the norm a residual is rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Factors:
    """up [out, rank] and down [rank, in] with singular values shared evenly; their product is the matrix."""

    up: Matrix
    down: Matrix

    @property
    def rank(self) -> int:
        return int(self.down.shape[0])


def factorize(matrix: Matrix, rank: int, *, quantile: float | None = None) -> Factors:
    """The best factors of at most `rank`, float32.

    With `quantile` the rank is the smallest whose product holds that share of the Frobenius norm (sd-scripts'
    `sv_fro`), still at most `rank`.
    """
    rank = min(rank, *matrix.shape)
    if min(matrix.shape) <= max(_SMALL, 2 * (rank + _OVERSAMPLED)):
        left, values, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    else:
        left, values, right = _sketched(matrix.astype(np.float32), rank)
    if quantile is not None:
        held = np.cumsum(values**2)
        total = float(np.sum(matrix.astype(np.float64) ** 2))
        rank = min(rank, int(np.searchsorted(held, quantile**2 * total)) + 1)
    root = np.sqrt(values[:rank])
    return Factors(
        (left[:, :rank] * root).astype(np.float32), (root[:, None] * right[:rank]).astype(np.float32)
    )


def _sketched(matrix: Matrix, rank: int) -> tuple[Matrix, Matrix, Matrix]:
    """The first singular triplets, at least `rank` of them."""
    total = float(np.sum(matrix.astype(np.float64) ** 2))
    # A fixed seed: the same two checkpoints give the same file.
    sketch = np.random.default_rng(0).standard_normal((matrix.shape[1], rank + _OVERSAMPLED))
    basis, _ = np.linalg.qr(matrix @ sketch.astype(np.float32))
    before = np.inf
    for _ in range(_ROUNDS):
        other, _ = np.linalg.qr(matrix.T @ basis)
        basis, _ = np.linalg.qr(matrix @ other)
        small = basis.T @ matrix
        inner, values, right = np.linalg.svd(small, full_matrices=False)
        residual = np.sqrt(max(0.0, total - float(np.sum(values[:rank].astype(np.float64) ** 2))))
        if residual <= _ROUNDING * np.sqrt(total) or before - residual < TOLERANCE * residual / 2:
            break
        before = residual
    return basis @ inner, values, right
