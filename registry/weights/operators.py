"""The change of one weight as an operator: measured, projected and compared without being formed.

Every change is seen as a matrix [O, I], where I is in_channels times the kernel's positions for a
convolution. Arithmetic is float64 whatever the factors are stored in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from .errors import UnsupportedChange

Numbers = npt.NDArray[np.float64]
Stored = npt.NDArray[np.floating]

# A change that must be formed may have this many numbers: FLUX's largest layer (21504 x 3072) fits.
FORM_LIMIT = 2**26
# The smaller side of the largest matrix whose whole spectrum is taken: the width of FLUX.2.
SPECTRUM_LIMIT = 6144
# No training makes a change of this norm. Below it squares, and their sums over a file, are finite float64.
LARGEST_NORM = 1e150
_CHUNK = 2**22


class Change(Protocol):
    """dW of one module at weight 1.0, or, where `relative`, what is multiplied with the base's weight.

    A relative change (IA3, OFT, BOFT) is R - I for W' = R W (or W R), [O, O] (or [I, I]); dW itself needs
    the base. Methods that must form the change raise UnsupportedChange when it is over FORM_LIMIT.
    """

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def relative(self) -> bool: ...

    def project(self, left: Numbers, right: Numbers) -> Numbers:
        """left [p, O] @ dW @ right.T with right [q, I]: [p, q]."""
        ...

    def frobenius(self) -> float:
        """The Frobenius norm."""
        ...

    def singular_values(self) -> Numbers:
        """All that can be other than zero, descending. Raises UnsupportedChange over SPECTRUM_LIMIT."""
        ...

    def inner(self, other: Change) -> float:
        """<dW1, dW2>, the sum over the products of their entries. Raises ValueError when shapes differ."""
        ...

    def part(self, rows: slice, columns: slice) -> Change:
        """The change of a part of the layer: the rows or columns of a fused projection."""
        ...

    def matrix(self) -> Numbers:
        """The change itself, [O, I]."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """left [O, r] @ right [r, I]; all scales are folded into `left`."""

    left: Stored
    right: Stored
    relative: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        return self.left.shape[0], self.right.shape[1]

    @property
    def rank(self) -> int:
        return int(self.right.shape[0])

    def project(self, left: Numbers, right: Numbers) -> Numbers:
        return _times(_times(left, self.left), _times(self.right, right.T))

    def grams(self) -> tuple[Numbers, Numbers]:
        """left.T @ left and right @ right.T, each [r, r]."""
        left, right = wide(self.left), wide(self.right)
        return _times(left.T, left), _times(right, right.T)

    def frobenius(self) -> float:
        if self.rank > min(self.shape):
            return Dense(self.matrix()).frobenius()
        first, second = self.grams()
        # tr(G_left G_right); rounding may leave a zero change a hair below zero.
        return math.sqrt(max(0.0, float(np.sum(first * second))))

    def singular_values(self) -> Numbers:
        if self.rank > min(self.shape):
            return Dense(self.matrix()).singular_values()
        first, second = self.grams()
        return wide(spectra(first[None], second[None])[0])

    def inner(self, other: Change) -> float:
        _same_shape(self, other)
        if self.rank > min(self.shape):
            return Dense(self.matrix()).inner(other)
        if isinstance(other, LowRank) and other.rank <= min(self.shape):
            cross_left = wide(self.left).T @ wide(other.left)
            cross_right = wide(self.right) @ wide(other.right).T
            return float(np.sum(cross_left * cross_right))
        # <L R, X> = tr(L.T X R.T)
        return float(np.trace(other.project(wide(self.left).T, wide(self.right))))

    def part(self, rows: slice, columns: slice) -> LowRank:
        return LowRank(self.left[rows], self.right[:, columns], self.relative)

    def matrix(self) -> Numbers:
        _may_form(self.shape)
        return _times(self.left, self.right)


@dataclass(frozen=True, slots=True, eq=False)
class Kronecker:
    """kron(first [a, c], second [b, d]): [a * b, c * d]; `second` is an operator of its own.

    Norms multiply and singular values are all products of theirs (Van Loan 2000, The ubiquitous Kronecker
    product, section 2).
    """

    first: Stored
    second: LowRank | Dense
    relative: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.second.shape
        return self.first.shape[0] * rows, self.first.shape[1] * columns

    def project(self, left: Numbers, right: Numbers) -> Numbers:
        rows, columns = self.second.shape
        outer_rows, outer_columns = self.first.shape
        inside = self.second.project(
            left.reshape(len(left) * self.first.shape[0], rows),
            right.reshape(len(right) * self.first.shape[1], columns),
        )
        inside = inside.reshape(left.shape[0], outer_rows, right.shape[0], outer_columns)
        projected: Numbers = np.einsum("paqc,ac->pq", inside, wide(self.first), optimize=True)
        return projected

    def frobenius(self) -> float:
        return float(np.linalg.norm(wide(self.first))) * self.second.frobenius()

    def singular_values(self) -> Numbers:
        products = np.outer(Dense(self.first).singular_values(), self.second.singular_values())
        return wide(np.sort(products, axis=None)[::-1])

    def inner(self, other: Change) -> float:
        _same_shape(self, other)
        if isinstance(other, LowRank):
            return other.inner(self)
        # <A x B, C x D> = <A, C> <B, D>
        if isinstance(other, Kronecker) and other.first.shape == self.first.shape:
            return float(np.sum(wide(self.first) * wide(other.first))) * self.second.inner(other.second)
        return _formed_inner(self, other)

    def part(self, rows: slice, columns: slice) -> Change:
        return Dense(self.matrix()[rows, columns])

    def matrix(self) -> Numbers:
        _may_form(self.shape)
        return wide(np.kron(wide(self.first), self.second.matrix()))


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A whole matrix [O, I]: full differences, norms and biases as one column, and what has no cheaper
    form.
    """

    values: Stored
    relative: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape[0], self.values.shape[1]

    def project(self, left: Numbers, right: Numbers) -> Numbers:
        return _times(_times(left, self.values), right.T)

    def frobenius(self) -> float:
        flat = self.values.reshape(-1)
        squares = 0.0
        for at in range(0, flat.size, _CHUNK):
            block = wide(flat[at : at + _CHUNK])
            squares += float(block @ block)
        return math.sqrt(squares)

    def singular_values(self) -> Numbers:
        values = self.values if self.values.shape[1] <= self.values.shape[0] else self.values.T
        gram = _gram(values)
        return wide(np.sqrt(np.clip(np.linalg.eigvalsh(gram), 0.0, None))[::-1])

    def inner(self, other: Change) -> float:
        _same_shape(self, other)
        if isinstance(other, LowRank | Kronecker):
            return other.inner(self)
        return _formed_inner(self, other)

    def part(self, rows: slice, columns: slice) -> Dense:
        return Dense(self.values[rows, columns], self.relative)

    def matrix(self) -> Numbers:
        return wide(self.values)


