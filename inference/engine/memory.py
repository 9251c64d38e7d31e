"""What the engine does when memory runs out: knowing it, letting go, and rendering with less."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from inference.engine.base import LoadedBase, release_memory  # isort: skip

import torch
from torch import nn

from inference.layouts import BatchLayout

# How torch's allocators and the libraries under it say so where they raise a plain RuntimeError.
_SAYINGS = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
_MAIN = torch.device("cpu")


def ran_out(error: BaseException) -> bool:
    """Whether the error says that memory, the device's or the machine's, did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(saying in str(error) for saying in _SAYINGS)


@contextmanager
def laid_out(base: LoadedBase, layout: BatchLayout) -> Iterator[None]:
    """Within the block the base renders as the layout says; after it, everything is where it was.

    A base that was loaded offloaded cannot render in another way.
    """
    sliced = base.vae.use_slicing
    base.vae.use_slicing = layout.slice_vae
    try:
        if layout.offload or base.offloaded:
            with _one_part_at_a_time(base):
                yield
        else:
            yield
    finally:
        base.vae.use_slicing = sliced


@contextmanager
def _one_part_at_a_time(base: LoadedBase) -> Iterator[None]:
    """Every part waits in main memory and is on the device while it works.

    The parameters stay the same objects, so that patched weights travel along and find their way back.
    """
    parts = base.parts
    for part in parts:
        part.to(_MAIN)
    release_memory()

    def comes(part: nn.Module) -> Any:
        def before(module: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
            if next(part.parameters()).device != base.device:
                for other in parts:
                    if other is not part:
                        other.to(_MAIN)
                part.to(base.device)
            return _moved(args, base.device), _moved(kwargs, base.device)

        return before

    handles = []
    for part in parts:
        # A VAE is not called itself: its encoder and decoder are, and small layers beside them.
        doors = part.children() if part is base.vae else (part,)
        handles += [door.register_forward_pre_hook(comes(part), with_kwargs=True) for door in doors]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for part in parts:
            part.to(base.home)


def _moved(value: Any, device: torch.device) -> Any:
    """The tensors in arguments, on the device: ids are made where the encoder has waited."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {name: _moved(each, device) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_moved(each, device) for each in value)
    return value
