"""What the plan's page shows: the verdict, each part's lines of the ledger, what would help, the outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from catalog.pages import words
from catalog.pages.reading.plan_asked import PlanAsked
from registry.licensing.outputs.credit import MEDIA, CreditText
from registry.licensing.outputs.parts import Part, owner
from registry.licensing.reasons import Reason
from registry.licensing.stack import BASE, Contribution, StackPlan
from registry.licensing.verdict import LedgerEntry
from registry.models import BaseModel
from registry.stack_alternatives import Alternative, find_alternatives
from registry.stack_outputs import Outputs
from registry.stacks import Stack

MOST_STEPS: Final = 8
# How grave a reason between two parts is, as the statuses of the ledger go; else a person has to look.
_GRAVE: Final = {
    "share_alike_clash": "forbidden",
    "hosts_exclude_each_other": "forbidden",
    "share_alike_unsettled": "unknown",
}


@dataclass(frozen=True)
class ShownPart:
    """One part of the stack with its lines of the ledger; `decides`: one of them made the outcome."""

    name: str
    kind: str
    entries: Sequence[LedgerEntry]
    decides: bool


@dataclass(frozen=True)
class ShownMember:
    """One adapter: what it brings, and what leaving it out would change."""

    number: int
    version: int
    adapter: int
    name: str
    creator: str
    weight: float | None
    family: str
    misfit: bool
    contribution: Contribution
    loosens: bool
    without: str


@dataclass(frozen=True)
class ShownRemoval:
    """A set of adapters without which it passes, and the address of that plan."""

    names: Sequence[str]
    address: str


@dataclass(frozen=True)
class ShownClash:
    """Two parts that do not go together, and why."""

    first: str
    second: str
    why: str
    status: str


@dataclass(frozen=True)
class ShownBase:
    """Another base on which it passes."""

    base: BaseModel
    outcome: str
    conditions: Sequence[str]
    address: str


@dataclass(frozen=True)
class ShownAlternative:
    """An adapter that could stand in, and the address of the plan with it."""

    found: Alternative
    address: str


@dataclass(frozen=True)
class ShownReplacing:
    """What could stand in for one adapter."""

    name: str
    offers: Sequence[ShownAlternative]


@dataclass(frozen=True)
class ShownStep:
    """Something to do, and the parts it is about."""

    names: Sequence[str]
    code: str
    condition: str | None
    step: str


@dataclass(frozen=True)
class ShownCredit:
    """A credit, and what a part of it lacks: (name of the part, what)."""

    text: CreditText
    missing: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class PlanPage:
    """Everything below the form."""

    stack: Stack
    plan: StackPlan
    members: Sequence[ShownMember]
    parts: Sequence[ShownPart]
    steps: Sequence[ShownStep]
    removals: Sequence[ShownRemoval]
    clashes: Sequence[ShownClash]
    bases: Sequence[ShownBase]
    replacing: Sequence[ShownReplacing]
    credits: Sequence[ShownCredit]

    @property
    def helps(self) -> bool:
        """Whether anything that would make it pass was found."""
        return bool(self.removals or self.bases or any(each.offers for each in self.replacing))


def read_plan(stack: Stack, asked: PlanAsked, language: str) -> PlanPage:
    """The page of a stack. `language`: of the credits."""
    plan = stack.plan()
    outputs = Outputs(stack, plan.verdict)
    parts = outputs.parts
    names = {part.layer: f"{part.name} {part.version}".strip() for part in parts}
    ids = {number: member.version.pk for number, member in enumerate(stack.members, 1)}
    title = {number: member.title for number, member in enumerate(stack.members, 1)}
    title[BASE] = stack.base.name if stack.base else str(words.layer("base"))
    return PlanPage(
        stack=stack,
        plan=plan,
        members=_members(stack, plan, asked),
        parts=_parts(plan, parts, names),
        steps=_steps(plan.verdict.reasons, names),
        removals=[
            ShownRemoval([title[number] for number in found], asked.without(ids[number] for number in found))
            for found in plan.removals
        ],
        clashes=[
            ShownClash(
                title[clash.first],
                title[clash.second],
                words.reason(clash.code),
                _GRAVE.get(clash.code, "conditional"),
            )
            for clash in plan.clashes
        ],
        bases=[
            ShownBase(
                stack.other_bases[each.key], each.verdict.outcome, each.verdict.conditions, asked.on(each.key)
            )
            for each in plan.other_bases
        ],
        replacing=[
            ShownReplacing(
                title[number],
                [ShownAlternative(each, asked.instead(ids[number], each.version.pk)) for each in offers],
            )
            for number, offers in find_alternatives(stack, plan).items()
        ],
        credits=[
            ShownCredit(text, [(names[layer], what) for layer, what in text.missing])
            for text in (outputs.credit(medium, language) for medium in MEDIA)
        ],
    )


def _steps(reasons: Iterable[Reason], names: Mapping[str, str]) -> list[ShownStep]:
    """The steps in the order of the reasons, each once with all parts it is about."""
    grouped: dict[tuple[str, str | None, str], dict[str, None]] = {}
    for reason in reasons:
        if reason.next_step:
            key = (reason.code, reason.condition, reason.next_step)
            name = names.get(owner(reason.layer)) or words.layer(reason.layer)
            grouped.setdefault(key, {})[name] = None
    return [ShownStep(list(about), *key) for key, about in grouped.items()][:MOST_STEPS]


def _members(stack: Stack, plan: StackPlan, asked: PlanAsked) -> list[ShownMember]:
    misfits = stack.misfits()
    return [
        ShownMember(
            number=each.number,
            version=member.version.pk,
            adapter=member.version.adapter_id,
            name=member.title,
            creator=member.version.adapter.creator.name if member.version.adapter.creator else "",
            weight=member.weight,
            family=words.family(member.version.detected_family),
            misfit=each.number in misfits,
            contribution=each,
            loosens=each.loosens(plan.verdict),
            without=asked.without([member.version.pk]),
        )
        for member, each in zip(stack.members, plan.contributions, strict=True)
    ]


def _parts(plan: StackPlan, parts: Sequence[Part], names: Mapping[str, str]) -> list[ShownPart]:
    by_part: dict[str, list[LedgerEntry]] = {part.layer: [] for part in parts}
    for entry in plan.verdict.ledger:
        by_part.setdefault(owner(entry.layer), []).append(entry)
    deciding = {owner(layer) for layer in plan.verdict.deciding}
    return [
        ShownPart(
            name=names.get(layer) or words.layer(layer),
            kind=words.layer(layer.partition(":")[0]),
            entries=entries,
            decides=layer in deciding and plan.verdict.outcome != "allowed",
        )
        for layer, entries in by_part.items()
        if entries
    ]
