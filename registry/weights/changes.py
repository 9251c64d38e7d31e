"""From the tensors of one module to its change as an operator, for every algorithm that has one.

Formulas: LoRA (Hu et al. 2021, arXiv:2106.09685) and its CP form, LoHa and LoKr (LyCORIS, Yeh et al. 2023,
arXiv:2309.14859), GLoRA (Chavan et al. 2023, arXiv:2306.07967), (IA)^3 (Liu et al. 2022, arXiv:2205.05638),
OFT (Qiu et al. 2023, arXiv:2306.07280), BOFT (Liu et al. 2023, arXiv:2311.06243), as LyCORIS and kohya-ss
store them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from .container import read_header
from .errors import ModuleTooLarge, UnsupportedChange, WeightsError
from .header import Header
from .loading import ModuleTensors, load_module
from .modules import ModuleFacts, group_modules
from .operators import (
    FORM_LIMIT,
    BlockDiagonal,
    Change,
    Dense,
    Kronecker,
    LowRank,
    Numbers,
    Stored,
    as_matrix,
    real,
    wide,
)
from .rotations import boft_change, oft_change
from .scaling import product_scale
from .tensors import Array, TensorFile

__all__ = [
    "BlockDiagonal",
    "Change",
    "Dense",
    "Kronecker",
    "LoadedModule",
    "LowRank",
    "change_of",
    "iter_module_tensors",
    "load_modules",
    "needs_base",
]

# One module's tensors may have this many numbers in all; FLUX.1's largest layer in full has 66 million.
MODULE_LIMIT = 2**28
# What the formulas below use; a factor that is left out silently would make every number wrong.
_USED = {
    "lora": {"up", "down", "mid", "embedding_up", "embedding_down"},
    "locon": {"up", "down", "mid"},
    "loha": {"w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2"},
    "lokr": {"w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2"},
    "glora": {"a1", "a2", "b1", "b2", "bm"},
    "full": {"diff", "w_norm", "b_norm"},
    "ia3": {"weight", "on_input"},
    "oft": {"blocks", "r", "rescale"},
    "boft": {"blocks", "r", "rescale"},
}
# Biases are no part of the weight's change; DoRA's magnitude and AUTOMATIC1111's scale are read elsewhere.
_BESIDE = {"dora_scale", "scale", "diff_b", "up_bias", "down_bias"}


@dataclass(frozen=True, slots=True)
class LoadedModule:
    """One module of a file: its tensors, or the `problem` that keeps them from being read."""

    facts: ModuleFacts
    tensors: ModuleTensors | None
    problem: WeightsError | None = None


def iter_module_tensors(path: str | os.PathLike[str]) -> Iterator[LoadedModule]:
    """Each module of the file `path`, one at a time; one that cannot be read is told and left out.

    Lenient where `load_adapter_modules` is strict: layers that no canonical name is known for pass. Raises
    Unreadable, or a ContainerError when the file is not whole and valid: tensors that overlap could name one
    byte a million times.
    """
    header = read_header(path)
    if header.error is not None:
        raise header.error
    modules, _ = group_modules(header)
    if modules:
        with TensorFile(path, header) as file:
            yield from load_modules(file, modules)


def load_modules(
    file: TensorFile, modules: Iterable[ModuleFacts], *, limit: int = MODULE_LIMIT
) -> Iterator[LoadedModule]:
    """Each of `modules` of an open file, as `iter_module_tensors` gives them."""
    for module in modules:
        try:
            size = _numbers(module, file.header)
            if size > limit:
                raise ModuleTooLarge(f"Module {module.name[:120]} has {size} numbers; the limit is {limit}.")
            # float64 tensors may hold more than float32 can; such a number becomes an infinity and is told.
            with np.errstate(over="ignore", invalid="ignore"):
                tensors = load_module(module, file)
            if any(np.iscomplexobj(values) for values in tensors.tensors.values()):
                raise UnsupportedChange(f"Module {module.name[:120]} holds complex numbers.")
            yield LoadedModule(module, tensors)
        except WeightsError as error:
            yield LoadedModule(module, None, error)


def _numbers(module: ModuleFacts, header: Header) -> int:
    total = 0
    for key in module.factors.values():
        count = 1
        for dimension in header.tensors[key].shape:
            count *= dimension
        total += count
    if module.facts.parts:
        # The parts of a fused layer are laid out as one: all outputs by all ranks.
        total = max(total, (module.out_dim or 0) * (module.rank or 0) * module.facts.parts)
    return total


def needs_base(module: ModuleTensors) -> bool:
    """Whether the whole of what the module does depends on the base's weight: DoRA, GLoRA and relative
    changes.
    """
    return module.dora or module.algorithm in ("glora", "ia3", "oft", "boft")


def change_of(module: ModuleTensors) -> Change:
    """The module's change at weight 1.0, alpha or scale folded in.

    Of DoRA it is the change of direction before renorming, of GLoRA the part that is added and not the one
    that is multiplied with the base. Biases beside a weight are left out. Raises UnsupportedChange where
    there is no formula, factors do not multiply, or the change would have to be formed and is too large.
    """
    try:
        change = _change(module)
        # More rank than the layer has: the matrix itself is the smaller form.
        return Dense(change.matrix()) if _is_wide(change) else change
    except KeyError as error:
        raise UnsupportedChange(f"Module {module.name[:120]} lacks its {error.args[0]} factor.") from None
    except (ValueError, IndexError):
        raise UnsupportedChange(f"The factors of module {module.name[:120]} do not multiply.") from None


def _is_wide(change: Change) -> bool:
    return isinstance(change, LowRank) and change.rank > min(change.shape)


def _change(module: ModuleTensors) -> Change:
    tensors, scale = module.tensors, _scale(module)
    unused = sorted(set(tensors) - _USED.get(module.algorithm, set(tensors)) - _BESIDE)
    if unused and not unused[0].startswith("blocks."):
        raise UnsupportedChange(
            f"It is not known what the factor {unused[0][:80]} of module {module.name[:120]} does."
        )
    match module.algorithm:
        case "lora" | "locon":
            return _lora(tensors, scale)
        case "loha":
            return _loha(tensors, scale)
        case "lokr":
            return _lokr(tensors, scale)
        case "glora":
            return _scaled(_tucker_or_plain(tensors, "b1", "b2", "bm"), scale)
        case "full":
            return _full(module)
        case "ia3":
            return BlockDiagonal((real(tensors["weight"]).reshape(-1, 1, 1),))
        case "oft":
            return oft_change(tensors, module.alpha)
        case "boft":
            return boft_change(tensors, module.alpha)
    raise UnsupportedChange(f"There is no formula for the {module.algorithm} module {module.name[:120]}.")


def _scale(module: ModuleTensors) -> float:
    stored = module.tensors.get("scale")
    number = None if stored is None or stored.size != 1 else float(real(stored).reshape(-1)[0])
    return product_scale(module.algorithm, module.alpha, module.rank, number)


def _lora(tensors: dict[str, Array], scale: float) -> Change:
    if "embedding_up" in tensors:
        return _low_rank(tensors["embedding_up"], tensors["embedding_down"], scale)
    return _scaled(_tucker_or_plain(tensors, "up", "down", "mid"), scale)


def _tucker_or_plain(tensors: dict[str, Array], up: str, down: str, mid: str) -> LowRank:
    left, right = _rows(tensors[up]), _rows(tensors[down])
    return _product(left, _core(real(tensors[mid]), right) if mid in tensors else right)


def _core(core: Stored, right: Stored) -> Numbers:
    """Kernel core [r, r, k...] applied to right [r, in]: [r, in * k...], the kernel's positions innermost."""
    rank = core.shape[1]
    flat = wide(core).reshape(core.shape[0], rank, math.prod(core.shape[2:]))
    joined: Numbers = np.einsum("ijk,jn->ink", flat, wide(right), optimize=True)
    return wide(as_matrix(joined))


