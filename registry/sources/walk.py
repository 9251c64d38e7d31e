"""Walks a folder: its weights files in a stable order, and each directory with the stat of its files."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from registry.errors import KuraError
from registry.sources.errors import NotAnAdapter, PathNotFound
from registry.sources.license_files import license_files
from registry.sources.sidecars import sidecars_of
from registry.sources.text import file_name, shown

WEIGHTS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf")
PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
CARD = "README.md"

Stat = tuple[int, int, int]
"""Inode, size in bytes and modification time in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that was left out, and why: a line of its own, while the rest goes on."""

    source: str
    error: KuraError

    def __post_init__(self) -> None:
        # A traceback keeps everything that was at hand when it was raised: too much for thousands of lines.
        self.error.__traceback__ = self.error.__context__ = self.error.__cause__ = None

    def as_dict(self) -> dict[str, str]:
        return {"source": self.source, "code": self.error.code, "message": str(self.error).partition(": ")[2]}


class Folder:
    """The files of one directory. Links are followed."""

    def __init__(self, path: Path, names: Iterable[str]) -> None:
        self.path = path
        self.present = {name: path / name for name in sorted(names)}
        self._stats: dict[str, Stat | None] = {}

    @cached_property
    def real(self) -> bytes:
        """The directory's own path, links resolved."""
        return os.fsencode(os.path.realpath(self.path))

    @cached_property
    def licenses(self) -> list[Path]:
        """The license files that speak for the whole directory."""
        return license_files(self.present)

    @cached_property
    def _pictures(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in self.present.values():
            if path.suffix.lower() in PICTURES:
                parts = path.stem.split(".")
                for count in range(1, len(parts) + 1):
                    found.setdefault(".".join(parts[:count]), []).append(path)
        return found

    def pictures(self, stem: str) -> list[Path]:
        """Pictures named after a file: `<stem>.png`, `<stem>.preview.png`; in order of name."""
        return self._pictures.get(stem, [])

    def beside(self, path: Path) -> list[str]:
        """Names of the files that are read for what they say about the weights file `path`."""
        names = [sidecar.name for _, sidecar in sidecars_of(path, self.present)]
        names += [picture.name for picture in self.pictures(path.stem)]
        names += [text.name for text in self.licenses]
        return [*names, CARD] if CARD in self.present else names

    def stat(self, name: str) -> Stat | None:
        """What the plain file `name`, in or below the directory, was when first asked; None if it is none."""
        if name not in self._stats:
            try:
                found = (self.path / name).stat()
                plain = stat.S_ISREG(found.st_mode)
                self._stats[name] = (found.st_ino, found.st_size, found.st_mtime_ns) if plain else None
            except (OSError, ValueError):
                self._stats[name] = None
        return self._stats[name]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file whose name says that it holds weights."""

    path: Path
    folder: Folder


def walk(top: Path, failures: list[Failure]) -> Iterator[Candidate]:
    """Weights files below `top` in a stable order; nothing hidden.

    Linked directories are followed, after all others, and each directory is walked once, under whichever name
    comes first: a link to a directory that is walked adds nothing, and a circle of links ends. A link to a
    directory above `top` is not followed, since it would take in what lies beside.
    """

    def unreadable(error: OSError) -> None:
        folder = shown(Path(error.filename))
        cause = PathNotFound(f"{folder}: {error.strerror or 'it could not be read'}.")
        failures.append(Failure(folder, cause))

    seen: set[tuple[int, int]] = set()
    inside = Path(os.path.realpath(top))
    starts = deque([top])
    while starts:
        for root, folders, names in os.walk(starts.popleft(), onerror=unreadable):
            if not _first_time(root, seen):
                folders.clear()
                continue
            if "model_index.json" in names:
                # A diffusers pipeline: its parts are base model weights, one line says it for all of them.
                folders.clear()
                told = NotAnAdapter(f"{file_name(Path(root))} is a whole diffusers pipeline.")
                failures.append(Failure(shown(Path(root)), told))
                continue
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            links = [link for name in folders if (link := Path(root, name)).is_symlink()]
            starts.extend(link for link in links if not inside.is_relative_to(os.path.realpath(link)))
            folder = Folder(Path(root), names)
            for name, path in folder.present.items():
                if path.suffix.lower() in WEIGHTS and not name.startswith("."):
                    yield Candidate(path, folder)


def _first_time(folder: str, seen: set[tuple[int, int]]) -> bool:
    """Whether the directory was not walked yet, by whatever name; noted in `seen`."""
    try:
        status = os.stat(folder)  # noqa: PTH116 - one call for each of many directories
    except OSError:
        # Gone since it was listed: there is nothing in it.
        return False
    place = status.st_dev, status.st_ino
    new = place not in seen
    seen.add(place)
    return new
