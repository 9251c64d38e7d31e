"""How the base's own weights are kept while patched ones stand in their place, and how they come back.

In main memory nothing is copied: the patched numbers are put beside the base's and the parameter points to
them for a while. On an accelerator the parameter's memory stays where it is, for compiled code refers to it,
and the base's numbers are kept in pinned main memory, once for as long as the base is loaded.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from inference.engine.fitting import Modules


class KeptWeights(Protocol):
    """Replaces parameters and puts all of them back."""

    def replace(self, parameter: nn.Parameter, values: Tensor) -> Tensor:
        """Give the parameter these values, cast to its dtype; the tensor that it has now."""
        ...

    def give_bias(self, module: nn.Module, values: Tensor) -> Tensor:
        """Give a bias to a module that has none."""
        ...

    def restore(self) -> None:
        """Every parameter as it was, bit by bit. Does nothing when none was replaced."""
        ...


class _Biases:
    """Biases that modules have for a while."""

    def __init__(self) -> None:
        self._given: list[nn.Module] = []

    def give_bias(self, module: nn.Module, values: Tensor) -> Tensor:
        module.bias = nn.Parameter(values, requires_grad=False)
        self._given.append(module)
        return values

    def take_back(self) -> None:
        for module in self._given:
            module.bias = None  # type: ignore[assignment]
        self._given.clear()


class PointedAway(_Biases):
    """The parameter points to the patched numbers; its own stay untouched where they are."""

    def __init__(self) -> None:
        super().__init__()
        self._own: list[tuple[nn.Parameter, Tensor]] = []

    def replace(self, parameter: nn.Parameter, values: Tensor) -> Tensor:
        patched = values.to(parameter.dtype)
        if patched.stride() != parameter.stride():
            # A layout chosen for speed (channels last) decides the last bits, too.
            patched = torch.empty_like(parameter.data).copy_(patched)
        self._own.append((parameter, parameter.data))
        parameter.data = patched
        return patched

    def restore(self) -> None:
        for parameter, own in self._own:
            parameter.data = own
        self._own.clear()
        self.take_back()


class WrittenOver(_Biases):
    """The parameter's memory is written over, and back from a copy in main memory that is made once.

    The copies are as large as the parameters that any adapter has changed so far.
    """

    def __init__(self, *, pinned: bool) -> None:
        super().__init__()
        self._pinned = pinned
        self._copies: dict[int, tuple[nn.Parameter, Tensor]] = {}
        self._replaced: list[int] = []

    def replace(self, parameter: nn.Parameter, values: Tensor) -> Tensor:
        key = id(parameter)
        if key not in self._copies:
            copy = torch.empty(parameter.shape, dtype=parameter.dtype, pin_memory=self._pinned)
            copy.copy_(parameter.data)
            self._copies[key] = (parameter, copy)
        self._replaced.append(key)
        parameter.data.copy_(values)
        return parameter.data

    def restore(self) -> None:
        for key in self._replaced:
            parameter, copy = self._copies[key]
            parameter.data.copy_(copy, non_blocking=self._pinned)
        if self._replaced and self._pinned:
            torch.cuda.synchronize()
        self._replaced.clear()
        self.take_back()


def kept_weights(modules: Modules) -> KeptWeights:
    """The way that suits the device that the modules are on."""
    first = next((module.weight for found in modules.values() for module in found.values()), None)
    on_card = isinstance(first, Tensor) and first.is_cuda
    return WrittenOver(pinned=True) if on_card else PointedAway()
