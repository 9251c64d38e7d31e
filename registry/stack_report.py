"""A stack's plan as plain data: what `manage.py plan --json` prints and the API answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from registry.licensing.stack import BASE, StackPlan
from registry.licensing.verdict import Verdict
from registry.stack_alternatives import Alternative, find_alternatives
from registry.stacks import Stack


def report(stack: Stack, plan: StackPlan) -> dict[str, Any]:
    """`{base, act, facts, adapters, passes, verdict, contributions, base_alone, removals, removals_complete,
    clashes, other_bases, alternatives}`; adapters are told by the ids of their versions, the base by null.
    """
    ids = {number: member.version.pk for number, member in enumerate(stack.members, 1)}
    misfits = stack.misfits()
    return {
        "base": {"slug": stack.base.slug, "name": stack.base.name} if stack.base else None,
        "act": stack.act,
        "facts": dict(stack.facts),
        "adapters": [
            {
                "number": number,
                "version": member.version.pk,
                "adapter": member.version.adapter_id,
                "name": member.title,
                "weight": member.weight,
                "made_for_another_family": number in misfits,
            }
            for number, member in enumerate(stack.members, 1)
        ],
        "passes": plan.passes,
        "verdict": plan.verdict.as_dict(),
        "base_alone": _short(plan.base_alone),
        "contributions": [
            {
                "version": ids[each.number],
                "brings": list(each.brings),
                "only_here": list(each.only_here),
                "decides": each.decides,
                "without": _short(each.without),
            }
            for each in plan.contributions
        ],
        "removals": [[ids[number] for number in found] for found in plan.removals],
        "removals_complete": plan.removals_complete,
        "clashes": [
            {
                "code": clash.code,
                "first": None if clash.first == BASE else ids[clash.first],
                "second": ids[clash.second],
            }
            for clash in plan.clashes
        ],
        "other_bases": [
            {"slug": each.key, "name": stack.other_bases[each.key].name, **_short(each.verdict)}
            for each in plan.other_bases
        ],
        "alternatives": _alternatives(find_alternatives(stack, plan), ids),
    }


def _short(verdict: Verdict) -> dict[str, Any]:
    return {"outcome": verdict.outcome, "conditions": list(verdict.conditions)}


def _alternatives(found: Mapping[int, Sequence[Alternative]], ids: Mapping[int, int]) -> list[dict[str, Any]]:
    return [
        {
            "replaces": ids[number],
            "version": each.version.pk,
            "adapter": each.version.adapter_id,
            "name": str(each.version),
            "outcome": each.outcome,
            "conditions": list(each.conditions),
            "tags": list(each.tags),
            "same_kind": each.same_kind,
            "vetted": each.vetted,
            "sheet": each.sheet,
        }
        for number, offered in found.items()
        for each in offered
    ]
