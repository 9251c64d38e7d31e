"""From an adapter's factors to the change of one weight, in float32, for each algorithm that adds a product.

Formulas: LoRA (Hu et al. 2021, arXiv:2106.09685), its CP form, LoHa and LoKr (LyCORIS, Yeh et al. 2023,
arXiv:2309.14859). What is read against the base's own weight (DoRA, GLoRA, IA3, rotations) is in `relative`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.errors import UnsupportedAdapter
from registry.weights.scaling import product_scale

Factors = Mapping[str, Tensor]

# Every factor a formula uses. One that is not here would be left out silently, so it is refused instead.
_USED = {
    "lora": {"up", "down", "mid", "embedding_up", "embedding_down"},
    "locon": {"up", "down", "mid"},
    "loha": {"w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2"},
    "lokr": {"w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2"},
    "full": {"diff", "w_norm", "set_weight"},
    "glora": {"a1", "a2", "b1", "b2", "bm"},
    "ia3": {"weight", "on_input"},
    "oft": {"blocks", "r", "rescale"},
    "boft": {"blocks", "r", "rescale"},
}
_DECOMPOSED = {"lora", "locon", "loha", "lokr", "full"}
_BIASES = {"diff_b", "b_norm", "up_bias", "down_bias"}
# Set by `fitting`, never a file's: the module scales what the layer gives, its bias included.
SCALES_BIAS = "scales_bias"


def check_known(algorithm: str, names: Iterable[str]) -> None:
    """Raise UnsupportedAdapter unless there is a formula that uses every one of these factors."""
    if algorithm not in _USED:
        raise UnsupportedAdapter(f"The engine has no formula for {algorithm!r}.")
    known = _USED[algorithm] | _BIASES | {"scale"} | ({"dora_scale"} if algorithm in _DECOMPOSED else set())
    unused = sorted(set(names) - known)
    if algorithm == "oft":
        unused = [name for name in unused if not name.startswith("blocks.")]
    if unused:
        raise UnsupportedAdapter(
            f"The engine does not know what the factor {unused[0]!r} of a {algorithm} module does."
        )


@dataclass(frozen=True, slots=True)
class Thin:
    """A product that need not be formed to be added: `scale * left [O, r] @ right [r, I * k...]`."""

    left: Tensor
    right: Tensor
    scale: float | Tensor


def thin(algorithm: str, factors: Factors, alpha: float | None) -> Thin | None:
    """The factors of a plain LoRA as two matrices, None for anything else."""
    plain = algorithm in ("lora", "locon") and "up" in factors and "mid" not in factors
    if not plain or "dora_scale" in factors:
        return None
    up, down = factors["up"].flatten(1), factors["down"].flatten(1)
    return Thin(up, down, _scale(algorithm, factors, alpha, down.shape[0]))


def changes_weight(factors: Factors) -> bool:
    """Whether there is more than a change of the bias."""
    return bool(set(factors) - _BIASES - {"scale", SCALES_BIAS})


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
    elif "embedding_up" in factors or "embedding_down" in factors:
        # PEFT's factors of an embedding make [width, words]; the table is [words, width].
        down = factors["embedding_down"]
        product, rank = (factors["embedding_up"] @ down).T, down.shape[0]
    else:
        product, rank = _lora(factors)
    return product * _scale(algorithm, factors, alpha, rank)


def bias_delta(algorithm: str, factors: Factors, alpha: float | None) -> Tensor | None:
    """The change of the module's bias, when the file has one.

    `up_bias` and `down_bias` are biases of the factors themselves (PEFT's `lora_bias`), so they are scaled as
    the product is and the inner one passes through the outer factor.
    """
    given = factors.get("diff_b", factors.get("b_norm"))
    inner, outer = factors.get("down_bias"), factors.get("up_bias")
    if inner is None and outer is None:
        return given
    up = factors["up"].flatten(1)
    through = up.new_zeros(len(up)) if inner is None else up @ inner
    own = through if outer is None else through + outer
    own = own * _scale(algorithm, factors, alpha, up.shape[1])
    return own if given is None else given + own


def _scale(algorithm: str, factors: Factors, alpha: float | None, rank: int | None) -> float | Tensor:
    """`product_scale`, but a stored `scale` stays a tensor, which may lie on the card or on no device."""
    return factors["scale"].reshape(()) if "scale" in factors else product_scale(algorithm, alpha, rank)


def tucker(core: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Rebuilds [out, in, kh, kw] from core [r, r, kh, kw], left [r, out] and right [r, in]."""
    return torch.einsum("ijkl,ip,jr->prkl", core, left, right)


def _lora(factors: Factors) -> tuple[Tensor, int]:
    up, down = factors["up"], factors["down"]
    rank = down.shape[0]
    if "mid" in factors:
        weight = tucker(factors["mid"], up.flatten(1).T, down.flatten(1))
    else:
        weight = (up.flatten(1) @ down.flatten(1)).reshape(up.shape[0], *down.shape[1:])
    return weight, rank


def _loha(factors: Factors) -> tuple[Tensor, int]:
    first_a, first_b = factors["w1_a"], factors["w1_b"]
    second_a, second_b = factors["w2_a"], factors["w2_b"]
    rank = first_b.shape[0]
    if "t1" in factors:
        weight = tucker(factors["t1"], first_a, first_b) * tucker(factors["t2"], second_a, second_b)
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
        right = tucker(factors["t2"], factors["w2_a"], factors["w2_b"])
        rank = factors["w2_b"].shape[0]
    else:
        right = factors["w2_a"] @ factors["w2_b"].flatten(1)
        rank = factors["w2_b"].shape[0]
    while left.dim() < right.dim():
        left = left.unsqueeze(-1)
    return torch.kron(left, right), rank


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
