"""OFT and BOFT: from stored generators to the rotation's difference from the identity.

R = (I + Q)(I - Q)^-1 with skew-symmetric Q (Cayley 1846; Qiu et al. 2023, arXiv:2306.07280, section 3.1);
W' = R W. BOFT chains rotations by a butterfly (Liu et al. 2023, arXiv:2311.06243), laid out as in LyCORIS or
as in PEFT.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .errors import UnsupportedChange
from .operators import FORM_LIMIT, SPECTRUM_LIMIT, BlockDiagonal, Dense, Numbers, Stored, wide
from .tensors import Array

# How far from orthogonal a block may be that stores the rotation itself, as old LyCORIS files do (oft_diag).
_ORTHOGONAL = 1e-2
Order = npt.NDArray[np.intp]


class _Axes(Protocol):
    """An array of numpy's or torch's."""

    @property
    def ndim(self) -> int: ...


def oft_change(tensors: Mapping[str, Array], alpha: float | None) -> BlockDiagonal:
    """R - I of one OFT module, of whatever layout `oft_rotations` reads. The scale of the outputs beside a
    rotation of the inputs is left out: the two have no common side.
    """
    rotations = oft_rotations(tensors, alpha)
    if "rescale" in tensors and len(rotations) == 1 and not turns_inputs(tensors):
        count, size = rotations[0].shape[:2]
        rotations[0] = rotations[0] * _finite(tensors["rescale"]).reshape(count, size, 1)
    return BlockDiagonal(tuple(_minus_identity(stack) for stack in rotations))


def oft_rotations(tensors: Mapping[str, Array], alpha: float | None) -> list[Numbers]:
    """The rotations R of one OFT module as stacks [n, b, b], without its rescaling.

    `blocks` [n, b, b], and kohya's list of such stacks, are generators less their transpose; PEFT's `r` is
    half of that, [n, b, b], or packed triangles [n, b(b-1)/2]. Where `turns_inputs` W' = W R.T, else R.T W.
    """
    if "r" in tensors:
        values = _finite(tensors["r"])
        return [_halved(_square(values)) if values.ndim == 3 else _series(_unpacked(values))]
    names = ["blocks"] if "blocks" in tensors else _listed(tensors)
    # kohya and LyCORIS bound the norm of a stack's Q by alpha times the outputs that it turns.
    stacks = [_blocks(tensors[name]) for name in names]
    return [_rotation(stack, alpha, stack.shape[0] * stack.shape[1]) for stack in stacks]


def turns_inputs(tensors: Mapping[str, _Axes]) -> bool:
    """Whether the rotations turn the layer's inputs: PEFT's and OneTrainer's do, but for those that PEFT
    stored before 0.14, without a scale of the outputs beside them.
    """
    return "r" in tensors and (tensors["r"].ndim != 3 or "rescale" in tensors)


def boft_change(tensors: Mapping[str, Array], alpha: float | None) -> Dense:
    """R - I of one BOFT module, [O, O], or [I, I] where the inputs are turned: m factors of n rotations of
    size b. The scale of the outputs is left out as in `oft_change`.
    """
    rotations = boft_rotations(tensors, alpha)
    depth, count, size = rotations.shape[:3]
    outputs = count * size
    if outputs * outputs > FORM_LIMIT:
        raise UnsupportedChange(f"A rotation of {outputs} x {outputs} is too large to be formed.")
    whole = np.eye(outputs)
    if turns_inputs(tensors):
        for level, order in enumerate(butterfly_orders(depth, count, size)):
            turned = rotations[level] @ whole[order].reshape(count, size, outputs)
            whole[order] = turned.reshape(outputs, outputs)
        return Dense(whole - np.eye(outputs), relative=True)
    for level in range(depth):
        step = 2**level * size // 2
        mixed = whole.reshape(-1, 2, step, outputs).swapaxes(1, 2).reshape(count, size, outputs)
        turned = rotations[level] @ mixed
        whole = turned.reshape(-1, step, 2, outputs).swapaxes(1, 2).reshape(outputs, outputs)
    if "rescale" in tensors:
        whole = whole * _finite(tensors["rescale"]).reshape(outputs, 1)
    return Dense(whole - np.eye(outputs), relative=True)


def boft_rotations(tensors: Mapping[str, Array], alpha: float | None) -> Numbers:
    """The rotations [m, n, b, b] of one BOFT module's butterfly, the first factor's first: LyCORIS' `blocks`
    or PEFT's `r`, whose blocks need no halves where there is one factor only.
    """
    factors = _finite(tensors["r" if "r" in tensors else "blocks"])
    if factors.ndim != 4 or factors.shape[2] != factors.shape[3]:
        raise ValueError("not a butterfly of square blocks")
    if factors.shape[2] % 2 and ("r" not in tensors or len(factors) > 1):
        raise ValueError("not a butterfly of even square blocks")
    if factors.shape[2] > SPECTRUM_LIMIT:
        raise UnsupportedChange(f"Blocks of {factors.shape[2]} are too large to be inverted.")
    if "r" in tensors:
        return _halved(factors)
    return _rotation(factors, alpha, factors.shape[1] * factors.shape[2])


def butterfly_orders(depth: int, count: int, size: int) -> list[Order]:
    """Which input stands where before each factor of PEFT's butterfly, [count * size] indices a factor.

    Factor i takes 2^i blocks together and goes back from "the even ones of their halves, then the odd ones"
    (PEFT, `BOFTLayer.block_butterfly_perm`, whose matrix stands left of the blocks). Raises ValueError when
    the blocks cannot be paired so often.
    """
    if depth > 1 and (size % 2 or count % 2 ** (depth - 1)):
        raise ValueError("not a butterfly of even square blocks")
    every = np.arange(count * size)
    orders = [every]
    for level in range(1, depth):
        halves = every.reshape(-1, 2 ** (level + 1), size // 2)
        sorted_out = np.concatenate([halves[:, ::2], halves[:, 1::2]], axis=1).reshape(-1)
        orders.append(np.argsort(sorted_out))
    return orders


def _listed(tensors: Mapping[str, Array]) -> list[str]:
    names = [name for name in tensors if name.startswith("blocks.")]
    if not names:
        raise KeyError("blocks")
    return sorted(names, key=lambda name: int(name.partition(".")[2][:9]))


def _blocks(values: Array) -> Numbers:
    return _square(_finite(values))


def _square(blocks: Numbers) -> Numbers:
    if blocks.ndim != 3 or blocks.shape[1] != blocks.shape[2]:
        raise ValueError("not a stack of square blocks")
    if blocks.shape[1] > SPECTRUM_LIMIT:
        raise UnsupportedChange(f"Blocks of {blocks.shape[1]} are too large to be inverted.")
    return blocks


def _rotation(blocks: Numbers, alpha: float | None, outputs: int) -> Numbers:
    """The rotations [..., b, b] of generators, or of blocks that are rotations already."""
    identity = np.eye(blocks.shape[-1])
    products = blocks @ blocks.swapaxes(-1, -2)
    if blocks.size and float(np.abs(products - identity).max()) < _ORTHOGONAL:
        return blocks
    bound = alpha * outputs if alpha is not None and math.isfinite(alpha) and alpha > 0 else None
    return _cayley(blocks - blocks.swapaxes(-1, -2), bound)


def _halved(generators: Numbers) -> Numbers:
    """PEFT's Cayley transform: (I - S)(I + S)^-1 with S half of the generator less its transpose."""
    return _cayley((generators.swapaxes(-1, -2) - generators) / 2, None)


