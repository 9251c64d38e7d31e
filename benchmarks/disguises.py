"""The lineage set: one adapter in six disguises, unrelated adapters, and merges of two, in SDXL's layers."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Dtype = Literal["F32", "F16", "BF16", "F8_E4M3"]
Tensors = dict[str, tuple[Dtype, npt.NDArray[Any]]]
RANK: Final = 32
# Parts of the first parent in the merges; the second has the rest.
RATIOS: Final = (0.5, 0.6, 0.4, 0.7, 0.35)
# How alike unrelated adapters are made: those trained on one base share some directions.
_COMMON: Final = 0.05
# An attention block in kohya's (SGM) words and in diffusers', transformer blocks, width.
_BLOCKS: Final = (
    ("input_blocks_4_1", "down_blocks.1.attentions.0", 2, 640),
    ("input_blocks_5_1", "down_blocks.1.attentions.1", 2, 640),
    ("input_blocks_7_1", "down_blocks.2.attentions.0", 10, 1280),
    ("input_blocks_8_1", "down_blocks.2.attentions.1", 10, 1280),
    ("middle_block_1", "mid_block.attentions.0", 10, 1280),
    *((f"output_blocks_{n}_1", f"up_blocks.0.attentions.{n}", 10, 1280) for n in range(3)),
    *((f"output_blocks_{n + 3}_1", f"up_blocks.1.attentions.{n}", 2, 640) for n in range(3)),
)
_CONTEXT: Final = 2048


@dataclass(frozen=True)
class Layer:
    """One layer by its kohya and its diffusers name, with its inputs and outputs."""

    kohya: str
    diffusers: str
    inputs: int
    outputs: int


Factors = dict[Layer, tuple[Floats, Floats]]


def layers(*, narrower: int = 1, depth: int | None = None) -> list[Layer]:
    """The layers in SDXL's attention blocks, `narrower` times narrower and at most `depth` deep in each."""

    def inner() -> Iterator[Layer]:
        for kohya, diffusers, blocks, full in _BLOCKS:
            width, context = full // narrower, _CONTEXT // narrower
            for n in range(min(blocks, depth or blocks)):
                for attention, takes in (("attn1", width), ("attn2", context)):
                    for leaf in ("to_q", "to_k", "to_v", "to_out.0"):
                        path = f"transformer_blocks.{n}.{attention}.{leaf}"
                        inputs = takes if leaf in ("to_k", "to_v") else width
                        yield Layer(f"{kohya}_{path.replace('.', '_')}", f"{diffusers}.{path}", inputs, width)
                wide = (("ff.net.0.proj", width, 8 * width), ("ff.net.2", 4 * width, width))
                for leaf, inputs, outputs in wide:
                    path = f"transformer_blocks.{n}.{leaf}"
                    yield Layer(f"{kohya}_{path.replace('.', '_')}", f"{diffusers}.{path}", inputs, outputs)

    return list(inner())


def adapter(shape: Sequence[Layer], seed: int) -> Factors:
    """Up and down factors of rank 32 with a spectrum that falls as 1/k and layers of different strength."""
    random, common = np.random.default_rng([1, seed]), np.random.default_rng(0)
    spectrum = np.sqrt(1.0 / np.arange(1, RANK + 1, dtype=np.float32))
    made: Factors = {}
    for layer in shape:
        strength = np.float32(np.exp(random.normal(scale=0.4)))
        up, down = _pair(random, layer)
        shared_up, shared_down = _pair(common, layer)
        own, shared = np.float32((1 - _COMMON) ** 0.25), np.float32(_COMMON**0.25)
        up[:, :1], down[:1] = (own * up + shared * shared_up)[:, :1], (own * down + shared * shared_down)[:1]
        made[layer] = (up * spectrum * strength, down * spectrum[:, None])
    return made


def _pair(random: np.random.Generator, layer: Layer) -> tuple[Floats, Floats]:
    up = random.standard_normal((layer.outputs, RANK), np.float32) / np.float32(np.sqrt(layer.outputs))
    down = random.standard_normal((RANK, layer.inputs), np.float32) / np.float32(np.sqrt(layer.inputs))
    return up, down


