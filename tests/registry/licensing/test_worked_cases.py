"""The licenses people meet most, act by act: the engine gives the answer their clauses give."""

from __future__ import annotations

from typing import Any

import pytest

from registry.licensing import ACTS
from tests.registry.licensing.worked_cases import CASES, mistakes


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['license']}: {case['situation']}")
def test_the_text_is_read_as_its_clauses_say(case: dict[str, Any]) -> None:
    assert [wrong for act in case["acts"] for wrong in mistakes(case, act)] == []


@pytest.mark.parametrize("license_id", sorted({case["license"] for case in CASES}))
def test_every_act_of_a_much_used_license_is_worked_out(license_id: str) -> None:
    assert {act for case in CASES if case["license"] == license_id for act in case["acts"]} == set(ACTS)
