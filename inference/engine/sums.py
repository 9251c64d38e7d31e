"""What parameters will become: their own numbers in float32 with everything added to them, few at a time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inference.engine.fitting import Place

Key = tuple[int, str]
"""(id of the module, name of its parameter)"""


@dataclass(slots=True)
class Sum:
    """One parameter's own numbers and what was added to them; `parameter` is None where it has to be made."""

    module: nn.Module
    parameter: nn.Parameter | None
    total: Tensor
    path: str
    lent: bool = False


class Sums:
    """The sums that are open. The memory of one is used again and again: to get new memory for each layer
    takes longer than to fill it.
    """

    def __init__(self) -> None:
        self._open: dict[Key, Sum] = {}
        self._memory: Tensor | None = None
        self._lent = False

    def __contains__(self, key: Key) -> bool:
        return key in self._open

    def rows(self, place: Place, name: str) -> Tensor:
        """The rows of `place` in the sum of its `weight` or `bias`, begun with the base's own numbers; a bias
        that is not there begins at 0.
        """
        key = (id(place.module), name)
        if key not in self._open:
            self._open[key] = self._begin(place, name)
        total = self._open[key].total
        return total if place.into is None else total[place.into]

    def close(self, key: Key) -> Sum:
        """Take a sum out; its memory is free for another when `free` says so."""
        return self._open.pop(key)

    def free(self, made: Sum) -> None:
        """Nobody needs the numbers of this sum any more."""
        self._lent = self._lent and not made.lent

    def _begin(self, place: Place, name: str) -> Sum:
        own = getattr(place.module, name, None)
        if not isinstance(own, nn.Parameter):
            weight = place.module.weight
            assert isinstance(weight, Tensor)
            zeros = torch.zeros(len(weight), dtype=torch.float32, device=weight.device)
            return Sum(place.module, None, zeros, place.path)
        values = own.detach()
        # Float32 becomes the parameter itself, and a card keeps memory at hand by itself.
        if values.dtype == torch.float32 or values.is_cuda or self._lent:
            total = values.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
            return Sum(place.module, own, total, place.path)
        if self._memory is None or self._memory.numel() < values.numel():
            self._memory = torch.empty(values.numel(), dtype=torch.float32, device=values.device)
        self._lent = True
        total = self._memory[: values.numel()].view(values.shape)
        return Sum(place.module, own, total.copy_(values), place.path, lent=True)
