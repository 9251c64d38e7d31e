"""What changed from one version of an adapter to another: weights, metadata and terms, put side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, GreaterThan, LessThan

from registry.basis import Basis, current_basis
from registry.licensing.verdict import Verdict
from registry.licensing.vocabulary import ACTS
from registry.models import TermsClaim, TermsProfile, Version
from registry.profiles import direction_of
from registry.verdicts import canonical, terms_of, verdict_of_profile

# `moment` without its id, as a query.
_MOMENT: Final = Coalesce("published", "created")


@dataclass(frozen=True, slots=True)
class Side:
    """What one version's terms say about an act: the outcome, its conditions, and the clause that decides."""

    outcome: str
    conditions: tuple[str, ...]
    layer: str
    code: str
    clause: str | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "conditions": list(self.conditions),
            "layer": self.layer,
            "code": self.code,
            "clause": self.clause,
        }


@dataclass(frozen=True, slots=True)
class ActChange:
    """One act about which the two versions' terms differ.

    `direction`: `looser` or `tighter`; `unknown` where an answer was lost; `other` where conditions were
    exchanged for others, which is neither.
    """

    act: str
    direction: str
    before: Side
    after: Side

    def as_dict(self) -> dict[str, Any]:
        return {
            "act": self.act,
            "direction": str(self.direction),
            "before": self.before.as_dict(),
            "after": self.after.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class ClaimChange:
    """Statements of one kind and standing that differ; either side may be empty."""

    kind: str
    standing: str
    before: tuple[TermsClaim, ...]
    after: tuple[TermsClaim, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "standing": self.standing,
            "before": [_claim_dict(claim) for claim in self.before],
            "after": [_claim_dict(claim) for claim in self.after],
        }


@dataclass(frozen=True, slots=True)
class TermsDiff:
    """Acts whose verdict changed and claims that changed. `facts`: under which the acts were decided."""

    acts: tuple[ActChange, ...]
    claims: tuple[ClaimChange, ...]
    facts: Mapping[str, object]

    @property
    def same(self) -> bool:
        """Nothing changed, neither what was said nor what follows from it."""
        return not self.acts and not self.claims

    def going(self, direction: str) -> list[ActChange]:
        """The acts that went this way."""
        return [change for change in self.acts if change.direction == direction]

    def as_dict(self) -> dict[str, Any]:
        """`{facts, acts: [{act, direction, before, after}], claims: [{kind, standing, before, after}]}`."""
        return {
            "facts": dict(self.facts),
            "acts": [change.as_dict() for change in self.acts],
            "claims": [change.as_dict() for change in self.claims],
        }


def diff_terms(old: Version, new: Version, facts: Mapping[str, object] | None = None) -> TermsDiff:
    """The terms of `new` against those of `old`, as their claims stand now.

    Without `facts` nothing is assumed about who asks, so what hangs on them counts as a condition.
    """
    facts = facts or {}
    acts = compare_profiles(_profile(old), _profile(new), facts)
    current = TermsClaim.objects.filter(version__in=[old, new], superseded=False)
    claims = list(
        current.select_related("snapshot").defer("snapshot__body").order_by("kind", "standing", "pk")
    )
    return TermsDiff(acts, _claim_changes(claims, old.pk, new.pk), facts)


def compare_profiles(
    old: TermsProfile, new: TermsProfile, facts: Mapping[str, object], basis: Basis | None = None
) -> tuple[ActChange, ...]:
    """Every act that the two profiles answer differently, in the order of the table of acts."""
    if old.terms == new.terms:
        return ()
    basis = basis or current_basis()
    changes = []
    for act in ACTS:
        before, after = (verdict_of_profile(each, act, facts, basis) for each in (old, new))
        change = _act_change(act, before, after)
        if change is not None:
            changes.append(change)
    return tuple(changes)


def version_before(version: Version) -> Version | None:
    """The version of the same adapter and family published (else taken in) just before; in one query."""
    at, pk = moment(version)
    earlier = _family(version).filter(Q(LessThan(_MOMENT, at)) | Q(Exact(_MOMENT, at), pk__lt=pk))
    return earlier.order_by(_MOMENT.desc(), "-pk").first()


def version_after(version: Version) -> Version | None:
    """The version of the same adapter and family published (else taken in) just after; in one query."""
    at, pk = moment(version)
    later = _family(version).filter(Q(GreaterThan(_MOMENT, at)) | Q(Exact(_MOMENT, at), pk__gt=pk))
    return later.order_by(_MOMENT.asc(), "pk").first()


def _family(version: Version) -> QuerySet[Version]:
    siblings = Version.objects.filter(adapter=version.adapter_id, detected_family=version.detected_family)
    return siblings.select_related("terms_profile")


def moment(version: Version) -> tuple[datetime, int]:
    """What puts the versions of an adapter in order: upstream's date where there is one, else ours."""
    return (version.published or version.created, version.pk)


def _profile(version: Version) -> TermsProfile:
    """The version's profile, or one that is not saved: comparing changes nothing."""
    return version.terms_profile or TermsProfile(terms=terms_of(version))


def _act_change(act: str, before: Verdict, after: Verdict) -> ActChange | None:
    lost = set(before.conditions) - set(after.conditions)
    gained = set(after.conditions) - set(before.conditions)
    direction = direction_of((before.outcome, before.conditions), (after.outcome, after.conditions))
    if direction is None:
        return None
    return ActChange(act, str(direction), _side(before, lost), _side(after, gained))


def _side(verdict: Verdict, differing: set[str]) -> Side:
    """The reason that makes the difference, else one that decides, else the clause of a deciding layer."""
    deciding = [reason for reason in verdict.reasons if reason.layer in verdict.deciding]
    chosen = [
        *(reason for reason in verdict.reasons if reason.condition in differing),
        *(reason for reason in deciding if reason.clause),
        *deciding,
    ]
    if chosen:
        found = chosen[0]
        return Side(verdict.outcome, verdict.conditions, found.layer, found.code, found.clause)
    entries = [entry for entry in verdict.ledger if entry.layer in verdict.deciding]
    entry = next((each for each in entries if each.clause), entries[0] if entries else None)
    if entry is None:
        return Side(verdict.outcome, verdict.conditions, "", "", None)
    return Side(verdict.outcome, verdict.conditions, entry.layer, entry.status, entry.clause)


def _claim_changes(claims: Sequence[TermsClaim], old: int, new: int) -> tuple[ClaimChange, ...]:
    changes = []
    for kind, standing in dict.fromkeys((claim.kind, claim.standing) for claim in claims):
        own = [claim for claim in claims if (claim.kind, claim.standing) == (kind, standing)]
        before = tuple(claim for claim in own if claim.version_id == old)
        after = tuple(claim for claim in own if claim.version_id == new)
        if {_said(claim) for claim in before} != {_said(claim) for claim in after}:
            changes.append(ClaimChange(kind, standing, before, after))
    return tuple(changes)


def _said(claim: TermsClaim) -> str:
    """What a claim says, whoever wrote it down how; what was not recognized is known by its words."""
    return canonical(claim.value) if claim.value is not None else claim.wording


def _claim_dict(claim: TermsClaim) -> dict[str, Any]:
    snapshot = claim.snapshot
    return {
        "value": claim.value,
        "wording": claim.wording,
        "at": (snapshot.fetched if snapshot else claim.created).isoformat(),
        "source": snapshot.url if snapshot else None,
        "sha256": snapshot.sha256 if snapshot else None,
    }