def _cayley(skew: Numbers, bound: float | None) -> Numbers:
    norm = float(np.linalg.norm(skew))
    bounded = skew * (bound / norm) if bound is not None and norm > bound else skew
    identity = np.eye(skew.shape[-1])
    # I + Q and (I - Q)^-1 commute, so the order of the solve does not matter.
    return wide(np.linalg.solve(identity - bounded, identity + bounded))


def _series(skew: Numbers) -> Numbers:
    """Cayley's transform as PEFT and OneTrainer take it: (I + Q) times the first terms of (I - Q)^-1, five in
    all with the last one halved (`use_cayley_neumann`, their default).
    """
    square = skew @ skew
    cube = square @ skew
    return wide(np.eye(skew.shape[-1]) + 2 * (skew + square + cube) + cube @ skew)


def _unpacked(packed: Numbers) -> Numbers:
    """Skew-symmetric blocks [n, b, b] from their upper triangles [n, b(b-1)/2], row by row."""
    if packed.ndim != 2:
        raise ValueError("not packed triangles")
    size = (1 + math.isqrt(1 + 8 * packed.shape[1])) // 2
    if size * (size - 1) // 2 != packed.shape[1] or size > SPECTRUM_LIMIT:
        raise ValueError("not packed triangles")
    skew = np.zeros((packed.shape[0], size, size))
    rows, columns = np.triu_indices(size, 1)
    skew[:, rows, columns] = packed
    return skew - skew.swapaxes(1, 2)


def _minus_identity(blocks: Numbers) -> Stored:
    return blocks - np.eye(blocks.shape[1])


def _finite(values: Array) -> Numbers:
    if np.iscomplexobj(values):
        raise ValueError("complex numbers")
    numbers = wide(values.astype(np.float64))
    if not bool(np.isfinite(numbers).all()):
        raise UnsupportedChange("The generators hold NaN or infinity.")
    return numbers
