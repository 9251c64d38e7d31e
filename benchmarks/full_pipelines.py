"""Whole pipelines of the published architectures with random weights: diffusers' own, and as the engine has
them, over the same modules.
"""

from __future__ import annotations

from typing import Any

# Before the libraries: this one keeps them off the network.
from inference.engine.base import LoadedBase  # isort: skip

import diffusers
import torch
import transformers

from benchmarks.full_models import CLIPS, filled, full_unet

_models: Any = diffusers
_texts: Any = transformers
_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}


def full_pipeline(family: str, dtype: torch.dtype, device: str = "cpu") -> Any:
    """diffusers' pipeline of sd1 or sdxl, with DPM++ 2M Karras; the VAE in float32, as the engine has it."""
    scheduler = _models.DPMSolverMultistepScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
        algorithm_type="dpmsolver++", solver_order=2, use_karras_sigmas=True,
    )  # fmt: skip
    parts: dict[str, Any] = {
        "unet": full_unet(family, dtype, device),
        "vae": _vae(device),
        "text_encoder": _clip("clip_l", _texts.CLIPTextModel, dtype, device),
        "tokenizer": byte_tokenizer(),
        "scheduler": scheduler,
    }
    if family == "sdxl":
        parts["text_encoder_2"] = _clip("clip_g", _texts.CLIPTextModelWithProjection, dtype, device)
        parts["tokenizer_2"] = byte_tokenizer()
        made = _models.StableDiffusionXLPipeline(**parts, add_watermarker=False)
    else:
        made = _models.StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    made.set_progress_bar_config(disable=True)
    return made


def loaded(pipeline: Any, family: str, dtype: torch.dtype, device: str = "cpu") -> LoadedBase:
    """The same modules as the engine wants them."""
    numbers = ("", "_2") if family == "sdxl" else ("",)
    return LoadedBase(
        pipeline=type(pipeline).__name__,
        family=family,
        denoiser_name="unet",
        denoiser=pipeline.unet,
        vae=pipeline.vae,
        text_encoders={f"text_encoder{n}": getattr(pipeline, f"text_encoder{n}") for n in numbers},
        tokenizers={f"tokenizer{n}": getattr(pipeline, f"tokenizer{n}") for n in numbers},
        scheduler_config=dict(pipeline.scheduler.config),
        device=torch.device(device),
        dtype=dtype,
    )


def byte_tokenizer() -> Any:
    """CLIP's tokenizer without merges: every byte is a token, so that nothing has to be downloaded."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    letters = [chr(code) for code in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    end = "<|endoftext|>"
    return _texts.CLIPTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)}, merges=[], unk_token=end,
        bos_token="<|startoftext|>", eos_token=end, pad_token=end, model_max_length=77,
    )  # fmt: skip


def _clip(name: str, cls: Any, dtype: torch.dtype, device: str) -> Any:
    with torch.device("meta"):
        model = cls(_texts.CLIPTextConfig(**CLIPS[name], projection_dim=CLIPS[name]["hidden_size"]))
    return filled(model, dtype, device)


def _vae(device: str) -> Any:
    with torch.device("meta"):
        model = _models.AutoencoderKL(**_VAE)
    return filled(model, torch.float32, device)
