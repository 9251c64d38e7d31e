"""How large a change each module and block of an adapter makes, from the factors alone.

Effective rank: exp of the entropy of the normalized singular values (Roy & Vetterli 2007, The effective rank,
EUSIPCO). Stable rank: squared Frobenius over squared spectral norm (Rudelson & Vershynin 2007,
arXiv:math/0503442). Energy: the squared Frobenius norm; shares are of the file's energy.
"""

from __future__ import annotations

import math
import os
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .base_norms import layer_key
from .block_weights import layout_for
from .blocks import block_of, in_order
from .changes import LoadedModule, LowRank, change_of, needs_base
from .errors import UnsupportedChange, WeightsError
from .loading import ModuleTensors
from .modules import ModuleFacts
from .opened import OpenAdapter, open_adapter
from .operators import LARGEST_NORM, Change, Numbers, Stored, spectra
from .presets import Preset, suggest
from .profile import PARTS, depth_in, part_of

# Rises when the same file would give other numbers. The second one reads rotations as their trainers do.
EDITION = "2"
_SHOWN = 20
# Gram matrices of equal rank wait for one another until they have this many numbers.
_BATCH = 2**21
# Beyond this rank a module is solved alone: nothing is gained by waiting.
_BATCHED_RANK = 128
NO_BLOCK = "other"


