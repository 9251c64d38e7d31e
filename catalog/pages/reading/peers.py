"""How other Kuras vetted a version: what a reviewer may weigh, and nothing here rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from catalog.pages.numbers import list_of, mapping, rows_of
from registry.licensing import ACTS, Act
from registry.models import ClaimKind, ProfileOutcomes, Source, TermsClaim, Version, Vetting


@dataclass(frozen=True)
class PeerVerdict:
    """One act: the outcome there and the one here, both under no facts; empty where nobody decided it."""

    act: Act
    theirs: str
    ours: str

    @property
    def differs(self) -> bool:
        """Whether both were decided, and not alike."""
        return bool(self.theirs and self.ours) and self.theirs != self.ours


@dataclass(frozen=True)
class PeerNote:
    """What one other Kura says. `checks`: those that did not pass there; `page`: its upstream's address."""

    claim: TermsClaim
    address: str
    state: str
    label: str
    at: datetime | None
    base_decided: str
    page: str
    checks: list[tuple[str, str]]
    verdicts: list[PeerVerdict]
    conclusions: list[Mapping[str, Any]]


def read_peers(version: Version) -> list[PeerNote]:
    """The notes on a version that came from another Kura; two queries, none for any other version."""
    if version.adapter.source != Source.KURA:
        return []
    claims = version.claims.filter(kind=ClaimKind.PEER_VETTING, superseded=False).select_related("snapshot")
    decided = ProfileOutcomes.objects.filter(profile=version.terms_profile_id).first()
    ours = mapping(decided.outcomes) if decided else {}
    return [_note(claim, ours) for claim in claims.defer("snapshot__body").order_by("id")]


def _note(claim: TermsClaim, ours: Mapping[str, Any]) -> PeerNote:
    value = mapping(claim.value)
    state, theirs = str(value.get("state") or ""), mapping(value.get("verdicts"))
    return PeerNote(
        claim=claim,
        address=str(value.get("address") or ""),
        state=state,
        label=str(Vetting(state).label) if state in Vetting.values else state,
        at=_moment(value.get("at")),
        base_decided=str(value.get("base_decided") or ""),
        page=str(value.get("source_url") or ""),
        checks=[
            (str(check.get("code", "")), str(check.get("outcome", "")))
            for check in rows_of(list_of(value.get("checks")))
            if check.get("outcome") != "ok"
        ],
        verdicts=[
            PeerVerdict(act, _outcome(theirs.get(name)), _outcome(ours.get(name)))
            for name, act in ACTS.items()
            if name in theirs
        ],
        conclusions=[mapping(each) for each in rows_of(list_of(value.get("conclusions")))],
    )


def _outcome(told: Any) -> str:
    return str(told[0]) if isinstance(told, list) and told and told[0] in _OUTCOMES else ""


def _moment(told: Any) -> datetime | None:
    try:
        return parse_datetime(told) if isinstance(told, str) else None
    except ValueError:
        return None


_OUTCOMES = frozenset({"allowed", "conditional", "unknown", "forbidden"})
