"""Which base model family an adapter was made for: what its layers allow, refuted by what they contradict.

A family stays possible only while every layer that the file touches exists in it, in that size and block.
One family left is a decision; none or several are `unknown`, with the candidates named. Nothing is ever
guessed: what the metadata states never settles what the layers leave open, save between a family and its own
sub-family.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .family_table import CASCADE_SIZES, MARKED, SUB_FAMILIES, TRAINER_LACKS, Marked
from .layer_fit import fitting_families, known_layers
from .modules import ModuleFacts
from .text_fit import contradicted_by_text, fitting_text_families
from .unet_fit import fitting_unets

# Components that tell the family by their layers' sizes; a language model's do not.
_DENOISERS = frozenset({"unet", "transformer", "transformer_2", "other", "prior"})
# Of a few strange layers among many, nothing follows.
_NEGLIGIBLE = 0.05
UNFAMILIAR = "unfamiliar_layers"
IMPOSSIBLE = "impossible_shapes"
FROM_METADATA = "family_from_metadata"
CONTRADICTING = "contradicting_layers"

Reasons = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class FamilyReading:
    """The decision. `family` is unknown unless exactly one is left; `reasons` are `(code, message)` pairs."""

    family: str
    candidates: list[str] = field(default_factory=list)
    reasons: list[tuple[str, str]] = field(default_factory=list)


def read_family(
    modules: Sequence[ModuleFacts],
    dialect: str | None,
    declared: str | None = None,
    trainer: str | None = None,
) -> FamilyReading:
    """Decide the family of `modules`, all in the file's `dialect` (mixed or None: no dialect narrows).

    `declared` is the family that the metadata names, `trainer` the program that it says wrote the file.
    """
    denoiser = [m for m in modules if m.where.component in _DENOISERS]
    text = [m for m in modules if m.where.component.startswith("text_encoder")]
    candidates, reasons = _denoiser_families(denoiser, dialect) if denoiser else ([], [])
    if not denoiser:
        candidates = fitting_text_families(text)
    elif len(candidates) > 1 and text:
        candidates = _narrow(candidates, fitting_text_families(text))
    if len(candidates) > 1 and trainer in TRAINER_LACKS:
        left = _narrow(candidates, [c for c in candidates if c not in TRAINER_LACKS[trainer]])
        if left != candidates:
            gone = ", ".join(c for c in candidates if c not in left)
            reasons.append((FROM_METADATA, f"{trainer}, which the metadata names, does not train {gone}."))
        candidates = left
    candidates = _without_sub_families(candidates, declared, reasons)
    return _decide(candidates, text if denoiser else [], reasons)


def _decide(candidates: list[str], text: list[ModuleFacts], reasons: Reasons) -> FamilyReading:
    codes = dict(reasons)
    if candidates and IMPOSSIBLE in codes and UNFAMILIAR not in codes:
        # The family that brought these names into use; later ones that took them over stay possible.
        return FamilyReading(candidates[0], candidates if len(candidates) > 1 else [], reasons)
    if len(candidates) != 1 or UNFAMILIAR in codes:
        return FamilyReading("unknown", candidates, reasons)
    if text and contradicted_by_text(candidates[0], text):
        told = f"The text encoder's layers are in no text encoder of {candidates[0]}."
        return FamilyReading("unknown", candidates, [*reasons, (CONTRADICTING, told)])
    return FamilyReading(candidates[0], [], reasons)


def _narrow(candidates: list[str], allowed: Iterable[str]) -> list[str]:
    """Those candidates that are also allowed; all of them when that would leave none."""
    kept = set(allowed)
    return [c for c in candidates if c in kept] or candidates


def _without_sub_families(candidates: list[str], declared: str | None, reasons: Reasons) -> list[str]:
    """Of a family and its sub-family, the one that the metadata names; the family where it names neither.

    Where other families are possible, too, the metadata decides nothing: a named sub-family stays beside its
    family.
    """
    left = list(candidates)
    for child, parent in SUB_FAMILIES.items():
        if child not in left or parent not in left:
            continue
        if declared != child:
            left.remove(child)
        elif len(left) == 2:
            left.remove(parent)
            reasons.append((FROM_METADATA, f"Only the metadata tells {child} from {parent}."))
    return left


def _denoiser_families(modules: list[ModuleFacts], dialect: str | None) -> tuple[list[str], Reasons]:
    if any(m.where.component == "prior" for m in modules):
        return _cascade(modules), []
    for marked in MARKED:
        found = [m for m in modules if marked.marks.search(m.where.flat)]
        if found:
            mine = {id(m) for m in found}
            return _marked(marked, found, [m for m in modules if id(m) not in mine], dialect)
    unet = [m for m in modules if m.where.component == "unet" and m.where.known]
    if unet and not any(m.where.component == "transformer" for m in modules):
        strange = [m for m in modules if not m.where.known or m.where.component != "unet"]
        return fitting_unets(unet), _doubts(strange, modules)
    known = known_layers(modules)
    if not known:
        return [], []
    touched = {id(module) for module, _, _ in known}
    doubts = _doubts([m for m in modules if id(m) not in touched], modules)
    candidates = fitting_families(known, dialect, sizes=True)
    if not candidates and _unordered([m for m, _, _ in known]):
        # Kronecker factors in an order that no trainer writes: only the names are left to read.
        candidates = fitting_families(known, dialect, sizes=False)
        told = "The Kronecker factors multiply to no known layer; the family is read from the names alone."
        return candidates, [(IMPOSSIBLE, told), *doubts]
    return candidates, doubts


def _unordered(modules: list[ModuleFacts]) -> bool:
    lokr = all(m.facts.algorithm == "lokr" for m in modules)
    return lokr and any(m.facts.unordered for m in modules)


def _cascade(modules: list[ModuleFacts]) -> list[str]:
    sizes = {n for m in modules for n in (m.in_dim, m.out_dim) if n is not None and not m.facts.problem}
    alone = all(m.where.component == "prior" for m in modules)
    return ["cascade"] if alone and sizes <= CASCADE_SIZES else []


def _marked(
    marked: Marked, found: list[ModuleFacts], rest: list[ModuleFacts], dialect: str | None
) -> tuple[list[str], Reasons]:
    sizes = {n for m in found for n in (m.in_dim, m.out_dim) if n is not None and not m.facts.problem}
    if any((n % marked.unit or n > marked.most) and n not in marked.others for n in sizes):
        return [], []
    if not rest:
        return [marked.family], []
    candidates, reasons = _denoiser_families(rest, dialect)
    return ([marked.family] if marked.beside.intersection(candidates) else []), reasons


def _doubts(strange: list[ModuleFacts], modules: list[ModuleFacts]) -> Reasons:
    """Where many layers are in no known family, one that nothing contradicts is possible, but not certain.

    Changed norms and biases do not count: the tables name layers with a matrix.
    """
    count = sum(not m.facts.vector for m in strange)
    if count <= _NEGLIGIBLE * len(modules):
        return []
    return [(UNFAMILIAR, f"{count} of {len(modules)} layers are in no known family.")]
