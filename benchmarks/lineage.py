"""Lineage: a search in a million signatures, a sketch of a full SDXL adapter, and how far kin stand apart."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks import disguises
from benchmarks.harness import Row, at_most, seconds_of
from registry.lineage_partition import Partition
from registry.weights.kinship import PARENT, SAME, compose, likeness
from registry.weights.sketch import SIGNATURE, Signature, Sketch, sketch_file

SKETCHES: Final = 1_000_000
_AT_ONCE: Final = 50_000
_QUERIES: Final = 40
_LIMIT: Final = 50
_STRANGERS: Final = 20
# What a search is given to find: copies, merges, and parents at the promised edge and below it.
_COSINES: Final = (0.9, 0.6, 0.4, 0.3)

Floats = npt.NDArray[np.float32]


def run() -> list[Row]:
    with TemporaryDirectory(prefix="kura-lineage-") as folder:
        return [*_search(Path(folder)), *_sketches(Path(folder))]


# --- The search ---------------------------------------------------------------------------------------------


def _search(folder: Path) -> list[Row]:
    random = np.random.default_rng(0)
    partition = Partition(folder / "sdxl")
    for at in range(0, SKETCHES, _AT_ONCE):
        partition.append(
            np.arange(at, at + _AT_ONCE) + 1,
            _signatures(random.standard_normal((_AT_ONCE, SIGNATURE), np.float32)),
        )
    held = np.memmap(partition.folder / "signatures", np.int8, "r", shape=(SKETCHES, SIGNATURE))
    planted = {cosine: [_planted(random, held, cosine) for _ in range(_QUERIES)] for cosine in _COSINES}
    partition.search(planted[PARENT][0][1], _LIMIT)
    ours = [seconds_of(partial(partition.search, query, _LIMIT)) for _, query in planted[PARENT][:10]]
    theirs = [seconds_of(partial(_brute_force, held, query)) for _, query in planted[PARENT][:3]]
    ms, brute = median(ours) * 1000, median(theirs) * 1000
    rows = [Row("lookup_ms", ms, "ms", brute, ms / brute, 100.0, ms <= 100.0)]
    for cosine, queries in planted.items():
        found = [pk in {hit for hit, _ in partition.search(query, _LIMIT)} for pk, query in queries]
        exact = [pk in _brute_force(held, query) for pk, query in queries]
        recall, best = float(np.mean(found)), float(np.mean(exact))
        # Below the promise the figure is told, not demanded.
        target = 0.99 if cosine >= PARENT else None
        met = None if target is None else recall >= target
        rows.append(
            Row(f"recall_at_50_cosine_{cosine}", recall, "of 1", best, recall / max(best, 0.01), target, met)
        )
    return rows


def _signatures(vectors: Floats) -> npt.NDArray[np.int8]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    signatures: npt.NDArray[np.int8] = np.clip(np.rint(unit * 508), -127, 127).astype(np.int8)
    return signatures


def _planted(random: np.random.Generator, held: npt.NDArray[np.int8], cosine: float) -> tuple[int, Signature]:
    """An id of the index and a signature at this cosine to its own."""
    row = int(random.integers(len(held)))
    known = held[row].astype(np.float32) / np.linalg.norm(held[row].astype(np.float32))
    other = random.standard_normal(SIGNATURE).astype(np.float32)
    other -= known * float(known @ other)
    mixed = cosine * known + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)
    return row + 1, _signatures(mixed[None].astype(np.float32))[0]


def _brute_force(held: npt.NDArray[np.int8], query: Signature) -> set[int]:
    """Every inner product by numpy, in blocks that stay in memory."""
    scores = np.empty(len(held), np.float32)
    wanted = query.astype(np.float32)
    for at in range(0, len(held), 20_000):
        scores[at : at + 20_000] = held[at : at + 20_000].astype(np.float32) @ wanted
    return {int(row) + 1 for row in np.argpartition(-scores, _LIMIT)[:_LIMIT]}


# --- The sketches -------------------------------------------------------------------------------------------


def _sketches(folder: Path) -> list[Row]:
    shape = disguises.layers()

    def sketch(tensors: disguises.Tensors) -> Sketch:
        return sketch_file(disguises.write(folder / "a.safetensors", tensors), "sdxl")

    original = disguises.adapter(shape, 0)
    tensors = disguises.kohya(original)
    path = disguises.write(folder / "original.safetensors", tensors)
    seconds = min(seconds_of(lambda: sketch_file(path, "sdxl").signature()) for _ in range(3))
    one = sketch_file(path, "sdxl")
    copies = {
        name: likeness(one, sketch(made)).cosine for name, (made, _) in disguises.disguises(original).items()
    }
    known = [one]
    children = []
    # One stranger at a time: the factors of a full adapter take 300 MB.
    for seed, ratio in enumerate(disguises.RATIOS, start=1):
        stranger = disguises.adapter(shape, seed)
        known.append(sketch(disguises.kohya(stranger)))
        children.append(sketch(disguises.kohya(disguises.merged(original, stranger, ratio))))
    narrow = disguises.layers(narrower=10)
    known += [sketch(disguises.kohya(disguises.adapter(narrow, seed))) for seed in range(6, 1 + _STRANGERS)]
    nearest = max(likeness(known[a], known[b]).cosine for a in range(len(known)) for b in range(a))
    errors, residuals, wrong = [], [], 0
    for seed, (ratio, child) in enumerate(zip(disguises.RATIOS, children, strict=True), start=1):
        made = compose(child, known)
        weights = {part.index: part.weight for part in made.ingredients}
        wrong += set(weights) != {0, seed}
        errors += [abs(weights.get(0, 0.0) - ratio), abs(weights.get(seed, 0.0) - (1 - ratio))]
        residuals.append(made.residual)
    return [
        at_most("sketch_seconds", seconds, "s", target=1.0),
        Row("sketch_kilobytes", len(one.to_bytes()) / 1000, "kB"),
        *(
            Row(f"cosine_{name.replace(' ', '_')}", cosine, "", None, None, SAME, cosine >= SAME)
            for name, cosine in copies.items()
        ),
        at_most("cosine_of_strangers_at_most", nearest, "", target=PARENT / 2),
        at_most("merges_misread", float(wrong), "of 5", target=0.0),
        at_most("merge_weight_error_at_most", max(errors), "", target=0.05),
        at_most("merge_residual_at_most", max(residuals), "", target=0.1),
    ]
