"""Decides terms profiles: few distinct terms stand for many versions, each decided once and remembered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any, Final

from django.utils import timezone

from registry.basis import Basis, current_basis
from registry.licensing.errors import UnknownLicense
from registry.licensing.expressions import alternatives
from registry.licensing.question import AdapterTerms, BaseConflict, Component, Overlay, Question
from registry.licensing.replies import RecordedReply, reply_for
from registry.licensing.table import Table
from registry.licensing.verdict import OUTCOMES, Verdict, decide
from registry.licensing.vocabulary import ACTS
from registry.models import Direction, TermsProfile
from registry.policies import TOOL, applied, step_of
from registry.terms import UNRECOGNIZED, canonical

Outcomes = dict[str, list[Any]]
"""act -> `[outcome, [condition]]`, under no facts."""

_MOST_ANSWERS: Final = 20_000
_MOST_QUESTIONS: Final = 64


# --- One profile --------------------------------------------------------------------------------------------


def verdict_of_profile(
    profile: TermsProfile, act: str, facts: Mapping[str, object], basis: Basis | None = None
) -> Verdict:
    """What these terms say, without the evidence of any one version.

    Whoever asks about many profiles reads the basis once and passes it. Raises LicensingError.
    """
    return _answer(
        canonical(profile.terms), act, canonical(dict(facts)), basis or current_basis(), timezone.localdate()
    )


def verdict_of_terms(
    terms: Mapping[str, Any], act: str, facts: Mapping[str, object], basis: Basis | None = None
) -> Verdict:
    """The same for terms that are no row. Raises LicensingError."""
    return _answer(
        canonical(terms), act, canonical(dict(facts)), basis or current_basis(), timezone.localdate()
    )


def outcomes_of(terms: Mapping[str, Any], basis: Basis) -> Outcomes:
    """How every act comes out under no facts."""
    today = timezone.localdate()
    verdicts = {act: _decided(terms, act, {}, basis, today) for act in ACTS}
    return {act: [verdict.outcome, list(verdict.conditions)] for act, verdict in verdicts.items()}


def question_of(
    terms: Mapping[str, Any],
    act: str,
    facts: Mapping[str, object],
    *,
    overlays: Sequence[Overlay] = (),
    tools: Sequence[str] = (),
    today: date | None = None,
) -> Question:
    """The license engine's question for one profile."""
    conflict = terms["base_conflict"]
    replies = [RecordedReply.from_terms(each) for each in terms.get("author_replies", ())]
    return Question(
        act=act,
        base_license=terms["base_license"],
        base_model=terms["base_model"],
        components=[Component(license=part, name=part) for part in terms["components"]],
        base_conflict=BaseConflict(conflict["declared"], conflict["detected"], "weights")
        if conflict
        else None,
        adapters=[
            AdapterTerms(
                license=terms["license"],
                civitai=terms["civitai"],
                extra=terms.get("extra", ()),
                license_now=terms.get("license_now"),
                rights=terms["rights"],
                concluded=terms.get("concluded", {}),
                author_reply=reply_for(replies, act, facts, today),
                snapshot=True,
            )
        ],
        overlays=overlays,
        tools=tools,
        facts=facts,
        today=today,
    )


@lru_cache(maxsize=_MOST_ANSWERS)
def _answer(terms: str, act: str, facts: str, basis: Basis, today: date) -> Verdict:
    return _decided(json.loads(terms), act, json.loads(facts), basis, today)


def _decided(
    terms: Mapping[str, Any], act: str, facts: Mapping[str, object], basis: Basis, today: date
) -> Verdict:
    stated = {name: fact for name, fact in facts.items() if name != TOOL}
    question = question_of(readable(terms, basis.table), act, stated, today=today)
    return decide_with_rules(question, terms, facts, basis)


