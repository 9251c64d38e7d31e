"""The laws of the algebra hold over generated stacks: some that shrink, and ten thousand more."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.licensing import Question
from registry.licensing.conditions import parse_condition, unite
from registry.licensing.vocabulary import CONDITIONS as KINDS
from tests.registry.licensing import laws, stacks
from tests.registry.licensing.laws import BROKEN, LAWS

Law = Callable[[Question, Random], None]
EXAMPLES = 10_000
strictness = laws.strictness
questions = st.randoms(use_true_random=False).map(stacks.question)
adapters = st.randoms(use_true_random=False).map(stacks.adapter)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(question=questions, dice=st.randoms(use_true_random=False))
def test_the_law_holds(law: Law, question: Question, dice: Random) -> None:
    """Every choice is drawn by hypothesis, so that a counterexample is made as small as it can be."""
    law(question, dice)


@settings(max_examples=EXAMPLES, database=None)
@given(seed=st.integers(0, 2**64 - 1), law=st.sampled_from(LAWS))
def test_the_laws_hold_over_ten_thousand_stacks(seed: int, law: Law) -> None:
    """Only the seed is drawn, so that many stacks fit in; what it finds belongs into the cases by name."""
    dice = Random(seed)
    law(stacks.question(dice), dice)


def test_every_gate_that_cannot_be_mended_is_put_to_the_test() -> None:
    tested = {parse_condition(limit).name for limit, _ in BROKEN}
    gates = {kind.id for kind in KINDS.values() if kind.kind == "gate" and not kind.curable}
    assert gates - tested == {"no_competing_model_training"}, "a gate on one act alone"


@given(
    st.lists(st.sampled_from(stacks.CONDITIONS).map(parse_condition), max_size=6),
    st.randoms(use_true_random=False),
)
def test_uniting_conditions_is_idempotent_and_knows_no_order(conditions: list[Any], random: Any) -> None:
    once = unite(conditions)
    shuffled = list(conditions)
    random.shuffle(shuffled)
    assert unite(shuffled) == once
    assert unite([*once, *once]) == once
