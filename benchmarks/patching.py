"""Putting a whole SDXL LoRA into the UNet and taking it out again, bit by bit.

A full-size UNet of random weights, and a rank-32 LoRA of all its 722 layers: seconds to patch and restore,
on the processor or on the card, and how much of the card's memory that takes beside the base.
"""

from __future__ import annotations

import gc
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import sdxl_file
from benchmarks.harness import Row, at_most
from registry.weights.writer import TensorWriter

if TYPE_CHECKING:
    import torch

CPU_SECONDS, CARD_SECONDS = 15.0, 0.5
CARD_MEMORY = 0.10
"""What patching may take on the card beside the base, as a share of the base."""
UNET_LAYERS = 722
_ROUNDS = 2


def run() -> list[Row]:
    """Rows of the processor, and of the card where there is one."""
    import torch

    rows = rows_on("cpu")
    return rows + rows_on("cuda") if torch.cuda.is_available() else rows


def rows_on(device: str) -> list[Row]:
    """Time and memory on one device. Raises RuntimeError when the base is not what it was afterwards."""
    # Torch takes seconds to import, which the other benchmarks need not wait for.
    import torch

    from benchmarks.full_models import full_unet, modules_of
    from inference.engine.block_weights import everywhere
    from inference.engine.patcher import WeightPatcher

    unet = full_unet("sdxl", torch.bfloat16, device)
    patcher = WeightPatcher(modules_of(unet=unet), "sdxl")
    with tempfile.TemporaryDirectory() as folder:
        path = write_unet_lora(Path(folder) / "lora.safetensors")
        started = time.perf_counter()
        fitted = patcher.load(path)
        loaded = time.perf_counter() - started
    if len(fitted.targets) != UNET_LAYERS:
        raise RuntimeError(f"{len(fitted.targets)} of {UNET_LAYERS} layers have their place")
    before = [_digest(parameter) for parameter in unet.parameters()]
    base = _used(device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    patching, restoring = [], []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        block = patcher.applied([(fitted, everywhere(0.8))])
        changed = block.__enter__()
        _wait(device)
        patching.append(time.perf_counter() - started)
        if changed != UNET_LAYERS:
            raise RuntimeError(f"{changed} of {UNET_LAYERS} layers were changed")
        started = time.perf_counter()
        block.__exit__(None, None, None)
        _wait(device)
        restoring.append(time.perf_counter() - started)
    if before != [_digest(parameter) for parameter in unet.parameters()]:
        raise RuntimeError("the base is not what it was")
    target = CPU_SECONDS if device == "cpu" else CARD_SECONDS
    rows = [
        Row(f"{device}.load_and_fit", loaded, "s"),
        Row(f"{device}.patch", min(patching), "s"),
        Row(f"{device}.restore", min(restoring), "s"),
        at_most(f"{device}.patch_and_restore", min(patching) + min(restoring), "s", target=target),
    ]
    if device == "cuda":
        extra = (torch.cuda.max_memory_allocated() - base) / base
        rows.append(at_most("cuda.memory_beside_base", extra, "of base", target=CARD_MEMORY))
    del unet, patcher, fitted
    gc.collect()
    return rows


def write_unet_lora(path: Path, rank: int = sdxl_file.RANK) -> Path:
    """A float16 LoRA of every linear layer that sd-scripts trains in SDXL's UNet, of random numbers."""
    numbers = np.random.default_rng(0).standard_normal(1 << 20).astype(np.float16) * np.float16(0.05)
    with TensorWriter(path) as writer:
        for name, inputs, outputs in sdxl_file.layers():
            if not name.startswith("lora_unet_"):
                continue
            for factor, shape in (("lora_down", (rank, inputs)), ("lora_up", (outputs, rank))):
                writer.add_array(f"{name}.{factor}.weight", np.resize(numbers, shape))
            writer.add_array(f"{name}.alpha", np.array(rank / 2, np.float16))
        writer.finish({})
    return path


def _digest(parameter: torch.Tensor) -> float:
    """A number that hardly stays the same when a bit changes: the sum of the bits' patterns."""
    import torch

    return float(parameter.data.view(torch.int16).sum(dtype=torch.int64))


def _used(device: str) -> int:
    import torch

    return torch.cuda.memory_allocated() if device == "cuda" else 0


def _wait(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
