"""What two or more sketches tell: how alike two adapters are, and of which others one is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .sketch import SIDE, SIZE, UNTHREADED, Floats, Sketch

Doubles = npt.NDArray[np.float64]

# Two adapters from this cosine on are one: a copy, cast, converted or resized.
SAME: Final = 0.9
# From here on one may be a parent of the other.
PARENT: Final = 0.4
# Below this, or below so many times the sketches' own noise, nothing is claimed.
FAINTEST: Final = 0.1
NOISES: Final = 6.0
_LAYERS_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class Likeness:
    """Cosine of two whole changes, in [-1, 1], and the standard deviation between unrelated ones."""

    cosine: float
    noise: float

    @property
    def certain(self) -> bool:
        """Whether chance alone does not explain the cosine."""
        return self.cosine >= max(FAINTEST, NOISES * self.noise)


@dataclass(frozen=True, slots=True)
class Ingredient:
    """One known adapter inside another: `index` among the candidates, `weight` it was merged at, and its
    `share` of the whole's energy. The shares of all ingredients and the residual add up to 1.
    """

    index: int
    weight: float
    share: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Composition:
    """Ingredients, the largest share first, and the share of the energy that none of them explains."""

    ingredients: tuple[Ingredient, ...]
    residual: float


def likeness(one: Sketch, other: Sketch) -> Likeness:
    """How alike the two changes are.

    For unrelated changes the inner product of two 8 x 8 projections of norms a and b has the standard
    deviation ab / 8, so that the noise is the root of the summed products of energy shares, over 8.
    """
    norms = one.norm * other.norm
    _, mine, theirs = np.intersect1d(one.keys, other.keys, assume_unique=True, return_indices=True)
    if norms == 0.0 or not len(mine):
        return Likeness(0.0, 1.0 / SIDE)
    inner = float(np.einsum("ij,ij->", one.values[mine], other.values[theirs], dtype=np.float64))
    energies = one.energies()[mine].astype(np.float64) * other.energies()[theirs]
    return Likeness(inner / norms, float(np.sqrt(energies.sum())) / norms / SIDE)


@dataclass(frozen=True, eq=False)
class Alike:
    """How alike every two of n sketches are: `cosines` and `noises` as in `Likeness`, [n, n]; `norms` [n]."""

    cosines: Doubles
    noises: Doubles
    norms: Doubles

    def likeness(self, one: int, other: int) -> Likeness:
        return Likeness(float(self.cosines[one, other]), float(self.noises[one, other]))


def alike(sketches: Sequence[Sketch]) -> Alike:
    """`likeness` of every two sketches, from two matrix products over all layers that any of them has.

    The layers are gone through in pieces, so that sketches without a layer in common need no more memory.
    """
    count = len(sketches)
    keys = (
        np.unique(np.concatenate([sketch.keys for sketch in sketches])) if count else np.zeros(0, np.uint64)
    )
    energies = [sketch.energies() for sketch in sketches]
    inner, noise = np.zeros((count, count)), np.zeros((count, count))
    for start in range(0, len(keys), _LAYERS_AT_ONCE):
        piece = keys[start : start + _LAYERS_AT_ONCE]
        values = np.zeros((count, len(piece), SIZE), np.float32)
        shares = np.zeros((count, len(piece)))
        for at, sketch in enumerate(sketches):
            first, last = np.searchsorted(sketch.keys, [piece[0], piece[-1]])
            rows = slice(
                int(first), int(last) + int(last < len(sketch.keys) and sketch.keys[last] == piece[-1])
            )
            places = np.searchsorted(piece, sketch.keys[rows])
            values[at, places] = sketch.values[rows]
            shares[at, places] = energies[at][rows]
        inner += _products(values.reshape(count, -1))
        noise += _products(shares)
    norms = np.array([sketch.norm for sketch in sketches])
    products = np.outer(norms, norms)
    known = (products > 0.0) & (noise > 0.0)
    scale = np.where(known, products, 1.0)
    return Alike(
        np.where(known, inner / scale, 0.0), np.where(known, np.sqrt(noise) / scale / SIDE, 1.0 / SIDE), norms
    )


def _products(rows: Doubles | Floats) -> Doubles:
    """rows @ rows.T, in pieces so small that BLAS starts no threads, as in `sketch`."""
    count, width = rows.shape
    total = np.zeros((count, count))
    step = max(1, UNTHREADED // (count * count))
    for at in range(0, width, step):
        piece = rows[:, at : at + step]
        total += piece @ piece.T
    return total


def compose(whole: Sketch, candidates: Sequence[Sketch]) -> Composition:
    """Of which `candidates` the adapter `whole` is made: the non-negative combination nearest to it."""
    return composition(alike([whole, *candidates]), 0, range(1, len(candidates) + 1))


def composition(table: Alike, whole: int, candidates: Sequence[int]) -> Composition:
    """Of which `candidates` the adapter at `whole` in `table` is made; `index` is that among the candidates.

    Non-negative least squares over the sketches (Lawson and Hanson 1974, chapter 23). A candidate stays only
    with a weight beyond the sketches' noise, so that unrelated adapters never appear.
    """
    places = np.array(candidates, np.int64)
    kept = [
        index
        for index, place in enumerate(candidates)
        if table.likeness(whole, place).certain and table.norms[place] > 0.0
    ]
    if table.norms[whole] == 0.0 or not kept:
        return Composition((), 1.0)
    places = places[kept]
    gram = table.cosines[np.ix_(places, places)].copy()
    np.fill_diagonal(gram, 1.0)
    cosines = table.cosines[whole, places]
    margins = np.maximum(FAINTEST, NOISES * table.noises[whole, places])
    left, weights = np.arange(len(kept)), np.zeros(len(kept))
    while True:
        weights = non_negative(gram[np.ix_(left, left)], cosines[left], weights)
        solid = weights >= margins[left]
        if solid.all():
            break
        # Twins share their weight; drop the weaker first, the rest may then carry it.
        weakest = int(np.argmin(weights - margins[left]))
        left, weights = np.delete(left, weakest), np.delete(weights, weakest)
    shares = weights * cosines[left]
    ingredients = [
        Ingredient(
            kept[at],
            float(weight * table.norms[whole] / table.norms[places[at]]),
            float(share),
            float(cosines[at]),
        )
        for at, weight, share in zip(left, weights, shares, strict=True)
    ]
    ingredients.sort(key=lambda found: (-found.share, found.index))
    return Composition(tuple(ingredients), float(np.clip(1.0 - shares.sum(), 0.0, 1.0)))


def non_negative(gram: Doubles, target: Doubles, start: Doubles | None = None) -> Doubles:
    """x >= 0 that minimizes x.G.x - 2 x.t for gram G [k, k] and target t [k], by active sets.

    `start`: some x >= 0 to go out from; near the answer it saves most of the work.
    """
    count = len(target)
    x = np.zeros(count) if start is None else start.copy()
    active = x > 0.0
    # A hair on the diagonal keeps twins from making the system singular.
    gram = gram + np.eye(count) * 1e-9
    if active.any():
        x, active = _within(gram, target, x, active)
    for _ in range(3 * count + 3):
        gradient = target - gram @ x
        gradient[active] = -np.inf
        if not count or gradient.max() <= 1e-9:
            break
        active[int(np.argmax(gradient))] = True
        x, active = _within(gram, target, x, active)
    return x


def _within(
    gram: Doubles, target: Doubles, x: Doubles, active: npt.NDArray[np.bool_]
) -> tuple[Doubles, npt.NDArray[np.bool_]]:
    """The best x with only the `active` numbers above zero, from a feasible x; and which stayed above."""
    while True:
        solved = np.zeros(len(target))
        solved[active] = np.linalg.solve(gram[np.ix_(active, active)], target[active])
        if (solved[active] > 0).all():
            return solved, active
        blocking = active & (solved <= 0)
        step = np.min(x[blocking] / (x[blocking] - solved[blocking]))
        x = x + step * (solved - x)
        active = active & (x > 1e-12)
        x[~active] = 0.0
