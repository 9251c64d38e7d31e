"""The bases a worker keeps loaded from one sheet to the next, as many as its memory has room for."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from inference.base_errors import BaseDoesNotFit
from inference.base_files import BaseFiles
from inference.errors import BaseNotRenderable
from inference.layouts import first_line
from registry.weights import Header, WeightsError, read_header

if TYPE_CHECKING:
    from inference.engine.ladder import Engine

_MIB = 1 << 20
# The other half is for what rendering itself takes.
_SHARE = 0.5
# A precision's name in safetensors, and bytes of a number.
_PRECISIONS = {"float32": ("F32", 4), "bfloat16": ("BF16", 2), "float16": ("F16", 2)}


def _load(files: BaseFiles, offload: bool) -> Engine:
    """Raises MemoryError where the weights cannot be read into main memory, and what load_base raises."""
    from inference.engine.base import free_main_memory
    from inference.engine.ladder import Engine

    wanted, free = memory_to_read(files), free_main_memory()
    if wanted > free:
        raise MemoryError(
            f"It needs {wanted / 2**30:.1f} GiB of main memory, and {free / 2**30:.1f} GiB are free."
        )
    return Engine.load(
        files.weights,
        threads=settings.INFERENCE_THREADS,
        dtype=files.dtype,
        vae=files.vae,
        layout=files.layout,
        prediction=files.prediction,
        offload=offload,
    )


def memory_to_read(files: BaseFiles) -> int:
    """Bytes of main memory that loading the base takes.

    Only what has to be turned into another precision counts: the rest is read from the file as it is needed.
    Raises BaseNotRenderable where one of its files is no whole safetensors file.
    """
    from inference.engine.base import choose_device

    target = files.dtype or str(choose_device()[1]).removeprefix("torch.")
    kept, width = _PRECISIONS[target]
    tensors = [info for path in files.paths for info in _header(path).tensors.values()]
    return sum(prod(info.shape) * width for info in tensors if info.dtype != kept)


def _header(path: Path) -> Header:
    # What is wrong with a base's file must not be taken for a fault of the adapter's (render_sheet).
    try:
        header = read_header(path)
    except WeightsError as error:
        raise BaseNotRenderable(f"{path.name}: {error.message}") from None
    if header.error is not None:
        raise BaseNotRenderable(f"{path.name}: {header.error.message}")
    return header


class WarmBases:
    """Engines by what they were loaded from; the one used longest ago leaves first.

    Room is made before a base is loaded, by its size on the disk, and after it by its true one. The newest
    stays whatever it takes. `load` is told whether the base is to wait in main memory.
    """

    def __init__(self, load: Callable[[BaseFiles, bool], Engine] = _load) -> None:
        self._load = load
        self._engines: dict[BaseFiles, Engine] = {}

    def get(self, files: BaseFiles) -> Engine:
        """The engine of the base. Loads torch on first use.

        When memory does not suffice, all other bases leave; then this one waits in main memory, and only the
        part that works is on the device. Raises BaseNotRenderable, and BaseDoesNotFit when that is not
        enough.
        """
        engine = self._engines.pop(files, None)
        if engine is None:
            # The same place with other bytes is another base, and the old one will not be asked for again.
            for other in [known for known in self._engines if known.weights == files.weights]:
                self._drop(other)
            self._make_room(files.size)
            engine = self._load_with_less(files)
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

    def _load_with_less(self, files: BaseFiles) -> Engine:
        engine, reason = self._attempt(files, offload=False)
        if engine is None and self.forget():
            engine, reason = self._attempt(files, offload=False)
        if engine is not None:
            return engine
        engine, last = self._attempt(files, offload=True)
        if engine is None:
            raise BaseDoesNotFit(f"The base {files.weights.name} does not fit into memory: {last}")
        engine.base.offload_reason = reason
        return engine

    def _attempt(self, files: BaseFiles, *, offload: bool) -> tuple[Engine | None, str]:
        """The engine, or what was said when memory ran out."""
        from inference.engine.base import release_memory
        from inference.engine.memory import ran_out

        try:
            return self._load(files, offload), ""
        except Exception as error:
            if not ran_out(error):
                raise
            reason = first_line(error)
        # Outside of the handler: while the error is at hand its traceback holds the half-loaded base.
        release_memory()
        return None, reason

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
    """The engine with this base, kept in the process. Raises what WarmBases.get raises."""
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
