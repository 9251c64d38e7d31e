"""Stacks: a base with several adapters from rows, decided as one, with the plan of what could be changed.

Beside the base it runs on, an adapter carries the license of the base it was trained on, as a component: an
adapter never widens a base, and taking it to another base does not free it from its own (facts of the license
table: `lora_is_derivative`). Where nobody knows what it was trained on, that component is silent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any, Final

from django.utils import timezone

from registry.bases import find_base
from registry.basis import Basis, current_basis
from registry.errors import KuraError, VersionNotFound
from registry.licensing.base_models import BASE_MODELS
from registry.licensing.errors import UnknownAct, not_one_of
from registry.licensing.expressions import alternatives
from registry.licensing.facts import read_facts
from registry.licensing.question import BaseConflict, Component, Question
from registry.licensing.stack import MOST_ADAPTERS, StackPlan, plan
from registry.licensing.table import NO_TEXT
from registry.licensing.verdict import Verdict
from registry.licensing.vocabulary import ACTS, FACTS
from registry.models import BaseModel, Version
from registry.policies import TOOL
from registry.profiles import decide_with_rules, question_of, readable
from registry.sources.errors import UnknownBase
from registry.terms import base_terms, terms_of

MOST_BASES: Final = 60
# A weight beyond these does nothing but noise; it is a slip of the pen.
_HEAVIEST: Final = 10.0
_LISTED: Final = 8


class UnknownFact(KuraError):
    """A fact that no license asks about."""

    code = "unknown_fact"
    next_step = "Use one of the facts listed, or leave it out."


class BadStack(KuraError):
    """A stack has too many adapters, names one twice, or gives a weight that is no weight."""

    code = "bad_stack"
    next_step = f"Name 1 to {MOST_ADAPTERS} different versions, each with a weight from -10 to 10."


@dataclass(frozen=True)
class Wanted:
    """An adapter asked for: the id of a version, and the weight it is used at; None where none is stated."""

    version: int
    weight: float | None = None


@dataclass(frozen=True)
class Member:
    """One adapter of a stack, with its terms as they stand."""

    version: Version
    weight: float | None
    terms: Mapping[str, Any]

    @property
    def title(self) -> str:
        return f"{self.version.adapter.name} {self.version.name}".strip()

    def misfit(self, family: str) -> bool:
        """Whether its weights are for another family of base models."""
        return (
            "unknown" not in (family, self.version.detected_family) and self.version.detected_family != family
        )


@dataclass(frozen=True)
class Stack:
    """A base (None: not known) with adapters, asked about one act under the facts of a case."""

    base: BaseModel | None
    members: tuple[Member, ...]
    act: str
    facts: Mapping[str, object]
    basis: Basis
    today: date

    @cached_property
    def base_terms(self) -> Mapping[str, Any]:
        return base_terms(self.base)

    def question(self, kept: Sequence[int] | None = None, base: BaseModel | None = None) -> Question:
        """The question for the adapters with these numbers (all), on this base (its own), without rules."""
        members = self._kept(kept)
        terms = self.base_terms if base is None else base_terms(base)
        on = self.base if base is None else base
        stated = {name: fact for name, fact in self.facts.items() if name != TOOL}
        adapters = [
            replace(
                question_of(
                    readable(each.terms, self.basis.table), self.act, stated, today=self.today
                ).adapters[0],
                name=each.title,
            )
            for each in members
        ]
        known = readable({**terms, "license": None}, self.basis.table)
        return Question(
            act=self.act,
            base_license=known["base_license"],
            base_model=known["base_model"],
            adapters=adapters,
            components=[
                *(Component(license=part, name=part or "") for part in known["components"]),
                *self._origins(members, known),
            ],
            base_conflict=_misfit(members, on),
            facts=stated,
            today=self.today,
        )

    def decide(self, kept: Sequence[int] | None = None, base: BaseModel | None = None) -> Verdict:
        """The verdict for these adapters on this base, under the house's rules."""
        question = self.question(kept, base)
        # What rules look at: every license and tag of the whole stack.
        concerned = {
            "base_model": question.base_model,
            "base_license": question.base_license,
            "license": " ".join(each.license for each in question.adapters if each.license) or None,
            "overlays": [key for each in self._kept(kept) for key in each.terms.get("overlays", ())],
        }
        return decide_with_rules(question, concerned, self.facts, self.basis)

    def plan(self) -> StackPlan:
        """What each adapter brings, which removal or which other base would make it pass. One query."""

        def ask(kept: Sequence[int], key: str | None) -> Verdict:
            return self.decide(kept, None if key is None else self.other_bases[key])

        return plan(ask, len(self.members), list(self.other_bases))

    @cached_property
    def other_bases(self) -> Mapping[str, BaseModel]:
        """Slug -> base of the same family with a license, on which the adapters could run as well."""
        families = {each.version.detected_family for each in self.members} - {"unknown"}
        if self.base is not None:
            families = {self.base.family}
        if len(families) != 1:
            return {}
        found = bases().filter(family__in=families, license__isnull=False)
        if self.base is not None:
            found = found.exclude(pk=self.base.pk)
        return {base.slug: base for base in found.order_by("slug")[:MOST_BASES]}

    def replaced(self, number: int, member: Member) -> Stack:
        """The same stack with another adapter in one place."""
        members = [member if place == number else each for place, each in enumerate(self.members, 1)]
        return replace(self, members=tuple(members))

    def misfits(self) -> list[int]:
        """Numbers of adapters whose weights are for another family than the base."""
        if self.base is None:
            return []
        family = self.base.family
        return [number for number, each in enumerate(self.members, 1) if each.misfit(family)]

    def _kept(self, kept: Sequence[int] | None) -> list[Member]:
        return list(self.members) if kept is None else [self.members[number - 1] for number in kept]

    def _origins(self, members: Iterable[Member], on: Mapping[str, Any]) -> list[Component]:
        """The bases the adapters were trained on, where that is not the one they run on; each once."""
        found: dict[str, Component] = {}
        for each in members:
            own, model = each.terms["base_license"], each.terms["base_model"]
            if each.terms["base_conflict"] or own is None:
                name = f"base of {each.title}"
                found[name] = Component(license=None, name=name)
            elif own != on["base_license"] and self._reaches_adapters(own):
                name = f"{BASE_MODELS[model].name if model else own} (trained on)"
                found[name] = Component(
                    license=readable({**each.terms}, self.basis.table)["base_license"], name=name
                )
        return list(found.values())

    def _reaches_adapters(self, license_id: str) -> bool:
        if license_id not in self.basis.table:
            return True
        rows = (row for choice in alternatives(license_id, self.basis.table) for row in choice)
        return any(row.lora_is_derivative not in ("silent", None) or row.id in NO_TEXT for row in rows)


