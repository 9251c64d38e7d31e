"""The files of a lineage index: signatures of up to millions of sketches, scanned exactly.

A partition holds the ids of its sketches, their 512-number signatures (int8), and one bit of each number. A
search counts differing bits over the whole partition, takes the nearest few thousand and orders these by the
signatures' inner products. Measured against other ways in docs/decisions/0010-lineage-index.md.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from registry.weights.sketch import SIGNATURE, Signature

Ids = npt.NDArray[np.int64]
Signatures = npt.NDArray[np.int8]

# Rows that the bits let through to the second look; at cosine 0.3 they lose one in forty of a million.
_SECOND_LOOK: Final = 8192
_BLOCK: Final = 8192
_EVEN_BYTES: Final = np.uint64(0x00FF00FF00FF00FF)
_EACH_PAIR: Final = np.uint64(0x0001000100010001)
_WORDS: Final = SIGNATURE // 64


class Partition:
    """The signatures of one family's sketches, in a folder. Safe for several processes on one machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def count(self) -> int:
        """How many sketches it holds."""
        ids = self.folder / "ids"
        return ids.stat().st_size // 8 if ids.exists() else 0

    def append(self, ids: Ids, signatures: Signatures) -> None:
        """Add sketches; their ids must be above all that are here. Call while holding `locked`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        count = self.count
        # The ids come last: what a killed writer left behind them is cut off by the next.
        for name, rows in (("signatures", signatures), ("bits", _bits(signatures)), ("ids", ids)):
            width = rows[:1].nbytes if rows.ndim > 1 else rows.itemsize
            with (self.folder / name).open("ab") as file:
                file.truncate(count * width)
                file.write(np.ascontiguousarray(rows).tobytes())

    def newest(self, count: int) -> tuple[Ids, Signatures]:
        """The last `count` ids and their signatures, ascending."""
        ids, signatures, _ = self._opened()
        return np.array(ids[-count:]), np.array(signatures[-count:])

    def clear(self) -> None:
        """Forget everything. Call while holding `locked`."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def search(self, signature: Signature, limit: int) -> list[tuple[int, float]]:
        """Ids and approximate cosines of the `limit` sketches nearest to `signature`, the nearest first."""
        with locked(self.folder, shared=True):
            ids, signatures, bits = self._opened()
        if not len(ids):
            return []
        near = _nearest(bits, _bits(signature[None])[0], _SECOND_LOOK)
        wanted = signature.astype(np.float32)
        chosen = signatures[near].astype(np.float32)
        lengths = np.linalg.norm(chosen, axis=1) * max(float(np.linalg.norm(wanted)), 1.0)
        cosines = (chosen @ wanted) / np.maximum(lengths, 1.0)
        order = np.argsort(-cosines, kind="stable")[:limit]
        return [(int(ids[near[at]]), float(cosines[at])) for at in order]

    def _opened(self) -> tuple[Ids, Signatures, npt.NDArray[np.uint64]]:
        count = self.count
        if not count:
            empty = np.zeros((0, SIGNATURE), np.int8)
            return np.zeros(0, np.int64), empty, np.zeros((0, _WORDS), np.uint64)
        ids = np.memmap(self.folder / "ids", np.int64, "r", shape=(count,))
        signatures = np.memmap(self.folder / "signatures", np.int8, "r", shape=(count, SIGNATURE))
        bits = np.memmap(self.folder / "bits", np.uint64, "r", shape=(count, _WORDS))
        return ids, signatures, bits


def _bits(signatures: Signatures) -> npt.NDArray[np.uint64]:
    """One bit for each number, whether it is above zero: [n, 512] -> [n, 8]."""
    return np.packbits(signatures > 0, axis=1).view(np.uint64)


def _nearest(bits: npt.NDArray[np.uint64], wanted: npt.NDArray[np.uint64], limit: int) -> Ids:
    """Rows of `bits` with the fewest bits other than `wanted`, in no order."""
    count = len(bits)
    if count <= limit:
        return np.arange(count)
    differing = np.empty(count, np.uint16)
    for at in range(0, count, _BLOCK):
        # In blocks that stay in the processor's cache. The eight counts of a row, a byte each, are added
        # within one word: first to four pairs of sixteen bits, then by a multiplication into the topmost.
        counts = np.bitwise_count(bits[at : at + _BLOCK] ^ wanted).view(np.uint64)[:, 0]
        pairs = (counts & _EVEN_BYTES) + ((counts >> np.uint64(8)) & _EVEN_BYTES)
        differing[at : at + _BLOCK] = (pairs * _EACH_PAIR) >> np.uint64(48)
    return np.argpartition(differing, limit)[:limit]


@contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the partition's lock: one writer, or any number of readers that open its files."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder.parent / f"{folder.name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
