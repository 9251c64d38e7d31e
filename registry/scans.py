"""Remembers which blob a file on this machine is, so that a second scan of a folder reads no unchanged file.

A file is unchanged while its path has the same inode, size and modification time; that is what git and rsync
rely on, too. A hard link is known by the inode it shares, a symbolic link by the path it leads to.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path

from registry import storage
from registry.models import Blob, ScannedPath

# File systems count time in steps of up to 10 ms; within one, a file can change and keep its time.
_STEP_NS = 10_000_000


def recall(path: Path) -> Blob | None:
    """The blob that `path` was when it was last read, if it has not changed since and the blob is still here.

    Opens nothing.
    """
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError, ValueError):
        # A loop of symbolic links is a RuntimeError up to Python 3.12.
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    same_stat: dict[str, str | int] = {
        "inode": str(status.st_ino),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }
    row = ScannedPath.objects.filter(key=_key(real), **same_stat).select_related("blob").first()
    if row is None:
        row = _hard_link(real, same_stat)
        if row is not None:
            _remember(real, status, row.blob)
    return row.blob if row is not None and storage.holds(row.blob) else None


def store(path: Path, *, container: str) -> Blob:
    """`storage.store`, remembered for `recall` if the file kept still meanwhile. Raises what that raises."""
    before = _status(path)
    now = time.time_ns()
    blob = storage.store(path, container=container)
    after = _status(path)
    if before is None or after is None or _identity(before) != _identity(after):
        return blob
    if before.st_size == blob.size and before.st_mtime_ns < now - _STEP_NS:
        _remember(path.resolve(), before, blob)
    return blob


def _hard_link(real: Path, same_stat: dict[str, str | int]) -> ScannedPath | None:
    """A row of another path that is the very same file."""
    for row in ScannedPath.objects.filter(**same_stat).select_related("blob")[:20]:
        try:
            if real.samefile(row.path):
                return row
        except (OSError, ValueError):
            continue
    return None


def _remember(real: Path, status: os.stat_result, blob: Blob) -> None:
    ScannedPath.objects.update_or_create(
        key=_key(real),
        defaults={
            "path": os.fsencode(real).decode("utf-8", errors="replace"),
            "inode": str(status.st_ino),
            "size": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "blob": blob,
        },
    )


def _key(real: Path) -> str:
    return hashlib.sha256(os.fsencode(real)).hexdigest()


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