def decide_with_rules(
    question: Question, terms: Mapping[str, Any], facts: Mapping[str, object], basis: Basis
) -> Verdict:
    """Decide a question under the rules that concern these terms, with the tools the facts name.

    `terms`: what rules look at (`base_model`, `base_license`, `license`, `overlays`), of one adapter or of a
    whole stack. Raises LicensingError.
    """
    rules, tools = applied(basis.rules, terms, facts)
    asked = replace(question, overlays=[rule.overlay() for rule in rules], tools=tools)
    verdict = decide(asked, basis.table)
    steps = {rule.cited: step for rule in rules if (step := step_of(rule))}
    return _with_own_steps(verdict, steps) if steps else verdict


def _with_own_steps(verdict: Verdict, steps: Mapping[str, str]) -> Verdict:
    """What to do about a rule is what the rule says, where it says something."""
    reasons = tuple(
        replace(reason, next_step=steps[reason.evidence])
        if reason.next_step and reason.evidence and reason.evidence in steps
        else reason
        for reason in verdict.reasons
    )
    return replace(verdict, reasons=reasons)


def readable(terms: Mapping[str, Any], table: Table) -> Mapping[str, Any]:
    """The terms with licenses that have left the table since they were recorded put down as unrecognized."""
    licenses = {key: _known(terms.get(key), table) for key in ("license", "license_now", "base_license")}
    return {**terms, **licenses, "components": [_known(part, table) for part in terms["components"]]}


def _known(text: str | None, table: Table) -> str | None:
    if text is None:
        return None
    try:
        alternatives(text, table)
    except UnknownLicense:
        return UNRECOGNIZED
    return text


# --- All profiles -------------------------------------------------------------------------------------------


def outcomes_by_profile(act: str, facts: Mapping[str, object], basis: Basis | None = None) -> dict[int, str]:
    """Outcome (allowed, conditional, unknown, forbidden) of every profile, by its id.

    Each distinct profile is decided once for each act and facts, then remembered by this process. A search
    filters by `terms_profile IN (...)`, however many versions there are.
    """
    known = _remembered(act, canonical(dict(facts)), basis or current_basis(), timezone.localdate())
    rows = list(TermsProfile.objects.values_list("pk", "digest"))
    missing = {digest for _, digest in rows} - known.outcomes.keys()
    if missing:
        found = TermsProfile.objects.values_list("digest", "terms")
        if len(missing) <= 1000:
            found = found.filter(digest__in=missing)
        for digest, terms in found:
            if digest in missing:
                known.decide(digest, terms)
    return {pk: known.outcomes[digest] for pk, digest in rows if digest in known.outcomes}


@dataclass(frozen=True)
class Remembered:
    """The answers to one question, profile digest -> outcome."""

    act: str
    facts: Mapping[str, object]
    basis: Basis
    today: date
    outcomes: dict[str, str]

    def decide(self, digest: str, terms: Mapping[str, Any]) -> None:
        """Decide one more profile. Raises LicensingError."""
        self.outcomes[digest] = _decided(terms, self.act, self.facts, self.basis, self.today).outcome


@lru_cache(maxsize=_MOST_QUESTIONS)
def _remembered(act: str, facts: str, basis: Basis, today: date) -> Remembered:
    return Remembered(act, json.loads(facts), basis, today, {})


# --- Two answers --------------------------------------------------------------------------------------------


def direction_of(before: Sequence[Any], after: Sequence[Any]) -> Direction | None:
    """Which way `[outcome, conditions]` went; None where both are the same.

    An answer that was lost is neither tighter nor looser; conditions exchanged for others are neither.
    """
    lost, gained = set(before[1]) - set(after[1]), set(after[1]) - set(before[1])
    if before[0] != after[0]:
        if after[0] == "unknown":
            return Direction.LOST
        looser = OUTCOMES.index(after[0]) < OUTCOMES.index(before[0])
        return Direction.LOOSER if looser else Direction.TIGHTER
    if not lost and not gained:
        return None
    if lost and gained:
        return Direction.OTHER
    return Direction.LOOSER if lost else Direction.TIGHTER