@dataclass(frozen=True, slots=True)
class ModuleStatistics:
    """One module's change at weight 1.0. Norms are None where numbers are not finite or there is no formula;
    ranks also where the change is zero. `finite` is False, too, where finite numbers multiply to a norm over
    LARGEST_NORM.

    `relative`: the norms are those of what is multiplied with the base's weight. `needs_base`: a part of
    what the module does cannot be told without the base. `strength`: Frobenius norm over that of the base's
    weight.
    """

    name: str
    component: str
    path: str
    block: str
    part: str
    algorithm: str
    rank: int | None
    relative: bool = False
    needs_base: bool = False
    finite: bool = True
    problem: str = ""
    frobenius: float | None = None
    spectral: float | None = None
    stable_rank: float | None = None
    effective_rank: float | None = None
    share: float = 0.0
    strength: float | None = None
    magnitude_spread: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return {name: six_figures(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class BlockStatistics:
    """One block: the norm of all its changes together, its largest singular value, the median of its modules'
    effective ranks, and its share of the file's energy.
    """

    name: str
    modules: int
    frobenius: float
    spectral: float
    effective_rank: float | None
    share: float

    def as_dict(self) -> dict[str, Any]:
        return {name: six_figures(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Statistics:
    """The statistics of one file. `each` holds the modules in the file's order, those left out included."""

    family: str
    each: list[ModuleStatistics]
    layout: str | None
    blocks: list[BlockStatistics]
    profile: list[tuple[str, float]]
    presets: list[Preset]
    strength: float | None = None
    base: str | None = None
    edition: str = field(default=EDITION)

    @property
    def measured(self) -> list[ModuleStatistics]:
        return [one for one in self.each if one.frobenius is not None]

    @property
    def frobenius(self) -> float:
        return math.sqrt(math.fsum((one.frobenius or 0.0) ** 2 for one in _comparable(self.each)))

    @property
    def spectral(self) -> float | None:
        return max((one.spectral for one in _comparable(self.each) if one.spectral is not None), default=None)

    def against(self, norms: Mapping[str, float], base: str | None) -> Statistics:
        """The same with the strength of each change beside the base's weights; `norms` as `base_norms` reads
        them.
        """
        each = [replace(one, strength=_strength([one], norms)) for one in self.each]
        return replace(self, each=each, strength=_strength(each, norms), base=base)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; `zero` and `not_finite` name at most 20 modules, the counts say how many."""
        zero = [one.name for one in self.each if one.frobenius == 0]
        broken = [one.name for one in self.each if not one.finite]
        left_out = [one for one in self.each if one.problem]
        return {
            "edition": self.edition,
            "family": self.family,
            "modules": len(self.each),
            "frobenius": six_figures(self.frobenius),
            "spectral": six_figures(self.spectral),
            "effective_rank": _range(self.each, "effective_rank"),
            "stable_rank": _range(self.each, "stable_rank"),
            "zero": zero[:_SHOWN],
            "zero_count": len(zero),
            "not_finite": broken[:_SHOWN],
            "not_finite_count": len(broken),
            "left_out": [{"name": one.name, "why": one.problem} for one in left_out[:_SHOWN]],
            "left_out_count": len(left_out),
            "needs_base": any(one.needs_base for one in self.each),
            "relative": sum(one.relative for one in self.each),
            "magnitude_spread": _range(self.each, "magnitude_spread"),
            "strength": six_figures(self.strength),
            "base": self.base,
            "layout": self.layout,
            "blocks": [block.as_dict() for block in self.blocks],
            "profile": [{"part": part, "share": six_figures(share)} for part, share in self.profile],
            "presets": [preset.as_dict() for preset in self.presets],
        }


def statistics_of(
    path: str | os.PathLike[str], *, norms: Mapping[str, float] | None = None, base: str | None = None
) -> Statistics:
    """The statistics of the adapter file `path`; `norms` are those of `base`'s layers (see `base_norms`).

    Holds one module at a time and small Gram matrices. Raises Unreadable, NoModules, or a ContainerError when
    the file is not whole and valid.
    """
    with open_adapter(path) as adapter, np.errstate(over="ignore", invalid="ignore"):
        each = _each(adapter)
    blocks = _blocks(each)
    elements = {one.block for one in each if one.frobenius is not None} - {NO_BLOCK}
    layout = layout_for(adapter.family, elements)
    shares: dict[str, float] = defaultdict(float)
    for one in each:
        shares[one.part] += one.share
    found = Statistics(
        family=adapter.family,
        each=each,
        layout=layout,
        blocks=blocks,
        profile=[(part, shares[part]) for part in PARTS if part in shares],
        presets=suggest(layout, {block.name: block.share for block in blocks}),
    )
    return found.against(norms, base) if norms else found


def _each(adapter: OpenAdapter) -> list[ModuleStatistics]:
    deepest = max((depth_in(block_of(m, adapter.family)) for m in adapter.modules), default=0)
    found: list[ModuleStatistics] = []
    waiting = _Waiting()
    for place, loaded in enumerate(adapter.load()):
        found.append(_named(loaded.facts, adapter.family, deepest))
        found[place] = _measured(found[place], loaded, waiting, place)
        if waiting.full:
            _solve(found, waiting)
    _solve(found, waiting)
    return _shared(found)


def _named(facts: ModuleFacts, family: str, deepest: int) -> ModuleStatistics:
    block = block_of(facts, family)
    where = facts.where
    part = part_of(facts, block, family, deepest)
    rank = facts.rank
    return ModuleStatistics(
        facts.name, where.component, where.path, block or NO_BLOCK, part, facts.algorithm, rank
    )


class _Waiting:
    """Gram matrices that wait to be solved together with others of their rank."""

    def __init__(self) -> None:
        self.by_rank: dict[int, list[tuple[int, Numbers, Numbers]]] = defaultdict(list)
        self.size = 0

    @property
    def full(self) -> bool:
        return self.size > _BATCH

    def add(self, place: int, left: Numbers, right: Numbers) -> None:
        self.by_rank[len(left)].append((place, left, right))
        self.size += 2 * left.size

    def take(self) -> Iterable[list[tuple[int, Numbers, Numbers]]]:
        groups = list(self.by_rank.values())
        self.by_rank.clear()
        self.size = 0
        return groups


def _measured(one: ModuleStatistics, loaded: LoadedModule, waiting: _Waiting, place: int) -> ModuleStatistics:
    """The module with its norms, or queued in `waiting` for them."""
    tensors = loaded.tensors
    if tensors is None:
        return replace(one, problem=loaded.problem.message if loaded.problem else "It cannot be read.")
    one = replace(one, needs_base=needs_base(tensors), magnitude_spread=_spread(tensors))
    factors = ("up", "down") if tensors.algorithm in ("lora", "locon") else ()
    if not all(_finite(values) for name, values in tensors.tensors.items() if name not in factors):
        return replace(one, finite=False)
    try:
        change = change_of(tensors)
        one = replace(one, relative=change.relative)
        if isinstance(change, LowRank) and change.rank <= min(*change.shape, _BATCHED_RANK):
            left, right = change.grams()
            # The factors' squared norms; finite numbers may still multiply to more than a float64 holds.
            if not np.trace(left) * np.trace(right) < LARGEST_NORM**2:
                return replace(one, finite=False)
            waiting.add(place, left, right)
            return one
        return _direct(one, change)
    except WeightsError as error:
        return replace(one, problem=error.message)


def _direct(one: ModuleStatistics, change: Change) -> ModuleStatistics:
    norm = change.frobenius()
    if not norm < LARGEST_NORM:
        return replace(one, finite=False)
    try:
        return _with_spectrum(one, norm, change.singular_values())
    except UnsupportedChange:
        # Too wide for a spectrum: its size is still told.
        return replace(one, frobenius=norm)


def _solve(found: list[ModuleStatistics], waiting: _Waiting) -> None:
    for group in waiting.take():
        left = np.stack([entry[1] for entry in group])
        right = np.stack([entry[2] for entry in group])
        norms = np.sqrt(np.clip(np.einsum("nij,nij->n", left, right), 0.0, None))
        for (place, _, _), norm, values in zip(group, norms, spectra(left, right), strict=True):
            found[place] = _with_spectrum(found[place], float(norm), values)


def _with_spectrum(one: ModuleStatistics, frobenius: float, values: Numbers) -> ModuleStatistics:
    spectral = float(values[0]) if values.size else 0.0
    total = float(values.sum())
    if frobenius == 0 or spectral == 0 or total == 0:
        return replace(one, frobenius=frobenius, spectral=spectral)
    shares = values[values > 0] / total
    entropy = -float(np.sum(shares * np.log(shares)))
    return replace(
        one,
        frobenius=frobenius,
        spectral=spectral,
        stable_rank=(frobenius / spectral) ** 2,
        effective_rank=math.exp(entropy),
    )


def _comparable(each: Iterable[ModuleStatistics]) -> list[ModuleStatistics]:
    """The modules whose norms may be added: absolute changes, or relative ones where there are no others."""
    measured = [one for one in each if one.frobenius is not None]
    absolute = [one for one in measured if not one.relative]
    return absolute or measured


def _shared(each: list[ModuleStatistics]) -> list[ModuleStatistics]:
    comparable = _comparable(each)
    energy = math.fsum((one.frobenius or 0.0) ** 2 for one in comparable)
    if energy == 0:
        return each
    counted = {id(one) for one in comparable}
    return [
        replace(one, share=(one.frobenius or 0.0) ** 2 / energy) if id(one) in counted else one
        for one in each
    ]


def _blocks(each: list[ModuleStatistics]) -> list[BlockStatistics]:
    counted = {id(one) for one in _comparable(each)}
    groups: dict[str, list[ModuleStatistics]] = defaultdict(list)
    for one in each:
        groups[one.block].append(one)
    names = [*in_order(groups.keys() - {NO_BLOCK}), *([NO_BLOCK] if NO_BLOCK in groups else [])]
    found = []
    for name in names:
        modules = groups[name]
        summed = [one for one in modules if id(one) in counted]
        ranks = [one.effective_rank for one in modules if one.effective_rank is not None]
        found.append(
            BlockStatistics(
                name=name,
                modules=len(modules),
                frobenius=math.sqrt(math.fsum((one.frobenius or 0.0) ** 2 for one in summed)),
                spectral=max((one.spectral or 0.0 for one in summed), default=0.0),
                effective_rank=statistics.median(ranks) if ranks else None,
                share=math.fsum(one.share for one in modules),
            )
        )
    return found


def _strength(each: Iterable[ModuleStatistics], norms: Mapping[str, float]) -> float | None:
    """Norm of the changes over that of the base's weights that they change; None where no such weight is
    known.
    """
    change = weight = 0.0
    for one in each:
        norm = norms.get(layer_key(one.component, one.path))
        if norm and one.frobenius is not None and not one.relative:
            change += one.frobenius**2
            weight += norm**2
    return math.sqrt(change / weight) if weight else None


def _spread(tensors: ModuleTensors) -> float | None:
    """Standard deviation over mean of a DoRA module's magnitudes; None without, or where the mean is 0."""
    values = tensors.tensors.get("dora_scale")
    if values is None or not values.size or not _finite(values):
        return None
    magnitudes = values.astype(np.float64)
    mean = float(magnitudes.mean())
    return float(magnitudes.std()) / abs(mean) if mean else None


def _finite(values: Stored | np.ndarray[Any, Any]) -> bool:
    return bool(np.isfinite(values).all())


def _range(each: Iterable[ModuleStatistics], name: str) -> dict[str, Any] | None:
    values = [value for one in each if (value := getattr(one, name)) is not None]
    if not values:
        return None
    return {
        "min": six_figures(min(values)),
        "median": six_figures(statistics.median(values)),
        "max": six_figures(max(values)),
    }


def six_figures(value: Any) -> Any:
    """A float rounded for showing: more figures are noise of the file's own precision."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
