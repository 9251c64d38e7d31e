"""Small real weight files for tests: sound adapters of a known family, and files that are none."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

# Width of the text encoder's output, which the cross attention of each family takes in.
CONTEXT = {"sd1": 768, "sd2": 1024}


def write_lora(
    path: Path, *, family: str = "sd1", seed: int = 0, metadata: dict[str, str] | None = None
) -> Path:
    """A kohya LoRA of rank 4 for two attention blocks; another seed makes other bytes."""
    random = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    for block, width in (("down_blocks_0", 320), ("down_blocks_1", 640)):
        for attention, takes in (("attn1", width), ("attn2", CONTEXT[family])):
            for layer in ("to_q", "to_k", "to_v"):
                inputs = width if layer == "to_q" else takes
                name = f"lora_unet_{block}_attentions_0_transformer_blocks_0_{attention}_{layer}"
                tensors[f"{name}.lora_down.weight"] = random.normal(size=(4, inputs)).astype(np.float16)
                tensors[f"{name}.lora_up.weight"] = random.normal(size=(width, 4)).astype(np.float16)
                tensors[f"{name}.alpha"] = np.array(4, dtype=np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"ss_network_dim": "4"} | (metadata or {}))
    return path


def write_vae(path: Path) -> Path:
    """A part of a VAE: a whole safetensors file, and no adapter."""
    save_file({"decoder.conv_in.weight": np.zeros((4, 4, 3, 3), np.float16)}, path)
    return path


class RunsCode:
    """Unpickling this creates a file; a test that finds the file knows that someone unpickled it."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.witness,))


def write_pickle(path: Path, witness: Path) -> Path:
    path.write_bytes(pickle.dumps(RunsCode(witness)))
    return path


def write_truncated(path: Path) -> Path:
    whole = write_lora(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def write_json(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def civitai_info(model_id: int = 100, version_id: int = 1000, **changes: Any) -> dict[str, Any]:
    """A model-version object as the Civitai Helper leaves it beside a file, all permissions open."""
    return {
        "id": version_id,
        "modelId": model_id,
        "name": f"v{version_id}",
        "baseModel": "SD 1.5",
        "trainedWords": ["inkwash, brush"],
        "publishedAt": "2024-11-11T11:49:42.064Z",
        "description": "<p>first</p>",
        "model": {
            "name": "Ink wash",
            "type": "LORA",
            "nsfw": False,
            "poi": False,
            "tags": ["style"],
            "allowNoCredit": True,
            "allowCommercialUse": ["Image", "RentCivit", "Rent", "Sell"],
            "allowDerivatives": True,
            "allowDifferentLicense": True,
        },
        "creator": {"username": "mika"},
    } | changes
