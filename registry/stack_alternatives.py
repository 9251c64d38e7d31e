"""Adapters in the catalog that could stand in for one that keeps a stack from passing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from registry.licensing.stack import PASSING, StackPlan
from registry.models import Check, CheckOutcome, Inspection, Version, Vetting
from registry.profiles import outcomes_by_profile
from registry.stacks import Member, Stack, members_query, read_member

# So many adapters in the way are given alternatives, so many each, out of so many candidates looked at.
MOST_REPLACED: Final = 3
MOST_SHOWN: Final = 5
_MOST_CANDIDATES: Final = 200
_MOST_DECIDED: Final = 40
_GONE: Final = (Vetting.REJECTED, Vetting.QUARANTINED, Vetting.WITHDRAWN)


@dataclass(frozen=True)
class Alternative:
    """A version of another adapter with which the stack passes, once what else stands in the way is gone.

    Why it is offered: `tags` it shares with the one it replaces, `same_kind` of adapter, `vetted`, `sheet`
    finished without a finding.
    """

    version: Version
    outcome: str
    conditions: tuple[str, ...]
    tags: tuple[str, ...]
    same_kind: bool
    vetted: bool
    sheet: bool


def find_alternatives(stack: Stack, plan: StackPlan) -> dict[int, list[Alternative]]:
    """Number of an adapter in the way -> what could stand in for it, the best first.

    Candidates are for the same family, share a tag where the adapter has any, and pass alone under the same
    act and facts; each one shown was decided within the stack. Two queries, and two for each adapter in the
    way, of which the first MOST_REPLACED are looked at.
    """
    blockers = plan.blockers()
    if not blockers or not plan.removals:
        return {}
    outcomes = outcomes_by_profile(stack.act, stack.facts, stack.basis)
    passing = [pk for pk, outcome in outcomes.items() if outcome in PASSING]
    removal = plan.removals[0]
    found: dict[int, list[Alternative]] = {}
    for number in blockers[:MOST_REPLACED]:
        gone = set(removal) if number in removal else set(next(s for s in plan.removals if number in s))
        kept = [each for each in range(1, len(stack.members) + 1) if each not in gone or each == number]
        found[number] = list(_for_one(stack, number, kept, passing))
    return found


def _for_one(stack: Stack, number: int, kept: list[int], passing: list[int]) -> Iterator[Alternative]:
    replaced = stack.members[number - 1]
    candidates = _candidates(stack, replaced, passing)
    if candidates is None:
        return
    kind = _kinds([replaced.version.pk]).get(replaced.version.pk, "")
    seen: dict[int, Any] = {}
    for version in candidates:
        seen.setdefault(version.adapter_id, version)
    ranked = sorted(seen.values(), key=lambda version: _rank(version, replaced, kind))
    shown = 0
    for version in ranked[:_MOST_DECIDED]:
        verdict = stack.replaced(number, read_member(version)).decide(kept)
        if verdict.outcome not in PASSING:
            continue
        yield Alternative(
            version=version,
            outcome=verdict.outcome,
            conditions=verdict.conditions,
            tags=_shared(version, replaced),
            same_kind=bool(kind) and version.kind == kind,
            vetted=version.vetting == Vetting.APPROVED,
            sheet=version.sheet,
        )
        shown += 1
        if shown == MOST_SHOWN:
            return


def _candidates(stack: Stack, replaced: Member, passing: list[int]) -> QuerySet[Any] | None:
    family = replaced.version.detected_family
    if family == "unknown" and stack.base is not None:
        family = stack.base.family
    if family == "unknown":
        return None
    own = [each.version.adapter_id for each in stack.members]
    kind = Inspection.objects.filter(blob__files__version=OuterRef("pk")).order_by("-created")
    sheet = Check.objects.filter(version=OuterRef("pk"), code="sheet", outcome=CheckOutcome.OK)
    found: QuerySet[Any] = (
        members_query()
        .filter(detected_family=family, terms_profile__in=passing)
        .exclude(adapter__in=own)
        .exclude(vetting__in=_GONE)
        .annotate(kind=Subquery(kind.values("algorithm")[:1]), sheet=Exists(sheet))
    )
    if replaced.version.adapter.tags:
        found = found.filter(adapter__tags__overlap=replaced.version.adapter.tags)
    return found.order_by("-created", "-id")[:_MOST_CANDIDATES]


def _kinds(versions: list[int]) -> Mapping[int, str]:
    rows = Inspection.objects.filter(blob__files__version__in=versions).order_by("created")
    return dict(rows.values_list("blob__files__version", "algorithm"))


def _rank(version: Any, replaced: Member, kind: str) -> tuple[Any, ...]:
    own = set(version.adapter.tags) | set(replaced.version.adapter.tags)
    alike = len(_shared(version, replaced)) / len(own) if own else 0.0
    vetted = version.vetting == Vetting.APPROVED
    return (-alike, not vetted, version.kind != kind, not version.sheet, -version.pk)


def _shared(version: Version, replaced: Member) -> tuple[str, ...]:
    return tuple(sorted(set(version.adapter.tags) & set(replaced.version.adapter.tags)))
