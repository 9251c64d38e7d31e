"""Keeps on record how verdicts change: a dated row per version and act, with both outcomes, and why.

A profile remembers how it was decided last (ProfileOutcomes). When a version moves to another profile, or a
profile follows a new basis, the difference is written for every version concerned, together with the check
`terms_changed` and, where terms got tighter for a version that was vetted once, a notice for whoever has it.
Rows are written by `INSERT ... SELECT`, so that a profile of many versions is one step, taken whole or not.

Locks: whoever puts a version into a profile or takes it out holds the profile's outcomes FOR KEY SHARE until
the commit; whoever makes them follow a new basis holds them FOR UPDATE. So no version is told of a change
twice or never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone
from psycopg.types.json import Jsonb

from registry.basis import Basis, basis_row, current_basis
from registry.change_reasons import (
    cause_of,
    changes_with_time,
    evidence_between,
    why_basis,
    why_terms,
    why_time,
)
from registry.licensing.vocabulary import ACTS
from registry.models import (
    CheckOutcome,
    Direction,
    ProfileOutcomes,
    TermsEvent,
    TermsProfile,
    Version,
)
from registry.profiles import Outcomes, direction_of, outcomes_of

TERMS_CHANGED: Final = "terms_changed"
_GRANTED: Final = frozenset({"allowed", "conditional"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One act that two decisions of terms answer differently; both sides are `[outcome, conditions]`."""

    act: str
    before: Sequence[Any]
    after: Sequence[Any]
    direction: Direction

    @property
    def tighter(self) -> bool:
        """Whether somebody who relied on the old answer must hear of the new one."""
        return self.direction in (Direction.TIGHTER, Direction.LOST) or self.lost

    @property
    def lost(self) -> bool:
        """Whether the act was possible and is no longer."""
        return self.before[0] in _GRANTED and self.after[0] not in _GRANTED

    def as_dict(self) -> dict[str, Any]:
        return {
            "act": self.act,
            "direction": str(self.direction),
            "before": {"outcome": self.before[0], "conditions": list(self.before[1])},
            "after": {"outcome": self.after[0], "conditions": list(self.after[1])},
        }


def differences(before: Outcomes, after: Outcomes) -> list[Difference]:
    """Every act that came out differently, in the order of the table; an act that one side lacks is none."""
    found = []
    for act in ACTS:
        if act in before and act in after:
            direction = direction_of(before[act], after[act])
            if direction is not None:
                found.append(Difference(act, before[act], after[act], direction))
    return found


def decided(profile: TermsProfile, basis: Basis) -> ProfileOutcomes:
    """How the profile was decided last; decided now, by this basis, if it never was."""
    found = ProfileOutcomes.objects.filter(profile=profile).select_related("basis").first()
    if found is None:
        values = {"basis": basis_row(basis), "outcomes": outcomes_of(profile.terms, basis)}
        found, _ = ProfileOutcomes.objects.select_related("basis").get_or_create(
            profile=profile, defaults=values
        )
    return found


@transaction.atomic
def follow_basis(profile: TermsProfile, basis: Basis) -> int:
    """Decide the profile by this basis and tell all its versions what changed; how many were told.

    Done again it changes nothing.
    """
    decided(profile, basis)
    held = ProfileOutcomes.objects.select_for_update(of=("self",)).select_related("basis")
    last = held.get(profile=profile)
    if last.basis.digest == basis.digest and not changes_with_time(profile.terms):
        return 0
    before, outcomes, row = last.basis, outcomes_of(profile.terms, basis), basis_row(basis)
    changed = differences(last.outcomes, outcomes)
    ProfileOutcomes.objects.filter(pk=profile.pk).update(basis=row, outcomes=outcomes)
    if not changed or not profile.versions.exists():
        return 0
    why = why_basis(before, row, profile.terms) or why_time(profile.terms)
    event = TermsEvent.objects.create(
        cause=cause_of(why),
        profile_before=profile,
        profile_after=profile,
        basis_before=before,
        basis_after=row,
        why=[each.as_dict() for each in why],
    )
    return _tell(event, changed, "terms_profile_id", profile.pk)


