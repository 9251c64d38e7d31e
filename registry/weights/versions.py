"""What changed in an adapter from one version to the next: its weights, layer by layer, and its metadata."""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .matching import Match, Pairing
from .modules import rank_range
from .opened import open_adapter
from .pairs import ordered
from .statistics import six_figures
from .subspaces import Comparison, cosine_of, measure

# Rises when the same two files would give another difference.
EDITION = "2"
_SHOWN = 20
_SAME = 1e-6
# Of an inspection, what says what a version is; findings and hashes have parts of their own.
_FACTS = ("family", "kind", "algorithm", "weight_decomposed", "dialect", "modules", "rank", "declared_base")
_LONG = 400


@dataclass(frozen=True, slots=True)
class BlockDiff:
    """One block of both versions. `norm_change` is new / old, None where the old one is 0."""

    name: str
    cosine: float | None
    old: float
    new: float
    norm_change: float | None
    added: int
    removed: int

    def as_dict(self) -> dict[str, Any]:
        return {name: six_figures(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class WeightDiff:
    """Two versions' weights. `distance` is |new - old| / |old| over all layers, None where the old is zero;
    `added` and `removed` name modules that only one has, `rank_changed` those of another rank.
    """

    old: float
    new: float
    cosine: float | None
    distance: float | None
    shared: int
    added: list[str]
    removed: list[str]
    rank_changed: list[str]
    old_rank: dict[str, int] | None
    new_rank: dict[str, int] | None
    blocks: list[BlockDiff]
    left_out: list[tuple[str, str]] = field(default_factory=list)
    edition: str = EDITION

    @property
    def same_weights(self) -> bool:
        """Whether both make the same change, up to the rounding of a half-precision file's factors."""
        alike = self.distance is not None and self.distance < _SAME
        return (alike or self.old == self.new == 0) and not self.left_out

    @property
    def norm_change(self) -> float | None:
        return self.new / self.old if self.old else None

    @property
    def sentence(self) -> str:
        if self.same_weights:
            return "The weights make the same change."
        if not self.shared:
            return "The two versions change no layer in common."
        strength = ""
        if self.norm_change is not None and abs(self.norm_change - 1) >= 0.05:
            more = "stronger" if self.norm_change > 1 else "weaker"
            strength = f" and {abs(self.norm_change - 1) * 100:.0f} % {more}"
        cosine = self.cosine or 0.0
        if cosine >= 0.9:
            return f"The same direction, a little changed{strength}."
        if cosine >= 0.4:
            return f"Trained further or mixed: partly the same direction{strength}."
        return f"Trained anew: another direction{strength}."

    def as_dict(self) -> dict[str, Any]:
        return {
            "edition": self.edition,
            "same_weights": self.same_weights,
            "sentence": self.sentence,
            "cosine": six_figures(self.cosine),
            "distance": six_figures(self.distance),
            "frobenius": {"old": six_figures(self.old), "new": six_figures(self.new)},
            "norm_change": six_figures(self.norm_change),
            "shared": self.shared,
            "added": self.added[:_SHOWN],
            "added_count": len(self.added),
            "removed": self.removed[:_SHOWN],
            "removed_count": len(self.removed),
            "rank": {"old": self.old_rank, "new": self.new_rank},
            "rank_changed": self.rank_changed[:_SHOWN],
            "rank_changed_count": len(self.rank_changed),
            "blocks": [block.as_dict() for block in self.blocks],
            "left_out": [{"name": name, "why": why} for name, why in self.left_out[:_SHOWN]],
            "left_out_count": len(self.left_out),
        }


@dataclass(slots=True)
class _Seen:
    """What the layers tell while they pass: per block, and which modules met one of the other version."""

    blocks: dict[str, list[Comparison]] = field(default_factory=lambda: defaultdict(list))
    only_old: dict[str, str] = field(default_factory=dict)
    only_new: dict[str, str] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)
    rank_changed: dict[str, None] = field(default_factory=dict)
    shared: int = 0

    def take(self, match: Match) -> None:
        self.blocks[match.block].append(measure(match))
        self.shared += match.comparable
        old, new = match.first_module, match.second_module
        if old is not None and new is not None:
            self.met |= {f"old {old.name}", f"new {new.name}"}
            if old.rank != new.rank:
                self.rank_changed[new.name] = None
        elif old is not None:
            self.only_old[old.name] = match.block
        elif new is not None:
            self.only_new[new.name] = match.block

    # A fused layer that meets only some of its parts is neither added nor removed.
    @property
    def removed(self) -> dict[str, str]:
        return {name: block for name, block in self.only_old.items() if f"old {name}" not in self.met}

    @property
    def added(self) -> dict[str, str]:
        return {name: block for name, block in self.only_new.items() if f"new {name}" not in self.met}


def diff_weights(old: str | os.PathLike[str], new: str | os.PathLike[str]) -> WeightDiff:
    """The change from the file `old` to the file `new`, whatever dialects they are in.

    Raises Unreadable, a ContainerError, NoModules or DifferentFamilies.
    """
    seen = _Seen()
    with (
        open_adapter(old) as before,
        open_adapter(new) as after,
        np.errstate(over="ignore", invalid="ignore"),
    ):
        pairing = Pairing(before, after)
        for match in pairing:
            seen.take(match)
    every = [comparison for comparisons in seen.blocks.values() for comparison in comparisons]
    norms = _norm(c.first for c in every), _norm(c.second for c in every)
    inner = math.fsum(c.inner for c in every)
    added, removed = seen.added, seen.removed
    return WeightDiff(
        old=norms[0],
        new=norms[1],
        cosine=cosine_of(inner, *norms),
        distance=_distance(inner, *norms),
        shared=seen.shared,
        added=list(added),
        removed=list(removed),
        rank_changed=list(seen.rank_changed),
        old_rank=rank_range(before.modules),
        new_rank=rank_range(after.modules),
        blocks=[
            _block(name, seen.blocks[name], Counter(added.values()), Counter(removed.values()))
            for name in ordered(seen.blocks)
        ],
        left_out=pairing.left_out,
    )


def _block(name: str, comparisons: list[Comparison], added: Counter[str], removed: Counter[str]) -> BlockDiff:
    old, new = _norm(c.first for c in comparisons), _norm(c.second for c in comparisons)
    cosine = cosine_of(math.fsum(c.inner for c in comparisons), old, new)
    return BlockDiff(name, cosine, old, new, new / old if old else None, added[name], removed[name])


def _norm(norms: Iterable[float]) -> float:
    return math.sqrt(math.fsum(norm**2 for norm in norms))


def _distance(inner: float, old: float, new: float) -> float | None:
    """|new - old| / |old| from the norms and the inner product; rounding may leave a hair below zero."""
    return math.sqrt(max(0.0, old**2 + new**2 - 2 * inner)) / old if old else None


@dataclass(frozen=True, slots=True)
class MetadataDiff:
    """What two versions state differently. Keys are those of an inspection; `training.` and `hashes.` stand
    before the keys of these parts.
    """

    changed: dict[str, tuple[Any, Any]]
    added: dict[str, Any]
    removed: dict[str, Any]
    words_added: list[str]
    words_removed: list[str]

    @property
    def empty(self) -> bool:
        return not (self.changed or self.added or self.removed or self.words_added or self.words_removed)

    def as_dict(self) -> dict[str, Any]:
        return {
            "changed": {key: {"old": old, "new": new} for key, (old, new) in self.changed.items()},
            "added": self.added,
            "removed": self.removed,
            "trigger_words": {"added": self.words_added, "removed": self.words_removed},
        }


def diff_metadata(old: Mapping[str, Any], new: Mapping[str, Any]) -> MetadataDiff:
    """The difference of two inspections as `Inspection.as_dict` gives them: family, base, training facts,
    trigger words, hashes. Long texts are cut.
    """
    before, after = _statements(old), _statements(new)
    words_before, words_after = _words(old), _words(new)
    return MetadataDiff(
        changed={
            key: (_cut(before[key]), _cut(value))
            for key, value in after.items()
            if key in before and before[key] != value
        },
        added={key: _cut(value) for key, value in after.items() if key not in before},
        removed={key: _cut(value) for key, value in before.items() if key not in after},
        words_added=[word for word in words_after if word not in words_before],
        words_removed=[word for word in words_before if word not in words_after],
    )


def _statements(inspection: Mapping[str, Any]) -> dict[str, Any]:
    """Every statement of an inspection that is not empty, by its key."""
    found = {key: inspection.get(key) for key in _FACTS}
    for part in ("training", "hashes"):
        inner = inspection.get(part)
        if isinstance(inner, Mapping):
            found |= {f"{part}.{key}": value for key, value in inner.items()}
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}


def _words(inspection: Mapping[str, Any]) -> list[str]:
    entries = inspection.get("trigger_words")
    return [str(entry.get("word")) for entry in entries] if isinstance(entries, list) else []


def _cut(value: Any) -> Any:
    return f"{value[:_LONG]} ..." if isinstance(value, str) and len(value) > _LONG else value
