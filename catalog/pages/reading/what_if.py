"""What would change a verdict: it is decided again with each fact a condition hangs on, either way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _

from catalog.pages.condition_words import answer_sentence
from registry.licensing import FACTS, LedgerEntry, Table, Verdict
from registry.licensing.conditions import Condition, parse_condition
from registry.licensing.facts import territory_within
from registry.licensing.sentences import BASE_PAID, IN_MEDIUM, IN_PLACE, ON_HOST

Ask = Callable[[Mapping[str, Any]], Verdict]
Address = Callable[[Mapping[str, Any]], str]
Option = tuple[str, Any, bool]
"""The beginning of a sentence, the value of the fact, and whether that is in the asker's favor."""

MOST_HOSTS: Final = 4
MOST_PLACES: Final = 6
# A place that a license may leave out is tried first; one of these stands for everywhere else.
_PLACES: Final = ("JP", "US", "BR", "CH", "ZA", "NZ", "IN", "MX", "AU", "CA", "SG", "AE")
_ELSEWHERE: Final = "own"


@dataclass(frozen=True)
class Supposed:
    """One fact supposed: the beginning of a sentence, and how the question then comes out.

    `same`: nothing would change, outcome and conditions alike.
    """

    text: str
    facts: dict[str, Any]
    verdict: Verdict
    same: bool
    address: str


@dataclass(frozen=True)
class FactLine:
    """One fact with what hangs on it. `label` is English and translatable; `stated` what the asker said."""

    fact: str
    label: str
    stated: Any
    answers: list[Supposed]

    @property
    def idle(self) -> bool:
        """Whether the fact makes no difference, since something else decides."""
        return all(each.same for each in self.answers)


@dataclass(frozen=True)
class WhatIf:
    """All facts with a bearing on the question; `best` is the answer if every open one turns out well."""

    lines: list[FactLine]
    best: Supposed | None


def what_if(
    ask: Ask,
    facts: Mapping[str, Any],
    act: str,
    table: Table,
    address: Address,
    replies: Sequence[Mapping[str, Any]] = (),
) -> WhatIf:
    """Decide the question again with one fact changed at a time, and once with all open ones at their best.

    `address` gives the page of the question under other facts, `replies` are the author's as terms keep them.
    """

    def suppose(change: Mapping[str, Any], text: str) -> Supposed:
        changed = {**facts, **change}
        verdict = ask(changed)
        same = (verdict.outcome, verdict.conditions) == (now.outcome, now.conditions)
        return Supposed(text, changed, verdict, same, address(changed))

    now = ask(facts)
    # Without facts every gate is open, so those that pass or fail now are seen as well.
    entries = [*now.ledger, *ask({}).ledger]
    gates = list(dict.fromkeys(_gates(entries, act)))
    supposed: dict[str, list[Option]] = {}
    # First where the author's permission reaches: what else is outside a license's list may be outside of it.
    for fact, option in (*_reached(replies, act), *_gate_options(gates), *_lifts(entries, act, table)):
        options = supposed.setdefault(fact, [])
        if option[1] not in [known[1] for known in options]:
            options.append(option)
    lines = []
    for fact, options in supposed.items():
        answers = [suppose({fact: value}, text) for text, value, _good in options]
        stated = facts.get(fact)
        shown = [each for each in answers if stated is None or not each.same]
        if shown:
            lines.append(FactLine(fact, FACTS[fact].label, stated, shown))
    open_facts = _at_best(facts, supposed)
    # Only worth a line where several facts are open at once and their best changes something.
    best = suppose(open_facts, _("If all of these turn out well")) if len(open_facts) > 1 else None
    return WhatIf(lines, None if best is None or best.same else best)


def _at_best(facts: Mapping[str, Any], supposed: Mapping[str, list[Option]]) -> dict[str, Any]:
    return {
        fact: next(value for _text, value, good in options if good)
        for fact, options in supposed.items()
        if facts.get(fact) is None and fact != "base_commercial_license" and any(o[2] for o in options)
    }


def _gates(entries: Iterable[LedgerEntry], act: str) -> Iterator[Condition]:
    for entry in entries:
        for spelled in entry.conditions:
            condition = parse_condition(spelled)
            kind = condition.kind
            if kind.kind == "gate" and kind.fact is not None and kind.only_on in (None, act):
                yield condition


def _gate_options(gates: Sequence[Condition]) -> Iterator[tuple[str, Option]]:
    for gate in gates:
        for option in _options(gate, gates):
            yield gate.kind.fact or "", option


def _options(gate: Condition, gates: Iterable[Condition]) -> Iterator[Option]:
    limit, passes = gate.parameter, gate.kind.passes
    good, bad = answer_sentence(gate, passes=True), answer_sentence(gate, passes=False)
    if isinstance(passes, bool):
        yield good, passes, True
        if not gate.kind.curable:
            yield bad, not passes, False
    elif isinstance(limit, int):
        below = limit - 1 if passes == "below" else limit
        yield good, max(below, 0), True
        yield bad, below + 1, False
    elif passes == "outside" and isinstance(limit, tuple):
        if (elsewhere := _outside(gates)) is not None:
            yield good, elsewhere, True
        yield bad, limit[0], False
    elif passes == "in_list" and isinstance(limit, tuple):
        for host in limit[:MOST_HOSTS]:
            yield _(ON_HOST) % {"value": host}, host, True
        yield bad, _ELSEWHERE, False
    elif isinstance(passes, str) and passes not in ("below", "at_most", "outside", "in_list"):
        yield good, passes, True
        yield bad, f"not {passes}", False


def _outside(gates: Iterable[Condition]) -> str | None:
    """A place outside every territory that any part leaves out; None where none is known."""
    left_out = [
        listed
        for gate in gates
        if gate.kind.passes == "outside" and isinstance(gate.parameter, tuple)
        for listed in gate.parameter
    ]
    return next(
        (place for place in _PLACES if not any(territory_within(place, each) for each in left_out)), None
    )


def _lifts(entries: Iterable[LedgerEntry], act: str, table: Table) -> Iterator[tuple[str, Option]]:
    """Facts that lift a refusal although no condition names them: a paid license, a host that is exempt."""
    for entry in entries:
        row = table.get(entry.license or "")
        for host in sorted(row.summary[act].host_exempt)[:MOST_HOSTS] if row else ():
            yield "host", (_(ON_HOST) % {"value": host}, host, True)
        if entry.layer == "base" and entry.license and entry.status not in ("allowed", "not_addressed"):
            yield "base_commercial_license", (_(BASE_PAID), True, True)


def _reached(replies: Iterable[Mapping[str, Any]], act: str) -> Iterator[tuple[str, Option]]:
    """Places and media to which the author's permission for the act is limited."""
    for reply in replies:
        if act in reply.get("grants", ()):
            for place in reply.get("territories", ())[:MOST_PLACES]:
                yield "territory", (_(IN_PLACE) % {"value": place}, place, True)
            for medium in reply.get("media", ()):
                yield "medium", (_(IN_MEDIUM[medium]), medium, True)
