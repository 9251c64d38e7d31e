"""Loads a base from a local diffusers folder: which pipelines the engine drives, and the classes of their
parts.

The classes are those named here, whatever the folder's index asks for, and weights are safetensors only: no
code of a folder ever runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before the libraries: this one keeps them off the network.
from inference.engine import base as _base  # isort: skip

import torch
from diffusers import (
    AutoencoderKL,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5EncoderModel,
    T5Tokenizer,
)
from transformers.utils import logging as transformers_logging

from inference.errors import BaseNotRenderable

# A worker's log and a command's stdout are no place for progress bars of a tenth of a second.
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""Precisions a base can be loaded in."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a pipeline: the denoiser, and each text encoder's class beside its tokenizer's."""

    denoiser_name: str
    denoiser: Any
    texts: tuple[tuple[Any, Any], ...]


_CLIP = (CLIPTextModel, CLIPTokenizer)
_PROJECTED = (CLIPTextModelWithProjection, CLIPTokenizer)
_T5 = (T5EncoderModel, T5Tokenizer)
_PIPELINES = {
    "StableDiffusionPipeline": _Parts("unet", UNet2DConditionModel, (_CLIP,)),
    "StableDiffusionXLPipeline": _Parts("unet", UNet2DConditionModel, (_CLIP, _PROJECTED)),
    "StableDiffusion3Pipeline": _Parts("transformer", SD3Transformer2DModel, (_PROJECTED, _PROJECTED, _T5)),
    "FluxPipeline": _Parts("transformer", FluxTransformer2DModel, (_CLIP, _T5)),
}
PIPELINES = tuple(_PIPELINES)
"""Pipeline classes that the engine can drive (`_class_name` of model_index.json)."""


def load_base(folder: Path, *, dtype: str = "", vae: Path | None = None) -> _base.LoadedBase:
    """The base in a local diffusers folder.

    `dtype` is one of DTYPES, by default what suits the device; `vae` is the folder of a VAE that takes the
    place of the base's own. Raises BaseNotRenderable when it is not one the engine can drive.
    """
    index, scheduler = _read(folder, "model_index.json"), _read(folder, "scheduler/scheduler_config.json")
    name = str(index.get("_class_name"))
    if name not in _PIPELINES:
        raise BaseNotRenderable(f"The engine cannot drive a {name}; it knows {', '.join(PIPELINES)}.")
    if dtype and dtype not in DTYPES:
        raise BaseNotRenderable(f"{dtype!r} is no precision; there are {', '.join(DTYPES)}.")
    parts = _PIPELINES[name]
    device, usual = _base.choose_device()
    chosen = DTYPES[dtype] if dtype else usual
    denoiser = _load(parts.denoiser, folder, parts.denoiser_name, chosen)
    text_encoders, tokenizers = {}, {}
    for number, (encoder_class, tokenizer_class) in enumerate(parts.texts, 1):
        suffix = f"_{number}" if number > 1 else ""
        # SD3 is offered without its T5 too, which is five times as large as the rest of its encoders.
        if name == "StableDiffusion3Pipeline" and number == 3 and not _has(index, f"text_encoder{suffix}"):
            continue
        text_encoders[f"text_encoder{suffix}"] = _load(encoder_class, folder, f"text_encoder{suffix}", chosen)
        tokenizers[f"tokenizer{suffix}"] = _tokenizer(tokenizer_class, folder, f"tokenizer{suffix}")
    loaded = _base.LoadedBase(
        pipeline=name,
        family=_family(name, denoiser.config),
        denoiser_name=parts.denoiser_name,
        denoiser=denoiser,
        vae=load_vae(folder / "vae" if vae is None else vae),
        text_encoders=text_encoders,
        tokenizers=tokenizers,
        scheduler_config=scheduler,
        device=device,
        dtype=chosen,
    )
    _check(loaded, folder)
    for part in (denoiser, loaded.vae, *text_encoders.values()):
        part.to(device).eval().requires_grad_(False)
    return loaded


def load_vae(folder: Path) -> Any:
    """The VAE in a folder, in main memory and in float32.

    It overflows in half precision and is a small part of the time. Raises BaseNotRenderable.
    """
    return _load(AutoencoderKL, folder, "", torch.float32)


def _read(folder: Path, name: str) -> dict[str, Any]:
    try:
        found = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BaseNotRenderable(f"{folder.name} is no diffusers pipeline folder ({error}).") from None
    if not isinstance(found, dict):
        raise BaseNotRenderable(f"{folder.name} is no diffusers pipeline folder ({name} is no object).")
    return found


def _has(index: Mapping[str, Any], part: str) -> bool:
    told = index.get(part)
    return isinstance(told, list) and all(told)


def _load(cls: Any, folder: Path, part: str, dtype: torch.dtype) -> Any:
    """One part's module. A part that lacks weights would be filled with random numbers: it is refused."""
    where = folder / part
    options: dict[str, Any] = {"torch_dtype": dtype, "local_files_only": True, "use_safetensors": True}
    if (variant := _variant(where)) is not None:
        options["variant"] = variant
    try:
        made, info = cls.from_pretrained(where, output_loading_info=True, **options)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise BaseNotRenderable(f"{part or folder.name} does not load: {_line(error)}") from None
    if missing := sorted(info["missing_keys"]):
        raise BaseNotRenderable(
            f"{part or folder.name} lacks {len(missing)} of its weights, first {missing[0]}."
        )
    return made


def _variant(where: Path) -> str | None:
    """`fp16` where the weights are there in that precision only."""
    names = [path.name for path in where.glob("*.safetensors")]
    return "fp16" if names and all(".fp16" in name for name in names) else None


def _tokenizer(cls: Any, folder: Path, part: str) -> Any:
    try:
        return cls.from_pretrained(folder / part, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, ImportError) as error:
        raise BaseNotRenderable(f"{part} does not load: {_line(error)}") from None


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _family(pipeline: str, config: Any) -> str:
    """The family whose layer names the denoiser has, as `registry.weights.canonical` knows them."""
    if pipeline == "FluxPipeline":
        return "flux1"
    if pipeline == "StableDiffusionXLPipeline":
        return "sdxl"
    if pipeline == "StableDiffusionPipeline":
        return "sd2" if config.get("use_linear_projection") else "sd1"
    if config.get("dual_attention_layers"):
        return "sd35_medium"
    return "sd35_large" if config.get("qk_norm") else "sd3_medium"


def _check(base: _base.LoadedBase, folder: Path) -> None:
    """Refuse a base that wants more than noise and text, such as inpainting's mask."""
    channels = int(base.denoiser.config.in_channels)
    if base.pipeline == "FluxPipeline":
        channels //= 4
    if channels != base.latent_channels:
        raise BaseNotRenderable(
            f"The denoiser of {folder.name} takes {channels} channels and its VAE gives "
            f"{base.latent_channels}: it is not made for text alone."
        )
    if base.denoiser.config.get("time_cond_proj_dim"):
        raise BaseNotRenderable(f"{folder.name} takes its guidance as an input, as LCM bases do.")
    if str(base.scheduler_config.get("_class_name", "")).startswith("EDM"):
        raise BaseNotRenderable(f"{folder.name} has EDM's noise schedule, which the samplers do not know.")
