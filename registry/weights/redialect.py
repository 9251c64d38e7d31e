"""Writes a LoRA of a UNet or text encoder in another dialect: kohya, diffusers (PEFT names) or raw PEFT.

kohya's files carry an alpha for each module and programs multiply with alpha / rank. diffusers' and PEFT's
names have no place for it, so there it is folded into the up factor. The product stays what it was: the
factor keeps its dtype where that loses nothing and becomes float32 where it would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from .embeddings import learned_tokens
from .errors import WeightsError
from .header import Header
from .modules import ModuleFacts, group_modules
from .peft_config import KEY as PEFT_CONFIG
from .scaling import product_scale
from .spelling import KOHYA_FACTORS, PEFT_FACTORS, diffusers_module, kohya_module, peft_module
from .tensors import TensorFile, decode
from .writer import TensorWriter, as_bfloat16

DIALECTS = {"kohya": "kohya", "diffusers": "diffusers_peft", "peft": "peft_raw"}
"""What a user asks for -> what `inspect` calls it."""
_FACTORS = {"kohya": {"up", "down", "mid"}, "diffusers": {"up", "down"}, "peft": {"up", "down"}}
_BESIDE = frozenset({"alpha", "scale"})


class DialectImpossible(WeightsError):
    """The file holds something that the dialect asked for has no name or place for."""

    code = "dialect_impossible"
    next_step = "Keep the file as it is, or ask for another dialect."


@dataclass(frozen=True, slots=True)
class Change:
    """What was written. `widened`: up factors that became float32, so that folding lost nothing."""

    modules: int
    folded: int
    widened: int
    adapter_config: dict[str, Any] | None


def write_dialect(
    source: Path, header: Header, target: Path, to: str, metadata: Mapping[str, str], *, two_encoders: bool
) -> Change:
    """Write the adapter `source` to `target` in the dialect `to` (kohya, diffusers or peft).

    down and mid factors are copied byte for byte, and so are tokens learned with the adapter (PTI), which
    kohya's dialect bundles. Raises DialectImpossible, and what reading raises.
    """
    modules, rest = group_modules(header)
    tokens = _tokens(header, rest) if to == "kohya" else {}
    _check(modules, [name for name in rest if name not in tokens], to)
    kept = {key: value for key, value in metadata.items() if key != PEFT_CONFIG}
    folded = widened = 0
    with TensorFile(source, header) as file, source.open("rb") as raw, TensorWriter(target) as writer:
        for module in modules:
            rank = module.rank or 0
            scale = module_scale(module, file)
            for factor, name, spelled in _names(module, to, two_encoders=two_encoders):
                tensor = header.tensors[name]
                data = _bytes(raw, header, name)
                if factor == "up" and to != "kohya" and scale != 1.0:
                    folded += 1
                    dtype, data = _scaled(data, tensor.dtype, decode(data, tensor), scale)
                    widened += dtype != tensor.dtype
                    writer.add(spelled, dtype, tensor.shape, data)
                else:
                    writer.add(spelled, tensor.dtype, tensor.shape, data)
            if to == "kohya":
                name = _module(module, to, two_encoders=two_encoders)
                writer.add_array(f"{name}.alpha", np.array(scale * rank, dtype=np.float32))
        for name, bundled in tokens.items():
            tensor = header.tensors[name]
            shape = tensor.shape if len(tensor.shape) > 1 else (1, *tensor.shape)
            writer.add(bundled, tensor.dtype, shape, _bytes(raw, header, name))
        writer.finish(kept)
    return Change(len(modules), folded, widened, _adapter_config(modules) if to == "peft" else None)


def module_scale(module: ModuleFacts, file: TensorFile) -> float:
    """`product_scale` of a module whose factors are not loaded."""
    stored = file.read_number(module.factors["scale"]) if "scale" in module.factors else None
    alpha = file.read_number(module.factors["alpha"]) if "alpha" in module.factors else module.alpha
    return product_scale(module.algorithm, alpha, module.rank, stored)


def _bytes(raw: IO[bytes], header: Header, name: str) -> bytes:
    tensor = header.tensors[name]
    raw.seek(header.data_start + tensor.begin)
    return raw.read(tensor.end - tensor.begin)


def _tokens(header: Header, rest: list[str]) -> dict[str, str]:
    """cloneofsimo's `<token>` tensors -> their name as a bundled embedding (LyCORIS, AUTOMATIC1111)."""
    return {
        name: f"bundle_emb.{token}.string_to_param.*"
        for token, names in learned_tokens(header.tensors, rest).items()
        for name in names
        if name == token
    }


