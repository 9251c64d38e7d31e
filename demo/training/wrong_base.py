"""The adapter for the wrong base: real Stable Diffusion 1.5 shapes under a card that says otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from demo.training.export import Tensors, write

_LEVELS = {
    **{f"down_blocks_{level}_attentions_{index}": 320 * 2**level for level in range(3) for index in range(2)},
    "mid_block_attentions_0": 1280,
    **{
        f"up_blocks_{level}_attentions_{index}": 1280 // 2 ** (level - 1)
        for level in (1, 2, 3)
        for index in range(3)
    },
}
"""The attention blocks of SD 1.5's UNet and their widths."""
_TEXT_WIDTH = 768


def wrong_base_tensors(seed: int) -> Tensors:
    """A rank-1 kohya LoRA of all 128 attention projections; random factors of a plausible size."""
    generator = torch.Generator().manual_seed(seed)
    tensors: Tensors = {}
    for block, width in _LEVELS.items():
        for attention in ("attn1", "attn2"):
            for projection in ("to_q", "to_k", "to_v", "to_out_0"):
                across = attention == "attn2" and projection in ("to_k", "to_v")
                inner = _TEXT_WIDTH if across else width
                stem = f"lora_unet_{block}_transformer_blocks_0_{attention}_{projection}"
                tensors[f"{stem}.lora_down.weight"] = torch.randn(1, inner, generator=generator) * inner**-0.5
                tensors[f"{stem}.lora_up.weight"] = torch.randn(width, 1, generator=generator) * 0.02
                tensors[f"{stem}.alpha"] = torch.tensor(1.0)
    return tensors


def write_wrong_base(target: Path, which: int) -> None:
    """Writes the file; its metadata names the toybox, which the shapes contradict."""
    tags = {"12_portrait": {"studio portrait": 16, "soft light": 16, "gray backdrop": 9}}
    metadata = {
        "ss_sd_model_name": "kura/toybox",
        "ss_base_model_version": "toybox",
        "ss_network_module": "networks.lora",
        "ss_network_dim": "1",
        "ss_network_alpha": "1.0",
        "ss_output_name": target.stem,
        "ss_num_train_images": "192",
        "ss_resolution": "(512, 512)",
        "ss_tag_frequency": json.dumps(tags),
    }
    write(wrong_base_tensors(90 + which), target, metadata)