def _misfit(members: Iterable[Member], base: BaseModel | None) -> BaseConflict | None:
    if base is None:
        return None
    for each in members:
        if each.misfit(base.family):
            return BaseConflict(base.name, each.version.detected_family, "weights")
    return None


def bases() -> Any:
    """Base models with all that `base_terms` looks at, in three queries however many they are."""
    return BaseModel.objects.select_related("license", "parent__license", "parent__parent").prefetch_related(
        "aliases", "parent__aliases"
    )


def read_stack(base: str | None, wanted: Sequence[Wanted], act: str, facts: Mapping[str, object]) -> Stack:
    """The stack from rows, in a fixed number of queries. Without a base, the one all adapters agree on.

    Raises UnknownAct, UnknownFact, BadFact, UnknownBase, VersionNotFound, BadStack: each lists what is known.
    """
    if act not in ACTS:
        raise UnknownAct(f"There is no act {act!r}. {not_one_of(act, ACTS)}")
    _, no_facts = read_facts({name: fact for name, fact in facts.items() if name != TOOL})
    if no_facts:
        names = ", ".join(map(repr, no_facts))
        raise UnknownFact(f"There is no fact {names}. {not_one_of(no_facts[0], FACTS)}")
    members = _members(wanted)
    return Stack(
        base=_base(base) if base else _agreed(members),
        members=members,
        act=act,
        facts=dict(facts),
        basis=current_basis(),
        today=timezone.localdate(),
    )


def read_member(version: Version, weight: float | None = None) -> Member:
    """A version as a member of a stack."""
    profile = version.terms_profile
    return Member(version, weight, profile.terms if profile else terms_of(version))


def members_query() -> Any:
    """Versions with all that a member and its outputs look at."""
    return Version.objects.select_related(
        "adapter__creator", "terms_profile", "base_declared__license", "base_decided__license"
    )


def _members(wanted: Sequence[Wanted]) -> tuple[Member, ...]:
    ids = [each.version for each in wanted]
    if len(ids) > MOST_ADAPTERS:
        raise BadStack(f"A stack takes at most {MOST_ADAPTERS} adapters, got {len(ids)}.")
    twice = sorted({pk for pk in ids if ids.count(pk) > 1})
    if twice:
        raise BadStack(f"Version {', '.join(map(str, twice))} is named more than once.")
    for each in wanted:
        if each.weight is not None and not (math.isfinite(each.weight) and abs(each.weight) <= _HEAVIEST):
            raise BadStack(f"Version {each.version}: {each.weight} is no weight.")
    rows = {version.pk: version for version in members_query().filter(pk__in=ids)}
    missing = [pk for pk in ids if pk not in rows]
    if missing:
        newest = Version.objects.select_related("adapter")[:_LISTED]
        known = ", ".join(f"{version.pk} ({version})" for version in newest) or "none yet"
        raise VersionNotFound(f"There is no version {missing[0]}. Known, newest first: {known}.")
    return tuple(read_member(rows[each.version], each.weight) for each in wanted)


def _base(name: str) -> BaseModel:
    found = find_base(name)
    if found is None:
        known = list(BaseModel.objects.order_by("slug").values_list("slug", flat=True))
        raise UnknownBase(f"There is no base model {name!r}. {not_one_of(name, known)}")
    base: BaseModel = bases().get(pk=found.pk)
    return base


def _agreed(members: Sequence[Member]) -> BaseModel | None:
    """The base every adapter names; None where they differ or one names none."""
    named = {
        (found.pk if (found := each.version.base_decided or each.version.base_declared) else None)
        for each in members
    }
    pk = named.pop() if len(named) == 1 else None
    base: BaseModel | None = bases().filter(pk=pk).first() if pk else None
    return base
