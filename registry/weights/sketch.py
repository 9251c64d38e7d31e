"""Lineage sketch of an adapter: a small linear projection of dW that survives a re-upload's disguises.

For each canonical layer S = P_o dW P_i.T / 8 is kept, 8 x 8, where P_o [8, O] and P_i [8, I] hold signs drawn
from the layer's name (Johnson-Lindenstrauss with coins: Achlioptas 2003,
doi:10.1016/S0022-0000(03)00025-4). Inner products of sketches estimate those of the changes themselves,
whatever the factors, dtype, rank or dialect; being linear, a merge's sketch is the merge of the sketches.
"""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .canonical import CanonicalPart, canonical_layers
from .changes import change_of, iter_module_tensors
from .errors import NothingToSketch, WeightsError
from .operators import Change, LowRank

Floats = npt.NDArray[np.float32]
Keys = npt.NDArray[np.uint64]
Signature = npt.NDArray[np.int8]

# A new edition for every change of what a sketch holds: sketches of two editions are never compared.
EDITION: Final = "1"
SIDE: Final = 8
SIZE: Final = SIDE * SIDE
SIGNATURE: Final = 512
_SPREAD = 4  # buckets of the signature that each number of the sketch goes to
_MAGIC = b"KLS1"
_HEAD = struct.Struct("<4sI")
_MODULE = np.dtype([("key", "<u8"), ("norm", "<f4"), ("values", "<f2", (SIZE,))])
UNTHREADED: Final = 2**18  # multiplications that OpenBLAS does without threads
# Wider than any layer (a vocabulary has 260,000 rows); the signs of one side then take 32 MB.
_WIDEST = 2**20
# No training makes a change near this; below, the norm of a projection is a finite float32.
_LARGEST = 1e30


@dataclass(frozen=True, eq=False)
class Sketch:
    """`keys` [n] ascending, one for each layer; `values` [n, 64], the layers' projections. `skipped` modules
    had no change that could be projected.
    """

    keys: Keys
    values: Floats
    skipped: int = 0

    @property
    def norm(self) -> float:
        """Estimate of the Frobenius norm of the whole change."""
        return float(np.sqrt(np.einsum("ij,ij->", self.values, self.values, dtype=np.float64)))

    def energies(self) -> npt.NDArray[np.float64]:
        """Squared norm of each layer's projection, [n]."""
        # Squares of finite float32 may be more than a float32 holds, and less.
        energies: npt.NDArray[np.float64] = np.einsum("ij,ij->i", self.values, self.values, dtype=np.float64)
        return energies

    def to_bytes(self) -> bytes:
        """8 bytes of head, then for each layer key, norm and its 64 numbers at unit norm as halves."""
        rows = np.zeros(len(self.keys), _MODULE)
        norms = np.sqrt(self.energies())
        rows["key"], rows["norm"] = self.keys, norms
        rows["values"] = self.values / np.maximum(norms, np.finfo(np.float32).tiny)[:, None]
        return _HEAD.pack(_MAGIC, len(rows)) + rows.tobytes()

    @classmethod
    def from_bytes(cls, raw: bytes | memoryview) -> Sketch:
        """What `to_bytes` wrote. Raises ValueError for anything else."""
        magic, count = _HEAD.unpack_from(raw) if len(raw) >= _HEAD.size else (b"", 0)
        if magic != _MAGIC or len(raw) != _HEAD.size + count * _MODULE.itemsize:
            raise ValueError("not a lineage sketch of this edition")
        rows = np.frombuffer(raw, _MODULE, count, _HEAD.size)
        return cls(rows["key"].copy(), rows["values"].astype(np.float32) * rows["norm"][:, None])

    def signature(self) -> Signature:
        """A projection of the whole sketch to 512 numbers, at unit norm times 127 * 4 and clipped to int8.

        Each number of the sketch is added, with a sign, to four of the 512 buckets that its layer's key names
        (sparse Johnson-Lindenstrauss: Kane and Nelson 2014, doi:10.1145/2559902).
        """
        total = np.zeros(SIGNATURE)
        for key, values in zip(self.keys, self.values, strict=True):
            raw = hashlib.shake_128(b"signature" + int(key).to_bytes(8, "little")).digest(2 * SIZE * _SPREAD)
            drawn = np.frombuffer(raw, "<u2")
            signs = np.where(drawn & 0x8000, -1.0, 1.0)
            total += np.bincount(
                drawn & (SIGNATURE - 1), weights=signs * np.repeat(values, _SPREAD), minlength=SIGNATURE
            )
        length = float(np.linalg.norm(total))
        if length == 0.0:
            return np.zeros(SIGNATURE, np.int8)
        # Coordinates of a unit vector are about 1/sqrt(512) = 0.044; a quarter is more than five times that.
        return np.clip(np.rint(total / length * 508), -127, 127).astype(np.int8)


