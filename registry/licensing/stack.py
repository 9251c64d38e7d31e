"""The stack planner: what each adapter brings to a verdict, and which smallest change would make it pass.

Everything is found by deciding again: without an adapter, with two of them only, on another base. So a report
about a removal is the verdict without it, whatever rules the decision followed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from registry.licensing.conditions import Condition, parse_condition, unite
from registry.licensing.outputs.parts import owner
from registry.licensing.question import Question
from registry.licensing.table import LICENSES, Table
from registry.licensing.verdict import OUTCOMES, LedgerEntry, Verdict, decide

Ask = Callable[[Sequence[int], str | None], Verdict]
"""Decides for the adapters with these numbers (from 1, in order) on a base; None is the base of the stack."""

MOST_ADAPTERS: Final = 16
MOST_REMOVALS: Final = 8
# With more adapters than these, beside those that must go anyway, not every set of removals is tried.
_MOST_SEARCHED: Final = 10
PASSING: Final = ("allowed", "conditional")
# Reasons that lie between two parts: neither has it alone.
_BETWEEN: Final = (
    "share_alike_clash",
    "hosts_exclude_each_other",
    "share_alike_unsettled",
    "share_alike_review",
    "naming_prefixes_differ",
)
BASE: Final = 0
"""Stands for the base (with its components) where two parts are compared."""


@dataclass(frozen=True)
class Contribution:
    """What one adapter brings. `number` counts from 1, as in the ledger's `adapter:N`.

    `layers`: its lines of the ledger; `brings`: its conditions; `only_here`: those that the verdict would not
    have without it; `decides`: whether one of its layers made the outcome. `without`: the verdict for the
    stack without it, whose ledger numbers the adapters that are left.
    """

    number: int
    layers: tuple[LedgerEntry, ...]
    brings: tuple[str, ...]
    only_here: tuple[str, ...]
    decides: bool
    without: Verdict

    def loosens(self, whole: Verdict) -> bool:
        """Whether leaving it out gives a freer outcome."""
        return OUTCOMES.index(self.without.outcome) < OUTCOMES.index(whole.outcome)


@dataclass(frozen=True)
class Clash:
    """Two parts that do not go together though each would alone: numbers of adapters, 0 for the base."""

    code: str
    first: int
    second: int


@dataclass(frozen=True)
class OtherBase:
    """A base on which the whole stack would pass."""

    key: str
    verdict: Verdict


@dataclass(frozen=True)
class StackPlan:
    """The verdict for a stack and what could be changed about it.

    `removals`: sets of adapters, none within another, without which it passes, the smallest first; empty
    where it passes already or where the base alone does not. `removals_complete` is false where there may be
    more. `base_alone`: the verdict for the base without adapters.
    """

    verdict: Verdict
    base_alone: Verdict
    contributions: tuple[Contribution, ...]
    removals: tuple[tuple[int, ...], ...]
    removals_complete: bool
    clashes: tuple[Clash, ...]
    other_bases: tuple[OtherBase, ...]

    @property
    def passes(self) -> bool:
        return self.verdict.outcome in PASSING

    def blockers(self) -> tuple[int, ...]:
        """Adapters that stand in the way: those of the smallest removal, or all that some removal names."""
        if not self.removals:
            return ()
        least = len(self.removals[0])
        named = dict.fromkeys(number for found in self.removals if len(found) == least for number in found)
        return tuple(sorted(named))


def plan(ask: Ask, count: int, bases: Sequence[str] = ()) -> StackPlan:
    """Plan for `count` adapters; `bases` are the keys of other bases to try.

    Relies on the law that another adapter never loosens a verdict: an adapter that fails alone fails in any
    company, so it must go, and what fails with few adapters need not be tried with more.
    """
    numbers = tuple(range(1, count + 1))
    whole, alone = ask(numbers, None), ask((), None)
    removals, complete = ((), True) if whole.outcome in PASSING else _removals(ask, numbers, alone)
    return StackPlan(
        verdict=whole,
        base_alone=alone,
        contributions=tuple(_contribution(ask, numbers, number, whole) for number in numbers),
        removals=removals,
        removals_complete=complete,
        clashes=tuple(_clashes(ask, numbers, whole)),
        other_bases=tuple(_other_bases(ask, numbers, bases, whole)),
    )


def asking(question: Question, table: Table = LICENSES) -> Ask:
    """Asks about the adapters of a question by the engine alone. Its bases are license ids or expressions."""

    def ask(kept: Sequence[int], base: str | None) -> Verdict:
        adapters = [question.adapters[number - 1] for number in kept]
        license_id = question.base_license if base is None else base
        return decide(replace(question, adapters=adapters, base_license=license_id), table)

    return ask


def _contribution(ask: Ask, numbers: Sequence[int], number: int, whole: Verdict) -> Contribution:
    without = ask([each for each in numbers if each != number], None)
    layers = tuple(entry for entry in whole.ledger if owner(entry.layer) == f"adapter:{number}")
    rest = [entry for entry in whole.ledger if owner(entry.layer) != f"adapter:{number}"]
    brings = _conditions(layers)
    # What unites with the others' to the same list changes nothing, as a wider limit on revenue than theirs.
    others = _conditions(rest)
    only_here = [each for each in brings if set(unite([*others, each])) != set(others)]
    return Contribution(
        number=number,
        layers=layers,
        brings=tuple(map(str, brings)),
        only_here=tuple(map(str, only_here)),
        decides=any(owner(layer) == f"adapter:{number}" for layer in whole.deciding),
        without=without,
    )


def _conditions(entries: Sequence[LedgerEntry]) -> tuple[Condition, ...]:
    return unite(parse_condition(text) for entry in entries for text in entry.conditions)


def _removals(ask: Ask, numbers: Sequence[int], alone: Verdict) -> tuple[tuple[tuple[int, ...], ...], bool]:
    if alone.outcome not in PASSING:
        return (), True
    must = tuple(number for number in numbers if ask((number,), None).outcome not in PASSING)
    rest = [number for number in numbers if number not in must]
    if len(rest) > _MOST_SEARCHED:
        return _some_removals(ask, must, rest), False
    found: list[tuple[int, ...]] = []
    for size in range(len(rest) + 1):
        for more in combinations(rest, size):
            if any(set(known) <= {*must, *more} for known in found):
                continue
            if len(found) == MOST_REMOVALS:
                return tuple(found), False
            if ask([number for number in rest if number not in more], None).outcome in PASSING:
                found.append(tuple(sorted((*must, *more))))
    return tuple(found), True


def _some_removals(ask: Ask, must: Sequence[int], rest: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Removals none of which can be made smaller, though smaller others may exist.

    Beginning with each adapter in turn, whatever still passes is kept; since adding never loosens, nothing
    that was left out could be put back in the end.
    """
    found: set[tuple[int, ...]] = set()
    for first in rest:
        kept: list[int] = []
        for number in (first, *(each for each in rest if each != first)):
            if ask(sorted((*kept, number)), None).outcome in PASSING:
                kept.append(number)
        found.add(tuple(sorted({*must, *rest} - set(kept))))
    return tuple(sorted(found, key=lambda gone: (len(gone), gone))[:MOST_REMOVALS])


