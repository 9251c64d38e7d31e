"""The bases a worker keeps loaded from one sheet to the next, as many as its memory has room for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.conf import settings

from inference.base_files import BaseFiles

if TYPE_CHECKING:
    from inference.engine.ladder import Engine

_MIB = 1 << 20
# The other half is for what rendering itself takes.
_SHARE = 0.5


def _load(files: BaseFiles) -> Engine:
    from inference.engine.ladder import Engine

    return Engine.load(files.folder, threads=settings.INFERENCE_THREADS, dtype=files.dtype, vae=files.vae)


class WarmBases:
    """Engines by what they were loaded from; the one used longest ago leaves first.

    Room is made before a base is loaded, by its size on the disk, and after it by its true one. The newest
    stays whatever it takes.
    """

    def __init__(self, load: Callable[[BaseFiles], Engine] = _load) -> None:
        self._load = load
        self._engines: dict[BaseFiles, Engine] = {}

    def get(self, files: BaseFiles) -> Engine:
        """The engine of the base. Loads torch on first use. Raises BaseNotRenderable."""
        engine = self._engines.pop(files, None)
        if engine is None:
            # The same folder with other bytes is another base, and the old one will not be asked for again.
            for other in [known for known in self._engines if known.folder == files.folder]:
                self._drop(other)
            self._make_room(files.size)
            engine = self._load(files)
        # Put behind all others: the dictionary's order is that of use.
        self._engines[files] = engine
        self._make_room(0, keep=files)
        return engine

    def forget(self, *, keep: BaseFiles | None = None) -> bool:
        """Drop every base but `keep`; whether there was one to drop. An engine out of memory asks for it."""
        dropped = [files for files in self._engines if files != keep]
        for files in dropped:
            self._drop(files)
        return bool(dropped)

    @property
    def loaded(self) -> tuple[BaseFiles, ...]:
        """What is loaded, the one used longest ago first."""
        return tuple(self._engines)

    def _make_room(self, wanted: int, keep: BaseFiles | None = None) -> None:
        budget = memory_for_bases() if self._engines else 0
        while self._engines and wanted + sum(one.base.size for one in self._engines.values()) > budget:
            oldest = next(iter(self._engines))
            if oldest == keep:
                return
            self._drop(oldest)

    def _drop(self, files: BaseFiles) -> None:
        from inference.engine.base import release_memory

        del self._engines[files]
        release_memory()


def memory_for_bases() -> int:
    """Bytes that loaded bases may take together."""
    if settings.INFERENCE_BASES_MB:
        return int(settings.INFERENCE_BASES_MB) * _MIB
    from inference.engine.base import device_memory

    return int(device_memory() * _SHARE)


_warm = WarmBases()


def warm_engine(files: BaseFiles) -> Engine:
    """The engine with this base, kept in the process. Raises BaseNotRenderable."""
    return _warm.get(files)


def loaded_bases() -> tuple[BaseFiles, ...]:
    """The bases in this process's memory, the one used last at the end."""
    return _warm.loaded


def forget_engine() -> None:
    """Drop all loaded bases."""
    _warm.forget()


def forget_other_bases(files: BaseFiles) -> bool:
    """Drop all loaded bases but this one; whether that gave any memory back."""
    return _warm.forget(keep=files)
