"""The WeightPatcher: puts adapters into the base's weights and takes them out again bit by bit.

W' = W + sum(weight_i * dW_i), in float32 and cast once. The base's own weights are kept as they were, and a
next weight always starts from them, never from a patched state, so nothing drifts. One layer is worked on at
a time, so that no more than its change is in memory beside the base.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from inference.engine import deltas, relative
from inference.engine.block_weights import WeightOf
from inference.engine.fitting import FittedAdapter, Modules, Place, Target, fit
from inference.engine.kept import KeptWeights, kept_weights
from inference.engine.sums import Key, Sum, Sums
from inference.engine.words import Vocabulary, allow, fit_words, forbid
from inference.errors import NonFiniteAdapter, UnsupportedAdapter, WrongBase
from registry.weights.errors import UnsupportedChange
from registry.weights.loading import ModuleTensors, load_adapter

__all__ = ["FittedAdapter", "WeightOf", "WeightPatcher"]


class WeightPatcher:
    """Applies adapters to the modules of one base."""

    def __init__(
        self,
        modules: Modules,
        family: str = "unknown",
        *,
        kept: KeptWeights | None = None,
        words: Vocabulary | None = None,
    ) -> None:
        """`words` is what the base's embedders look learned words up in."""
        self._modules, self._family = modules, family
        self._words = words if words is not None else {}
        self._order = {
            id(module): number
            for number, module in enumerate(m for found in modules.values() for m in found.values())
        }
        self._kept = kept if kept is not None else kept_weights(modules)
        self._in_use = False

    def load(self, path: Path) -> FittedAdapter:
        """The adapter in a safetensors file, fitted to the base.

        Raises what `fit` raises, and an error of the reader (registry.weights).
        """
        loaded = load_adapter(path)
        return replace(self.fit(loaded.modules), words=fit_words(loaded.tokens, self._modules))

    def fit(self, modules: Mapping[str, ModuleTensors]) -> FittedAdapter:
        """Find every module's place. Refuses, before any pixel, what would not be shown truly.

        Raises WrongBase, NothingMatched, UnmatchedModules, UnsupportedAdapter or NonFiniteAdapter.
        """
        return fit(modules, self._modules, self._family)

    @contextmanager
    def applied(self, adapters: Sequence[tuple[FittedAdapter, WeightOf]]) -> Iterator[int]:
        """Within the block the base carries the adapters, and prompts may use the words learned with those of
        which any module has a weight; after it, its own weights again, whatever happened.

        Gives the number of changed parameters; a module of weight 0 changes none. Raises NonFiniteAdapter
        when a change overflows, UnsupportedAdapter when two adapters learned one word differently.
        """
        if self._in_use:
            raise RuntimeError("The patcher is in use: blocks cannot be nested.")
        self._in_use = True
        try:
            allow(
                [adapter.words for adapter, weight_of in adapters if _is_on(adapter, weight_of)], self._words
            )
            yield self._apply(adapters)
        finally:
            self._kept.restore()
            forbid(self._words)
            self._in_use = False

    @torch.no_grad()
    def _apply(self, adapters: Sequence[tuple[FittedAdapter, WeightOf]]) -> int:
        jobs = [
            (target, weight)
            for adapter, weight_of in adapters
            for target in adapter.targets
            if (weight := weight_of(target.component, target.path)) != 0
        ]
        # Everything that changes one layer comes together, so that few sums are open at a time.
        jobs.sort(key=lambda job: min(self._order[id(place.module)] for place in job[0].places))
        waiting = Counter(key for target, _ in jobs for key in _keys(target))
        sums = Sums()
        extremes: list[tuple[str, Tensor]] = []
        changed = 0
        for target, weight in jobs:
            _add(target, weight, sums)
            for key in _keys(target):
                waiting[key] -= 1
                if not waiting[key] and key in sums:
                    changed += 1
                    made = sums.close(key)
                    extremes.append((made.path, self._write(made)))
                    sums.free(made)
        _check_finite(extremes)
        return changed

    def _write(self, made: Sum) -> Tensor:
        """Put the sum into the base; its least and largest number as they are there."""
        if made.parameter is None:
            weight = made.module.weight
            assert isinstance(weight, Tensor)
            patched = self._kept.give_bias(made.module, made.total.to(weight.dtype))
        else:
            patched = self._kept.replace(made.parameter, made.total)
        # NaN and infinity show in them, and they are found faster than every number is tested.
        return torch.stack(torch.aminmax(patched))


