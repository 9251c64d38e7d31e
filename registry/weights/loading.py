"""The modules of an adapter file with their tensors, ready to be applied to a model."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .algorithms import describe, split_parts
from .container import read_header
from .embeddings import learned_tokens, rows_of
from .errors import IncompleteModule, TensorReadError, Truncated, UnmatchedKeys
from .header import Header
from .modules import PEFT_DIALECTS, ModuleFacts, group_modules
from .scaling import product_scale
from .tensors import Array, TensorFile

# Factor names inside ModuleTensors, without the algorithm's own prefix.
_SHORT = {
    "oft_r": "r", "oft_s": "rescale", "boft_r": "r", "boft_s": "rescale", "ia3_weight": "weight",
}  # fmt: skip
_PREFIXES = ("hada_", "lokr_", "glora_", "oft_")
# What an algorithm leaves beside its factors and no formula needs.
_MARKERS = frozenset({"alpha", "oft_marker"})
# With these alone the parts of a fused layer make one LoRA of it.
_JOINED = frozenset({"up", "down", "alpha"})
# How much larger than its parts a fused factor may be, for each part.
_MOST_GROWTH = 8


@dataclass(frozen=True)
class ModuleTensors:
    """One module ready to be applied to the layer `path` of `component`.

    `path` is the layer's dotted diffusers path (component unet) or transformers path with its `text_model.`
    (component text_encoder, text_encoder_2). `tensors` are float32 or float16 arrays under their factor's
    name: lora, locon: up, down, mid; loha: w1_a, w1_b, w2_a, w2_b, t1, t2; lokr: w1 or w1_a and w1_b, w2 or
    w2_a and w2_b, t2; ia3: weight, on_input; glora: a1, a2, b1, b2, bm; oft, boft: blocks or r, rescale;
    full: diff, w_norm, b_norm, set_weight; any of them also dora_scale, diff_b, up_bias, scale.

    `alpha` is None when nothing states one, which means a scale of 1; where only PEFT's configuration in the
    metadata does, it makes `scale` what PEFT applies. A stored 0 reads as the rank, as in LyCORIS. `facts`
    are what names and shapes tell, where the module comes from a file. `turns_kernels` says that a rotation
    `r` of a convolution is OneTrainer's, which turns the kernel itself: W R, where PEFT's is W R.T. `part` is
    the number of the part that it is of the fused layer that `facts` describe, None for a whole layer.
    """

    component: str
    path: str
    algorithm: str
    tensors: dict[str, Array]
    alpha: float | None
    rank: int | None
    name: str = ""
    facts: ModuleFacts | None = None
    turns_kernels: bool = False
    part: int | None = None

    @property
    def dora(self) -> bool:
        """Whether the weight is split into magnitude and direction (DoRA)."""
        return "dora_scale" in self.tensors

    @property
    def scale(self) -> float:
        """What alpha makes of the factors' product, by `product_scale`; a stored `scale` is a tensor here."""
        return product_scale(self.algorithm, self.alpha, self.rank)


def load_adapter_modules(path: str | os.PathLike[str]) -> dict[str, ModuleTensors]:
    """Everything in the file `path`, ready to apply; keyed by `component.path`.

    Raises Unreadable, a ContainerError when the file is not whole and valid, UnmatchedKeys when any key
    belongs to no layer that can be named, IncompleteModule when a module lacks a factor. A file is taken
    whole or not at all.
    """
    header = _whole_header(path)
    modules, rest = group_modules(header)
    _refuse([*rest, *(m.name for m in modules if not m.where.known)], header, modules)
    with TensorFile(path, header) as file:
        return _loaded(modules, file)


@dataclass(frozen=True)
class AdapterTensors:
    """A whole adapter file: its modules keyed by `component.path`, and the tokens learned with them.

    `tokens` are token -> tensor name -> vectors [n, width] (PTI's `<s1>`, `bundle_emb.` of LyCORIS and
    OneTrainer, pivotal tuning's `clip_l`); a text encoder that was not given them reads the token as any
    other word.
    """

    modules: dict[str, ModuleTensors]
    tokens: dict[str, dict[str, Array]]


