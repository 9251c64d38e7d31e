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
from typing import TypeVar

Shape = tuple[int, ...]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class AlgorithmFacts:
    """One module. `in_dim` and `out_dim` are the base layer's in_features and out_features (channels of a
    convolution), None where the factors do not tell; `kernel` is the base convolution's, () for a linear
    layer.

    `four_d` tells that the factors have a convolution's four axes; `parts` that a fused layer is adapted in
    so many parts (0: whole); `vector` that only a norm or a bias is changed; `unordered` that the larger of
    two Kronecker factors comes first, as LyCORIS' factorization never has it. `problem` names what is wrong,
    "" when nothing is.

    `rank` is what the algorithm counts: rows of the inner factor (LoRA, LoHa, LoKr, GLoRA), the size of a
    block (diag-OFT, BOFT), or the number of blocks (OFT of kohya and PEFT: `network_dim` and `r`).
    """

    algorithm: str
    rank: int | None = None
    in_dim: int | None = None
    out_dim: int | None = None
    kernel: Shape = ()
    four_d: bool = False
    dora: bool = False
    problem: str = ""
    parts: int = 0
    vector: bool = False
    unordered: bool = False

    @property
    def is_convolution(self) -> bool:
        """A kernel of more than one position."""
        return math.prod(self.kernel) > 1


def describe(shapes: Mapping[str, Shape], *, counts_blocks: bool = False) -> AlgorithmFacts:
    """Name the algorithm of one module from `factor -> shape` (factors as in `keys.SUFFIXES`).

    `counts_blocks` tells kohya's OFT, whose rank is the number of blocks, from LyCORIS' of the same shape.
    """
    parts = split_parts(shapes)
    if parts:
        return _joined([describe(part, counts_blocks=counts_blocks) for part in parts.values()], list(parts))
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
    for factor in ("ia3_weight", "ia3_l"):
        if factor in shapes:
            return AlgorithmFacts("ia3", out_dim=_single_size(shapes[factor]))
    if any(factor.startswith(("oft", "boft")) for factor in shapes):
        return _oft(shapes, counts_blocks)
    for factor in ("diff", "set_weight"):
        if factor in shapes:
            return _full(shapes[factor])
    if "diff_b" in shapes or "w_norm" in shapes or "b_norm" in shapes or "reshape_weight" in shapes:
        return AlgorithmFacts("full", vector=True)
    return AlgorithmFacts("unknown", dora=dora, problem="holds no complete set of factors")


def split_parts(factors: Mapping[str, Value]) -> dict[int, dict[str, Value]]:
    """Part number -> the factors of that part, where a fused layer is adapted part by part; else nothing."""
    parts: dict[int, dict[str, Value]] = {}
    for factor, value in factors.items():
        name, dot, number = factor.rpartition(".")
        # kohya's FLUX form of OFT is a list inside one module, with one alpha, not a list of modules.
        listed = name == "oft_blocks" and f"alpha.{number}" not in factors
        if dot and not listed and number.isdecimal():
            parts.setdefault(int(number), {})[name] = value
    return dict(sorted(parts.items()))


def _joined(parts: list[AlgorithmFacts], numbers: list[int]) -> AlgorithmFacts:
    """The fused layer of which these are parts: its outputs stand one after the other."""
    first = parts[0]
    outs = [part.out_dim for part in parts if part.out_dim is not None]
    # A gap, or fewer than the two parts that a fused layer has at least, leaves its size open.
    whole = len(outs) == len(parts) > 1 and numbers == list(range(len(parts)))
    problem = next((part.problem for part in parts if part.problem), "")
    if len({(part.algorithm, part.in_dim, part.kernel) for part in parts}) > 1:
        problem = problem or "has parts that do not belong to one layer"
    return AlgorithmFacts(
        first.algorithm if len({part.algorithm for part in parts}) == 1 else "unknown",
        max((part.rank for part in parts if part.rank is not None), default=None),
        first.in_dim,
        sum(outs) if whole else None,
        first.kernel,
        first.four_d,
        any(part.dora for part in parts),
        problem,
        len(parts),
    )


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
        problem = problem or f"has a mid factor that does not join rank {rank} to itself"
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
        unordered=first.out_dim > second.out_dim or first.in_dim > second.in_dim,
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
    missing = [factor for factor in ("a2", "b1", "b2") if f"glora_{factor}" not in shapes]
    if missing:
        return AlgorithmFacts("glora", problem=f"lacks its {missing[0]} factor")
    a2, b1, b2 = shapes["glora_a2"], shapes["glora_b1"], shapes["glora_b2"]
    if min(len(a2), len(b1), len(b2)) < 2:
        return AlgorithmFacts("glora", problem="has factors without two axes")
    core = shapes.get("glora_bm")
    kernel = b2[2:] if core is None else core[2:]
    problem = "" if b1[1] == b2[0] else f"joins rank {b2[0]} to rank {b1[1]}"
    return AlgorithmFacts("glora", a2[0], b2[1], b1[0], kernel, len(b2) == 4, problem=problem)