def _is_on(adapter: FittedAdapter, weight_of: WeightOf) -> bool:
    """Whether the adapter is in use at all: at a weight of 0 everywhere it is as if it were not there."""
    return any(weight_of(target.component, target.path) != 0 for target in adapter.targets)


def _keys(target: Target) -> set[Key]:
    """The parameters that a target may change."""
    names = ["weight"] if deltas.changes_weight(target.factors) else []
    if _changes_bias(target):
        names.append("bias")
    return {(id(place.module), name) for place in target.places for name in names}


def _changes_bias(target: Target) -> bool:
    scaled = deltas.SCALES_BIAS in target.factors and target.bias() is not None
    return scaled or bool({"diff_b", "b_norm", "up_bias", "down_bias"} & set(target.factors))


def _add(target: Target, weight: float, sums: Sums) -> None:
    """Add weight times the target's change to the sums of the parameters it concerns."""
    device = target.places[0].weight.device
    factors = target.on(device)
    if deltas.changes_weight(factors):
        product = deltas.thin(target.algorithm, factors, target.alpha)
        if product is not None:
            _add_thin(target, product, weight, sums)
        else:
            change = _change(target, factors)
            for place in target.places:
                sums.rows(place, "weight").add_(_part(change, place), alpha=_number(target, weight))
    if _changes_bias(target):
        change = _bias_change(target, factors)
        for place in target.places:
            sums.rows(place, "bias").add_(_part(change, place), alpha=_number(target, weight))


def _add_thin(target: Target, product: deltas.Thin, weight: float, sums: Sums) -> None:
    """The same without forming dW: one multiplication writes into the sum."""
    for place in target.places:
        rows = sums.rows(place, "weight")
        left = _part(product.left, place)
        flat = rows.view(len(rows), -1)
        if isinstance(product.scale, Tensor):
            flat.addmm_(left * product.scale, product.right, alpha=_number(target, weight))
        else:
            flat.addmm_(left, product.right, alpha=_number(target, weight * product.scale))


def _number(target: Target, weight: float) -> float:
    """The weight, if float32 can hold it."""
    if not abs(weight) <= torch.finfo(torch.float32).max:
        raise NonFiniteAdapter(f"{target.name} is not finite at a weight of {weight:g}.")
    return weight


def _change(target: Target, factors: deltas.Factors) -> Tensor:
    """dW in the shape of the weight as the file sees it."""
    if relative.is_relative(target.algorithm, factors):
        try:
            return relative.relative_delta(target.algorithm, factors, target.alpha, target.weight())
        except (UnsupportedChange, ValueError) as error:
            raise UnsupportedAdapter(f"{target.name} cannot be applied: {error}") from None
    change = deltas.fit(deltas.delta(target.algorithm, factors, target.alpha), target.shape)
    if change is None:
        raise WrongBase(f"{target.name} no longer fits {target.path}.")
    return change


def _bias_change(target: Target, factors: deltas.Factors) -> Tensor:
    own = target.bias()
    if deltas.SCALES_BIAS in factors and own is not None:
        return own * factors["weight"].reshape(-1)
    change = deltas.bias_delta(target.algorithm, factors, target.alpha)
    assert change is not None
    return change.reshape(-1)


def _part(change: Tensor, place: Place) -> Tensor:
    return change if place.rows is None else change[place.rows]


def _check_finite(extremes: Sequence[tuple[str, Tensor]]) -> None:
    if not extremes:
        return
    # One question to the device for all layers.
    good = torch.isfinite(torch.stack([pair.float() for _, pair in extremes])).all(dim=1)
    if not bool(good.all()):
        path = next(path for (path, _), fine in zip(extremes, good.tolist(), strict=True) if not fine)
        raise NonFiniteAdapter(f"The change of {path} is not finite.")
