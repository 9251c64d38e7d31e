"""Loads a base from a local diffusers folder or a single file: which pipelines the engine drives, and the
classes of their parts.

The classes are those named here, whatever the folder's index asks for, and weights are safetensors only: no
code of a folder ever runs.
"""

from __future__ import annotations

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

from inference.base_checkpoints import open_checkpoint
from inference.base_errors import NoBaseLayout
from inference.engine.parts import load_part, load_tokenizer, read_config
from inference.engine.single_file import ZERO_SNR, SingleFile, family_of, load_vae_file
from inference.errors import BaseNotRenderable

# A worker's log and a command's stdout are no place for progress bars of a tenth of a second.
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""Precisions a base can be loaded in."""
PREDICTIONS: dict[str, dict[str, Any]] = {
    "": {},
    "epsilon": {"prediction_type": "epsilon"},
    "v_prediction": {"prediction_type": "v_prediction"},
    "v_prediction_zero_snr": {"prediction_type": "v_prediction", **ZERO_SNR},
}
"""What a denoiser may be said to predict, and what that is in the schedule; "" leaves it to the base."""


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


class _Folder:
    """The parts of a diffusers folder, which is its own layout."""

    def __init__(self, folder: Path) -> None:
        self.configs = folder

    def check(self, pipeline: str, denoiser: Mapping[str, Any]) -> None:
        """Nothing: the folder says itself what it is."""

    def load(self, cls: Any, part: str, dtype: torch.dtype) -> Any:
        return load_part(cls, self.configs, part, dtype)

    def has(self, part: str) -> bool:
        told = read_config(self.configs, "model_index.json").get(part)
        return isinstance(told, list) and all(told)

    def scheduler(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        return config


def _source(weights: Path, layout: Path | None) -> _Folder | SingleFile:
    if not weights.is_file():
        return _Folder(weights)
    checkpoint = open_checkpoint(weights)
    if layout is None:
        raise NoBaseLayout(f"{weights.name} is a single file and has no layout.")
    return SingleFile(weights, checkpoint, layout)


def load_base(
    weights: Path,
    *,
    dtype: str = "",
    vae: Path | None = None,
    layout: Path | None = None,
    prediction: str = "",
    offload: bool = False,
) -> _base.LoadedBase:
    """The base in a local diffusers folder, or in a single safetensors file.

    `dtype` is one of DTYPES, by default what suits the device; `vae` is the folder or file of a VAE that
    takes the place of the base's own. `layout` is the folder that a single file takes configurations,
    tokenizers and what it lacks from. `prediction` is one of PREDICTIONS, "" for what the base says. With
    `offload` the parts stay in main memory, and each is on the device while it works. Raises
    BaseNotRenderable or one of its kind, and what torch raises when memory does not suffice.
    """
    if dtype and dtype not in DTYPES:
        raise BaseNotRenderable(f"{dtype!r} is no precision; there are {', '.join(DTYPES)}.")
    if prediction not in PREDICTIONS:
        raise BaseNotRenderable(f"{prediction!r} is no prediction; there are {', '.join(PREDICTIONS)}.")
    source = _source(weights, layout)
    index = read_config(source.configs, "model_index.json")
    scheduler = source.scheduler(read_config(source.configs, "scheduler/scheduler_config.json"))
    name = str(index.get("_class_name"))
    if name not in _PIPELINES:
        raise BaseNotRenderable(f"The engine cannot drive a {name}; it knows {', '.join(PIPELINES)}.")
    parts = _PIPELINES[name]
    source.check(name, read_config(source.configs, f"{parts.denoiser_name}/config.json"))
    device, usual = _base.choose_device()
    chosen = DTYPES[dtype] if dtype else usual
    denoiser = source.load(parts.denoiser, parts.denoiser_name, chosen)
    text_encoders, tokenizers = {}, {}
    for number, (encoder_class, tokenizer_class) in enumerate(parts.texts, 1):
        suffix = f"_{number}" if number > 1 else ""
        # SD3 is offered without its T5 too, which is five times as large as the rest of its encoders.
        if name == "StableDiffusion3Pipeline" and number == 3 and not source.has(f"text_encoder{suffix}"):
            continue
        text_encoders[f"text_encoder{suffix}"] = source.load(encoder_class, f"text_encoder{suffix}", chosen)
        tokenizers[f"tokenizer{suffix}"] = load_tokenizer(
            tokenizer_class, source.configs, f"tokenizer{suffix}"
        )
    loaded = _base.LoadedBase(
        pipeline=name,
        family=family_of(name, denoiser.config),
        denoiser_name=parts.denoiser_name,
        denoiser=denoiser,
        # In float32: it overflows in half precision and is a small part of the time.
        vae=source.load(AutoencoderKL, "vae", torch.float32)
        if vae is None
        else load_vae(vae, source.configs),
        text_encoders=text_encoders,
        tokenizers=tokenizers,
        scheduler_config={**scheduler, **PREDICTIONS[prediction]},
        device=device,
        dtype=chosen,
        offloaded=offload,
    )
    _check(loaded, weights)
    for part in loaded.parts:
        part.to(loaded.home).eval().requires_grad_(False)
    return loaded


def load_vae(weights: Path, configs: Path | None = None) -> Any:
    """The VAE in a folder, or in a single file with the configuration of the pipeline folder `configs`; in
    main memory and in float32. Raises BaseNotRenderable.
    """
    if weights.is_file():
        if configs is None:
            raise BaseNotRenderable(f"{weights.name} is a single file; a VAE is named by its folder here.")
        return load_vae_file(AutoencoderKL, weights, configs)
    return load_part(AutoencoderKL, weights, "", torch.float32)


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
