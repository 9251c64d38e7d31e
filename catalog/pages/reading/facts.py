"""Declared, detected and decided side by side: what the author, the bytes and a reviewer say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from catalog.pages import words
from registry.models import ClaimKind, Inspection, Standing, TermsClaim, Version


@dataclass(frozen=True)
class Fact:
    """One line of the table. An empty text: nobody said anything; `conflict` marks a disagreement."""

    name: str
    declared: str = ""
    detected: str = ""
    decided: str = ""
    conflict: bool = False
    claims: list[TermsClaim] = field(default_factory=list)


def facts_of(version: Version, inspection: Inspection | None, claims: Iterable[TermsClaim]) -> list[Fact]:
    """The lines of the facts table of one version."""
    data: dict[str, Any] = inspection.data if inspection is not None else {}
    current = [claim for claim in claims if not claim.superseded]
    lines = [
        _base(version, data),
        _claimed(_("License of the adapter"), current, ClaimKind.LICENSE),
        _claimed(_("Civitai permissions"), current, ClaimKind.CIVITAI_FLAGS),
        Fact(_("Kind"), detected=_kind(inspection)),
        Fact(_("Rank"), detected=_rank(data.get("rank"))),
        Fact(_("Modules"), detected=str(inspection.modules) if inspection else ""),
        Fact(_("Key dialect"), detected=inspection.dialect if inspection else ""),
        _trigger_words(version, data),
        _claimed(_("Rights in the material"), current, ClaimKind.RIGHTS),
    ]
    # Everyone asks for base and license: their silence is worth a line, that of others is not.
    return [
        line
        for number, line in enumerate(lines)
        if number < 2 or line.declared or line.detected or line.decided
    ]


def _base(version: Version, data: dict[str, Any]) -> Fact:
    detected = "" if version.detected_family == "unknown" else words.family(version.detected_family)
    allowed = data.get("family_candidates") or []
    if not detected and isinstance(allowed, list) and allowed:
        names = ", ".join(words.family(str(name)) for name in allowed)
        detected = _("One of: %(names)s") % {"names": names}
    declared = version.declared_base
    decided = version.base_decided.name if version.base_decided else ""
    if version.base_declared is not None and version.base_declared.name != declared:
        declared = f"{declared} → {version.base_declared.name}" if declared else version.base_declared.name
    if "declared_base" in version.edited:
        # A person has set it: the author's own word is what the source says.
        declared, decided = str(version.stated.get("declared_base", "")), decided or declared
    differs = (
        version.base_declared is not None
        and version.detected_family not in ("unknown", version.base_declared.family)
        and version.base_decided is None
    )
    return Fact(
        _("Base model"),
        declared=declared,
        detected=detected,
        decided=decided,
        conflict=differs or bool(data.get("base_conflict") and version.base_decided is None),
    )


def _trigger_words(version: Version, data: dict[str, Any]) -> Fact:
    shown = ", ".join(version.trigger_words)
    edited = "trigger_words" in version.edited
    stated = version.stated.get("trigger_words")
    declared = ", ".join(map(str, stated)) if isinstance(stated, list) else ""
    return Fact(
        _("Trigger words"),
        declared=declared if edited else shown,
        detected=_trained_words(data),
        decided=shown if edited else "",
    )


def _claimed(name: str, claims: list[TermsClaim], kind: ClaimKind) -> Fact:
    mine = [claim for claim in claims if claim.kind == kind]

    def said(standing: Standing) -> str:
        return "; ".join(dict.fromkeys(claim_text(claim) for claim in mine if claim.standing == standing))

    declared = {claim_text(claim) for claim in mine if claim.standing == Standing.DECLARED}
    decided = said(Standing.DECIDED)
    return Fact(
        name,
        declared=said(Standing.DECLARED),
        detected=said(Standing.DETECTED),
        decided=decided,
        conflict=len(declared) > 1 and not decided,
        claims=mine,
    )


def claim_text(claim: TermsClaim) -> str:
    """A claim's value for people: a license id, the flags that are on, or the words as written."""
    value = claim.value
    if value is None:
        return claim.wording or _("Nothing stated")
    if isinstance(value, dict):
        return flags_text(value) or claim.wording
    return str(value)


def flags_text(flags: Mapping[str, Any]) -> str:
    """Civitai's permission flags in one line."""
    return "; ".join(f"{_flag_name(key)}: {_flag(each)}" for key, each in flags.items())


def _flag_name(key: str) -> str:
    names = {
        "allowNoCredit": _("Use without credit"),
        "allowCommercialUse": _("Commercial use"),
        "allowDerivatives": _("Share merges"),
        "allowDifferentLicense": _("Other permissions on merges"),
    }
    return names.get(key, key)


def _commercial_use(use: str) -> str:
    names = {
        "Image": _("sell images"),
        "RentCivit": _("generate on Civitai"),
        "Rent": _("generate on other services"),
        "Sell": _("sell the model"),
    }
    return names.get(use, use)


def _flag(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(_commercial_use(str(each)) for each in value) or _("none")
    return str(value)


def _kind(inspection: Inspection | None) -> str:
    if inspection is None:
        return ""
    algorithm = words.algorithm(inspection.algorithm) if inspection.algorithm else inspection.kind
    return f"{algorithm} (DoRA)" if inspection.data.get("weight_decomposed") else algorithm


def _rank(rank: Any) -> str:
    if not isinstance(rank, dict):
        return ""
    low, high = rank.get("min"), rank.get("max")
    return str(high) if low == high else f"{low}–{high}"


def _trained_words(data: dict[str, Any]) -> str:
    found = data.get("trigger_words")
    if not isinstance(found, list):
        return ""
    return ", ".join(str(each.get("word", "")) for each in found if isinstance(each, dict))
