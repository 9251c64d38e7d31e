"""Rows for the inference tests: a base with weights, and a version with a stored adapter file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from registry.models import Adapter, BaseModel, File, Source, Version
from registry.storage import store_bytes
from tests.inference.adapters import random_floats

SHAPES = {"attn1.to_q": (8, 8), "attn2.to_k": (8, 16), "attn2.to_v": (8, 16)}


def make_base(folder: Path | str, *, slug: str = "toybox-v1", family: str = "toybox") -> BaseModel:
    """A checkpoint whose weights lie in the folder."""
    return BaseModel.objects.create(slug=slug, name=f"Base {slug}", family=family, weights=str(folder))


def make_version(data: bytes | None = None, *, name: str = "momo", **fields: Any) -> Version:
    """A version of a new adapter with one stored file."""
    tags = fields.pop("tags", [])
    adapter = Adapter.objects.create(source=Source.FOLDER, source_key=name, name=name, tags=tags)
    version = Version.objects.create(
        adapter=adapter, source_key="1", name="v1", **{"detected_family": "toybox", **fields}
    )
    blob = store_bytes(kohya_lora() if data is None else data, container="safetensors")
    File.objects.create(version=version, blob=blob, name=f"{name}.safetensors")
    return version


def kohya_lora(*, seed: int = 1, strength: float = 0.6, text_encoder: bool = True) -> bytes:
    """A kohya LoRA file for the tiny base: attention of the first block, and one layer of the text
    encoder.
    """
    tensors: dict[str, npt.NDArray[np.float32]] = {}
    block = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0"
    targets = {f"{block}_{layer.replace('.', '_')}": shape for layer, shape in SHAPES.items()}
    if text_encoder:
        targets["lora_te_text_model_encoder_layers_0_self_attn_q_proj"] = (16, 16)
    for number, (name, (size_out, size_in)) in enumerate(targets.items()):
        tensors[f"{name}.lora_up.weight"] = random_floats(seed + 2 * number, size_out, 2, scale=strength)
        tensors[f"{name}.lora_down.weight"] = random_floats(seed + 2 * number + 1, 2, size_in, scale=strength)
        tensors[f"{name}.alpha"] = np.array(2.0, dtype=np.float32)
    return save(tensors)
