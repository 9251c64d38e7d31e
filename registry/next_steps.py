"""What can be done about each obstacle of a verdict: whom to ask, where to register, which base to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from registry.basis import Basis, current_basis
from registry.licensing.reasons import Reason
from registry.licensing.verdict import OUTCOMES, LedgerEntry, Verdict
from registry.models import BaseModel, Version
from registry.profiles import verdict_of_terms
from registry.terms import base_terms, terms_of

MOST_BASES: Final = 5
_GRANTED: Final = ("allowed", "conditional")
# Reason code -> what can be done about it; what no code decides is decided by the layer.
_BY_CODE: Final[Mapping[str, tuple[str, ...]]] = {
    "flags_forbid": ("ask_author", "drop_adapter"),
    "card_forbids": ("ask_author", "drop_adapter"),
    "author_refused": ("drop_adapter",),
    "author_no_reply": ("ask_author", "drop_adapter"),
    "author_withdrawn": ("ask_author", "drop_adapter"),
    "rights_refused": ("drop_adapter",),
    "rights_unknown": ("clear_rights", "ask_author"),
    "flags_silent": ("ask_author",),
    "card_silent": ("ask_author",),
    "no_license": ("ask_author",),
    "no_terms_stated": ("ask_author",),
    "license_unresolved": ("read_license",),
    "base_unknown": ("settle_base",),
    "base_conflict": ("settle_base",),
    "service_terms_unread": ("read_terms",),
    "rule_silent": ("follow_rule",),
    "rule_forbids": ("follow_rule",),
}
_BY_CONDITION: Final[Mapping[str, str]] = {
    "registration_required": "register",
    "contact_licensor": "ask_licensor",
    "third_party_rights_clearance": "clear_rights",
}


@dataclass(frozen=True, slots=True)
class OtherBase:
    """A base of the same family on which the act comes out better, with its conditions."""

    slug: str
    name: str
    license: str | None
    outcome: str
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do about one reason.

    `kind`: ask_author, ask_licensor, register, drop_adapter, other_base, settle_base, read_license,
    read_terms, clear_rights, follow_rule, state_fact, do_duty or other. `text` is the reason's own next step.
    `url`: where the license stands, for register and ask_licensor. `bases` is filled for other_base.
    """

    kind: str
    text: str
    layer: str
    code: str
    condition: str | None = None
    url: str = ""
    bases: tuple[OtherBase, ...] = ()

    def in_words(self) -> str:
        """The step in one line, with the address or the bases it names."""
        if self.bases:
            named = ", ".join(f"{base.name} ({base.outcome})" for base in self.bases)
            return f"{self.text} Bases that would do: {named}."
        return f"{self.text} {self.url}".strip()


def steps_of(version: Version, verdict: Verdict, act: str, facts: Mapping[str, object]) -> list[Step]:
    """The steps of every reason that has one, the strongest obstacle first.

    Other bases are looked for where the base stands in the way: two queries then, else none but the basis'.
    """
    basis = current_basis()
    ledger = {entry.layer: entry for entry in verdict.ledger if entry.license}
    others: Sequence[OtherBase] | None = None
    found = []
    for reason in verdict.reasons:
        if not reason.next_step:
            continue
        for kind in _kinds(reason):
            bases: tuple[OtherBase, ...] = ()
            if kind == "other_base":
                others = (
                    other_bases(version, act, facts, verdict.outcome, basis) if others is None else others
                )
                bases = tuple(others)
            found.append(
                Step(
                    kind=kind,
                    text=reason.next_step,
                    layer=reason.layer,
                    code=reason.code,
                    condition=reason.condition,
                    url=_url(kind, ledger.get(reason.layer), basis),
                    bases=bases,
                )
            )
    return found


def with_steps(version: Version, verdict: Verdict, act: str, facts: Mapping[str, object]) -> Verdict:
    """The verdict with each next step told in full: the address to register at, the bases that would do."""
    told: dict[tuple[str, str, str | None], str] = {}
    for step in steps_of(version, verdict, act, facts):
        if step.url or step.bases:
            told.setdefault((step.layer, step.code, step.condition), step.in_words())
    reasons = tuple(
        replace(reason, next_step=told[key])
        if (key := (reason.layer, reason.code, reason.condition)) in told
        else reason
        for reason in verdict.reasons
    )
    return replace(verdict, reasons=reasons)


def other_bases(
    version: Version, act: str, facts: Mapping[str, object], outcome: str, basis: Basis | None = None
) -> list[OtherBase]:
    """Checkpoints of the version's family on which the act would be granted, the freest first.

    Only those that come out better than `outcome`; an adapter runs on every checkpoint of its family, though
    the pictures differ. At most MOST_BASES.
    """
    base = version.base_decided or version.base_declared
    family = base.family if base else version.detected_family
    terms = version.terms_profile.terms if version.terms_profile else terms_of(version)
    candidates = (
        BaseModel.objects.filter(family=family).exclude(parent=None).select_related("license", "parent")
    )
    basis = basis or current_basis()
    found = []
    for each in candidates.prefetch_related("aliases"):
        if base is not None and each.pk == base.pk:
            continue
        own: dict[str, Any] = {**terms, **base_terms(each), "base_conflict": None}
        verdict = verdict_of_terms(own, act, facts, basis)
        better = OUTCOMES.index(verdict.outcome) < OUTCOMES.index(outcome)  # type: ignore[arg-type]
        if verdict.outcome in _GRANTED and better:
            license_ = own["base_license"]
            found.append(OtherBase(each.slug, each.name, license_, verdict.outcome, verdict.conditions))
    found.sort(key=lambda each: (OUTCOMES.index(each.outcome), len(each.conditions), each.name))  # type: ignore[arg-type]
    return found[:MOST_BASES]


def _kinds(reason: Reason) -> tuple[str, ...]:
    if reason.code == "gate_open":
        return (
            _BY_CONDITION.get(reason.condition.partition(":")[0] if reason.condition else "", "state_fact"),
        )
    if reason.code == "duty":
        return ("do_duty",)
    if reason.code in _BY_CODE:
        return _BY_CODE[reason.code]
    part = reason.layer.partition(":")[0]
    if reason.code in ("license_forbids", "gate_failed", "license_silent"):
        if part == "base":
            return ("other_base", "ask_licensor")
        if part == "adapter":
            return ("ask_author", "drop_adapter")
    return ("other",)


def _url(kind: str, entry: LedgerEntry | None, basis: Basis) -> str:
    if kind not in ("register", "ask_licensor") or entry is None or entry.license is None:
        return ""
    row = basis.table.get(entry.license)
    return row.url if row else ""