def _clashes(ask: Ask, numbers: Sequence[int], whole: Verdict) -> Iterator[Clash]:
    """Pairs that have a reason neither of the two has alone; looked for only where the whole stack has it."""
    codes = [code for code in _BETWEEN if any(reason.code == code for reason in whole.reasons)]
    if not codes:
        return
    single = {BASE: _codes(ask((), None)), **{number: _codes(ask((number,), None)) for number in numbers}}
    for number in numbers:
        for code in codes:
            if code in single[number] and code not in single[BASE]:
                yield Clash(code, BASE, number)
    for first, second in combinations(numbers, 2):
        both = _codes(ask((first, second), None))
        for code in codes:
            if code in both and code not in single[first] and code not in single[second]:
                yield Clash(code, first, second)


def _codes(verdict: Verdict) -> set[str]:
    return {reason.code for reason in verdict.reasons}


def _other_bases(
    ask: Ask, numbers: Sequence[int], bases: Sequence[str], whole: Verdict
) -> Iterator[OtherBase]:
    if whole.outcome in PASSING:
        return
    found = [OtherBase(key, verdict) for key in bases if (verdict := ask(numbers, key)).outcome in PASSING]
    yield from sorted(
        found, key=lambda each: (OUTCOMES.index(each.verdict.outcome), len(each.verdict.conditions))
    )
