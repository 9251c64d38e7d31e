"""Which base model family an adapter was made for: what its layers allow, refuted by what they contradict.

A family stays possible only while every layer that the file touches exists in it, in that size and block. One
family left is a decision; none or several are `unknown`, with the candidates named. Nothing is ever guessed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product

from .family_table import (
    ARCHITECTURES,
    FAMILY_ROWS,
    NAME_MARKS,
    SUB_FAMILIES,
    SUB_FAMILY_LACKS,
    TRAINER_LACKS,
)
from .modules import ModuleFacts
from .text_fit import fitting_text_families
from .unet_fit import fitting_unets

# Digits that count blocks stand after one of these words.
_INDEX = re.compile(r"(?<=s_)\d+(?=_|$)|(?<=refiner_)\d+(?=_|$)")
_BRACES = re.compile(r"\{([^{}]*)\}")
_TERM = re.compile(r"(\d*)([a-z]+)|(\d+)")
# These dialects keep the names of the family's own repository.
_NATIVE_DIALECTS = frozenset(
    {"kohya", "kohya_double_underscore", "comfy", "bfl", "bfl_control", "unprefixed", "xlabs"}
)
_NEGLIGIBLE = 0.05
UNFAMILIAR = "unfamiliar_layers"
IMPOSSIBLE = "impossible_shapes"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of one family: the sizes it must have (None: any) and the highest number of each block
    list.
    """

    family: str
    native: bool
    in_dim: int | None
    out_dim: int | None
    last: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FamilyReading:
    """The decision. `family` is unknown unless exactly one is left; `reasons` are `(code, message)` pairs."""

    family: str
    candidates: list[str] = field(default_factory=list)
    reasons: list[tuple[str, str]] = field(default_factory=list)


def _size(text: str, sizes: dict[str, int]) -> int | None:
    if text == "-":
        return None
    total = 0
    for times, name, number in _TERM.findall(text):
        total += int(number) if number else int(times or 1) * sizes[name]
    return total


def _expand(path: str) -> Iterable[str]:
    """Every path that the braces of `path` stand for."""
    parts = _BRACES.split(path)
    choices = [part.split(",") if index % 2 else [part] for index, part in enumerate(parts)]
    return ("".join(choice) for choice in product(*choices))


@lru_cache(maxsize=1)
def layer_table() -> dict[str, list[Layer]]:
    """Underscored path with `#` for each block number -> the layers of that name, in every family that has
    one.
    """
    table: dict[str, list[Layer]] = defaultdict(list)
    for row in FAMILY_ROWS:
        for line in ARCHITECTURES[row.architecture].split("\n"):
            if not line.strip():
                continue
            pattern, in_text, out_text = line.split()
            limits = tuple(
                int(mark) if mark.isdigit() else row.sizes[mark] for mark in re.findall(r"#(\w+)", pattern)
            )
            bare = re.sub(r"#\w+", "#", pattern)
            layer = Layer(
                row.family, row.native, _size(in_text, row.sizes), _size(out_text, row.sizes), limits
            )
            for path in _expand(bare):
                table[path.replace(".", "_")].append(layer)
    return dict(table)


def template(flat: str) -> tuple[str, tuple[int, ...]]:
    """An underscored path with its block numbers taken out: `double_blocks_7_img_mod_lin` -> `..._#_...`,
    (7,).
    """
    numbers: list[int] = []

    def take(match: re.Match[str]) -> str:
        numbers.append(int(match[0][:9]))
        return "#"

    return _INDEX.sub(take, flat), tuple(numbers)


def read_family(
    modules: Sequence[ModuleFacts],
    dialect: str | None,
    declared: str | None = None,
    trainer: str | None = None,
) -> FamilyReading:
    """Decide the family of `modules`. `declared` is the family that the metadata names, `trainer` who wrote
    it.
    """
    denoiser = [m for m in modules if m.where.component in ("unet", "transformer", "other")]
    text = [m for m in modules if m.where.component.startswith("text_encoder")]
    if any(m.where.component == "prior" for m in modules):
        return FamilyReading("cascade")
    for word, family in NAME_MARKS:
        if any(word in m.where.flat for m in denoiser):
            return FamilyReading(family)
    reasons: list[tuple[str, str]] = []
    if denoiser:
        candidates, reasons = _denoiser_families(denoiser, dialect)
        if len(candidates) > 1 and text:
            candidates = _narrow(candidates, fitting_text_families(text))
    else:
        candidates = fitting_text_families(text)
    if len(candidates) > 1 and trainer in TRAINER_LACKS:
        candidates = _narrow(candidates, [c for c in candidates if c not in TRAINER_LACKS[trainer]])
    return _decide(candidates, denoiser, declared, reasons)


