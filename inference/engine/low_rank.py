"""The best approximation of a matrix by two thin factors.

The truncated SVD is the best of its rank (Eckart and Young 1936). It is taken from the eigenvectors of the
smaller Gram matrix in float64, of which only those needed are computed: at the sizes of these layers (at most
1280 on their smaller side) that is exact to float32 and costs less than random sketches of the same quality.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

Matrix = npt.NDArray[np.floating]


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
    wide = matrix.astype(np.float64)
    flipped = wide.shape[0] < wide.shape[1]
    tall = wide.T if flipped else wide
    size = tall.shape[1]
    rank = min(rank, size)
    _, vectors = eigh(tall.T @ tall, subset_by_index=[size - rank, size - 1])
    # Largest first.
    right = vectors[:, ::-1]
    product = tall @ right
    # The lengths are more exact than the roots of the eigenvalues.
    values = np.linalg.norm(product, axis=0)
    if quantile is not None:
        held = np.cumsum(values**2)
        rank = min(rank, int(np.searchsorted(held, quantile**2 * float(np.sum(wide**2)))) + 1)
        values, product, right = values[:rank], product[:, :rank], right[:, :rank]
    root = np.sqrt(values)
    # Where a singular value is zero, so are both factors.
    left = np.divide(product, root, out=np.zeros_like(product), where=root > 0)
    up, down = (right * root, left) if flipped else (left, right * root)
    return Factors(up.astype(np.float32), down.T.astype(np.float32))
