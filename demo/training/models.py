"""The toybox's networks: their sizes, and the pipeline folder they are saved in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

# diffusers and transformers ship no usable types; these names say what a value is.
Autoencoder = Any
Unet = Any
TextEncoder = Any
Tokenizer = Any
Pipeline = Any
_diffusers: Any = diffusers
_transformers: Any = transformers

WIDTHS = (48, 80, 96, 112)
TEXT_WIDTH = 64
LATENT_SIDE = 16


def make_autoencoder() -> Autoencoder:
    """64 x 64 x 3 <-> 16 x 16 x 4.

    One normalization group: with few channels per group, absolute color is lost. The log variance starts
    at -6: a small autoencoder that starts with a standard deviation of 1 never learns to use its latents.
    """
    vae = _diffusers.AutoencoderKL(
        block_out_channels=(16, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        norm_num_groups=1,
        sample_size=64,
        mid_block_add_attention=False,
    )
    with torch.no_grad():
        vae.quant_conv.weight[4:].mul_(0.1)
        vae.quant_conv.bias[4:].fill_(-6.0)
    return vae


def make_unet() -> Unet:
    """Stable Diffusion 1.5's four levels and block names, one layer per block, narrow."""
    return _diffusers.UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        block_out_channels=WIDTHS,
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=(1, 1, 1, 1),  # in this model family the field holds the number of heads
        norm_num_groups=4,
    )


def make_text_encoder(tokenizer: Tokenizer) -> TextEncoder:
    """CLIP's text transformer, 64 wide, 3 layers."""
    config = _transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=77,
        hidden_act="quick_gelu",
        projection_dim=TEXT_WIDTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return _transformers.CLIPTextModel(config)


def make_scheduler() -> Any:
    """v-prediction; betas end at .02, so that the last step is almost pure noise and leaks no colors."""
    return _diffusers.DPMSolverMultistepScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.02,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        algorithm_type="dpmsolver++",
        solver_order=2,
        use_karras_sigmas=True,
    )


def save_pipeline(
    folder: Path,
    tokenizer: Tokenizer,
    vae: Autoencoder,
    text: TextEncoder,
    unet: Unet,
) -> None:
    """Writes an ordinary `StableDiffusionPipeline` folder with fp16 weights.

    The text encoder's config asks for fp32: transformers loads what its config says, diffusers loads the
    other parts in fp32, and a pipeline with both kinds cannot run.
    """
    pipeline = _diffusers.StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    config = folder / "text_encoder" / "config.json"
    stated = json.loads(config.read_text(encoding="utf-8")) | {"dtype": "float32"}
    config.write_text(json.dumps(stated, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_pipeline(folder: Path) -> Pipeline:
    """The pipeline in fp32, without a progress bar."""
    pipeline = _diffusers.StableDiffusionPipeline.from_pretrained(
        folder, torch_dtype=torch.float32, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
