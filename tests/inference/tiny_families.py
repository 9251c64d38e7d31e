"""Pipelines of every family the engine renders, small enough for a test: the real topology and module names,
shrunk widths, random weights, tokenizers of bytes.

As deep as the real ones wherever names depend on it: SD1.5 has its 192 and 72 trained layers, SDXL its 722,
72 and 192 (input_blocks and all). The transformers keep two blocks of each kind, whose names all have.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import diffusers
import torch
import transformers
from torch import nn

from tests.inference.tiny import byte_tokenizer

# diffusers' classes are only half typed.
_models: Any = diffusers
_texts: Any = transformers
CLIP_L, CLIP_G, T5 = 32, 40, 24
"""Widths of the text encoders."""
HIDDEN = 32
"""Width of the transformers."""
COMPONENTS = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3")


def tiny_pipeline_of(family: str) -> Any:
    """The diffusers pipeline of a family: sd1, sd2, sdxl, sd3_medium, sd35_medium or flux1; always the same
    weights.
    """
    torch.manual_seed(0)
    pipeline = BUILDERS[family]()
    pipeline.set_progress_bar_config(disable=True)
    for name in (*COMPONENTS, "vae"):
        part = getattr(pipeline, name, None)
        if part is not None:
            part.eval().requires_grad_(False)
    return pipeline


def save_tiny_family(family: str, folder: Path) -> Path:
    """The pipeline as a folder that a base model's weights can point at."""
    tiny_pipeline_of(family).save_pretrained(folder, safe_serialization=True)
    return folder


def modules_of(pipeline: Any) -> dict[str, dict[str, nn.Module]]:
    """component -> path -> module, of the modules that have a weight."""
    return {
        name: {
            path: module
            for path, module in part.named_modules()
            if isinstance(getattr(module, "weight", None), nn.Parameter)
        }
        for name in COMPONENTS
        if (part := getattr(pipeline, name, None)) is not None
    }


def t5_tokenizer() -> Any:
    """T5's tokenizer with a token for every letter."""
    pieces = ["<pad>", "</s>", "<unk>", "▁", *map(chr, range(ord("!"), ord("~") + 1))]
    return _texts.T5Tokenizer(vocab=[(piece, -float(n)) for n, piece in enumerate(pieces)], extra_ids=0)


def _clip(width: int, layers: int, *, projected: bool = False, act: str = "quick_gelu") -> Any:
    tokenizer = byte_tokenizer()
    config = _texts.CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=2 * width, projection_dim=width,
        num_hidden_layers=layers, num_attention_heads=4, max_position_embeddings=77, hidden_act=act,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return (_texts.CLIPTextModelWithProjection if projected else _texts.CLIPTextModel)(config)


def _t5() -> Any:
    return _texts.T5EncoderModel(
        _texts.T5Config(
            vocab_size=len(t5_tokenizer()), d_model=T5, d_kv=6, d_ff=48, num_layers=2, num_heads=4,
            feed_forward_proj="gated-gelu", dropout_rate=0.0,
        )
    )  # fmt: skip


def _vae(**config: Any) -> Any:
    return _models.AutoencoderKL(
        block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, norm_num_groups=4, sample_size=16,
        **config,
    )  # fmt: skip


def _noise_schedule(prediction: str = "epsilon") -> Any:
    return _models.DPMSolverMultistepScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction,
        algorithm_type="dpmsolver++", use_karras_sigmas=True, steps_offset=1,
    )  # fmt: skip


