"""What two or more sketches tell: how alike two adapters are, and of which others one is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .sketch import SIDE, Sketch

Doubles = npt.NDArray[np.float64]

# Two adapters from this cosine on are one: a copy, cast, converted or resized.
SAME: Final = 0.9
# From here on one may be a parent of the other.
PARENT: Final = 0.4
# Below this, or below so many times the sketches' own noise, nothing is claimed.
FAINTEST: Final = 0.1
NOISES: Final = 6.0


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


def compose(whole: Sketch, candidates: Sequence[Sketch]) -> Composition:
    """Of which `candidates` the adapter `whole` is made: the non-negative combination nearest to it.

    Non-negative least squares over the sketches (Lawson and Hanson 1974, chapter 23). A candidate stays only
    with a weight beyond the sketches' noise, so that unrelated adapters never appear.
    """
    if not candidates or whole.norm == 0.0:
        return Composition((), 1.0)
    likenesses = [likeness(whole, candidate) for candidate in candidates]
    kept = [index for index, found in enumerate(likenesses) if found.certain and candidates[index].norm > 0.0]
    gram = np.array(
        [[1.0 if i == j else likeness(candidates[i], candidates[j]).cosine for j in kept] for i in kept]
    ).reshape(len(kept), len(kept))
    cosines = np.array([likenesses[index].cosine for index in kept])
    margins = np.array([max(FAINTEST, NOISES * likenesses[index].noise) for index in kept])
    left = np.arange(len(kept))
    while True:
        weights = non_negative(gram[np.ix_(left, left)], cosines[left])
        solid = weights >= margins[left]
        if solid.all():
            break
        # Twins share their weight; drop the weaker first, the rest may then carry it.
        left = np.delete(left, int(np.argmin(weights - margins[left])))
    shares = weights * cosines[left]
    ingredients = [
        Ingredient(
            kept[at], float(weight * whole.norm / candidates[kept[at]].norm), float(share), float(cosines[at])
        )
        for at, weight, share in zip(left, weights, shares, strict=True)
    ]
    ingredients.sort(key=lambda found: (-found.share, found.index))
    return Composition(tuple(ingredients), float(np.clip(1.0 - shares.sum(), 0.0, 1.0)))


def non_negative(gram: Doubles, target: Doubles) -> Doubles:
    """x >= 0 that minimizes x.G.x - 2 x.t for gram G [k, k] and target t [k], by active sets."""
    count = len(target)
    x, active = np.zeros(count), np.zeros(count, bool)
    # A hair on the diagonal keeps twins from making the system singular.
    gram = gram + np.eye(count) * 1e-9
    for _ in range(3 * count + 3):
        gradient = target - gram @ x
        gradient[active] = -np.inf
        if not count or gradient.max() <= 1e-9:
            break
        active[int(np.argmax(gradient))] = True
        while True:
            solved = np.zeros(count)
            solved[active] = np.linalg.solve(gram[np.ix_(active, active)], target[active])
            if (solved[active] > 0).all():
                x = solved
                break
            blocking = active & (solved <= 0)
            step = np.min(x[blocking] / (x[blocking] - solved[blocking]))
            x = x + step * (solved - x)
            active &= x > 1e-12
            x[~active] = 0.0
    return x
