"""Makes safetensors files for the tests: from arrays, from bare shapes, and of well-known layouts."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "U8": 1}
DTYPES = {"float32": "F32", "float16": "F16", "float64": "F64", "int64": "I64", "uint8": "U8"}

Shapes = dict[str, tuple[int, ...]]


def header_bytes(document: Any) -> bytes:
    """A header's length and its JSON, padded to eight bytes as the official writer does."""
    raw = document if isinstance(document, bytes) else json.dumps(document, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw)) + raw


def write_arrays(
    path: Path, arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> Path:
    """A file with these numbers."""
    head: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    data = b""
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0])):
        raw = np.ascontiguousarray(array).tobytes()
        head[name] = {
            "dtype": DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    path.write_bytes(header_bytes(head) + data)
    return path


def write_shapes(
    path: Path, shapes: Mapping[str, Any], metadata: Mapping[str, str] | None = None, dtype: str = "F16"
) -> Path:
    """A sparse file with tensors of these shapes, all zero; it takes no more room than its header."""
    head: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, shape in sorted(shapes.items()):
        size = math.prod(shape) * SIZES[dtype]
        head[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    raw = header_bytes(head)
    with path.open("wb") as file:
        file.write(raw)
        file.truncate(len(raw) + at)
    return path


def kohya(module: str, in_dim: int, out_dim: int, rank: int = 4, kernel: tuple[int, ...] = ()) -> Shapes:
    """The three tensors of one kohya LoRA module; `kernel` makes it a convolution's."""
    ones = (1,) * len(kernel)
    return {
        f"{module}.lora_down.weight": (rank, in_dim, *kernel),
        f"{module}.lora_up.weight": (out_dim, rank, *ones),
        f"{module}.alpha": (),
    }


def peft(module: str, in_dim: int, out_dim: int, rank: int = 4) -> Shapes:
    """The two tensors of one PEFT LoRA module."""
    return {f"{module}.lora_A.weight": (rank, in_dim), f"{module}.lora_B.weight": (out_dim, rank)}


def unet_attention(channels: tuple[int, ...], context: int, layers: int = 2) -> dict[str, tuple[int, int]]:
    """Dotted path -> (in, out) of every attention projection of a UNet laid out as Stable Diffusion 1."""
    found: dict[str, tuple[int, int]] = {}
    levels = len(channels)
    blocks = [
        (f"down_blocks.{b}.attentions.{a}", channels[b]) for b in range(levels - 1) for a in range(layers)
    ]
    blocks.append(("mid_block.attentions.0", channels[-1]))
    for b in range(1, levels):
        blocks += [(f"up_blocks.{b}.attentions.{a}", channels[levels - 1 - b]) for a in range(layers + 1)]
    for block, width in blocks:
        for attention in ("attn1", "attn2"):
            for projection in ("to_q", "to_k", "to_v", "to_out.0"):
                crosses = attention == "attn2" and projection in ("to_k", "to_v")
                path = f"{block}.transformer_blocks.0.{attention}.{projection}"
                found[path] = (context if crosses else width, width)
    return found


def flux_bfl(doubles: int = 19, singles: int = 38, *, modulation: bool = True) -> dict[str, tuple[int, int]]:
    """Dotted path -> (in, out) of the layers of FLUX.1 in Black Forest Labs' names."""
    h, m = 3072, 12288
    found: dict[str, tuple[int, int]] = {}
    for n in range(doubles):
        for stream in ("img", "txt"):
            block = f"double_blocks.{n}.{stream}"
            found |= {
                f"{block}_attn.qkv": (h, 3 * h),
                f"{block}_attn.proj": (h, h),
                f"{block}_mlp.0": (h, m),
                f"{block}_mlp.2": (m, h),
            }
            if modulation:
                found[f"{block}_mod.lin"] = (h, 6 * h)
    for n in range(singles):
        found |= {f"single_blocks.{n}.linear1": (h, 3 * h + m), f"single_blocks.{n}.linear2": (h + m, h)}
        if modulation:
            found[f"single_blocks.{n}.modulation.lin"] = (h, 3 * h)
    return found


def flux_diffusers(doubles: int = 19, singles: int = 38) -> dict[str, tuple[int, int]]:
    """Dotted path -> (in, out) of the attention layers of FLUX.1 in diffusers' names."""
    h = 3072
    double = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
    found = {f"transformer_blocks.{n}.attn.{p}": (h, h) for n in range(doubles) for p in double}
    return found | {
        f"single_transformer_blocks.{n}.attn.{p}": (h, h)
        for n in range(singles)
        for p in ("to_q", "to_k", "to_v")
    }


def merge(parts: list[Shapes]) -> Shapes:
    """One mapping of several modules' tensors."""
    return {name: shape for part in parts for name, shape in part.items()}


def kohya_file(layers: Mapping[str, tuple[int, int]], prefix: str = "lora_unet_", rank: int = 4) -> Shapes:
    """Every layer as a kohya module."""
    return merge([kohya(prefix + path.replace(".", "_"), *size, rank) for path, size in layers.items()])


def peft_file(layers: Mapping[str, tuple[int, int]], prefix: str, rank: int = 4) -> Shapes:
    """Every layer as a PEFT module."""
    return merge([peft(prefix + path, *size, rank) for path, size in layers.items()])
