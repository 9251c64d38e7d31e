"""Keeps the index of lineage sketches in step with their rows, one partition for each family under VAR_DIR.

The files follow the rows by id and are built anew from them when lost or out of step.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from django.conf import settings
from django.db import connection

from registry.errors import KuraError
from registry.lineage_partition import Ids, Partition, Signatures, locked
from registry.models import Sketch
from registry.weights.sketch import EDITION, SIGNATURE, Signature

_ROWS_AT_ONCE: Final = 20_000
# How many of the newest ids are looked up to see whether the files still belong to the database.
_WITNESSES: Final = 16


class LineageIndexUnusable(KuraError):
    """The index of lineage sketches cannot be read or written; the adapter itself was taken in."""

    code = "lineage_index_unusable"
    permanent = False
    next_step = "Free some space under VAR_DIR/lineage, then ingest again or run manage.py lineage --reindex."


def partition(family: str) -> Partition:
    """The partition of a family in this database's index under VAR_DIR."""
    return Partition(_root() / re.sub(r"[^a-z0-9_]", "_", family.lower()))


def nearest(signature: Signature, families: Iterable[str], limit: int) -> list[int]:
    """Ids of the sketches nearest to `signature` in these families, at most `limit`, the nearest first.

    The index is brought up to date with the rows first. Raises LineageIndexUnusable.
    """
    found: list[tuple[int, float]] = []
    for family in dict.fromkeys(families):
        try:
            found += refresh(family).search(signature, limit)
        except (OSError, ValueError) as error:
            # A ValueError: the files are shorter than their number of ids says.
            raise LineageIndexUnusable(f"{error}.") from None
    found.sort(key=lambda each: -each[1])
    return [pk for pk, _ in found[:limit]]


def refresh(family: str, *, rebuild: bool = False) -> Partition:
    """Add the rows that the partition lacks; build it anew when it is of another database or state of it.

    Raises LineageIndexUnusable.
    """
    try:
        return _refreshed(partition(family), family, rebuild)
    except (OSError, ValueError) as error:
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