def load_adapter(path: str | os.PathLike[str]) -> AdapterTensors:
    """Everything in the file `path` for a model at hand, which alone decides which layers there are.

    Unlike `load_adapter_modules`, a layer that no table names passes, and so do learned tokens. Raises the
    same errors; UnmatchedKeys when a key is part of no module, or there is none.
    """
    header = _whole_header(path)
    modules, rest = group_modules(header)
    named = learned_tokens(header.tensors, rest)
    learned = {name for names in named.values() for name in names}
    _refuse([name for name in rest if name not in learned], header, modules)
    with TensorFile(path, header) as file:
        tokens = {
            token: {name: _vectors(name, file)[rows_of(token, name)] for name in names}
            for token, names in named.items()
        }
        return AdapterTensors(_loaded(modules, file), tokens)


def _whole_header(path: str | os.PathLike[str]) -> Header:
    header = read_header(path)
    if header.error is not None:
        raise header.error
    return header


def _refuse(unmatched: list[str], header: Header, modules: list[ModuleFacts]) -> None:
    if unmatched or not modules:
        shown = ", ".join(sorted(unmatched)[:3]) or "none at all"
        more = f" and {len(unmatched) - 3} more" if len(unmatched) > 3 else ""
        raise UnmatchedKeys(
            f"{len(unmatched)} of {len(header.tensors)} keys belong to no known layer: {shown}{more}."
        )


def _loaded(modules: list[ModuleFacts], file: TensorFile) -> dict[str, ModuleTensors]:
    loaded: dict[str, ModuleTensors] = {}
    for module in modules:
        for found in _whole_or_parts(module, file):
            key = f"{found.component}.{found.path}" + ("" if found.part is None else f".{found.part}")
            if key in loaded:
                raise UnmatchedKeys(f"{loaded[key].name} and {module.name} both name the layer {key}.")
            loaded[key] = found
    return loaded


def _whole_or_parts(module: ModuleFacts, file: TensorFile) -> list[ModuleTensors]:
    """The module, or each part of a fused layer where their algorithm makes no whole of them."""
    parts = split_parts(module.factors)
    if module.facts.problem or all(set(factors) <= _JOINED for factors in parts.values()):
        return [load_module(module, file)]
    found = []
    for number, factors in parts.items():
        shapes = {factor: file.header.tensors[key].shape for factor, key in factors.items()}
        name = f"{module.name}.{number}"
        own = replace(module, name=name, facts=describe(shapes), factors=factors, alpha=None)
        found.append(replace(load_module(own, file), facts=module, part=number))
    return found


def _vectors(name: str, file: TensorFile) -> Array:
    try:
        values = _as_float(file.read(name))
    except (TensorReadError, Truncated) as error:
        raise IncompleteModule(f"Token {name}: {error.message}") from error
    if values.ndim == 0 or values.shape[-1] == 0:
        raise IncompleteModule(f"Token {name} is no list of vectors.")
    return values.reshape(-1, values.shape[-1])


def load_module(module: ModuleFacts, file: TensorFile) -> ModuleTensors:
    """The tensors of one module. Raises IncompleteModule when a factor is missing or cannot be read."""
    if module.facts.problem:
        raise IncompleteModule(f"Module {module.name} {module.facts.problem}.")
    parts = split_parts(module.factors)
    if parts:
        tensors, alpha = _fused([_part(module, factors, file) for factors in parts.values()], module)
    else:
        tensors, alpha = _part(module, module.factors, file)
        if "alpha" not in module.factors:
            alpha = module.alpha
        # Of a rotation it is the bound on its generator, and 0 means that there is none.
        if alpha == 0 and module.rank and module.algorithm not in ("oft", "boft"):
            alpha = float(module.rank)
    return ModuleTensors(
        component=module.where.component,
        path=module.where.path,
        algorithm=module.algorithm,
        tensors=tensors,
        alpha=alpha,
        rank=module.rank,
        name=module.name,
        facts=module,
        turns_kernels="r" in tensors and _from_onetrainer(module, file.header),
    )


def _from_onetrainer(module: ModuleFacts, header: Header) -> bool:
    """Whether OneTrainer, or what reads its files (ComfyUI), is where a packed rotation comes from; PEFT
    writes no underscored names and no markers.
    """
    named = module.where.dialect not in PEFT_DIALECTS
    return named or "oft_marker" in module.factors or "ot_branch" in header.metadata


