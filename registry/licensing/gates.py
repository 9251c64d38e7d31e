"""Gates: the test of one condition against the facts of the case."""

from __future__ import annotations

from typing import Literal

from registry.licensing.conditions import Condition
from registry.licensing.facts import Facts, territory_within
from registry.licensing.vocabulary import ACTS

Answer = Literal["standing", "duty", "open", "passed", "failed"]


def answer(condition: Condition, act: str, facts: Facts) -> Answer:
    """How a condition stands for this act: a standing rule, a duty, or a gate that is open, passed or failed.

    A gate whose fact is not stated stays open: it never passes by default. On commerce acts a non-commercial
    limit fails whatever the facts say, since earning is part of the act.
    """
    kind = condition.kind
    if kind.kind != "gate":
        return "standing" if kind.kind == "standing" else "duty"
    if kind.only_on is not None and kind.only_on != act:
        return "standing"
    if condition.name == "noncommercial_only" and ACTS[act].commerce:
        return "failed"
    passes = _passes(condition, facts)
    if passes is None or (not passes and kind.curable):
        return "open"
    return "passed" if passes else "failed"


def _passes(condition: Condition, facts: Facts) -> bool | None:
    kind = condition.kind
    fact = facts.get(kind.fact or "")
    if fact is None:
        return None
    wanted, limit = kind.passes, condition.parameter
    if isinstance(wanted, bool):
        return fact is wanted
    if isinstance(limit, int) and isinstance(fact, (int, float)):
        return fact < limit if wanted == "below" else fact <= limit
    if wanted == "in_list":
        return fact in limit if isinstance(limit, tuple) else None
    if wanted == "outside" and isinstance(limit, tuple) and isinstance(fact, str):
        within = [territory_within(fact, listed) for listed in limit]
        if True in within:
            return False
        return None if None in within else True
    return fact == wanted
