"""Writes a full kohya LoRA of SDXL: 986 modules, 2958 tensors, laid out as sd-scripts lays it out."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

MODULES = 986
RANK = 32
_CONTEXT = 2048
# Attentions of each UNet block: name, how many, transformer blocks in each, width.
_ATTENTIONS = (
    ("input_blocks", (4, 5), 2, 640),
    ("input_blocks", (7, 8), 10, 1280),
    ("middle_block", (), 10, 1280),
    ("output_blocks", (0, 1, 2), 10, 1280),
    ("output_blocks", (3, 4, 5), 2, 640),
)
# Text encoders: kohya's prefix, layers, width.
_ENCODERS = (("lora_te1", 12, 768), ("lora_te2", 32, 1280))


def layers() -> Iterator[tuple[str, int, int]]:
    """Kohya name, inputs and outputs of every linear layer that sd-scripts trains in SDXL by default."""
    for block, numbers, depth, width in _ATTENTIONS:
        for place in [f"{block}_{number}_1" for number in numbers] or [f"{block}_1"]:
            name = f"lora_unet_{place}"
            yield f"{name}_proj_in", width, width
            for index in range(depth):
                inner = f"{name}_transformer_blocks_{index}"
                for attention, takes in (("attn1", width), ("attn2", _CONTEXT)):
                    yield f"{inner}_{attention}_to_q", width, width
                    yield f"{inner}_{attention}_to_k", takes, width
                    yield f"{inner}_{attention}_to_v", takes, width
                    yield f"{inner}_{attention}_to_out_0", width, width
                yield f"{inner}_ff_net_0_proj", width, 8 * width
                yield f"{inner}_ff_net_2", 4 * width, width
            yield f"{name}_proj_out", width, width
    for prefix, count, width in _ENCODERS:
        for index in range(count):
            inner = f"{prefix}_text_model_encoder_layers_{index}"
            for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
                yield f"{inner}_self_attn_{projection}", width, width
            yield f"{inner}_mlp_fc1", width, 4 * width
            yield f"{inner}_mlp_fc2", 4 * width, width


def write_sdxl_lora(path: Path) -> Path:
    """A float16 file with a usual training's metadata, sparse: only the alphas (RANK / 2) are written."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, inputs, outputs in layers():
        shapes[f"{name}.alpha"] = ()
        shapes[f"{name}.lora_down.weight"] = (RANK, inputs)
        shapes[f"{name}.lora_up.weight"] = (outputs, RANK)
    tags = {"10_ink wash": {f"tag number {n}": 1 + n % 9 for n in range(1500)}}
    head: dict[str, object] = {
        "__metadata__": {
            "ss_base_model_version": "sdxl_base_v1-0",
            "ss_network_module": "networks.lora",
            "ss_network_dim": str(RANK),
            "ss_network_alpha": str(RANK / 2),
            "ss_num_train_images": "40",
            "ss_steps": "2000",
            "ss_learning_rate": "0.0001",
            "ss_tag_frequency": json.dumps(tags),
            "modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
        }
    }
    at, alphas = 0, []
    for name in sorted(shapes):
        size = 2
        for dimension in shapes[name]:
            size *= dimension
        if name.endswith(".alpha"):
            alphas.append(at)
        head[name] = {"dtype": "F16", "shape": list(shapes[name]), "data_offsets": [at, at + size]}
        at += size
    raw = json.dumps(head, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + at)
        for alpha in alphas:
            file.seek(8 + len(raw) + alpha)
            file.write(struct.pack("<e", RANK / 2))
    return path