def _part(
    module: ModuleFacts, factors: Mapping[str, str], file: TensorFile
) -> tuple[dict[str, Array], float | None]:
    """The tensors under these factors, and their alpha."""
    tensors: dict[str, Array] = {}
    for factor, key in factors.items():
        if factor in _MARKERS:
            continue
        try:
            tensors[_short(factor)] = _as_float(file.read(key))
        except (TensorReadError, Truncated) as error:
            raise IncompleteModule(f"Module {module.name}: {error.message}") from error
    if "dora_scale" in tensors and ".lora_magnitude_vector" in factors["dora_scale"]:
        # PEFT keeps one number for each output, of a convolution as [1, O, 1, 1], which LyCORIS' axes would
        # make one for each input.
        tensors["dora_scale"] = tensors["dora_scale"].reshape(-1)
    if "oft_marker" in factors and "r" in tensors and tensors["r"].ndim:
        tensors["r"] = tensors["r"].astype(np.float32) / _oft_divisor(tensors["r"].shape[-1])
    if "ia3_l" in tensors:
        # PEFT multiplies with `l`, on the side where it is not 1 wide; LyCORIS adds its weight to 1.
        scale = tensors.pop("ia3_l").astype(np.float32)
        tensors["weight"] = scale.reshape(-1) - np.float32(1)
        tensors["on_input"] = np.asarray(scale.ndim > 1 and scale.shape[0] == 1, np.float32)
    key = factors.get("alpha", "")
    alpha = file.read_number(key) if key else None
    if key and alpha is None:
        raise IncompleteModule(f"Module {module.name} has an alpha that is no number.")
    return tensors, alpha


def _oft_divisor(entries: int) -> np.float32:
    """What OneTrainer's scaled OFT divides a block's generator by: 2 sqrt(b - 1) for b (b - 1) / 2 entries
    (Nerogar/OneTrainer, `OFTRotationModule.forward`, May 2026).
    """
    size = (1 + math.isqrt(1 + 8 * entries)) // 2
    return np.float32(2 * math.sqrt(max(size - 1, 1)))


def _fused(
    parts: list[tuple[dict[str, Array], float | None]], module: ModuleFacts
) -> tuple[dict[str, Array], None]:
    """One LoRA of the fused layer that gives each part its own rows: inner factors one below the other, outer
    ones along the diagonal with their scales in them, which leaves no alpha.
    """
    facts = module.facts
    if any(set(tensors) != {"up", "down"} for tensors, _ in parts) or None in (facts.in_dim, facts.out_dim):
        raise IncompleteModule(f"Module {module.name} adapts parts of a layer that cannot be put together.")
    ranks = [tensors["down"].shape[0] for tensors, _ in parts]
    width = (facts.in_dim or 0) * math.prod(facts.kernel)
    held = sum(tensors["up"].size for tensors, _ in parts)
    if (facts.out_dim or 0) * sum(ranks) > _MOST_GROWTH * len(parts) * max(held, 1):
        # Parts of equal rank grow by their number; only a made-up file has them grow by more.
        raise IncompleteModule(f"Module {module.name} adapts parts of very unlike ranks.")
    down = np.concatenate(
        [tensors["down"].reshape(rank, width) for (tensors, _), rank in zip(parts, ranks, strict=True)]
    )
    up = np.zeros((facts.out_dim or 0, sum(ranks)), np.float32)
    row = column = 0
    for (tensors, alpha), rank in zip(parts, ranks, strict=True):
        scale = product_scale("lora", alpha, rank)
        outer = tensors["up"].astype(np.float32).reshape(len(tensors["up"]), rank)
        up[row : row + len(outer), column : column + rank] = outer * np.float32(scale)
        row, column = row + len(outer), column + rank
    return {"up": up, "down": down.astype(np.float32)}, None


def _short(factor: str) -> str:
    if factor in _SHORT:
        return _SHORT[factor]
    for prefix in _PREFIXES:
        if factor.startswith(prefix):
            return factor.removeprefix(prefix)
    return factor


def _as_float(values: Array) -> Array:
    return (
        values if values.dtype in (np.dtype(np.float16), np.dtype(np.float32)) else values.astype(np.float32)
    )
