"""The WeightPatcher: puts adapters into the base's weights and takes them out again bit by bit.

W' = W + sum(weight_i * dW_i), in float32 and cast once. Touched weights are kept as they were and copied
back; a next weight always starts from the kept ones, never from a patched state, so nothing drifts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from inference.engine import deltas
from inference.engine.base import LoadedBase, canonical_name
from inference.errors import NonFiniteAdapter, NothingMatched, UnmatchedModules, UnsupportedAdapter, WrongBase

if TYPE_CHECKING:
    from registry.weights.loading import ModuleTensors

WeightOf = Callable[[str, str], float]
"""(component, module path) -> weight: one number for all, or another one for each block."""


@dataclass(frozen=True, slots=True)
class _Target:
    """One module of the adapter beside the module of the base it changes.

    Factors are float32 on the device.
    """

    component: str
    path: str
    module: nn.Module
    algorithm: str
    factors: Mapping[str, Tensor]
    alpha: float | None

    def change(self) -> Tensor | None:
        """dW in the weight's shape; None when it does not fit. DoRA is read against the unpatched weight."""
        weight = self.module.weight
        assert isinstance(weight, Tensor)
        change = deltas.fit(deltas.delta(self.algorithm, self.factors, self.alpha), weight.shape)
        magnitude = self.factors.get("dora_scale")
        if change is None or magnitude is None:
            return change
        return deltas.decompose(weight.to(torch.float32), change, magnitude)


@dataclass(frozen=True, slots=True)
class FittedAdapter:
    """An adapter every module of which has its place in the base; nothing else can be applied."""

    targets: tuple[_Target, ...]

    @property
    def components(self) -> tuple[str, ...]:
        """Parts of the base that the adapter changes."""
        return tuple(sorted({target.component for target in self.targets}))


class WeightPatcher:
    """Applies fitted adapters to one base."""

    def __init__(self, base: LoadedBase) -> None:
        self._base = base
        self._kept: dict[tuple[int, str], tuple[Tensor, Tensor]] = {}

    def fit(self, modules: Mapping[str, ModuleTensors]) -> FittedAdapter:
        """Find every module's place. Refuses, before any pixel, what would not be shown truly.

        Raises WrongBase, NothingMatched, UnmatchedModules, UnsupportedAdapter or NonFiniteAdapter.
        """
        targets, missing, misfits = [], [], []
        for name, tensors in modules.items():
            module = self._base.modules.get(tensors.component, {}).get(canonical_name(tensors.path))
            if module is None:
                missing.append(name)
                continue
            target = self._target(tensors, module)
            if (misfit := _misfit(target)) is not None:
                misfits.append(misfit)
            targets.append(target)
        if misfits:
            raise WrongBase(
                f"{len(misfits)} of {len(modules)} modules have other shapes than the base: {misfits[0]}."
            )
        if not targets:
            raise NothingMatched(f"None of the adapter's {len(modules)} modules exists in the base.")
        if missing:
            raise UnmatchedModules(
                f"{len(missing)} of {len(modules)} modules do not exist in the base, first {missing[0]}."
            )
        _check_finite(targets)
        return FittedAdapter(tuple(targets))

    def _target(self, tensors: ModuleTensors, module: nn.Module) -> _Target:
        # A copy of its own: the reader's arrays are views of the file that nobody may write to.
        factors = {
            name: torch.from_numpy(np.array(array, dtype=np.float32)).to(self._base.device)
            for name, array in tensors.tensors.items()
        }
        return _Target(tensors.component, tensors.path, module, tensors.algorithm, factors, tensors.alpha)

    @contextmanager
    def applied(self, adapters: Sequence[tuple[FittedAdapter, WeightOf]]) -> Iterator[int]:
        """Within the block the base carries the adapters; after it, its own weights again, whatever happened.

        Gives the number of changed parameters. Raises NonFiniteAdapter when a change overflows.
        """
        if self._kept:
            raise RuntimeError("The patcher is in use: blocks cannot be nested.")
        try:
            yield self._apply(adapters)
        finally:
            self._restore()

    def _apply(self, adapters: Sequence[tuple[FittedAdapter, WeightOf]]) -> int:
        sums: dict[tuple[int, str], Tensor] = {}
        owners: dict[tuple[int, str], tuple[nn.Parameter, str]] = {}
        for adapter, weight_of in adapters:
            for target in adapter.targets:
                weight = weight_of(target.component, target.path)
                for name, change in _changes(target):
                    key = (id(target.module), name)
                    owners[key] = (getattr(target.module, name), target.path)
                    scaled = change * weight
                    sums[key] = sums[key] + scaled if key in sums else scaled
        for key, total in sums.items():
            parameter, path = owners[key]
            patched = (parameter.detach().to(torch.float32) + total).to(parameter.dtype)
            if not bool(torch.isfinite(patched).all()):
                raise NonFiniteAdapter(f"The change of {path} is not finite.")
            self._kept[key] = (parameter, parameter.detach().clone())
            parameter.data.copy_(patched)
        return len(sums)

    def _restore(self) -> None:
        for parameter, original in self._kept.values():
            parameter.data.copy_(original)
        self._kept.clear()


def _changes(target: _Target) -> Iterator[tuple[str, Tensor]]:
    change = target.change()
    if change is not None:
        yield "weight", change
    bias = deltas.bias_delta(target.factors)
    if bias is not None:
        yield "bias", bias


def _misfit(target: _Target) -> str | None:
    """Why the target does not fit its module, or None. Shapes only: nothing is multiplied."""
    deltas.check_known(target.algorithm, target.factors)
    shape = tuple(target.module.weight.shape)  # type: ignore[arg-type]
    meta = {name: tensor.to("meta") for name, tensor in target.factors.items()}
    try:
        change = deltas.delta(target.algorithm, meta, target.alpha)
    except KeyError as error:
        raise UnsupportedAdapter(f"{target.path} lacks its factor {error}.") from None
    except RuntimeError:
        return f"the factors of {target.path} do not multiply"
    if deltas.fit(change, torch.Size(shape)) is None:
        return f"{target.path} is {list(change.shape)} in the adapter and {list(shape)} in the base"
    bias, bias_change = getattr(target.module, "bias", None), deltas.bias_delta(meta)
    if bias_change is not None and (bias is None or bias_change.shape != bias.shape):
        return f"the bias of {target.path} does not fit"
    magnitude = meta.get("dora_scale")
    if magnitude is not None and magnitude.numel() not in shape[:2]:
        return (
            f"the DoRA scale of {target.path} has {magnitude.numel()} entries for a weight of {list(shape)}"
        )
    return None


def _check_finite(targets: Sequence[_Target]) -> None:
    for target in targets:
        if target.alpha is not None and not math.isfinite(target.alpha):
            raise NonFiniteAdapter(f"{target.path} has an alpha of {target.alpha}.")
        for name, tensor in target.factors.items():
            if not bool(torch.isfinite(tensor).all()):
                raise NonFiniteAdapter(f"{target.path} holds NaN or infinity in its factor {name}.")
