"""The checks of a version with their evidence opened: kin by name, and both sides of a conflict of terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.pages import weight_words
from catalog.pages.numbers import decimal, list_of, mapping, number, rows_of
from catalog.pages.reading.facts import flags_text
from registry.models import Check, CheckOutcome, Version

LINEAGE = "lineage"
CONFLICT = "license_conflict"
MOST = 20


@dataclass(frozen=True)
class Twin:
    """A related version; `version` is None when it is gone."""

    version: Version | None
    relation: str
    cosine: str


@dataclass(frozen=True)
class Clash:
    """One act that this version grants and its twin does not: outcome and clause of both."""

    act: str
    ours: Mapping[str, Any]
    theirs: Mapping[str, Any]


@dataclass(frozen=True)
class Conflict:
    """Two sides whose terms clash: what either states, and the acts about which they do.

    The other side is a copy with stricter terms (`twin`), or a stricter claim about this very version, or its
    base's license; `title` then says which.
    """

    twin: Twin
    stated: list[tuple[str, str, str]]
    acts: list[Clash]
    title: str = ""


@dataclass(frozen=True)
class ShownCheck:
    """A check; `kin` and `conflicts` where its evidence is about other versions, else its raw evidence."""

    check: Check
    summary: str
    kin: list[Twin] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)

    @property
    def contested(self) -> bool:
        """Whether it failed over another version's stricter terms."""
        return self.check.code == CONFLICT and self.check.outcome == CheckOutcome.FAIL


def show_checks(checks: Iterable[Check]) -> list[ShownCheck]:
    """What needs a look first. One query when some evidence names other versions."""
    ordered = sorted(checks, key=_order)
    named = {
        int(pk)
        for check in ordered
        for each in _entries(check)
        if (pk := number(each.get("version"))) is not None
    }
    rows = Version.objects.filter(pk__in=named).select_related("adapter__creator") if named else []
    versions = {version.pk: version for version in rows}
    return [_shown(check, versions) for check in ordered]


def _order(check: Check) -> tuple[int, str]:
    return ({"fail": 0, "warn": 1, "todo": 2}.get(check.outcome, 3), check.code)


def _entries(check: Check) -> Sequence[Mapping[str, Any]]:
    name = {LINEAGE: "kin", CONFLICT: "conflicts"}.get(check.code)
    return rows_of(mapping(check.evidence).get(name))[:MOST] if name else []


def _shown(check: Check, versions: Mapping[int, Version]) -> ShownCheck:
    entries = _entries(check)
    if not entries:
        return ShownCheck(check, _(check.summary) if check.summary else "")
    if check.code == LINEAGE:
        text = ngettext(
            "%(count)d other adapter version here shares its weights.",
            "%(count)d other adapter versions here share its weights.",
            len(entries),
        )
        kin = [_twin(each, versions) for each in entries]
        return ShownCheck(check, text % {"count": len(entries)}, kin=kin)
    conflicts = [_conflict(each, versions) for each in entries]
    return ShownCheck(check, _sentence(check, conflicts[0]), conflicts=conflicts)


def _sentence(check: Check, first: Conflict) -> str:
    if check.outcome != CheckOutcome.FAIL or first.twin.version is None:
        return check.summary
    return _("The same weights as %(name)s, whose terms are stricter. Approving needs a reason.") % {
        "name": first.twin.version
    }


def _twin(entry: Mapping[str, Any], versions: Mapping[int, Version]) -> Twin:
    pk, cosine = number(entry.get("version")), number(entry.get("cosine"))
    return Twin(
        versions.get(int(pk)) if pk is not None else None,
        weight_words.relation(str(entry.get("relation", ""))),
        "" if cosine is None else decimal(cosine, 2),
    )


def _conflict(entry: Mapping[str, Any], versions: Mapping[int, Version]) -> Conflict:
    if "claims" in entry:
        return _claim_conflict(entry)
    terms = mapping(entry.get("terms"))
    ours, theirs = mapping(terms.get("ours")), mapping(terms.get("theirs"))
    stated = [
        (_("License of the adapter"), _text(theirs.get("license")), _text(ours.get("license"))),
        (_("Civitai permissions"), _text(theirs.get("civitai")), _text(ours.get("civitai"))),
    ]
    return Conflict(
        _twin(entry, versions),
        [line for line in stated if line[1] or line[2]],
        _clashes(entry),
    )


def _claim_conflict(entry: Mapping[str, Any]) -> Conflict:
    claims = mapping(entry.get("claims"))
    ours, theirs = mapping(claims.get("looser")), mapping(claims.get("stricter"))
    stated = [
        (_("As written"), str(theirs.get("said") or ""), str(ours.get("said") or "")),
        (_("Read at"), str(theirs.get("url") or ""), str(ours.get("url") or "")),
    ]
    lines = [line for line in stated if line[1] or line[2]]
    return Conflict(Twin(None, "", ""), lines, _clashes(entry), title=str(entry.get("summary") or ""))


def _clashes(entry: Mapping[str, Any]) -> list[Clash]:
    return [
        Clash(str(each.get("act", "")), mapping(each.get("ours")), mapping(each.get("theirs")))
        for each in rows_of(list_of(entry.get("acts")))
    ]


def _text(value: Any) -> str:
    return flags_text(value) if isinstance(value, dict) else str(value or "")