@transaction.atomic
def move(version: Version, profile: TermsProfile) -> TermsEvent | None:
    """Give the version another profile, saved, and record what that changed; None when no verdict did."""
    basis = current_basis()
    # As the row stands, whatever the caller holds. NO KEY, since rows that point to the version may come in.
    rows = Version.objects.select_for_update(no_key=True, of=("self",)).select_related("terms_profile")
    old = rows.get(pk=version.pk).terms_profile
    if old == profile:
        version.terms_profile = profile
        return None
    last = _hold(old, profile, basis)
    version.terms_profile = profile
    version.save(update_fields=["terms_profile", "updated"])
    if old is None or last is None:
        return None
    changed = differences(last.outcomes, decided(profile, basis).outcomes)
    if not changed:
        return None
    row = basis_row(basis)
    why = [*why_terms(old.terms, profile.terms), *why_basis(last.basis, row, profile.terms)]
    event = TermsEvent.objects.create(
        cause=cause_of(why),
        version=version,
        profile_before=old,
        profile_after=profile,
        basis_before=last.basis,
        basis_after=row,
        why=[each.as_dict() for each in why],
        evidence=evidence_between(version, why),
    )
    _tell(event, changed, "id", version.pk)
    return event


@transaction.atomic
def enter(versions: Sequence[Version], profile: TermsProfile, basis: Basis | None = None) -> None:
    """Give versions that never had one this profile, saved. No verdict changed by that, so none is told.

    Whoever does this for several profiles takes those with the smaller ids first, and reads the basis once.
    """
    _hold(None, profile, basis or current_basis())
    rows = Version.objects.filter(pk__in=[version.pk for version in versions], terms_profile=None)
    rows.update(terms_profile=profile, updated=timezone.now())
    for version in versions:
        version.terms_profile = profile


def _hold(old: TermsProfile | None, new: TermsProfile, basis: Basis) -> ProfileOutcomes | None:
    """Lock the outcomes of both profiles, the smaller id first; the old one's, as they were decided last."""
    for profile in sorted([each for each in (old, new) if each], key=lambda each: each.pk):
        if profile.pk == new.pk:
            follow_basis(profile, basis)
        else:
            decided(profile, basis)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM registry_profileoutcomes WHERE profile_id = %s FOR KEY SHARE", [profile.pk]
            )
    if old is None:
        return None
    return ProfileOutcomes.objects.select_related("basis").get(profile=old)


# --- Rows ---------------------------------------------------------------------------------------------------

_CHANGES = """
INSERT INTO registry_verdictchange
    (event_id, version_id, act, before, after, conditions_before, conditions_after, direction)
SELECT %s, v.id, %s, %s, %s, %s, %s, %s FROM registry_version v WHERE v.{column} = %s
"""
_NOTICES = """
INSERT INTO registry_termsnotice (event_id, version_id, created, delivered)
SELECT %s, v.id, %s, NULL FROM registry_version v WHERE v.{column} = %s AND v.vetted_at IS NOT NULL
"""
_CHECKS = """
INSERT INTO registry_check (version_id, code, outcome, summary, evidence, updated)
SELECT v.id, %s, %s, %s, %s, %s FROM registry_version v WHERE v.{column} = %s
ON CONFLICT (version_id, code) DO UPDATE
SET outcome = excluded.outcome, summary = excluded.summary, evidence = excluded.evidence,
    updated = excluded.updated
"""


def _tell(event: TermsEvent, changed: Sequence[Difference], column: str, value: int) -> int:
    """Write the rows of an event for the versions whose `column` has the value; how many there are."""
    told = 0
    with connection.cursor() as cursor:
        for each in changed:
            before, after = Jsonb(list(each.before[1])), Jsonb(list(each.after[1]))
            outcomes: list[Any] = [each.before[0], each.after[0], before, after, str(each.direction)]
            cursor.execute(_CHANGES.format(column=column), [event.pk, each.act, *outcomes, value])
            told = cursor.rowcount
        tighter = [each for each in changed if each.tighter]
        if tighter:
            cursor.execute(_NOTICES.format(column=column), [event.pk, event.at, value])
            outcome = CheckOutcome.FAIL if any(each.lost for each in tighter) else CheckOutcome.WARN
            evidence = {"event": event.pk, "changes": [each.as_dict() for each in tighter]}
            summary = f"Tighter since {event.at:%Y-%m-%d}: {', '.join(each.act for each in tighter)}."[:500]
            found: list[Any] = [TERMS_CHANGED, str(outcome), summary, Jsonb(evidence), timezone.now(), value]
            cursor.execute(_CHECKS.format(column=column), found)
    return told


def reviewed(version: Version) -> None:
    """After a reviewer has decided about the version with its terms as they are now."""
    version.checks.filter(code=TERMS_CHANGED).exclude(outcome=CheckOutcome.OK).update(
        outcome=CheckOutcome.OK,
        summary="A reviewer has decided since the terms changed.",
        updated=timezone.now(),
    )
