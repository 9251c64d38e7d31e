"""Changes that are read against the base's own weight W: DoRA, GLoRA, (IA)^3, OFT, BOFT and set weights.

DoRA: Liu et al. 2024 (arXiv:2402.09353); GLoRA: Chavan et al. 2023 (2306.07967); (IA)^3: Liu et al. 2022
(2205.05638); OFT: Qiu et al. 2023 (2306.07280); BOFT: Liu et al. 2023 (2311.06243). Each gives what is added
to W at weight 1.0; at weight w it is w times that, AUTOMATIC1111's and ComfyUI's reading.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inference.engine.deltas import Factors, delta, fit, tucker
from registry.weights.rotations import boft_rotations, oft_rotations
from registry.weights.scaling import product_scale

_RELATIVE = frozenset({"glora", "ia3", "oft", "boft"})


def is_relative(algorithm: str, factors: Factors) -> bool:
    """Whether the change depends on the weight that it is applied to."""
    return algorithm in _RELATIVE or "dora_scale" in factors or "set_weight" in factors


def relative_delta(algorithm: str, factors: Factors, alpha: float | None, weight: Tensor) -> Tensor:
    """dW at weight 1.0 for the base's `weight` (float32, any device), in its shape.

    Raises KeyError when a factor is missing, RuntimeError or ValueError when factors do not fit the weight,
    and the registry's UnsupportedChange for rotations too large to be computed.
    """
    if algorithm == "glora":
        return _glora(factors, alpha, weight)
    if algorithm == "ia3":
        return _ia3(factors, weight)
    if algorithm == "oft":
        return _oft(factors, alpha, weight)
    if algorithm == "boft":
        return _boft(factors, alpha, weight)
    if "set_weight" in factors:
        change: Tensor | None = _as(factors["set_weight"], weight) - weight
    else:
        change = fit(delta(algorithm, factors, alpha), weight.shape)
    if change is None:
        raise RuntimeError("the change does not have the weight's shape")
    return decompose(weight, change, factors["dora_scale"]) if "dora_scale" in factors else change


def misfit(algorithm: str, factors: Factors, shape: tuple[int, ...]) -> str | None:
    """Why a rotation, scale or magnitude does not fit a weight of this shape; None where it does, and where
    the formula itself will tell. Nothing is multiplied. Raises KeyError when a factor is missing.
    """
    outputs, inputs = shape[0], math.prod(shape[1:])
    if algorithm == "ia3":
        scaled, side = factors["weight"].numel(), 1 if _on_input(factors) else 0
        if scaled != shape[side]:
            return f"scales {scaled} {'inputs' if side else 'outputs'} of a weight of {list(shape)}"
    if algorithm in ("oft", "boft") and "r" in factors:
        turned, size = _packed(factors["r"])
        if turned != inputs and not (len(factors["r"]) == 1 and inputs % size == 0):
            return f"turns {turned} inputs of a weight of {list(shape)}"
    elif algorithm in ("oft", "boft"):
        sizes = [tensor.shape for name, tensor in factors.items() if name.partition(".")[0] == "blocks"]
        if not sizes or any(len(size) != (4 if algorithm == "boft" else 3) for size in sizes):
            raise KeyError("blocks")
        turned = sum(size[-3] * size[-2] for size in sizes)
        if turned != outputs or factors.get("rescale", torch.empty(turned)).numel() != turned:
            return f"turns {turned} outputs of a weight of {list(shape)}"
    if "dora_scale" in factors and factors["dora_scale"].numel() not in shape[:2]:
        return f"has a DoRA scale of {factors['dora_scale'].numel()} entries for a weight of {list(shape)}"
    return None


def decompose(weight: Tensor, change: Tensor, magnitude: Tensor) -> Tensor:
    """DoRA: V = W + dW; W' = V * m / ||V||, less W.

    One magnitude per output goes with the norms of V's rows, one per input ([1, I], [1, I, 1, 1]) with those
    of its columns. Both norms are V's, as LyCORIS, PEFT, OneTrainer and AUTOMATIC1111 take them; ComfyUI
    divides by W's for the rows.
    """
    whole = weight + change
    ones = [1] * (weight.dim() - 1)
    by_input = magnitude.numel() == weight.shape[1] and (
        weight.shape[0] != weight.shape[1] or (magnitude.dim() > 1 and magnitude.shape[0] == 1)
    )
    if by_input:
        norm = whole.transpose(0, 1).flatten(1).norm(dim=1).reshape(1, -1, *ones[1:])
        factor = magnitude.reshape(1, -1, *ones[1:])
    else:
        norm = whole.flatten(1).norm(dim=1).reshape(-1, *ones)
        factor = magnitude.reshape(-1, *ones)
    renormed: Tensor = whole * (factor / norm.clamp_min(torch.finfo(torch.float32).tiny))
    return renormed - weight


def _glora(factors: Factors, alpha: float | None, weight: Tensor) -> Tensor:
    """W A + B with A = a1 a2 [I, I] on the input channels, and B = b1 b2."""
    inner = factors["a1"].flatten(1) @ factors["a2"].flatten(1)
    b1, b2 = factors["b1"], factors["b2"]
    if "bm" in factors:
        added = tucker(factors["bm"], b1.flatten(1).T, b2.flatten(1))
    else:
        added = b1.flatten(1) @ b2.flatten(1)
    turned = torch.einsum("oi...,ij->oj...", weight, inner)
    return (turned + added.reshape(weight.shape)) * product_scale("glora", alpha, factors["a2"].shape[0])


def _ia3(factors: Factors, weight: Tensor) -> Tensor:
    ones = [1] * (weight.dim() - 2)
    shape = (1, -1, *ones) if _on_input(factors) else (-1, 1, *ones)
    return weight * factors["weight"].reshape(shape)


def _on_input(factors: Factors) -> bool:
    return "on_input" in factors and bool(factors["on_input"])


def _oft(factors: Factors, alpha: float | None, weight: Tensor) -> Tensor:
    stacks = [
        torch.from_numpy(stack).to(weight.device, torch.float32)
        for stack in oft_rotations({name: tensor.cpu().numpy() for name, tensor in factors.items()}, alpha)
    ]
    flat = weight.flatten(1)
    if "r" in factors:
        (turns,) = stacks
        columns = flat.reshape(len(flat), -1, turns.shape[1])
        # PEFT turns the inputs, W' = W R.T; a single rotation is shared by all blocks.
        moved = torch.einsum("onc,nkc->onk", columns, turns.expand(columns.shape[1], -1, -1))
        return moved.reshape(weight.shape) - weight
    parts, at = [], 0
    for turns in stacks:
        count, size = turns.shape[:2]
        rows = flat[at : at + count * size].reshape(count, size, -1)
        parts.append(torch.einsum("knm,kni->kmi", turns, rows).reshape(count * size, -1))
        at += count * size
    return _rescaled(torch.cat(parts), factors).reshape(weight.shape) - weight


def _boft(factors: Factors, alpha: float | None, weight: Tensor) -> Tensor:
    """LyCORIS' butterfly: every factor mixes rows that lie twice as far apart as the one before."""
    numbers = boft_rotations({name: tensor.cpu().numpy() for name, tensor in factors.items()}, alpha)
    rotations = torch.from_numpy(numbers).to(weight.device, torch.float32)
    depth, count, size = rotations.shape[:3]
    flat = weight.flatten(1)
    width = flat.shape[1]
    for level in range(depth):
        step = 2**level * size // 2
        mixed = flat.reshape(-1, 2, step, width).transpose(1, 2).reshape(count, size, width)
        turned = torch.bmm(rotations[level], mixed)
        flat = turned.reshape(-1, step, 2, width).transpose(1, 2).reshape(-1, width)
    return _rescaled(flat, factors).reshape(weight.shape) - weight


def _rescaled(rows: Tensor, factors: Factors) -> Tensor:
    return rows * factors["rescale"].reshape(-1, 1) if "rescale" in factors else rows


def _packed(triangles: Tensor) -> tuple[int, int]:
    """Inputs turned in all, and by one block, of PEFT's packed triangles [n, b(b-1)/2]."""
    if triangles.dim() != 2:
        raise KeyError("r")
    size = round((1 + (1 + 8 * triangles.shape[1]) ** 0.5) / 2)
    return triangles.shape[0] * size, size


def _as(values: Tensor, weight: Tensor) -> Tensor:
    fitted = fit(values, weight.shape)
    if fitted is None:
        raise RuntimeError("the set weight has another shape")
    return fitted
