"""Sheets on a card: SDXL at 1024 and SD1.5 at 512 pixels, 28 steps, bfloat16, full architectures.

`python -m benchmarks.sheets_gpu` runs where there is a card, torch and diffusers, without database or Django,
and writes results/sheets_gpu.json with the device and the releases. Elsewhere it says why it is skipped.
"""

from __future__ import annotations

import gc
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Before torch: this one says how its threads wait.
from inference.engine.ladder import Engine, Sampling  # isort: skip

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import patching
from benchmarks.full_pipelines import full_pipeline, loaded
from benchmarks.harness import Row, Skipped, at_least, at_most, report
from inference.engine.block_weights import everywhere
from inference.engine.speed import write_attention_lora

STEPS, CFG, RANK = 28, 7.0, 32
TEXTS = ("portrait photo of a woman in a park", "a wooden house beside a lake in autumn") * 2
SEEDS = (11, 11, 23, 23)
WEIGHTS = 4
RATIO = 3.0
SWAP_SECONDS = 0.5
# Dense bfloat16, without sparsity, as the makers' data sheets have it; flops a second.
PEAKS = {
    "H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "A10": 125e12,
    "RTX 4090": 165e12, "RTX 3090": 71e12,
}  # fmt: skip


@dataclass(frozen=True)
class _Case:
    family: str
    side: int


CASES = (_Case("sdxl", 1024), _Case("sd1", 512))


def run() -> list[Row]:
    """Rows of both families. Raises Skipped without a card."""
    if not torch.cuda.is_available():
        raise Skipped("there is no CUDA device here")
    rows = []
    for case in CASES:
        rows += _rows(case)
        gc.collect()
        torch.cuda.empty_cache()
    return rows + patching.rows_on("cuda")


def _rows(case: _Case) -> list[Row]:
    pipe = full_pipeline(case.family, torch.bfloat16, "cuda")
    engine = Engine(loaded(pipe, case.family, torch.bfloat16, "cuda"))
    how = Sampling(STEPS, CFG, case.side, case.side, "dpmpp_2m_karras", "")
    naive = _naive(pipe, case)
    flops = _flops_of_a_picture(engine, how)
    base = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    eager = _per_picture(engine, how)
    peak = torch.cuda.max_memory_allocated()
    # In place: patched weights stay in the memory that the compiled code refers to.
    engine.base.denoiser.compile(mode="max-autotune-no-cudagraphs")
    started = time.perf_counter()
    engine.render(TEXTS, SEEDS, Sampling(1, CFG, case.side, case.side, how.sampler, ""))
    compiling = time.perf_counter() - started
    compiled = _per_picture(engine, how)
    swap, patched = _swap(engine, how)
    best = min(eager, compiled)
    # As the standard recipe: eight rows in base (stored), control and four weights.
    sheet = best * len(TEXTS) * 2 * (1 + WEIGHTS) + swap * (1 + WEIGHTS) * 2
    name = case.family
    rows = [
        Row(f"{name}.eager.seconds_per_image", eager, "s", naive, eager / naive),
        Row(f"{name}.compiled.seconds_per_image", compiled, "s", naive, compiled / naive),
        at_least(f"{name}.images_per_second", 1 / best, "/s", against=1 / naive, target=RATIO),
        Row(f"{name}.compile", compiling, "s"),
        Row(f"{name}.patched_still_compiled", patched / compiled, "of unpatched"),
        at_most(f"{name}.adapter_swap", swap, "s", target=SWAP_SECONDS),
        Row(f"{name}.sheets_per_hour", 3600 / sheet, "/h"),
        Row(f"{name}.memory_of_a_batch", (peak - base) / 2**30, "GiB"),
    ]
    share = _peak(torch.cuda.get_device_name())
    if share is not None:
        rows.append(Row(f"{name}.share_of_peak", flops / best / share, "of peak"))
    return rows


def _per_picture(engine: Engine, how: Sampling, rounds: int = 2) -> float:
    engine.render(TEXTS, SEEDS, Sampling(2, CFG, how.width, how.height, how.sampler, ""))
    return min(_seconds(lambda: engine.render(TEXTS, SEEDS, how)) for _ in range(rounds)) / len(TEXTS)


def _swap(engine: Engine, how: Sampling) -> tuple[float, float]:
    """Seconds to take an adapter of all attention out and another in, and of a picture with one in place."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lora.safetensors"
        write_attention_lora(engine, file, RANK)
        adapter = engine.load_adapter(file)
    applied = [(adapter, everywhere(0.5))]

    def swap() -> None:
        with engine.patcher.applied(applied):
            pass

    swap()
    seconds = min(_seconds(swap) for _ in range(3))
    # The second one tells: the first would compile again if patching asked for it.
    engine.render(TEXTS, SEEDS, how, applied)
    rendered = _seconds(lambda: engine.render(TEXTS, SEEDS, how, applied))
    return seconds, (rendered - seconds) / len(TEXTS)


def _naive(pipe: Any, case: _Case) -> float:
    """Seconds of a cell by one call of the pipeline, whose VAE is in float32 as ours is."""

    def call() -> None:
        pipe(
            TEXTS[0],
            width=case.side,
            height=case.side,
            num_inference_steps=STEPS,
            guidance_scale=CFG,
            generator=torch.Generator("cpu").manual_seed(SEEDS[0]),
            output_type="latent",
        )

    call()
    decode = _decoding(pipe, case)
    return min(_seconds(call) for _ in range(2)) + decode


def _decoding(pipe: Any, case: _Case) -> float:
    # diffusers' pipelines hand bfloat16 latents to the VAE; ours is in float32, so that it is timed apart.
    latents = torch.randn((1, 4, case.side // 8, case.side // 8), device="cuda")

    def decode() -> None:
        with torch.inference_mode():
            pipe.vae.decode(latents, return_dict=False)

    decode()
    return min(_seconds(decode) for _ in range(2))


def _flops_of_a_picture(engine: Engine, how: Sampling) -> float:
    """Of the denoiser alone: all steps, both halves of the guidance."""
    factor, device = engine.base.latent_factor, engine.base.device
    size = (engine.base.latent_channels, how.height // factor, how.width // factor)
    conditioning = engine.family.embed(TEXTS[:1], "", CFG, 1)
    with FlopCounterMode(display=False) as counter:
        engine.family.predict(
            torch.randn((2, *size), device=device), torch.tensor(1, device=device), conditioning
        )
    return float(counter.get_total_flops()) * STEPS


def _seconds(work: Any) -> float:
    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def _peak(device: str) -> float | None:
    return next((flops for name, flops in PEAKS.items() if name in device), None)


def where() -> str:
    """The card and the releases that the figures belong to."""
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no card"
    releases = ", ".join(f"{name} {version(name)}" for name in ("torch", "diffusers", "transformers"))
    return f"{card}, CUDA {torch.version.cuda}, {releases}, Python {platform.python_version()}"


if __name__ == "__main__":
    try:
        measured = run()
    except Skipped as reason:
        sys.stdout.write(f"sheets_gpu: skipped: {reason}\n")
        sys.exit(0)
    report("sheets_gpu", measured, on=where())