def _stable_diffusion(*, cross: int, layers: int, prediction: str, linear: bool, act: str) -> Any:
    unet = _models.UNet2DConditionModel(
        sample_size=8, block_out_channels=(16, 32, 32, 32), layers_per_block=2, cross_attention_dim=cross,
        attention_head_dim=4, norm_num_groups=8, use_linear_projection=linear,
    )  # fmt: skip
    return _models.StableDiffusionPipeline(
        vae=_vae(), text_encoder=_clip(cross, layers, act=act), tokenizer=byte_tokenizer(), unet=unet,
        scheduler=_noise_schedule(prediction), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip


def _sd1() -> Any:
    return _stable_diffusion(cross=CLIP_L, layers=12, prediction="epsilon", linear=False, act="quick_gelu")


def _sd2() -> Any:
    """OpenCLIP's text encoder has 23 layers, GELU and another width; the projections are linear."""
    return _stable_diffusion(cross=48, layers=23, prediction="v_prediction", linear=True, act="gelu")


def _sdxl() -> Any:
    unet = _models.UNet2DConditionModel(
        sample_size=8, block_out_channels=(16, 32, 32), layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10), attention_head_dim=(2, 4, 4), use_linear_projection=True,
        cross_attention_dim=CLIP_L + CLIP_G, norm_num_groups=8, addition_embed_type="text_time",
        addition_time_embed_dim=8, projection_class_embeddings_input_dim=CLIP_G + 6 * 8,
    )  # fmt: skip
    return _models.StableDiffusionXLPipeline(
        vae=_vae(), text_encoder=_clip(CLIP_L, 12), tokenizer=byte_tokenizer(), unet=unet,
        text_encoder_2=_clip(CLIP_G, 32, projected=True, act="gelu"), tokenizer_2=byte_tokenizer(),
        scheduler=_noise_schedule(), add_watermarker=False,
    )  # fmt: skip


def _sd3(**config: Any) -> Any:
    transformer = _models.SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, out_channels=4, num_layers=3, attention_head_dim=8,
        num_attention_heads=HIDDEN // 8, joint_attention_dim=max(T5, CLIP_L + CLIP_G),
        caption_projection_dim=HIDDEN, pooled_projection_dim=CLIP_L + CLIP_G, pos_embed_max_size=16, **config,
    )  # fmt: skip
    # The widths of both CLIPs together are padded up to T5's.
    text_encoder_3 = _texts.T5EncoderModel(
        _texts.T5Config(
            vocab_size=len(t5_tokenizer()), d_model=CLIP_L + CLIP_G, d_kv=6, d_ff=48, num_layers=2,
            num_heads=4, feed_forward_proj="gated-gelu", dropout_rate=0.0,
        )
    )  # fmt: skip
    return _models.StableDiffusion3Pipeline(
        transformer=transformer, vae=_vae(shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=_clip(CLIP_L, 2, projected=True), tokenizer=byte_tokenizer(),
        text_encoder_2=_clip(CLIP_G, 2, projected=True, act="gelu"), tokenizer_2=byte_tokenizer(),
        text_encoder_3=text_encoder_3, tokenizer_3=t5_tokenizer(),
        scheduler=_models.FlowMatchEulerDiscreteScheduler(shift=3.0),
    )  # fmt: skip


def _sd35() -> Any:
    """SD3.5 medium: a second attention in its first blocks, and norms of query and key."""
    return _sd3(dual_attention_layers=(0, 1), qk_norm="rms_norm")


def _flux() -> Any:
    transformer = _models.FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=2, num_single_layers=2, attention_head_dim=16,
        num_attention_heads=HIDDEN // 16, joint_attention_dim=T5, pooled_projection_dim=CLIP_L,
        guidance_embeds=True, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    return _models.FluxPipeline(
        transformer=transformer, vae=_vae(shift_factor=0.11, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=_clip(CLIP_L, 2), tokenizer=byte_tokenizer(), text_encoder_2=_t5(),
        tokenizer_2=t5_tokenizer(),
        scheduler=_models.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
    )  # fmt: skip


BUILDERS: dict[str, Callable[[], Any]] = {
    "sd1": _sd1, "sd2": _sd2, "sdxl": _sdxl, "sd3_medium": _sd3, "sd35_medium": _sd35, "flux1": _flux,
}  # fmt: skip