@dataclass(frozen=True, slots=True, eq=False)
class BlockDiagonal:
    """Square blocks down the diagonal, given as stacks [n, b, b]; a stack [n, 1, 1] is a plain diagonal."""

    stacks: tuple[Stored, ...]
    relative: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        size = sum(stack.shape[0] * stack.shape[1] for stack in self.stacks)
        return size, size

    def project(self, left: Numbers, right: Numbers) -> Numbers:
        found = np.zeros((left.shape[0], right.shape[0]))
        at = 0
        for stack in self.stacks:
            count, size = stack.shape[:2]
            end = at + count * size
            here = left[:, at:end].reshape(-1, count, size)
            there = right[:, at:end].reshape(-1, count, size)
            moved = np.einsum("pnb,nbc->pnc", here, wide(stack), optimize=True)
            found += np.tensordot(moved, there, axes=((1, 2), (1, 2)))
            at = end
        return found

    def frobenius(self) -> float:
        return math.hypot(*(Dense(stack.reshape(-1, 1)).frobenius() for stack in self.stacks))

    def singular_values(self) -> Numbers:
        found: list[Numbers] = [np.zeros(0)]
        for stack in self.stacks:
            if stack.shape[1] > SPECTRUM_LIMIT:
                raise UnsupportedChange(f"Blocks of {stack.shape[1]} are too large for a spectrum.")
            if stack.shape[1] == 1:
                found.append(np.abs(wide(stack)).reshape(-1))
                continue
            for block in stack:
                found.append(Dense(block).singular_values())
        return np.sort(np.concatenate(found))[::-1]

    def inner(self, other: Change) -> float:
        _same_shape(self, other)
        if isinstance(other, BlockDiagonal):
            mine, theirs = [s.shape for s in self.stacks], [s.shape for s in other.stacks]
            if mine == theirs:
                pairs = zip(self.stacks, other.stacks, strict=True)
                return math.fsum(float(np.sum(wide(a) * wide(b))) for a, b in pairs)
        if isinstance(other, LowRank | Kronecker):
            return other.inner(self)
        return _formed_inner(self, other)

    def part(self, rows: slice, columns: slice) -> Dense:
        return Dense(self.matrix()[rows, columns], self.relative)

    def matrix(self) -> Numbers:
        _may_form(self.shape)
        whole = np.zeros(self.shape)
        at = 0
        for stack in self.stacks:
            for block in stack:
                end = at + len(block)
                whole[at:end, at:end] = block
                at = end
        return whole


