"""Statistics of a whole SDXL adapter from its factors, against forming each module's matrix for an SVD."""

from __future__ import annotations

import json
import struct
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.harness import Row, at_least, at_most, seconds_of
from benchmarks.sdxl_file import layers
from registry.weights.changes import change_of, iter_module_tensors
from registry.weights.pairs import compare_files
from registry.weights.statistics import Statistics, statistics_of

RANK = 32
# Every so many modules one is solved by brute force; the shapes repeat, so these stand for the rest.
STRIDE = 60
ROUNDS = 3


def run() -> list[Row]:
    """The 722 UNet modules of an SDXL LoRA of rank 32 in float16, best of three from the page cache; brute
    force is measured on every 60th module and scaled by the number of modules.
    """
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "a.safetensors", Path(folder) / "b.safetensors"
        write_filled(first, 1)
        write_filled(second, 2)
        whole = min(seconds_of(lambda: statistics_of(first)) for _ in range(ROUNDS))
        pair = min(seconds_of(lambda: compare_files(first, second)) for _ in range(ROUNDS))
        modules = [loaded.tensors for loaded in iter_module_tensors(first)]
        chosen = [tensors for tensors in modules[::STRIDE] if tensors is not None]
        matrices = [change_of(tensors).matrix() for tensors in chosen]
        brute = seconds_of(lambda: [brute_force(matrix) for matrix in matrices])
        count = len(modules)
        brute *= count / len(chosen)
        error = largest_error(statistics_of(first), matrices)
        peak = peak_memory(first)
    return [
        at_most("sdxl_722_modules", whole, "s", target=1.0),
        at_least("speed", count / whole, "modules/s", against=count / brute, target=100),
        at_most("sdxl_pair", pair, "s", target=2.0),
        at_most("error_against_svd", error, "relative", target=1e-5),
        at_most("peak_memory", peak, "MB", target=64.0),
    ]


def brute_force(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """All singular values of the formed matrix, from which every figure follows."""
    values: npt.NDArray[np.float64] = np.linalg.svd(matrix, compute_uv=False)
    return values


def largest_error(found: Statistics, matrices: list[npt.NDArray[np.float64]]) -> float:
    """The largest relative difference of norm, spectral norm and effective rank from brute force."""
    errors = [0.0]
    for one, matrix in zip(found.each[::STRIDE], matrices, strict=True):
        values = brute_force(matrix)[:RANK]
        shares = values / values.sum()
        rank = np.exp(-np.sum(shares * np.log(shares)))
        for ours, theirs in (
            (one.frobenius, np.linalg.norm(values)),
            (one.spectral, values[0]),
            (one.effective_rank, rank),
        ):
            errors.append(abs((ours or 0.0) / float(theirs) - 1))
    return max(errors)


def peak_memory(path: Path) -> float:
    """The most that numpy and Python hold at once, in MB, the mapped file not counted."""
    tracemalloc.start()
    statistics_of(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6


def write_filled(path: Path, seed: int) -> None:
    """An SDXL LoRA of rank 32 whose numbers are slices of one random pool, alpha 16; no text encoder."""
    random = np.random.default_rng(seed)
    pool = (0.02 * random.standard_normal(2**22)).astype(np.float16)
    head: dict[str, object] = {}
    parts: list[npt.NDArray[np.float16]] = []
    at = 0
    for name, inputs, outputs in layers():
        if not name.startswith("lora_unet"):
            continue
        for suffix, shape in (
            ("alpha", ()),
            ("lora_down.weight", (RANK, inputs)),
            ("lora_up.weight", (outputs, RANK)),
        ):
            count = int(np.prod(shape))
            start = int(random.integers(0, len(pool) - count))
            parts.append(pool[start : start + count] if shape else np.full(1, 16, np.float16))
            head[f"{name}.{suffix}"] = {
                "dtype": "F16",
                "shape": list(shape),
                "data_offsets": [at, at + 2 * count],
            }
            at += 2 * count
    raw = json.dumps(head, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        for part in parts:
            file.write(part.tobytes())
