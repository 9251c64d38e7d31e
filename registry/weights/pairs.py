"""How much two adapters work on the same thing: cosine, shared subspaces, and one score of interference."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .blocks import in_order
from .matching import Pairing
from .opened import open_adapter
from .statistics import NO_BLOCK, six_figures
from .subspaces import Comparison, cosine_of, measure

_SHOWN = 20
# Above HIGH two adapters are in each other's way, below SOME hardly.
HIGH, SOME = 0.4, 0.15


@dataclass(frozen=True, slots=True)
class BlockOverlap:
    """One block: `modules` layers that both change, their cosine, overlap and share of the interference."""

    name: str
    modules: int
    cosine: float | None
    overlap: float | None
    interference: float

    def as_dict(self) -> dict[str, Any]:
        return {name: six_figures(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two adapters. `shared` layers are changed by both, `first_only` and `second_only` by one.

    `interference` in [0, 1] is the sum over layers of max(|cosine|, overlap) times |A_l| |B_l| / (|A| |B|): 0
    when no layer has both, 1 when one adapter is a multiple of the other.
    """

    first: str
    second: str
    cosine: float | None
    interference: float
    overlap: float | None
    shared: int
    first_only: int
    second_only: int
    blocks: list[BlockOverlap]
    left_out: list[tuple[str, str]]

    @property
    def sentence(self) -> str:
        if not self.shared:
            return "They change no layer in common and cannot get into each other's way."
        strongest = max(self.blocks, key=lambda block: block.interference)
        where = f", most of all in {strongest.name}" if strongest.interference > 0 else ""
        if self.interference >= HIGH:
            if (self.cosine or 0.0) <= -SOME:
                return f"They push the same layers in opposite directions{where}; each takes from the other."
            return f"They do much the same to the same layers{where}; together they are too strong."
        if self.interference >= SOME:
            return f"They share some directions{where}; lower the weights a little."
        return "They work in different directions; they can be combined as they are."

    def as_dict(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "second": self.second,
            "cosine": six_figures(self.cosine),
            "overlap": six_figures(self.overlap),
            "interference": six_figures(self.interference),
            "sentence": self.sentence,
            "shared": self.shared,
            "first_only": self.first_only,
            "second_only": self.second_only,
            "blocks": [block.as_dict() for block in self.blocks],
            "left_out": [{"name": name, "why": why} for name, why in self.left_out[:_SHOWN]],
            "left_out_count": len(self.left_out),
        }


def compare_files(first: str | os.PathLike[str], second: str | os.PathLike[str]) -> Pair:
    """Two adapter files, layer by layer; holds a few modules at a time.

    Raises Unreadable, a ContainerError, NoModules or DifferentFamilies.
    """
    with (
        open_adapter(first) as one,
        open_adapter(second) as two,
        np.errstate(over="ignore", invalid="ignore"),
    ):
        pairing = Pairing(one, two)
        blocks: dict[str, list[Comparison]] = defaultdict(list)
        both = mine = theirs = 0
        for match in pairing:
            blocks[match.block].append(measure(match))
            both += match.comparable
            mine += match.second_module is None
            theirs += match.first_module is None
    every = [comparison for comparisons in blocks.values() for comparison in comparisons]
    norms = _norm(c.first for c in every), _norm(c.second for c in every)
    return Pair(
        first=one.name,
        second=two.name,
        cosine=cosine_of(math.fsum(c.inner for c in every), *norms),
        interference=min(1.0, sum(_interference(c, norms) for c in every)),
        overlap=_overlap(every),
        shared=both,
        first_only=mine,
        second_only=theirs,
        blocks=[_block(name, blocks[name], norms) for name in ordered(blocks)],
        left_out=pairing.left_out,
    )


def ordered(blocks: Iterable[str]) -> list[str]:
    """Block names in the order of the model, the layers in no block last."""
    names = set(blocks)
    return [*in_order(names - {NO_BLOCK}), *sorted(names & {NO_BLOCK})]


def _block(name: str, comparisons: list[Comparison], norms: tuple[float, float]) -> BlockOverlap:
    first, second = _norm(c.first for c in comparisons), _norm(c.second for c in comparisons)
    return BlockOverlap(
        name=name,
        modules=sum(1 for c in comparisons if c.first and c.second),
        cosine=cosine_of(math.fsum(c.inner for c in comparisons), first, second),
        overlap=_overlap(comparisons),
        interference=sum(_interference(c, norms) for c in comparisons),
    )


def _interference(one: Comparison, norms: tuple[float, float]) -> float:
    """One layer's part of the score. The weights |A_l| |B_l| / (|A| |B|) add up to 1 at most
    (Cauchy-Schwarz).
    """
    whole = norms[0] * norms[1]
    if one.cosine is None or not whole:
        return 0.0
    return max(abs(one.cosine), one.overlap or 0.0) * one.first * one.second / whole


def _overlap(comparisons: list[Comparison]) -> float | None:
    """The layers' overlaps, weighted by how much both change them."""
    known = [(c.overlap, c.first * c.second) for c in comparisons if c.overlap is not None]
    total = math.fsum(weight for _, weight in known)
    return math.fsum(overlap * weight for overlap, weight in known) / total if total else None


def _norm(norms: Iterable[float]) -> float:
    return math.sqrt(math.fsum(norm**2 for norm in norms))