def _loha(tensors: dict[str, Array], scale: float) -> Change:
    if "t1" in tensors:
        # Tucker: w1_a is [r, out] here, not [out, r].
        first = _product(_rows(tensors["w1_a"]).T, _core(real(tensors["t1"]), _rows(tensors["w1_b"])))
        second = _product(_rows(tensors["w2_a"]).T, _core(real(tensors["t2"]), _rows(tensors["w2_b"])))
    else:
        first = _product(_rows(tensors["w1_a"]), _rows(tensors["w1_b"]))
        second = _product(_rows(tensors["w2_a"]), _rows(tensors["w2_b"]))
    if first.shape != second.shape:
        raise ValueError("the two products have different shapes")
    rank, (rows, columns) = first.rank * second.rank, first.shape
    if rank * (rows + columns) <= min(rows * columns, FORM_LIMIT) // 2:
        # The Hadamard product of two low-rank matrices is the product of row-wise and column-wise Kronecker
        # products (Khatri-Rao; Horn & Johnson 1991, Topics in Matrix Analysis, chapter 5).
        left = np.einsum("or,os->ors", wide(first.left) * scale, wide(second.left)).reshape(rows, rank)
        right = np.einsum("ri,si->rsi", wide(first.right), wide(second.right)).reshape(rank, columns)
        return LowRank(left, right)
    if rows * columns > FORM_LIMIT:
        raise UnsupportedChange(f"A change of {rows} x {columns} is too large to be formed.")
    formed = first.matrix()
    formed *= second.matrix()
    formed *= scale
    return Dense(formed)


def _lokr(tensors: dict[str, Array], scale: float) -> Change:
    if "w1" in tensors:
        first = _rows(tensors["w1"])
    else:
        first = _product(_rows(tensors["w1_a"]), _rows(tensors["w1_b"])).matrix()
    if "w2" in tensors:
        second: LowRank | Dense = Dense(_rows(tensors["w2"]))
    elif "t2" in tensors:
        second = _product(_rows(tensors["w2_a"]).T, _core(real(tensors["t2"]), _rows(tensors["w2_b"])))
    else:
        second = _product(_rows(tensors["w2_a"]), _rows(tensors["w2_b"]))
    return Kronecker(wide(first) * scale, second)


def _full(module: ModuleTensors) -> Change:
    for factor in ("diff", "w_norm", "diff_b", "b_norm"):
        if factor in module.tensors:
            values = real(module.tensors[factor])
            # A norm's or bias' change is one column.
            return Dense(as_matrix(values) if values.ndim > 1 else values.reshape(-1, 1))
    raise UnsupportedChange(f"Module {module.name[:120]} replaces a weight; its change needs the base.")


def _low_rank(up: Array, down: Array, scale: float) -> LowRank:
    return _scaled(_product(_rows(up), _rows(down)), scale)


def _product(left: Stored, right: Stored) -> LowRank:
    if left.shape[1] != right.shape[0]:
        raise ValueError("the ranks differ")
    return LowRank(left, right)


def _scaled(product: LowRank, scale: float) -> LowRank:
    return LowRank(wide(product.left) * scale, product.right) if scale != 1.0 else product


def _rows(values: Array) -> Stored:
    """Factor as a matrix: its first axis, and all others (a convolution's kernel) flattened."""
    if values.ndim < 2:
        raise ValueError("a factor has no two axes")
    return as_matrix(real(values))
