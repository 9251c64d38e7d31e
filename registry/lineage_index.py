"""The first stage of a lineage search: signatures of up to millions of sketches in files, scanned exactly.

A partition holds, for one family, the ids of its sketches, their 512-number signatures (int8), and one bit
of each number. A search counts differing bits over the whole partition, takes the nearest few thousand and
orders these by the signatures' inner products. The files follow the rows by id and are built anew from them
when lost or out of step. Measured against other ways in docs/decisions/0010-lineage-index.md.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db import connection

from registry.errors import KuraError
from registry.models import Sketch
from registry.weights.sketch import EDITION, SIGNATURE, Signature

Ids = npt.NDArray[np.int64]
Signatures = npt.NDArray[np.int8]

# Rows that the bits let through to the second look; at cosine 0.3 the bits lose one in fifty of a million.
_SECOND_LOOK: Final = 8192
_BLOCK: Final = 16384
_ROWS_AT_ONCE: Final = 20_000
# How many of the newest ids are looked up to see whether the files still belong to the database.
_WITNESSES: Final = 16
_WORDS: Final = SIGNATURE // 64


class LineageIndexUnusable(KuraError):
    """The index of lineage sketches cannot be read or written; the adapter itself was taken in."""

    code = "lineage_index_unusable"
    permanent = False
    next_step = "Free some space under VAR_DIR/lineage, then ingest again or run manage.py lineage --reindex."


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
        # In blocks that stay in the processor's cache.
        block = np.bitwise_count(bits[at : at + _BLOCK] ^ wanted)
        block.sum(axis=1, dtype=np.uint16, out=differing[at : at + _BLOCK])
    return np.argpartition(differing, limit)[:limit]


# --- Files and rows -----------------------------------------------------------------------------------------


def partition(family: str) -> Partition:
    """The partition of a family in this database's index under VAR_DIR."""
    return Partition(_root() / re.sub(r"[^a-z0-9_]", "_", family.lower()))


def nearest(signature: Signature, families: Iterable[str], limit: int) -> list[int]:
    """Ids of the sketches nearest to `signature` in these families, at most `limit`, the nearest first.

    The index is brought up to date with the rows first. Raises LineageIndexUnusable.
    """
    found: list[tuple[int, float]] = []
    for family in dict.fromkeys(families):
        found += refresh(family).search(signature, limit)
    found.sort(key=lambda each: -each[1])
    return [pk for pk, _ in found[:limit]]


def refresh(family: str, *, rebuild: bool = False) -> Partition:
    """Add the rows that the partition lacks; build it anew when it is of another database or state of it.

    Raises LineageIndexUnusable.
    """
    try:
        return _refreshed(partition(family), family, rebuild)
    except OSError as error:
        raise LineageIndexUnusable(f"{error}.") from None


def _refreshed(here: Partition, family: str, rebuild: bool) -> Partition:
    rows = Sketch.objects.filter(family=family, edition=EDITION, modules__gt=0).order_by("id")
    with locked(here.folder):
        if rebuild or not _belongs(here):
            here.clear()
        last = int(here.newest(1)[0][0]) if here.count else 0
        for ids, signatures in _batches(rows.filter(id__gt=last).values_list("id", "signature").iterator()):
            here.append(ids, signatures)
    return here


def _belongs(here: Partition) -> bool:
    """Whether the newest sketches of the files are rows of this database, or there are none."""
    if not here.count:
        return True
    ids, signatures = here.newest(_WITNESSES)
    rows = dict(Sketch.objects.filter(id__in=ids.tolist()).values_list("id", "signature"))
    held = [(rows[pk], kept) for pk, kept in zip(ids.tolist(), signatures, strict=True) if pk in rows]
    # Rows may have been deleted since; all of them gone, or one that differs, is another history.
    return bool(held) and all(bytes(row) == kept.tobytes() for row, kept in held)


def _batches(rows: Iterable[tuple[int, bytes | memoryview]]) -> Iterator[tuple[Ids, Signatures]]:
    ids: list[int] = []
    raw: list[bytes] = []
    for pk, signature in rows:
        ids.append(pk)
        raw.append(bytes(signature))
        if len(ids) == _ROWS_AT_ONCE:
            yield np.array(ids, np.int64), _stacked(raw)
            ids, raw = [], []
    if ids:
        yield np.array(ids, np.int64), _stacked(raw)


def _stacked(raw: list[bytes]) -> Signatures:
    return np.frombuffer(b"".join(raw), np.int8).reshape(-1, SIGNATURE)


def _root() -> Path:
    """One folder for each database, so that two that share VAR_DIR never mix their ids."""
    where = "|".join(str(connection.settings_dict.get(key) or "") for key in ("HOST", "PORT", "NAME"))
    return Path(settings.VAR_DIR) / "lineage" / hashlib.sha256(f"{EDITION}|{where}".encode()).hexdigest()[:12]


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