def _check(modules: list[ModuleFacts], rest: list[str], to: str) -> None:
    if not modules:
        raise DialectImpossible("The file holds no module of an adapter.")
    if rest:
        raise DialectImpossible(f"{len(rest)} tensors belong to no module, {rest[0][:120]!r} among them.")
    for module in modules:
        where = module.where
        if module.facts.problem:
            raise DialectImpossible(f"Module {module.name[:120]} {module.facts.problem}.")
        if not where.known or not (where.component == "unet" or where.component.startswith("text_encoder")):
            raise DialectImpossible(f"{module.name[:120]} is no layer of a UNet or its text encoders.")
        odd = sorted(set(module.factors) - _FACTORS[to] - _BESIDE)
        if odd:
            raise DialectImpossible(
                f"The dialect {to} has no name for the factor {odd[0]!r} of {module.name[:120]}."
            )
    components = {module.where.component for module in modules}
    if to == "peft" and len(components) > 1:
        told = ", ".join(sorted(components))
        raise DialectImpossible(f"PEFT's own files adapt one model; this one adapts {told}.")


def _module(module: ModuleFacts, to: str, *, two_encoders: bool) -> str:
    component, path = module.where.component, module.where.path
    if to == "kohya":
        return kohya_module(component, path, two_encoders=two_encoders)
    return peft_module(path) if to == "peft" else diffusers_module(component, path)


def _names(module: ModuleFacts, to: str, *, two_encoders: bool) -> Iterator[tuple[str, str, str]]:
    """Factor, the tensor's name, and its name in the other dialect."""
    name = _module(module, to, two_encoders=two_encoders)
    spelling = KOHYA_FACTORS if to == "kohya" else PEFT_FACTORS
    for factor, old in module.factors.items():
        if factor not in _BESIDE:
            yield factor, old, f"{name}.{spelling[factor]}"


def _scaled(data: bytes, dtype: str, values: Any, scale: float) -> tuple[str, bytes]:
    """The factor times `scale`: in its own dtype if every product has a code there, else in float32."""
    exact = values.astype(np.float64) * scale
    single = exact.astype(np.float32)
    for native, narrow in (("F16", np.float16), ("F32", np.float32)):
        if dtype == native:
            with np.errstate(over="ignore"):
                own = exact.astype(narrow)
            if native == "F32" or np.array_equal(own.astype(np.float64), exact, equal_nan=True):
                return dtype, own.astype(own.dtype.newbyteorder("<")).tobytes()
    if dtype == "BF16":
        packed = as_bfloat16(single)
        wide = (np.frombuffer(packed, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
        if np.array_equal(wide.reshape(exact.shape).astype(np.float64), exact, equal_nan=True):
            return dtype, packed
    return "F32", single.astype("<f4").tobytes()


def _adapter_config(modules: list[ModuleFacts]) -> dict[str, Any]:
    """The `adapter_config.json` that PEFT wants beside the file."""
    ranks = {module.where.path: module.rank or 0 for module in modules}
    common = Counter(ranks.values()).most_common(1)[0][0]
    others = {path: rank for path, rank in sorted(ranks.items()) if rank != common}
    return {
        "peft_type": "LORA",
        "r": common,
        "lora_alpha": common,
        "rank_pattern": others,
        "alpha_pattern": others,
        "target_modules": sorted(ranks),
    }
