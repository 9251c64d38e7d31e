"""Denoisers and text encoders of the published architectures with random weights, made in seconds: nothing is
initialized twice, and one block of numbers fills them all.
"""

from __future__ import annotations

from typing import Any

import diffusers
import torch
import transformers
from torch import nn

# diffusers' and transformers' classes are only half typed.
_models: Any = diffusers
_texts: Any = transformers
_BLOCK = 1 << 20

UNETS: dict[str, dict[str, Any]] = {
    # The defaults of diffusers are SD1.5's, but for the width of the text.
    "sd1": {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8},
    "sdxl": {
        "sample_size": 128, "block_out_channels": (320, 640, 1280), "layers_per_block": 2,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10), "attention_head_dim": (5, 10, 20),
        "use_linear_projection": True, "cross_attention_dim": 2048, "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
    },
}  # fmt: skip
CLIPS: dict[str, dict[str, Any]] = {
    "clip_l": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
               "num_attention_heads": 12},
    "clip_g": {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32,
               "num_attention_heads": 20},
}  # fmt: skip


def full_unet(family: str, dtype: torch.dtype, device: str = "cpu") -> Any:
    """The UNet of `family` (sd1: 860 million parameters; sdxl: 2.57 thousand million)."""
    with torch.device("meta"):
        model = _models.UNet2DConditionModel(**UNETS[family])
    return filled(model, dtype, device)


def full_clip(name: str, dtype: torch.dtype, device: str = "cpu") -> Any:
    """CLIP's text encoder, clip_l or clip_g."""
    with torch.device("meta"):
        model = _texts.CLIPTextModel(_texts.CLIPTextConfig(**CLIPS[name]))
    return filled(model, dtype, device)


def modules_of(**parts: nn.Module) -> dict[str, dict[str, nn.Module]]:
    """component -> path -> module, of the modules that have a weight: what a WeightPatcher takes."""
    return {
        component: {
            path: module
            for path, module in part.named_modules()
            if isinstance(getattr(module, "weight", None), nn.Parameter)
        }
        for component, part in parts.items()
    }


@torch.no_grad()
def filled(model: nn.Module, dtype: torch.dtype, device: str) -> nn.Module:
    """The model, made on the meta device, with numbers in all its parameters."""
    model = model.to(dtype).to_empty(device=device).eval().requires_grad_(False)
    numbers = (torch.randn(_BLOCK, generator=torch.Generator().manual_seed(0)) * 0.03).to(device, dtype)
    for parameter in model.parameters():
        flat = parameter.data.view(-1)
        for begin in range(0, len(flat), _BLOCK):
            piece = flat[begin : begin + _BLOCK]
            piece.copy_(numbers[: len(piece)])
    for buffer in model.buffers():
        # Positions: the only buffers that these models have.
        buffer.copy_(torch.arange(buffer.numel(), device=device).view_as(buffer))
    return model
