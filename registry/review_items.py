"""Keeps the recorded items of a review in step with claims, questions, answers and conclusions.

Sources write only what is `stated`. What a reviewer concluded and what an author answered comes from rows of
their own, so that no sync can overwrite it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone

from registry.basis import Basis, current_basis
from registry.licensing.items import ITEMS, Item
from registry.licensing.verdict import LedgerEntry
from registry.models import (
    AuthorAnswer,
    AuthorQuestion,
    ClaimKind,
    ItemState,
    QuestionState,
    ReviewItem,
    Snapshot,
    Standing,
    TermsClaim,
    Version,
)
from registry.profiles import verdict_of_terms
from registry.settled import ATTRIBUTION, counting_answers, kind_of
from registry.terms import current_claims, licensing_base, stated_terms

_RANK: Final = {"not_addressed": 0, "allowed": 0, "conditional": 1, "silent": 2, "forbidden": 3}
_NOT_ASKED: Final = frozenset({QuestionState.DRAFTED, QuestionState.WITHDRAWN})
# An act by which a picture reaches others: where a demand for credit shows in every kind of terms.
_CREDITED: Final = ("generate_and_share_images", "generate_and_sell_images", "redistribute_adapter")


@dataclass(frozen=True)
class _Found:
    """What an item came to."""

    state: str
    stated: dict[str, Any]
    value: dict[str, Any]
    claim: TermsClaim | None = None
    question: AuthorQuestion | None = None
    evidence: Snapshot | None = None
    reason: str = ""
    who: str = ""


def keep_items(version: Version) -> list[ReviewItem]:
    """Bring the version's items up to date, each made if it is missing; a row is touched only if it changed.

    Call it after whatever an item rests on: claims, questions, answers, conclusions.
    """
    rows = {row.key: row for row in version.items.all()}
    claims = current_claims(version)
    questions = list(version.questions.order_by("-id"))
    answers = counting_answers(version) if questions else []
    says = _adapter_layers(stated_terms(version), current_basis())
    new, kept = [], []
    for item in ITEMS.values():
        found = _found(version, item, claims, questions, answers, says)
        row = rows.get(item.key)
        if row is None:
            new.append(ReviewItem(version=version, key=item.key, **vars(found)))
        elif _differs(row, found):
            moved = (row.state, row.value) != (found.state, found.value)
            for name, value in vars(found).items():
                setattr(row, name, value)
            row.since = timezone.now() if moved else row.since
            kept.append(row)
    ReviewItem.objects.bulk_create(new, ignore_conflicts=True)
    fields = ["state", "stated", "value", "claim", "question", "evidence", "reason", "who", "since"]
    # `bulk_update` spells each field of each row out as a case of its own.
    ReviewItem.objects.bulk_create(
        kept, update_conflicts=True, unique_fields=["version", "key"], update_fields=fields
    )
    return items_of(version) if new else in_order(rows.values())


def keep_new_items(versions: Iterable[tuple[Version, Sequence[TermsClaim]]]) -> None:
    """Make the items of versions that were just made, with their claims and their profiles; in one query.

    Nobody has asked about them yet, answered or concluded, so what is stated is all that there is; and what
    is stated is what the profile holds, which is read once for all versions that share it.
    """
    says: dict[int | None, dict[str, list[LedgerEntry]]] = {}
    rows, basis = [], current_basis()
    for version, claims in versions:
        if version.terms_profile_id not in says:
            profile = version.terms_profile
            terms = profile.terms if profile else stated_terms(version)
            says[version.terms_profile_id] = _adapter_layers(terms, basis)
        layers = says[version.terms_profile_id]
        for item in ITEMS.values():
            found = _found(version, item, claims, (), (), layers)
            rows.append(ReviewItem(version=version, key=item.key, **vars(found)))
    ReviewItem.objects.bulk_create(rows, ignore_conflicts=True)


def items_of(version: Version) -> list[ReviewItem]:
    """The version's items in the order of the review."""
    related = ("claim", "question", "evidence")
    return in_order(version.items.select_related(*related).defer("evidence__body", "question__text"))


def in_order(rows: Iterable[ReviewItem]) -> list[ReviewItem]:
    """Rows in the order of ITEMS; one whose item is no longer in the table is left out."""
    by_key = {row.key: row for row in rows}
    return [by_key[key] for key in ITEMS if key in by_key]


def _differs(row: ReviewItem, found: _Found) -> bool:
    related = {"claim": row.claim_id, "question": row.question_id, "evidence": row.evidence_id}
    for name, value in vars(found).items():
        held = related[name] if name in related else getattr(row, name)
        if held != (getattr(value, "pk", None) if name in related else value):
            return True
    return False


def _found(
    version: Version,
    item: Item,
    claims: Sequence[TermsClaim],
    questions: Sequence[AuthorQuestion],
    answers: Sequence[AuthorAnswer],
    says: Mapping[str, list[LedgerEntry]],
) -> _Found:
    stated = _stated(version, item, claims, says)
    evidence = _read_from(item, claims)
    question = next((each for each in questions if item.key in each.items), None)
    conclusion = _conclusion(item, claims)
    if conclusion is not None:
        told = conclusion.hints
        cited = Snapshot.objects.defer("body").filter(pk=told.get("evidence")).first()
        value = dict(told.get("value") or {})
        reason, who = str(told.get("reason", "")), str(told.get("who", ""))
        return _Found(ItemState.CONCLUDED, stated, value, conclusion, question, cited, reason, who)
    for answer in reversed(answers):
        said = _answered(item, answer)
        if said is not None:
            return _Found(
                ItemState.ANSWERED, stated, said, None, answer.question, answer.message, "", answer.curator
            )
    if question is not None and question.state not in _NOT_ASKED:
        return _Found(
            ItemState.ASKED,
            stated,
            stated,
            None,
            question,
            evidence if stated else None,
            "",
            question.sent_by,
        )
    state = ItemState.STATED if stated else ItemState.UNREAD
    return _Found(state, stated, stated, None, question, evidence if stated else None)


