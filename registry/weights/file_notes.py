"""What a file's algorithm, names and kind call for beyond its facts, each as `(code, severity, message)`."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .keys import quantization_leftovers
from .metadata_values import mapping_of
from .modules import ModuleFacts
from .peft_config import KEY as PEFT_KEY

Note = tuple[str, str, str]

# alpha / rank beyond this is no setting that anybody trains with.
_LARGEST_SCALE = 100.0
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.")
_SGM = re.compile(r"(?:input_blocks|middle_block|output_blocks)_")
_DREAMBOOTH = re.compile(r"dream[ _-]?booth", re.IGNORECASE)
# Ways of training that leave no trace in the tensors' names: the file reads, and applies, as LoRA.
_METHODS: dict[str, Note] = {
    "DyLoRA": ("trained_as_dylora", "info", "Trained as DyLoRA: lower ranks can be cut out of it."),
    "LoRA-FA": ("trained_as_lora_fa", "info", "Trained as LoRA-FA: only the outer factors were trained."),
    "LoRA-Pro": (
        "trained_as_lora_pro",
        "info",
        "Trained as LoRA-Pro: gradients follow those of a full fine-tuning.",
    ),
    "rsLoRA": (
        "trained_as_rslora",
        "info",
        "Rank-stabilized (rsLoRA): scaled by alpha / sqrt(rank) in training.",
    ),
}
# PEFT's ways to begin that change the base: without the changed base such a file adds the wrong thing.
_SPLIT_BASE = ("pissa", "olora", "corda", "loftq")
_MOST_RANKS = 6


def notes_of(
    modules: list[ModuleFacts],
    rest: Iterable[str],
    metadata: Mapping[str, str],
    training: Mapping[str, Any],
    kind: str,
    file_name: str,
) -> Iterator[Note]:
    """Every note on one file. `rest` are the tensors that belong to no module, `training` the facts read from
    the metadata.
    """
    yield from _of_alphas(modules)
    yield from _of_ranks(modules)
    yield from _of_names(modules, rest, file_name)
    if modules:
        yield from _of_training(metadata, training)
    if kind in ("checkpoint", "unet"):
        yield _whole_model(kind, metadata, file_name)


def _of_alphas(modules: list[ModuleFacts]) -> Iterator[Note]:
    # Of OFT and BOFT alpha is a limit of the rotation, and LoKr with two whole factors has no use for it.
    scaled = [m for m in modules if m.alpha is not None and m.rank and m.algorithm not in ("oft", "boft")]
    broken = [m for m in scaled if not math.isfinite(m.alpha or 0.0)]
    if broken:
        told = (
            f"{len(broken)} modules have an alpha that is no finite number, {broken[0].name[:120]!r} first."
        )
        yield "alpha_not_finite", "error", told
    finite = [m for m in scaled if math.isfinite(m.alpha or 0.0)]
    odd = [m for m in finite if not 0 <= (m.alpha or 0.0) / (m.rank or 1) <= _LARGEST_SCALE]
    if odd:
        first = odd[0]
        told = (
            f"{len(odd)} modules have an alpha below 0 or over {_LARGEST_SCALE:.0f} times their rank, "
            f"{first.alpha:g} at rank {first.rank} first."
        )
        yield "alpha_unusual", "warning", told
    zero = sum(m.alpha == 0 for m in scaled)
    if zero:
        told = f"{zero} modules have an alpha of 0: the trainers mean the rank by it, some programs nothing."
        yield "alpha_zero", "info", told


def _of_ranks(modules: list[ModuleFacts]) -> Iterator[Note]:
    ranks = Counter(m.rank for m in modules if m.rank is not None)
    if len(ranks) > 1:
        shown = ", ".join(f"{count} x {rank}" for rank, count in ranks.most_common(_MOST_RANKS))
        more = f" and {len(ranks) - _MOST_RANKS} more" if len(ranks) > _MOST_RANKS else ""
        yield "ranks_vary", "info", f"The ranks differ between modules: {shown}{more}."


def _of_names(modules: list[ModuleFacts], rest: Iterable[str], file_name: str) -> Iterator[Note]:
    shard = _SHARD.search(file_name)
    if shard:
        told = f"This is part {int(shard[1])} of {int(shard[2])}; an adapter is taken as one whole file only."
        yield "part_of_a_set", "error", told
    if quantized := quantization_leftovers(rest):
        told = f"{len(quantized)} tensors are left of a quantization, {quantized[0][:120]!r} among them."
        yield "quantization_leftovers", "warning", told
    unet = [m for m in modules if m.where.component == "unet"]
    sgm = sum(_SGM.match(m.where.flat) is not None for m in unet)
    if sgm and any(m.where.flat.startswith(("down_blocks", "mid_block", "up_blocks")) for m in unet):
        told = f"{sgm} of {len(unet)} modules have SGM's block names, the others diffusers'."
        told += " diffusers drops the first."
        yield "two_block_namings", "warning", told


def _of_training(metadata: Mapping[str, str], training: Mapping[str, Any]) -> Iterator[Note]:
    for method in training.get("methods", ()):
        if method in _METHODS:
            yield _METHODS[method]
    resized = training.get("resized", {})
    before = f" from rank {resized['from']}" if "from" in resized else ""
    if "method" in resized:
        told = f"Resized{before} by {resized['method']} {resized.get('share', '')}".rstrip()
        yield "resized", "info", f"{told}, module by module."
    elif "to" in resized:
        yield "resized", "info", f"Resized{before} to {resized['to']} after its training."
    elif metadata.get("ss_network_dim") == "Dynamic":
        yield "resized", "info", "Resized after its training, module by module."
    peft = mapping_of(metadata.get(PEFT_KEY))
    begun = {str(v).lower() for k, v in peft.items() if k.endswith("init_lora_weights")}
    if split := next((name for name in _SPLIT_BASE if any(b.startswith(name) for b in begun)), None):
        told = (
            f"Begun with {split}, which takes a part out of the base: on the plain base it may add too much."
        )
        yield "needs_changed_base", "warning", told


def _whole_model(kind: str, metadata: Mapping[str, str], file_name: str) -> Note:
    stated = " ".join(value[:2000] for value in metadata.values())
    named = "a DreamBooth training" if _DREAMBOOTH.search(f"{file_name} {stated}") else "whole weights"
    what = "a full checkpoint" if kind == "checkpoint" else "a whole denoiser"
    told = f"This is {what} ({named}), no adapter; `manage.py extract` makes a LoRA of it against its base."
    return "full_checkpoint", "info", told