def _decide(
    candidates: list[str], denoiser: list[ModuleFacts], declared: str | None, reasons: list[tuple[str, str]]
) -> FamilyReading:
    if declared in SUB_FAMILIES and SUB_FAMILIES[declared] in candidates:
        lacks = SUB_FAMILY_LACKS[declared]
        if not any(word in m.where.flat or word in m.where.path for m in denoiser for word in lacks):
            told = f"Only the metadata tells {declared} from {SUB_FAMILIES[declared]}."
            return FamilyReading(declared, [], [*reasons, ("family_from_metadata", told)])
    if candidates and IMPOSSIBLE in dict(reasons):
        # The family that brought these names into use; later ones that took them over stay possible.
        return FamilyReading(candidates[0], candidates if len(candidates) > 1 else [], reasons)
    if len(candidates) == 1 and UNFAMILIAR not in dict(reasons):
        return FamilyReading(candidates[0], [], reasons)
    if declared in candidates:
        told = f"The layers allow {', '.join(candidates)}; the metadata names {declared}."
        return FamilyReading(declared, candidates, [*reasons, ("family_from_metadata", told)])
    return FamilyReading("unknown", candidates, reasons)


def _narrow(candidates: list[str], allowed: Iterable[str]) -> list[str]:
    """Those candidates that are also allowed; all of them when that would leave none."""
    kept = set(allowed)
    return [c for c in candidates if c in kept] or candidates


def _denoiser_families(
    modules: list[ModuleFacts], dialect: str | None
) -> tuple[list[str], list[tuple[str, str]]]:
    layers_of_unet = [m for m in modules if m.where.component == "unet" and m.where.known]
    if layers_of_unet and not any(m.where.component == "transformer" for m in modules):
        return fitting_unets(layers_of_unet), _doubts(len(modules) - len(layers_of_unet), len(modules))
    table = layer_table()
    known: list[tuple[ModuleFacts, tuple[int, ...], list[Layer]]] = []
    for module in modules:
        bare, numbers = template(module.where.flat)
        if layers := table.get(bare):
            known.append((module, numbers, layers))
    if not known:
        return [], []
    candidates = _fitting(known, sizes=True)
    reasons: list[tuple[str, str]] = []
    if not candidates and all(m.facts.algorithm == "lokr" for m, _, _ in known):
        # Kronecker factors in no order that fits any layer: only the names are left to read.
        candidates = _fitting(known, sizes=False)
        told = "The Kronecker factors multiply to no known layer; the family is read from the names alone."
        reasons.append((IMPOSSIBLE, told))
    reasons += _doubts(len(modules) - len(known), len(modules))
    if len(candidates) > 1 and dialect in _NATIVE_DIALECTS:
        native = {layer.family for _, _, layers in known for layer in layers if layer.native}
        candidates = _narrow(candidates, native)
    if len(candidates) > 1:
        candidates = _narrow(candidates, _complete(known, candidates))
    return candidates, reasons


def _doubts(strange: int, total: int) -> list[tuple[str, str]]:
    """Where many layers are in no known family, one that nothing contradicts is possible, but not certain."""
    if strange <= _NEGLIGIBLE * total:
        return []
    return [(UNFAMILIAR, f"{strange} of {total} layers are in no known family.")]


def _fitting(known: list[tuple[ModuleFacts, tuple[int, ...], list[Layer]]], *, sizes: bool) -> list[str]:
    """The families that have every one of the layers, oldest first."""
    left: set[str] | None = None
    for module, numbers, layers in known:
        fits = {layer.family for layer in layers if _fits(module, numbers, layer, sizes)}
        left = fits if left is None else left & fits
        if not left:
            return []
    order = list(dict.fromkeys(row.family for row in FAMILY_ROWS))
    return sorted(left or (), key=order.index)


def _fits(module: ModuleFacts, numbers: tuple[int, ...], layer: Layer, sizes: bool) -> bool:
    if any(number > last for number, last in zip(numbers, layer.last, strict=False)):
        return False
    if not sizes or module.facts.problem:
        return True
    wrong_in = None not in (module.in_dim, layer.in_dim) and module.in_dim != layer.in_dim
    wrong_out = None not in (module.out_dim, layer.out_dim) and module.out_dim != layer.out_dim
    return not (wrong_in or wrong_out)


def _complete(
    known: list[tuple[ModuleFacts, tuple[int, ...], list[Layer]]], candidates: list[str]
) -> list[str]:
    """The candidates whose every block, first to last, the file touches: it was made for just that many
    blocks.
    """
    touched: dict[str, set[int]] = defaultdict(set)
    last: dict[tuple[str, str], int] = {}
    for module, numbers, layers in known:
        if not numbers:
            continue
        stem = template(module.where.flat)[0].partition("#")[0]
        touched[stem].add(numbers[0])
        for layer in layers:
            if layer.last:
                last[layer.family, stem] = layer.last[0]
    return [
        family
        for family in candidates
        if touched
        and all(
            seen == set(range(last[family, stem] + 1))
            for stem, seen in touched.items()
            if (family, stem) in last
        )
    ]
