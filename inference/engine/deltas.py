"""From an adapter's factors to the change of one weight, in float32, for each algorithm.

Formulas: LoRA (Hu et al. 2021, arXiv:2106.09685), its CP form, LoHa and LoKr (LyCORIS, Yeh et al. 2023,
arXiv:2309.14859), DoRA (Liu et al. 2024, arXiv:2402.09353) with the norms as ComfyUI takes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from inference.errors import UnsupportedAdapter
from registry.weights.scaling import product_scale

Factors = Mapping[str, Tensor]

_EPS = torch.finfo(torch.float32).eps
# Every factor a formula below uses. One that is not here would be left out silently, so it is refused
# instead.
_USED = {
    "lora": {"up", "down", "mid"},
    "locon": {"up", "down", "mid"},
    "loha": {"w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2"},
    "lokr": {"w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2"},
    "full": {"diff", "w_norm"},
}
_BESIDE = {"dora_scale", "scale", "diff_b", "b_norm"}


def check_known(algorithm: str, names: Iterable[str]) -> None:
    """Raise UnsupportedAdapter unless there is a formula that uses every one of these factors."""
    if algorithm not in _USED:
        raise UnsupportedAdapter(f"The engine has no formula for {algorithm!r}.")
    unused = sorted(set(names) - _USED[algorithm] - _BESIDE)
    if unused:
        raise UnsupportedAdapter(
            f"The engine does not know what the factor {unused[0]!r} of a {algorithm} module does."
        )


def delta(algorithm: str, factors: Factors, alpha: float | None) -> Tensor:
    """dW at weight 1.0, shaped as its factors give it (`fit` brings it to the weight's shape).

    Without alpha the scale is 1: alpha counts as the rank. Raises KeyError when a factor is missing and
    RuntimeError when factors do not multiply.
    """
    # LoCon is LoRA on convolutions; the factors tell, not the name.
    rank: int | None
    if algorithm == "loha":
        product, rank = _loha(factors)
    elif algorithm == "lokr":
        product, rank = _lokr(factors)
    elif algorithm == "full":
        return factors["w_norm"] if "w_norm" in factors else factors["diff"]
    else:
        product, rank = _lora(factors)
    return product * _scale(algorithm, factors, alpha, rank)


def bias_delta(factors: Factors) -> Tensor | None:
    """The change of the module's bias, when the file has one."""
    return factors.get("diff_b", factors.get("b_norm"))


def _scale(algorithm: str, factors: Factors, alpha: float | None, rank: int | None) -> float | Tensor:
    """`product_scale`, but a stored `scale` stays a tensor, which may lie on the card or on no device."""
    return factors["scale"].reshape(()) if "scale" in factors else product_scale(algorithm, alpha, rank)


def _tucker(core: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Rebuilds [out, in, kh, kw] from core [r, r, kh, kw], left [r, out] and right [r, in]."""
    return torch.einsum("ijkl,ip,jr->prkl", core, left, right)


def _lora(factors: Factors) -> tuple[Tensor, int]:
    up, down = factors["up"], factors["down"]
    rank = down.shape[0]
    if "mid" in factors:
        weight = _tucker(factors["mid"], up.flatten(1).T, down.flatten(1))
    else:
        weight = (up.flatten(1) @ down.flatten(1)).reshape(up.shape[0], *down.shape[1:])
    return weight, rank


def _loha(factors: Factors) -> tuple[Tensor, int]:
    first_a, first_b = factors["w1_a"], factors["w1_b"]
    second_a, second_b = factors["w2_a"], factors["w2_b"]
    rank = first_b.shape[0]
    if "t1" in factors:
        weight = _tucker(factors["t1"], first_a, first_b) * _tucker(factors["t2"], second_a, second_b)
    else:
        weight = (first_a @ first_b) * (second_a @ second_b)
    return weight, rank


def _lokr(factors: Factors) -> tuple[Tensor, int | None]:
    # With both factors whole there is no rank, and LyCORIS applies no alpha.
    rank: int | None = None
    if "w1" in factors:
        left = factors["w1"]
    else:
        left = factors["w1_a"] @ factors["w1_b"]
        rank = factors["w1_b"].shape[0]
    if "w2" in factors:
        right = factors["w2"]
    elif "t2" in factors:
        right = _tucker(factors["t2"], factors["w2_a"], factors["w2_b"])
        rank = factors["w2_b"].shape[0]
    else:
        right = factors["w2_a"] @ factors["w2_b"]
        rank = factors["w2_b"].shape[0]
    while left.dim() < right.dim():
        left = left.unsqueeze(-1)
    return torch.kron(left, right), rank


def decompose(weight: Tensor, change: Tensor, magnitude: Tensor) -> Tensor:
    """DoRA: what must be added to `weight` at 1.0, so that W + w * result is ComfyUI's picture of weight w.

    V = W + dW; W' = V * m / norm. With one magnitude per output row the norm is that of W's rows, with one
    per input column that of V's columns.
    """
    whole = weight + change
    ones = [1] * (weight.dim() - 1)
    if magnitude.shape[0] == weight.shape[0]:
        norm = weight.flatten(1).norm(dim=1).reshape(-1, *ones)
        magnitude = magnitude.reshape(-1, *ones)
    else:
        norm = whole.transpose(0, 1).flatten(1).norm(dim=1).reshape(1, -1, *ones[1:])
        magnitude = magnitude.reshape(1, -1, *ones[1:])
    renormed: Tensor = whole * (magnitude / (norm + _EPS))
    return renormed - weight


def fit(change: Tensor, shape: torch.Size) -> Tensor | None:
    """The change in the weight's shape, or None. A linear LoRA fits a 1x1 convolution and the other way
    round.

    A LoKr or LoRA whose kernel was flattened into its columns fits when outputs and element count agree.
    """
    if change.shape == shape:
        return change
    squeezed = [size for size in change.shape if size != 1]
    same = squeezed == [size for size in shape if size != 1]
    flattened = change.dim() == 2 and change.shape[0] == shape[0]
    if change.numel() == shape.numel() and (same or flattened):
        return change.reshape(shape)
    return None
