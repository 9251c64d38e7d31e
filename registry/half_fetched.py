"""Where files lie while they are fetched: each held by one process, and tidied away when nobody goes on."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from django.conf import settings

KEPT_SECONDS: Final = 7 * 24 * 3600
"""What was left of a download is kept so long for another try."""
# Where manage.py fetch_base puts what it fetches (registry/base_weights.py).
_OF_BASES: Final = ("bases", "layouts")
_PART: Final = (".part.json.new", ".part.json", ".part")


def folder() -> Path:
    """The folder of adapters' files; it is there. An offer's names begin with its number and a hyphen."""
    found = Path(settings.VAR_DIR) / "fetching"
    found.mkdir(parents=True, exist_ok=True)
    return found


@contextmanager
def held(offer: int) -> Iterator[bool]:
    """Whether this process alone has the offer's files meanwhile. It ends with the process."""
    with _lock(folder() / f"{offer}.lock") as mine:
        yield mine


def remove_abandoned(*, older_than: float = KEPT_SECONDS) -> int:
    """Delete what is left of downloads that nobody went on with for so many seconds; how many files.

    Of adapters all, of bases and layouts the half-fetched files: the whole ones are what the others go with.
    What a process has in use stays, however long nothing came; a part and what is known of it go together.
    """
    removed = 0
    found = list(folder().iterdir())
    for name in _OF_BASES:
        found += [path for path in (Path(settings.VAR_DIR) / name).rglob("*") if path.name.endswith(_PART)]
    for target, paths in _by_target(found).items():
        if _is_old(paths, older_than):
            removed += _remove(target, paths, older_than)
    return removed


def _by_target(found: Iterable[Path]) -> dict[Path, list[Path]]:
    """The files that belong together, by the one that they are to become."""
    groups: dict[Path, list[Path]] = {}
    for path in found:
        suffix = next((each for each in _PART if path.name.endswith(each)), "")
        groups.setdefault(path.with_name(path.name.removesuffix(suffix)), []).append(path)
    return groups


def _remove(target: Path, paths: Iterable[Path], older_than: float) -> int:
    """Delete them while no other process can take them up; how many."""
    removed = 0
    with ExitStack() as held_here:
        offer = re.match(r"(\d+)[-.]", target.name)
        if offer and target.parent == folder() and not held_here.enter_context(held(int(offer[1]))):
            return 0
        part = target.with_name(f"{target.name}.part")
        # As whoever fetches it holds it (registry/sources/transport/partial.py).
        if part.is_file() and not held_here.enter_context(_lock(part, made=False)):
            return 0
        # Somebody may have gone on with it, and stopped again, since it was looked at.
        for path in [path for path in paths if path.is_file()] if _is_old(paths, older_than) else []:
            path.unlink()
            removed += 1
    return removed


def _is_old(paths: Iterable[Path], older_than: float) -> bool:
    """Whether nothing happened to any of them for so long."""
    newest = 0.0
    for path in paths:
        try:
            newest = max(newest, path.stat().st_mtime)
        except FileNotFoundError:
            continue
    return time.time() - newest > older_than


@contextmanager
def _lock(path: Path, *, made: bool = True) -> Iterator[bool]:
    """Whether the file of this name is locked here now. `made`: it only stands for the lock, and is made and
    deleted for it.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if made else 0), 0o644)
    except OSError:
        if made:
            raise
        yield False
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one before may have removed the name between the two lines above.
            mine = os.fstat(file).st_ino == path.stat().st_ino
        except OSError:
            mine = False
        try:
            yield mine
        finally:
            if mine and made:
                path.unlink(missing_ok=True)
    finally:
        os.close(file)
