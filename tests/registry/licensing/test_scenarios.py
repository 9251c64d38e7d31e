"""Worked cases: whole questions as a person would ask them, with the verdict a reading of the texts gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from registry.licensing import OUTCOMES, decide, question_from_wire

SCENARIOS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "data" / "license_scenarios.json").read_text(encoding="utf-8")
)["scenarios"]


@pytest.mark.parametrize("case", SCENARIOS, ids=lambda case: f"{case['id']}-{case['act']}")
def test_a_worked_case_gets_its_verdict_and_conditions(case: dict[str, Any]) -> None:
    verdict = decide(question_from_wire(case))

    assert verdict.outcome == case["expected"], case["source"]
    if verdict.outcome == "conditional":
        assert sorted(verdict.conditions) == sorted(case["expected_conditions"])


@pytest.mark.parametrize("case", SCENARIOS, ids=lambda case: f"{case['id']}-{case['act']}")
def test_a_worked_case_shows_the_whole_ledger_and_what_decided(case: dict[str, Any]) -> None:
    verdict = decide(question_from_wire(case))
    shown = {entry.layer for entry in verdict.ledger}

    assert "base" in shown
    assert {f"adapter:{number}" for number in range(1, len(case["adapters"]) + 1)} <= shown
    assert verdict.deciding
    assert set(verdict.deciding) <= shown
    assert verdict.reasons
    if verdict.outcome in ("unknown", "forbidden"):
        assert verdict.next_steps, "an obstacle comes with something to do about it"


def test_the_cases_cover_every_outcome() -> None:
    assert {case["expected"] for case in SCENARIOS} == set(OUTCOMES)