def sketch_file(path: str | os.PathLike[str], family: str) -> Sketch:
    """Sketch of the adapter file `path`, whose family `inspect` read as `family`.

    Modules that are damaged or have no formula are left out and counted. Of DoRA the direction is sketched,
    of (IA)^3 and OFT what they multiply the weight with, under keys of their own. Raises Unreadable, a
    ContainerError, or NothingToSketch when no module is left.
    """
    found: dict[int, Floats] = {}
    skipped = 0
    for loaded in iter_module_tensors(path):
        if loaded.tensors is None:
            skipped += 1
            continue
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                change = change_of(loaded.tensors)
            for part in canonical_layers(loaded.facts, family):
                kind = f"{loaded.tensors.algorithm}:" if change.relative else ""
                with np.errstate(over="ignore", invalid="ignore"):
                    projected = _projected(change, part, kind + part.key)
                # Not so for NaN and infinity either.
                if np.abs(projected).max() < _LARGEST:
                    key = _key(kind + part.key)
                    found[key] = found[key] + projected if key in found else projected
                else:
                    skipped += 1
        except WeightsError:
            skipped += 1
    kept = {key: values for key, values in found.items() if values.any()}
    if not kept:
        raise NothingToSketch(
            f"None of the {skipped + len(found)} modules changes anything that can be measured."
        )
    keys = np.array(sorted(kept), np.uint64)
    return Sketch(keys, np.stack([kept[int(key)].reshape(-1) for key in keys]), skipped)


def _projected(change: Change, part: CanonicalPart, name: str) -> Floats:
    """S [8, 8] of one canonical layer, scaled so that inner products are unbiased."""
    outputs, inputs = change.shape
    if max(outputs, inputs, part.into.stop if part.into else 0) > _WIDEST:
        raise NothingToSketch(f"The layer {name[:120]} is wider than any model's.")
    rows = range(outputs)[part.rows or slice(None)]
    into = part.into or slice(0, len(rows))
    left = _signs(name, "out", into.stop)[:, into]
    right = _signs(name, "in", inputs)
    if len(rows) != left.shape[1]:
        raise NothingToSketch(f"The parts of {name[:120]} do not fit its {outputs} outputs.")
    if isinstance(change, LowRank):
        # In float32: half the time, and far below the sketch's own noise.
        up, down = (
            np.asarray(factor, np.float32) for factor in (change.left[part.rows or slice(None)], change.right)
        )
        return (_thin(left, up) @ _thin(right, down.T).T) / np.float32(SIDE)
    whole = np.zeros((SIDE, outputs))
    whole[:, part.rows or slice(None)] = left
    return (change.project(whole, right.astype(np.float64)) / SIDE).astype(np.float32)


def _thin(signs: Floats, factor: Floats) -> Floats:
    """signs [8, n] @ factor [n, r], in pieces so small that BLAS starts no threads, which on a busy machine
    take ten times as long as the product (OpenBLAS, interface/gemm.c: 4 * 65536 multiplications).
    """
    size, rank = factor.shape
    step = max(1, UNTHREADED // (SIDE * max(1, rank)))
    total = np.zeros((SIDE, rank), np.float32)
    for at in range(0, size, step):
        total += signs[:, at : at + step] @ factor[at : at + step]
    return total


def _key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def _signs(name: str, side: str, size: int) -> Floats:
    """[8, size] of -1 and 1 from the name alone (SHAKE-128, FIPS 202): the same on every machine."""
    raw = hashlib.shake_128(f"{EDITION}:{side}:{name}".encode("utf-8", "replace")).digest(size)
    bits = np.unpackbits(np.frombuffer(raw, np.uint8)).reshape(size, SIDE)
    return (bits.T.astype(np.float32) * 2) - 1
