"""SD1.5's architecture at full size with random weights: our batches against one diffusers call per cell.

At 64 pixels and few steps, so that processors come to an end with it. Beside it what putting a whole LoRA of
SDXL in and out costs (`patching`).
"""

from __future__ import annotations

import gc
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

# Before torch: this one says how its threads wait.
from inference.engine.ladder import Engine, Sampling  # isort: skip

import torch

from benchmarks import patching
from benchmarks.full_pipelines import full_pipeline, loaded
from benchmarks.harness import Row, alternate, at_least
from inference.engine.speed import write_attention_lora

SIDE, STEPS, CFG, RANK = 64, 6, 7.0, 32
TEXTS = ("a woman in a park", "a house by a lake") * 2
SEEDS = (11, 11, 23, 23)
WEIGHTS = (0.5, 1.0)
ROUNDS = 2
TARGET = 2.2


def run() -> list[Row]:
    """Cells a second of base and two weights, then patching."""
    return compared("sd1", torch.float32, "cpu") + patching.rows_on("cpu")


def compared(family: str, dtype: torch.dtype, device: str) -> list[Row]:
    """A base column and two weights, our way and the naive way, over the same modules in turns."""
    pipe = full_pipeline(family, dtype, device)
    engine = Engine(loaded(pipe, family, dtype, device))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lora.safetensors"
        layers = write_attention_lora(engine, file, RANK)
        cells = len(TEXTS) * (1 + len(WEIGHTS))
        engine.render(TEXTS[:1], SEEDS[:1], _sampling(1))
        ours, theirs = alternate(partial(_ours, engine, file), partial(_naive, pipe, file), rounds=ROUNDS)
    del pipe, engine
    gc.collect()
    return [
        at_least(f"{family}.cells_per_second", cells / ours, "/s", against=cells / theirs, target=TARGET),
        Row(f"{family}.seconds_per_cell", ours / cells, "s", theirs / cells, ours / theirs),
        Row(f"{family}.layers_patched", layers, "layers"),
    ]


def _sampling(steps: int) -> Sampling:
    return Sampling(steps, CFG, SIDE, SIDE, "dpmpp_2m_karras", "")


def _ours(engine: Engine, file: Path) -> None:
    adapter = engine.load_adapter(file)
    engine.render(TEXTS, SEEDS, _sampling(STEPS))
    for weight in WEIGHTS:
        engine.render_adapter(TEXTS, SEEDS, _sampling(STEPS), adapter, weight)


def _naive(pipe: Any, file: Path) -> None:
    _cells(pipe)
    pipe.load_lora_weights(str(file), adapter_name="it")
    for weight in WEIGHTS:
        pipe.set_adapters(["it"], [weight])
        _cells(pipe)
    pipe.unload_lora_weights()


def _cells(pipe: Any) -> None:
    for text, seed in zip(TEXTS, SEEDS, strict=True):
        pipe(
            text,
            width=SIDE,
            height=SIDE,
            num_inference_steps=STEPS,
            guidance_scale=CFG,
            generator=torch.Generator("cpu").manual_seed(seed),
            output_type="np",
        )
