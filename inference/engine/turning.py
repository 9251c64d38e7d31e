"""Weights turned by rotations: OFT and BOFT in the layouts of LyCORIS, kohya, PEFT and OneTrainer.

OFT: Qiu et al. 2023 (arXiv:2306.07280); BOFT: Liu et al. 2023 (2311.06243). The rotations themselves are
worked out by `registry.weights.rotations`; here they meet the base's weight.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from inference.engine.deltas import Factors
from registry.weights.rotations import boft_rotations, butterfly_orders, oft_rotations, turns_inputs

ROTATIONS = frozenset({"oft", "boft"})


def turned_delta(algorithm: str, factors: Factors, alpha: float | None, weight: Tensor) -> Tensor:
    """What turning the weight [O, I, k...] adds to it, in its shape.

    Raises KeyError when a factor is missing, ValueError or RuntimeError when factors do not fit the weight,
    and the registry's UnsupportedChange for rotations too large to be computed.
    """
    numbers = {name: tensor.cpu().numpy() for name, tensor in factors.items()}
    flat = weight.flatten(1)
    if algorithm == "boft":
        rotations = torch.from_numpy(boft_rotations(numbers, alpha)).to(weight.device, torch.float32)
        turned = _butterfly_of_inputs(flat, rotations) if "r" in factors else _butterfly(flat, rotations)
    else:
        found = oft_rotations(numbers, alpha)
        stacks = [torch.from_numpy(stack).to(weight.device, torch.float32) for stack in found]
        if turns_inputs(factors):
            turned = _inputs(flat, stacks[0])
        elif "r" in factors:
            turned = _first_outputs(flat, stacks[0])
        else:
            turned = _outputs(flat, stacks)
    if "rescale" in factors:
        turned = turned * factors["rescale"].reshape(-1, 1)
    return turned.reshape(weight.shape) - weight


def turning_misfit(algorithm: str, factors: Factors, shape: tuple[int, ...]) -> str | None:
    """Why the rotations do not fit a weight of this shape, or None. Raises KeyError when they are missing."""
    outputs, inputs = shape[0], math.prod(shape[1:])
    side, turned, fits = "outputs", 0, True
    if "r" in factors:
        count, size = _blocks_of(algorithm, factors["r"])
        turned = count * size
        if turns_inputs(factors):
            # A single block is shared by all that the layer has room for.
            shared = algorithm == "oft" and count == 1 and inputs % size == 0
            side, fits = "inputs", turned == inputs or shared
        else:
            # The last block may reach beyond the outputs; one for all has any size.
            fits = size == -(-outputs // count) if count > 1 else size <= outputs
    else:
        sizes = [tensor.shape for name, tensor in factors.items() if name.partition(".")[0] == "blocks"]
        if not sizes or any(len(size) != (4 if algorithm == "boft" else 3) for size in sizes):
            raise KeyError("blocks")
        turned = sum(size[-3] * size[-2] for size in sizes)
        fits = turned == outputs
    if algorithm == "boft" and "r" in factors:
        try:
            butterfly_orders(len(factors["r"]), count, size)
        except ValueError as error:
            return f"turns by what is {error}"
    if not fits:
        return f"turns {turned} {side} of a weight of {list(shape)}"
    scaled = factors["rescale"].numel() if "rescale" in factors else outputs
    return None if scaled == outputs else f"scales {scaled} outputs of a weight of {list(shape)}"


def _blocks_of(algorithm: str, rotation: Tensor) -> tuple[int, int]:
    """Number and size of the blocks of PEFT's `r`: [m, n, b, b], [n, b, b] or packed [n, b(b-1)/2]."""
    axes = {"boft": (4,), "oft": (2, 3)}[algorithm]
    if rotation.dim() not in axes or not rotation.numel():
        raise KeyError("r")
    if rotation.dim() == 2:
        return len(rotation), (1 + math.isqrt(1 + 8 * rotation.shape[1])) // 2
    return rotation.shape[-3], rotation.shape[-2]


def _inputs(flat: Tensor, turns: Tensor) -> Tensor:
    """PEFT: W R.T block by block; a single rotation is shared by all blocks."""
    columns = flat.reshape(len(flat), -1, turns.shape[1])
    moved = torch.einsum("onc,nkc->onk", columns, turns.expand(columns.shape[1], -1, -1))
    return moved.reshape(flat.shape)


def _outputs(flat: Tensor, stacks: list[Tensor]) -> Tensor:
    """LyCORIS and kohya: R.T W block by block, one stack of blocks after the other."""
    parts, at = [], 0
    for turns in stacks:
        count, size = turns.shape[:2]
        parts.append(_turned(turns, flat[at : at + count * size]))
        at += count * size
    return torch.cat(parts)


def _first_outputs(flat: Tensor, turns: Tensor) -> Tensor:
    """PEFT before 0.14: R.T W, cut to the outputs that there are; a single rotation is shared."""
    size = turns.shape[1]
    count = -(-len(flat) // size)
    rows = pad(flat, (0, 0, 0, count * size - len(flat)))
    return _turned(turns.expand(count, -1, -1) if len(turns) == 1 else turns[:count], rows)[: len(flat)]


def _turned(turns: Tensor, rows: Tensor) -> Tensor:
    blocks = rows.reshape(len(turns), turns.shape[1], -1)
    return torch.einsum("knm,kni->kmi", turns, blocks).reshape(rows.shape)


def _butterfly(flat: Tensor, rotations: Tensor) -> Tensor:
    """LyCORIS' butterfly: every factor mixes rows that lie twice as far apart as the one before."""
    depth, count, size = rotations.shape[:3]
    width = flat.shape[1]
    for level in range(depth):
        step = 2**level * size // 2
        mixed = flat.reshape(-1, 2, step, width).transpose(1, 2).reshape(count, size, width)
        turned = torch.bmm(rotations[level], mixed)
        flat = turned.reshape(-1, step, 2, width).transpose(1, 2).reshape(-1, width)
    return flat


def _butterfly_of_inputs(flat: Tensor, rotations: Tensor) -> Tensor:
    """PEFT's butterfly: W R.T with R the product of the factors, the first one rightmost."""
    depth, count, size = rotations.shape[:3]
    rows = flat.T
    for level, order in enumerate(butterfly_orders(depth, count, size)):
        places = torch.from_numpy(order).to(flat.device)
        turned = torch.bmm(rotations[level], rows[places].reshape(count, size, -1)).reshape(rows.shape)
        rows = torch.empty_like(turned).index_copy_(0, places, turned)
    return rows.T
