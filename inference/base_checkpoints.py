"""Opens a single file as a base, before any of its numbers is read: what it holds, or why it is none."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from inference.base_errors import PickledBase, QuantizedBase
from inference.errors import BaseNotRenderable
from registry.weights import WeightsError, open_container
from registry.weights.base_checkpoints import BaseCheckpoint, read_base_checkpoint


def open_checkpoint(path: Path) -> BaseCheckpoint:
    """What the file holds as a base to render with. Read again only when it changes.

    Raises PickledBase, QuantizedBase, or BaseNotRenderable with the reason.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise BaseNotRenderable(f"{path.name} cannot be read ({error.strerror}).") from None
    # What cannot be read is asked for again: a share may be away for a moment, a mode be put right.
    return _read(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: str, size: int, modified: int) -> BaseCheckpoint:
    # Size and time are part of the cache's key only.
    name = Path(path).name
    try:
        container = open_container(path)
    except WeightsError as error:
        raise BaseNotRenderable(f"{name}: {error.message}") from None
    if container.kind in ("pickle", "zip"):
        raise PickledBase(f"{name} is a pickle: reading it can run code, so it is never loaded.")
    if container.kind == "gguf":
        raise QuantizedBase(f"{name} is a GGUF file: its weights are quantized.")
    if container.header is None or container.error is not None:
        told = container.error.message if container.error else "It is no safetensors file."
        raise BaseNotRenderable(f"{name}: {told}")
    found = read_base_checkpoint(container.header)
    if found.problem:
        raise (QuantizedBase if found.quantized else BaseNotRenderable)(f"{name}: {found.problem}")
    return found
