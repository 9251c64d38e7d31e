"""Which algorithm a module's factors belong to, and the rank and layer size that their shapes tell.

Suffixes and shapes: kohya-ss/sd-scripts, KohakuBlueleaf/LyCORIS and huggingface/peft; LoRA: Hu et al. 2021
(arXiv:2106.09685), LoHa: Hyeon-Woo et al. 2021 (2108.06098), LoKr: Edalati et al. 2022 (2212.10650), DoRA:
Liu et al. 2024 (2402.09353), (IA)^3: Liu et al. 2022 (2205.05638), OFT: Qiu et al. 2023 (2306.07280), BOFT:
Liu et al. 2023 (2311.06243).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AlgorithmFacts:
    """One module. `in_dim` and `out_dim` are the base layer's in_features and out_features (channels of a
    convolution), None where the factors do not tell; `kernel` is the base convolution's, () for a linear
    layer.

    `four_d` tells that the factors have a convolution's four axes. `problem` names what is wrong, "" when
    nothing is.
    """

    algorithm: str
    rank: int | None = None
    in_dim: int | None = None
    out_dim: int | None = None
    kernel: Shape = ()
    four_d: bool = False
    dora: bool = False
    problem: str = ""

    @property
    def is_convolution(self) -> bool:
        """A kernel of more than one position."""
        return math.prod(self.kernel) > 1


def describe(shapes: Mapping[str, Shape]) -> AlgorithmFacts:
    """Name the algorithm of one module from `factor -> shape` (factors as in `keys.SUFFIXES`)."""
    dora = "dora_scale" in shapes
    if any(factor.startswith("hada_") for factor in shapes):
        return _loha(shapes, dora)
    if any(factor.startswith("lokr_") for factor in shapes):
        return _lokr(shapes, dora)
    if "glora_a1" in shapes:
        return _glora(shapes)
    if "up" in shapes or "down" in shapes:
        return _lora(shapes, dora)
    if "embedding_down" in shapes or "embedding_up" in shapes:
        return _embedding_lora(shapes)
    if "ia3_weight" in shapes:
        return AlgorithmFacts("ia3", out_dim=_ia3_size(shapes["ia3_weight"]))
    if any(factor.startswith("oft") for factor in shapes):
        return _oft(shapes)
    for factor in ("diff", "set_weight"):
        if factor in shapes:
            return _full(shapes[factor])
    if "diff_b" in shapes or "w_norm" in shapes or "b_norm" in shapes or "reshape_weight" in shapes:
        return AlgorithmFacts("full")
    return AlgorithmFacts("unknown", dora=dora, problem="holds no complete set of factors")


def _lora(shapes: Mapping[str, Shape], dora: bool) -> AlgorithmFacts:
    down, up = shapes.get("down"), shapes.get("up")
    if down is None or up is None:
        return AlgorithmFacts("lora", dora=dora, problem=f"lacks its {'up' if up is None else 'down'} factor")
    if len(down) < 2 or len(up) < 2:
        return AlgorithmFacts("lora", dora=dora, problem="has factors without two axes")
    mid = shapes.get("mid")
    rank = down[0]
    kernel = mid[2:] if mid is not None else down[2:]
    problem = "" if up[1] == rank else f"joins rank {rank} to rank {up[1]}"
    if mid is not None and mid[:2] != (rank, rank):
        problem = problem or f"has a mid factor of {mid[0]} x {mid[1] if len(mid) > 1 else 1} at rank {rank}"
    return AlgorithmFacts("lora", rank, down[1], up[0], kernel, len(down) == 4, dora, problem)


def _embedding_lora(shapes: Mapping[str, Shape]) -> AlgorithmFacts:
    down, up = shapes.get("embedding_down"), shapes.get("embedding_up")
    if down is None or up is None or len(down) != 2 or len(up) != 2:
        return AlgorithmFacts("lora", problem="lacks one of its embedding factors")
    return AlgorithmFacts("lora", down[0], down[1], up[0])


def _loha(shapes: Mapping[str, Shape], dora: bool) -> AlgorithmFacts:
    missing = [f for f in ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b") if len(shapes.get(f, ())) != 2]
    if missing:
        return AlgorithmFacts("loha", dora=dora, problem=f"lacks a proper {missing[0]}")
    a, b = shapes["hada_w1_a"], shapes["hada_w1_b"]
    core = shapes.get("hada_t1")
    if core is not None:
        # Tucker: w1_a is [r, out] here, not [out, r].
        return AlgorithmFacts("loha", core[0] if core else None, b[1], a[1], core[2:], len(core) == 4, dora)
    # A convolution's kernel is folded into w1_b; only the base layer tells it from the inputs.
    return AlgorithmFacts("loha", b[0], b[1], a[0], (), False, dora)


def _lokr(shapes: Mapping[str, Shape], dora: bool) -> AlgorithmFacts:
    first, second = _lokr_factor(shapes, "lokr_w1"), _lokr_factor(shapes, "lokr_w2")
    if first is None or second is None:
        return AlgorithmFacts("lokr", dora=dora, problem="lacks one of its two factors")
    rank = second.rank if second.rank is not None else first.rank
    return AlgorithmFacts(
        "lokr",
        rank,
        first.in_dim * second.in_dim,
        first.out_dim * second.out_dim,
        second.kernel,
        bool(second.kernel),
        dora,
    )


@dataclass(frozen=True, slots=True)
class _KroneckerFactor:
    out_dim: int
    in_dim: int
    kernel: Shape
    rank: int | None


def _lokr_factor(shapes: Mapping[str, Shape], name: str) -> _KroneckerFactor | None:
    whole, a, b = shapes.get(name), shapes.get(f"{name}_a"), shapes.get(f"{name}_b")
    if whole is not None:
        return _KroneckerFactor(whole[0], whole[1], whole[2:], None) if len(whole) >= 2 else None
    if a is None or b is None or len(a) < 2 or len(b) < 2:
        return None
    core = shapes.get("lokr_t2") if name == "lokr_w2" else None
    if core is not None:
        # Tucker: w2_a is [r, out] here.
        return _KroneckerFactor(a[1], b[1], core[2:], core[0]) if len(core) >= 2 else None
    return _KroneckerFactor(a[0], b[1], b[2:], b[0])


def _glora(shapes: Mapping[str, Shape]) -> AlgorithmFacts:
    a2, b1, b2 = shapes["glora_a2"], shapes["glora_b1"], shapes["glora_b2"]
    if min(len(a2), len(b1), len(b2)) < 2:
        return AlgorithmFacts("glora", problem="has factors without two axes")
    return AlgorithmFacts("glora", a2[0], b2[1], b1[0], b2[2:], len(b2) == 4)


def _ia3_size(shape: Shape) -> int | None:
    sizes = [n for n in shape if n != 1]
    return sizes[0] if len(sizes) == 1 else None


def _oft(shapes: Mapping[str, Shape]) -> AlgorithmFacts:
    blocks = shapes.get("oft_blocks")
    if blocks is None:
        listed = [shape for factor, shape in shapes.items() if factor.startswith("oft_blocks.")]
        if listed:
            # kohya's FLUX form: one stack of blocks for each part of a fused layer.
            return AlgorithmFacts("oft", listed[0][0] if listed[0] else None)
        packed = shapes.get("oft_r", ())
        return AlgorithmFacts("oft", packed[0] if packed else None)
    if len(blocks) == 4:
        return AlgorithmFacts("boft", blocks[-1], out_dim=blocks[1] * blocks[2])
    if len(blocks) == 3:
        return AlgorithmFacts("oft", blocks[-1], out_dim=blocks[0] * blocks[1])
    return AlgorithmFacts("oft", problem="has blocks of an unknown form")


def _full(shape: Shape) -> AlgorithmFacts:
    if len(shape) < 2:
        return AlgorithmFacts("full", out_dim=shape[0] if shape else None)
    return AlgorithmFacts("full", None, shape[1], shape[0], shape[2:], len(shape) == 4)
