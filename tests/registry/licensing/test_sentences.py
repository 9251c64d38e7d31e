"""Every word of the vocabulary has a sentence that a person can read, and none names a number it lacks."""

from __future__ import annotations

import pytest

from registry.licensing import ACTS, CONDITIONS, LICENSES
from registry.licensing.sentences import (
    ACT_SENTENCES,
    CONDITION_SENTENCES,
    DERIVATIVE_SENTENCES,
    FAMILY_SENTENCES,
    GATE_ANSWERS,
    IRREVOCABLE_SENTENCES,
    act_sentence,
)
from registry.licensing.verdict import OUTCOMES
from registry.licensing.vocabulary import STATUSES

GATES = {name: kind for name, kind in CONDITIONS.items() if kind.kind == "gate"}


@pytest.mark.parametrize("act", ACTS)
def test_every_status_and_every_outcome_of_an_act_has_a_sentence_of_its_own(act: str) -> None:
    told = {act_sentence(act, status) for status in STATUSES}
    assert len(told) == len(STATUSES)
    assert {act_sentence(act, outcome) for outcome in OUTCOMES} < told


def test_no_two_acts_are_told_alike() -> None:
    told = [sentence for sentences in ACT_SENTENCES.values() for sentence in sentences.values()]
    assert len(set(told)) == len(told) == 13 * 4


def test_what_is_not_granted_is_never_told_as_if_it_were() -> None:
    for sentences in ACT_SENTENCES.values():
        assert "not" in sentences["silent"]
        assert "not" in sentences["forbidden"] or "has to stay" in sentences["forbidden"]
        assert "not" not in sentences["allowed"].split()


@pytest.mark.parametrize("name", GATES)
def test_a_gate_tells_what_each_side_of_it_means(name: str) -> None:
    passed, failed = GATE_ANSWERS[name]
    assert passed
    assert bool(failed) is not GATES[name].curable


@pytest.mark.parametrize("name", CONDITION_SENTENCES)
def test_a_sentence_names_a_number_only_where_the_condition_has_one(name: str) -> None:
    assert ("%(value)s" in CONDITION_SENTENCES[name]) is (CONDITIONS[name].parameter is not None)


def test_conditions_with_a_number_or_a_name_say_it() -> None:
    assert {name for name, kind in CONDITIONS.items() if kind.parameter} <= set(CONDITION_SENTENCES)


def test_every_license_is_told_by_kind_derivative_and_revocability() -> None:
    for row in LICENSES.values():
        assert row.family in FAMILY_SENTENCES, row.id
        assert (row.lora_is_derivative or "") in DERIVATIVE_SENTENCES
        assert row.irrevocable in IRREVOCABLE_SENTENCES
