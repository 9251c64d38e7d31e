"""Two adapters layer by layer, whatever dialect each is written in: fused layers meet their split parts."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from .blocks import block_of
from .canonical import canonical_layers
from .changes import Change, change_of
from .errors import DifferentFamilies, UnsupportedChange, WeightsError
from .family_table import SUB_FAMILIES
from .modules import ModuleFacts
from .opened import OpenAdapter
from .operators import is_measurable
from .statistics import NO_BLOCK

# A split file's parts of one fused layer stand close together, so few changes need to be kept.
_KEPT = 8


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one module's change that are rows `begin` to `end` of the layer `key`; None: all of them."""

    key: str
    module: ModuleFacts
    rows: slice | None = None
    begin: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """One layer, or a part of it, with the change that each adapter makes to it; None where one makes
    none.
    """

    block: str
    first_module: ModuleFacts | None
    second_module: ModuleFacts | None
    first: Change | None
    second: Change | None

    @property
    def comparable(self) -> bool:
        """Whether both change it in the same way: by a matrix of one shape that is added, or multiplied."""
        return (
            self.first is not None
            and self.second is not None
            and self.first.shape == self.second.shape
            and self.first.relative == self.second.relative
        )


@dataclass(slots=True)
class Pairing:
    """Runs through two open adapters; `left_out` fills with modules that could not be read, and why."""

    first: OpenAdapter
    second: OpenAdapter
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not _one_family(self.first, self.second):
            raise DifferentFamilies(f"One is for {_named(self.first)}, the other for {_named(self.second)}.")

    def __iter__(self) -> Iterator[Match]:
        """Every layer that either changes: first those of the first adapter in its order, then the rest."""
        family_1, family_2 = _families(self.first, self.second)
        mine, theirs = _aligned(_pieces(self.first, family_1), _pieces(self.second, family_2))
        first, second = _Changes(self.first, self.left_out), _Changes(self.second, self.left_out)
        for place, piece in mine.items():
            other = theirs.pop(place, None)
            yield Match(
                block_of(piece.module, family_1) or NO_BLOCK,
                piece.module,
                other.module if other else None,
                first.of(piece),
                second.of(other) if other else None,
            )
        for piece in theirs.values():
            block = block_of(piece.module, family_2) or NO_BLOCK
            yield Match(block, None, piece.module, None, second.of(piece))


class _Changes:
    """Changes of one adapter's modules; the last few stay, since a fused one is asked for part by part."""

    def __init__(self, adapter: OpenAdapter, left_out: list[tuple[str, str]]) -> None:
        self.adapter = adapter
        self.left_out = left_out
        self.kept: OrderedDict[str, Change | None] = OrderedDict()

    def of(self, piece: Piece) -> Change | None:
        name = piece.module.name
        if name not in self.kept:
            self.kept[name] = self._read(piece.module)
            if len(self.kept) > _KEPT:
                self.kept.popitem(last=False)
        change = self.kept[name]
        try:
            return change if change is None or piece.rows is None else change.part(piece.rows, slice(None))
        except WeightsError as error:
            self.left_out.append((name, error.message))
            return None

    def _read(self, module: ModuleFacts) -> Change | None:
        (loaded,) = self.adapter.load([module])
        try:
            if loaded.tensors is None:
                raise loaded.problem or WeightsError(f"Module {module.name[:120]} cannot be read.")
            if not all(bool(np.isfinite(values).all()) for values in loaded.tensors.tensors.values()):
                raise UnsupportedChange(f"Module {module.name[:120]} holds NaN or infinity.")
            change = change_of(loaded.tensors)
            if not is_measurable(change):
                raise UnsupportedChange(f"The numbers of module {module.name[:120]} multiply beyond measure.")
            return change
        except WeightsError as error:
            self.left_out.append((module.name, error.message))
            return None


def _aligned(first: list[Piece], second: list[Piece]) -> tuple[dict[str, Piece], dict[str, Piece]]:
    """Pieces of both by layer and rows, cut where either side has a boundary."""
    sides = (first, second)
    cuts: dict[str, set[int]] = defaultdict(set)
    for pieces in sides:
        for piece in pieces:
            if piece.end is not None:
                cuts[piece.key] |= {piece.begin, piece.end}
    aligned: list[dict[str, Piece]] = []
    for pieces in sides:
        found: dict[str, Piece] = {}
        for piece in pieces:
            for part in _cut(piece, sorted(cuts[piece.key])):
                # A layer named twice in one file: the first counts, as it does for most programs.
                found.setdefault(f"{part.key}[{part.begin}:{part.end}]", part)
        aligned.append(found)
    return aligned[0], aligned[1]


def _families(first: OpenAdapter, second: OpenAdapter) -> tuple[str, str]:
    """The families whose names to read the layers by: what one file leaves open the other may decide."""
    one, two = first.family, second.family
    if one == "unknown" and two in first.candidates:
        one = two
    elif two == "unknown" and one in second.candidates:
        two = one
    return one, two


def _pieces(adapter: OpenAdapter, family: str) -> list[Piece]:
    found = []
    for module in adapter.modules:
        for part in canonical_layers(module, family):
            rows, into, outputs = part.rows, part.into, module.out_dim
            if rows is not None:
                outputs = rows.stop - rows.start
            begin = into.start if into is not None else 0
            end = begin + outputs if outputs is not None else None
            found.append(Piece(part.key, module, rows, begin, end))
    return found


def _cut(piece: Piece, cuts: list[int]) -> Iterator[Piece]:
    """The piece in parts that end at each of `cuts` inside it."""
    if piece.end is None:
        yield piece
        return
    inside = [cut for cut in cuts if piece.begin < cut < piece.end]
    if not inside:
        yield piece
        return
    start = piece.rows.start if piece.rows is not None else 0
    bounds = [piece.begin, *inside, piece.end]
    for begin, end in pairwise(bounds):
        rows = slice(start + begin - piece.begin, start + end - piece.begin)
        yield Piece(piece.key, piece.module, rows, begin, end)


def _one_family(first: OpenAdapter, second: OpenAdapter) -> bool:
    """False only where the bytes rule out that both are for one family."""
    mine, theirs = _possible(first), _possible(second)
    return not mine or not theirs or bool(mine & theirs)


def _possible(adapter: OpenAdapter) -> set[str]:
    names = {adapter.family} if adapter.family != "unknown" else set(adapter.candidates)
    return {SUB_FAMILIES.get(name, name) for name in names}


def _named(adapter: OpenAdapter) -> str:
    return adapter.family if adapter.family != "unknown" else " or ".join(adapter.candidates[:3])