def merged(first: Factors, second: Factors, ratio: float, rank: int = RANK) -> Factors:
    """ratio * first + (1 - ratio) * second, brought back to `rank` by a truncated SVD."""
    return {
        layer: truncated(
            np.hstack([first[layer][0] * np.float32(ratio), second[layer][0] * np.float32(1 - ratio)]),
            np.vstack([first[layer][1], second[layer][1]]),
            rank,
        )
        for layer in first
    }


def truncated(up: Floats, down: Floats, rank: int) -> tuple[Floats, Floats]:
    """The best factors of `rank` for up @ down (Eckart and Young 1936), from the QR of each."""
    left, upper = np.linalg.qr(up)
    right, lower = np.linalg.qr(down.T)
    u, values, vt = np.linalg.svd(upper @ lower.T)
    half = np.sqrt(values[:rank])
    return (left @ u[:, :rank]) * half, half[:, None] * (vt[:rank] @ right.T)


def kohya(factors: Factors, *, alpha: float = 16.0, dtype: Dtype = "F16") -> Tensors:
    """A kohya file: its factors are stored so that alpha / rank times their product is the change."""
    tensors: Tensors = {}
    for layer, (up, down) in factors.items():
        name, rank = f"lora_unet_{layer.kohya}", down.shape[0]
        tensors[f"{name}.lora_up.weight"] = cast(up * np.float32(rank / alpha), dtype)
        tensors[f"{name}.lora_down.weight"] = cast(down, dtype)
        tensors[f"{name}.alpha"] = cast(np.array(alpha, np.float32), "F32")
    return tensors


def disguises(factors: Factors, seed: int = 0) -> dict[str, tuple[Tensors, Mapping[str, str]]]:
    """The adapter as a re-uploader may publish it: name of the disguise -> tensors and metadata."""
    random = np.random.default_rng([2, seed])
    peft: Tensors = {}
    for layer, (up, down) in factors.items():
        peft[f"unet.{layer.diffusers}.lora_B.weight"] = cast(up, "BF16")
        peft[f"unet.{layer.diffusers}.lora_A.weight"] = cast(down, "BF16")
    turned = {layer: _rotated(up, down, random) for layer, (up, down) in factors.items()}
    small = {layer: truncated(up, down, 8) for layer, (up, down) in factors.items()}
    folded = kohya(factors, alpha=RANK)
    return {
        "cast to fp8": (kohya(factors, dtype="F8_E4M3"), {}),
        "edited metadata": (kohya(factors), {"modelspec.author": "Somebody Else"}),
        "another dialect": (peft, {}),
        "rotated factors": (kohya(turned), {}),
        "resized to rank 8": (kohya(small, alpha=8.0), {}),
        "folded alpha": ({k: v for k, v in folded.items() if not k.endswith(".alpha")}, {}),
    }


def _rotated(up: Floats, down: Floats, random: np.random.Generator) -> tuple[Floats, Floats]:
    turn = np.linalg.qr(random.standard_normal((down.shape[0], down.shape[0]), np.float32))[0]
    return up @ turn, turn.T @ down


# The values of E4M3's codes 0 to 126, ascending (Micikevicius et al. 2022, arXiv:2209.05433).
_E4M3: Final = np.array(
    [m / 512 if e == 0 else (1 + m / 8) * 2.0 ** (e - 7) for e in range(16) for m in range(8)][:127]
)


def cast(values: Floats, dtype: Dtype) -> tuple[Dtype, npt.NDArray[Any]]:
    """The numbers as they are stored, rounded to the nearest."""
    if dtype == "BF16":
        bits = values.astype("<f4").view("<u4")
        return dtype, ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    if dtype == "F8_E4M3":
        codes = np.searchsorted((_E4M3[1:] + _E4M3[:-1]) / 2, np.abs(values))
        return dtype, (codes | np.where(values < 0, 0x80, 0)).astype(np.uint8)
    return dtype, values.astype("<f2" if dtype == "F16" else "<f4")


def write(path: Path, tensors: Tensors, metadata: Mapping[str, str] | None = None) -> Path:
    """A safetensors file with these tensors."""
    head: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, (dtype, values) in tensors.items():
        head[name] = {"dtype": dtype, "shape": values.shape, "data_offsets": (at, at + values.nbytes)}
        at += values.nbytes
    raw = json.dumps(head, separators=(",", ":")).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        for _, values in tensors.values():
            file.write(np.ascontiguousarray(values).tobytes())
    return path