def _single_size(shape: Shape) -> int | None:
    sizes = [n for n in shape if n != 1]
    return sizes[0] if len(sizes) == 1 else None


def _oft(shapes: Mapping[str, Shape], counts_blocks: bool) -> AlgorithmFacts:
    if "boft_r" in shapes or "boft_s" in shapes:
        # PEFT's [factors, blocks, b, b] turns the inputs.
        turns = shapes.get("boft_r", ())
        if len(turns) != 4:
            return AlgorithmFacts("boft", problem="lacks its rotations")
        return AlgorithmFacts("boft", turns[-1], turns[1] * turns[2], _single_size(shapes.get("boft_s", ())))
    blocks = shapes.get("oft_blocks")
    if blocks is None:
        listed = [shape for factor, shape in shapes.items() if factor.startswith("oft_blocks.")]
        return _oft_list(listed) if listed else _oft_peft(shapes.get("oft_r", ()), shapes.get("oft_s"))
    if len(blocks) == 4:
        return AlgorithmFacts("boft", blocks[-1], out_dim=blocks[1] * blocks[2])
    if len(blocks) == 3:
        rank = blocks[0] if counts_blocks else blocks[-1]
        return AlgorithmFacts("oft", rank, out_dim=blocks[0] * blocks[1])
    return AlgorithmFacts("oft", problem="has blocks of an unknown form")


def _oft_list(stacks: list[Shape]) -> AlgorithmFacts:
    """kohya's FLUX form: one stack of blocks for each part of a layer, as many blocks in each."""
    if any(len(stack) != 3 for stack in stacks):
        return AlgorithmFacts("oft", problem="has blocks of an unknown form")
    return AlgorithmFacts("oft", stacks[0][0], out_dim=sum(stack[0] * stack[1] for stack in stacks))


def _oft_peft(packed: Shape, scale: Shape | None) -> AlgorithmFacts:
    """PEFT's rotations: [n, b, b] of the outputs before 0.14, of the inputs with a scale of each output
    beside them in 0.14 and 0.15, and [n, b (b - 1) / 2] of the inputs, without the mirrored half, since 0.16.
    """
    if len(packed) == 3:
        # A single block may be shared by all, and the last one of the outputs may be larger than its rest.
        turned = packed[0] * packed[1] if packed[0] > 1 else None
        if scale is None:
            return AlgorithmFacts("oft", packed[0], out_dim=turned)
        return AlgorithmFacts("oft", packed[0], turned, _single_size(scale))
    if len(packed) != 2:
        return AlgorithmFacts("oft", problem="has blocks of an unknown form")
    size = (1 + math.isqrt(1 + 8 * packed[1])) // 2
    if size * (size - 1) != 2 * packed[1]:
        return AlgorithmFacts("oft", packed[0], problem="has blocks that are no triangle")
    # A single block may be shared by all (`block_share`), which leaves their number open.
    return AlgorithmFacts("oft", packed[0], packed[0] * size if packed[0] > 1 else None)


def _full(shape: Shape) -> AlgorithmFacts:
    if len(shape) < 2:
        return AlgorithmFacts("full", out_dim=shape[0] if shape else None, vector=True)
    # What stands in blocks as a table (a modulation of [1, 6, d]) is no weight matrix either.
    table = shape[0] == 1 and len(shape) == 3
    return AlgorithmFacts("full", None, shape[1], shape[0], shape[2:], len(shape) == 4, vector=table)
