"""Remembers which blob a file on this machine is, so that a second scan of a folder reads no unchanged file.

A file is unchanged while its path has the same inode, size and modification time; that is what git and rsync
rely on, too. A link is known by the inode it shares or leads to. Every path has a row: a blob's aliases.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path
from typing import Any

from django.db.models import Case, When
from django.utils import timezone

from registry import storage
from registry.errors import KuraError
from registry.models import Blob, ScannedPath

# File systems count time in steps of up to 10 ms; within one, a file can change and keep its time.
STEP_NS = 10_000_000


def recall(path: Path) -> Blob | None:
    """The blob that `path` was when it was last read, if it has not changed since and the blob is still here.

    Opens nothing.
    """
    status = status_of(path)
    if status is None or not stat.S_ISREG(status.st_mode):
        return None
    same_stat: dict[str, str | int] = {
        "inode": str(status.st_ino),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }
    key = key_of(path)
    # The path's own row first, then those of other names of the same inode.
    own_first = Case(When(key=key, then=0), default=1)
    rows = ScannedPath.objects.filter(blob__isnull=False, **same_stat).select_related("blob")
    row = next(
        (row for row in rows.order_by(own_first)[:20] if row.key == key or _is_one_file(path, row.path)), None
    )
    if row is not None and row.key != key:
        _remember(path, status, blob=row.blob)
    return row.blob if row is not None and row.blob is not None and storage.holds(row.blob) else None


def store(path: Path, *, container: str) -> Blob:
    """`storage.store`, remembered for `recall` if the file kept still meanwhile. Raises what that raises."""
    before = status_of(path)
    now = time.time_ns()
    blob = storage.store(path, container=container)
    if before is not None and before.st_size == blob.size and _kept_still(path, before, now):
        _remember(path, before, blob=blob)
    return blob


def refuse(path: Path, before: os.stat_result | None, began: int, error: KuraError, edition: str) -> None:
    """Remember that the reader of this edition found `path` not fit to be taken in, if it kept still.

    `before`: what `status_of` said before the reading, which began at `began` (nanoseconds since 1970).
    """
    if before is not None and _kept_still(path, before, began):
        told = {"code": error.code, "message": error.message, "next_step": error.next_step}
        _remember(path, before, refusal=told, refused_by=edition)


def key_of(path: Path) -> str:
    """The primary key of a path's row."""
    return key_in(os.fsencode(os.path.realpath(path.parent)), path.name)


def key_in(folder: bytes, name: str) -> str:
    """The primary key of the row of the file `name` in the resolved `folder`."""
    return hashlib.sha256(folder.rstrip(b"/") + b"/" + os.fsencode(name)).hexdigest()


def status_of(path: Path) -> os.stat_result | None:
    """The stat of what `path` leads to; None where that is nothing."""
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def _is_one_file(path: Path, other: str) -> bool:
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return False


def _kept_still(path: Path, before: os.stat_result, began: int) -> bool:
    after = status_of(path)
    same = after is not None and _identity(before) == _identity(after)
    return same and before.st_mtime_ns < began - STEP_NS


def _remember(path: Path, status: os.stat_result, **known: Any) -> None:
    """Whatever else was known of the path is forgotten: it was another file."""
    real = Path(os.path.realpath(path.parent)) / path.name
    values: dict[str, Any] = {
        "path": os.fsencode(real).decode("utf-8", errors="replace"),
        "inode": str(status.st_ino),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "blob": None,
        "refusal": None,
        "refused_by": "",
        "version": None,
        "listing": "",
        "asked": [],
        "mark": "",
        "state": "",
        "scanned": timezone.now(),
        **known,
    }
    ScannedPath.objects.bulk_create(
        [ScannedPath(key=key_of(path), **values)],
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=list(values),
    )


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
