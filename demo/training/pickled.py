"""The adapter nobody should load: an old checkpoint, which is a pickle, with an honest card."""

from __future__ import annotations

from pathlib import Path

import torch

from demo.training.export import Tensors

CARD = """---
license: creativeml-openrail-m
base_model: kura/toybox
tags:
- lora
- style
- linocut
---
# Linocut

An early test, kept as the trainer of the time wrote it. There is no safetensors file of it.
By carving.bench.
"""


def write_pickled(folder: Path) -> None:
    """Writes `linocut.ckpt`, as torch.save makes it (a zip with a pickle inside), and its card.

    The tensors are harmless; that cannot be known without running the pickle, which is why the file stays in
    quarantine.
    """
    generator = torch.Generator().manual_seed(41)
    tensors: Tensors = {}
    for projection in ("to_q", "to_k", "to_v", "to_out_0"):
        stem = f"lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_{projection}"
        tensors[f"{stem}.lora_down.weight"] = torch.randn(2, 112, generator=generator).half()
        tensors[f"{stem}.lora_up.weight"] = torch.zeros(112, 2).half()
        tensors[f"{stem}.alpha"] = torch.tensor(2.0)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": tensors}, folder / "linocut.ckpt")
    (folder / "README.md").write_text(CARD, encoding="utf-8")
