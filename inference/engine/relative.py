"""Changes that are read against the base's own weight W: DoRA, GLoRA, (IA)^3, OFT, BOFT and set weights.

DoRA: Liu et al. 2024 (arXiv:2402.09353); GLoRA: Chavan et al. 2023 (2306.07967); (IA)^3: Liu et al. 2022
(2205.05638); rotations are in `turning`. Each gives what is added to W at weight 1.0; at weight w it is w
times that, AUTOMATIC1111's and ComfyUI's reading.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inference.engine.deltas import Factors, delta, fit, tucker
from inference.engine.turning import ROTATIONS, turned_delta, turning_misfit
from registry.weights.scaling import product_scale

_RELATIVE = frozenset({"glora", "ia3"}) | ROTATIONS


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
    if algorithm in ROTATIONS:
        return turned_delta(algorithm, factors, alpha, weight)
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
    if algorithm == "ia3":
        scaled, side = factors["weight"].numel(), 1 if _on_input(factors) else 0
        if scaled != shape[side]:
            return f"scales {scaled} {'inputs' if side else 'outputs'} of a weight of {list(shape)}"
    if algorithm in ROTATIONS and (problem := turning_misfit(algorithm, factors, shape)):
        return problem
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


def _as(values: Tensor, weight: Tensor) -> Tensor:
    fitted = fit(values, weight.shape)
    if fitted is None:
        raise RuntimeError("the set weight has another shape")
    return fitted