def is_measurable(change: Change) -> bool:
    """Whether everything that is computed of the change is finite: false for NaN, infinity and made-up sizes.

    Of factors the product of their norms counts, which bounds whatever is multiplied on the way.
    """
    if isinstance(change, LowRank):
        return Dense(change.left).frobenius() * Dense(change.right).frobenius() < LARGEST_NORM
    return change.frobenius() < LARGEST_NORM


def wide(values: Stored) -> Numbers:
    """The numbers as float64; no copy where they are already."""
    return np.asarray(values, np.float64)


def real(values: npt.NDArray[np.generic]) -> Stored:
    """A tensor as floats of its own precision; whole numbers become float64."""
    if not np.issubdtype(values.dtype, np.floating):
        return values.astype(np.float64)
    return cast(Stored, values)


def as_matrix(values: Stored) -> Stored:
    """A tensor of two axes or more as [first axis, all others]: a kernel's positions become columns."""
    return values.reshape(values.shape[0], math.prod(values.shape[1:]))


def spectra(left_grams: Numbers, right_grams: Numbers) -> Numbers:
    """Singular values [n, r], descending, of n products left @ right from their Gram matrices [n, r, r].

    With left.T @ left = V D V.T, the squares are the eigenvalues of D^.5 V.T (right @ right.T) V D^.5.
    """
    values, vectors = np.linalg.eigh(left_grams)
    half = vectors * np.sqrt(np.clip(values, 0.0, None))[:, None, :]
    squares = np.linalg.eigvalsh(half.transpose(0, 2, 1) @ right_grams @ half)
    return wide(np.sqrt(np.clip(squares, 0.0, None))[:, ::-1])


def _gram(values: Stored) -> Numbers:
    """values.T @ values for values [n, m], m <= n, by chunks of rows."""
    count, width = values.shape
    if width > SPECTRUM_LIMIT:
        raise UnsupportedChange(f"A matrix of {count} x {width} is too large for a spectrum.")
    gram = np.zeros((width, width))
    step = max(1, _CHUNK // max(1, width))
    for at in range(0, count, step):
        block = wide(values[at : at + step])
        gram += block.T @ block
    return gram


def _times(first: Stored, second: Stored) -> Numbers:
    product: Numbers = wide(first) @ wide(second)
    return product


def _formed_inner(one: Change, other: Change) -> float:
    return float(np.sum(one.matrix() * other.matrix()))


def _same_shape(one: Change, other: Change) -> None:
    if one.shape != other.shape:
        raise ValueError(f"changes of {one.shape} and {other.shape} cannot be compared")


def _may_form(shape: tuple[int, int]) -> None:
    if shape[0] * shape[1] > FORM_LIMIT:
        raise UnsupportedChange(f"A change of {shape[0]} x {shape[1]} is too large to be formed.")