# --- What is stated -----------------------------------------------------------------------------------------


def _adapter_layers(terms: Mapping[str, Any], basis: Basis) -> dict[str, list[LedgerEntry]]:
    """What the adapter's own stated terms say on every act that an item needs; no layer of others."""
    acts = {item.act for item in ITEMS.values() if item.act} | set(_CREDITED)
    return {
        act: [
            entry
            for entry in verdict_of_terms(terms, act, {}, basis).ledger
            if entry.layer.startswith("adapter:") and entry.status != "not_addressed"
        ]
        for act in acts
    }


def _stated(
    version: Version, item: Item, claims: Sequence[TermsClaim], says: Mapping[str, list[LedgerEntry]]
) -> dict[str, Any]:
    if item.kind == "act":
        return _stated_act(says[item.act])
    if item.kind == "credit":
        return _stated_credit(version, claims, says)
    if item.kind == "base":
        return _stated_base(version)
    signs = [
        claim
        for claim in claims
        if claim.kind == ClaimKind.RIGHTS
        and claim.standing != Standing.DECIDED
        and kind_of(claim) == item.right
    ]
    if not signs:
        return {}
    return {"state": "unknown", "signs": sorted({claim.wording for claim in signs})}


def _stated_act(entries: Sequence[LedgerEntry]) -> dict[str, Any]:
    strictest = max(entries, key=lambda entry: _RANK[entry.status], default=None)
    if strictest is None or strictest.status == "silent":
        return {}
    conditions = sorted({each for entry in entries for each in entry.conditions})
    return {"status": strictest.status, "conditions": conditions, "clause": strictest.clause or ""}


def _stated_credit(
    version: Version, claims: Sequence[TermsClaim], says: Mapping[str, list[LedgerEntry]]
) -> dict[str, Any]:
    demanded = any(ATTRIBUTION in entry.conditions for act in _CREDITED for entry in says[act])
    flags = [claim.value for claim in claims if claim.kind == ClaimKind.CIVITAI_FLAGS]
    waived = any(isinstance(each, dict) and each.get("allowNoCredit") is True for each in flags)
    if not demanded and not waived:
        return {}
    creator = version.adapter.creator
    return {
        "required": demanded,
        "wording": creator.name if creator and demanded else "",
        "links": [version.adapter.source_url] if version.adapter.source_url and demanded else [],
        "where": [],
    }


def _stated_base(version: Version) -> dict[str, Any]:
    declared, detected = version.declared_base, version.detected_family
    if not declared and detected == "unknown":
        return {}
    base = version.base_declared
    agreement = "open"
    if base is not None and detected != "unknown":
        agreement = "agree" if base.family == detected else "differ"
    return {
        "declared": declared,
        "detected": "" if detected == "unknown" else detected,
        "agreement": agreement,
        "base": base.slug if base else "",
        "license": base.license.license_id if base and base.license else "",
        "known": licensing_base(base) is not None,
    }


_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "act": (ClaimKind.CIVITAI_FLAGS, ClaimKind.TEXT_TERMS, ClaimKind.LICENSE),
    "credit": (ClaimKind.TEXT_TERMS, ClaimKind.CIVITAI_FLAGS, ClaimKind.LICENSE),
    "base": (ClaimKind.BASE,),
    "rights": (ClaimKind.RIGHTS,),
}


def _read_from(item: Item, claims: Sequence[TermsClaim]) -> Snapshot | None:
    """The first snapshot behind what is stated; the ledger of the verdict cites all."""
    for kind in _KINDS[item.kind]:
        for claim in claims:
            about = item.kind != "rights" or kind_of(claim) == item.right
            if claim.kind == kind and claim.standing != Standing.DECIDED and claim.snapshot and about:
                return claim.snapshot
    return None


# --- What was settled ---------------------------------------------------------------------------------------


def _conclusion(item: Item, claims: Sequence[TermsClaim]) -> TermsClaim | None:
    for claim in claims:
        if claim.standing == Standing.DECIDED and claim.hints.get("item") == item.key:
            return claim
    return None


def _answered(item: Item, answer: AuthorAnswer) -> dict[str, Any] | None:
    if item.key not in answer.question.items:
        return None
    reading = answer.reading
    if item.kind == "act":
        if item.act in reading.get("refusals", ()):
            return {"status": "forbidden", "conditions": [], "clause": ""}
        if item.act in reading.get("grants", ()):
            conditions = list(reading.get("conditions", ()))
            limits = {
                name: reading[name] for name in ("territories", "media", "expires") if reading.get(name)
            }
            return {
                "status": "conditional" if conditions else "allowed",
                "conditions": conditions,
                "clause": "",
                **limits,
            }
        return None
    if item.kind == "credit":
        return dict(answer.credit) if answer.credit.get("required") is not None else None
    return {"state": "unknown", "note": answer.material} if answer.material else None
