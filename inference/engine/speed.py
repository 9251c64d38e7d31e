"""How fast a base renders here: seconds for a picture, and for an adapter in all of its attention."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.engine.ladder import Engine, Sampling  # isort: skip

import numpy as np
import torch
from torch import nn

from inference.engine.block_weights import everywhere
from registry.weights.writer import TensorWriter

RANK = 16


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds, and bytes of the device's memory at most; 0 where the device does not say.

    `image` is one picture of a batch of `pictures`, `patch` an adapter of `layers` layers put in and taken
    out again.
    """

    load: float
    image: float
    patch: float
    pictures: int
    layers: int
    memory: int


def measure(engine: Engine, load: float, how: Sampling, texts: Sequence[str], seeds: Sequence[int]) -> Speed:
    """Render one batch, after one step that warms up, and patch an adapter of random numbers.

    Raises SamplingDoesNotFit.
    """
    on_card = engine.base.device.type == "cuda"
    if on_card:
        torch.cuda.reset_peak_memory_stats()
    warm = Sampling(1, how.cfg, how.width, how.height, how.sampler, "")
    engine.render(texts, seeds, warm)
    started = time.perf_counter()
    engine.render(texts, seeds, how)
    image = (time.perf_counter() - started) / len(texts)
    memory = int(torch.cuda.max_memory_allocated()) if on_card else 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speed.safetensors"
        layers = write_attention_lora(engine, path)
        adapter = engine.load_adapter(path)
    started = time.perf_counter()
    with engine.patcher.applied([(adapter, everywhere(0.5))]):
        _wait(on_card)
    _wait(on_card)
    return Speed(load, image, time.perf_counter() - started, len(texts), layers, memory)


def write_attention_lora(engine: Engine, path: Path, rank: int = RANK) -> int:
    """A LoRA of small random numbers for every linear layer of the denoiser's attention, in PEFT's names; how
    many layers it has.
    """
    numbers = np.random.default_rng(0).standard_normal(1 << 16).astype(np.float32) * np.float32(0.01)
    layers = 0
    with TensorWriter(path) as writer:
        for name, module in engine.base.modules[engine.base.denoiser_name].items():
            if not (isinstance(module, nn.Linear) and "attn" in name):
                continue
            layers += 1
            prefix = f"{engine.base.denoiser_name}.{name}"
            writer.add_array(
                f"{prefix}.lora_A.weight", np.resize(numbers, (rank, module.in_features)).astype(np.float16)
            )
            writer.add_array(
                f"{prefix}.lora_B.weight", np.resize(numbers, (module.out_features, rank)).astype(np.float16)
            )
        writer.finish({})
    return layers


def _wait(on_card: bool) -> None:
    if on_card:
        torch.cuda.synchronize()
