"""Worked cases: what the texts of much used licenses say about an act, reasoned from their clauses.

The cases stand in tests/data/license_cases.json. Each is asked twice: with the license on the base and
nothing else, and with it on an adapter over a base in the public domain. The answer has to be the same.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from registry.licensing import LICENSES, AdapterTerms, Question, Table, Verdict, decide

CASES: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[2] / "data" / "license_cases.json").read_text(encoding="utf-8")
)["cases"]

_HOSTS: Final = ("civitai", "own")


def mistakes(case: dict[str, Any], act: str, table: Table = LICENSES) -> list[str]:
    """What the engine answers otherwise than the case says, for one of its acts; [] when all is right."""
    facts = case.get("facts", {})
    as_base = Question(act, base_license=case["license"], facts=facts)
    as_adapter = Question(act, "CC0-1.0", [AdapterTerms(case["license"])], facts=facts)
    found = _compared(case, act, "base", decide(as_base, table))
    found = found or _compared(case, act, "adapter:1", decide(as_adapter, table))
    if not found and case["expected"] == "forbidden" and "host" not in facts:
        found = [
            f"{act}: the refusal is wrong about the host {host}"
            for host in sorted({*_HOSTS, *case.get("exempt", [])})
            if (decide(replace(as_base, facts={**facts, "host": host}), table).outcome == "forbidden")
            == (host in case.get("exempt", []))
        ]
    return found


def _compared(case: dict[str, Any], act: str, layer: str, verdict: Verdict) -> list[str]:
    own = next(entry for entry in verdict.ledger if entry.layer == layer)
    told = [
        ("outcome", verdict.outcome, case["expected"]),
        ("conditions", sorted(verdict.conditions), sorted(case.get("conditions", []))),
        ("standing", sorted(verdict.standing), sorted(case.get("standing", []))),
        ("disputed", own.disputed, case.get("disputed", False)),
        ("clause", case["clause"] in (own.clause or ""), True),
    ]
    if "shown" in case:
        told.append(("ledger", sorted(own.conditions), sorted(case["shown"])))
    return [f"{act} as {layer}: {what} {got}, not {wanted}" for what, got, wanted in told if got != wanted]
