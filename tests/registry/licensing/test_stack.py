"""The stack planner: adding never loosens, a removal is the verdict without it, smallest sets are found."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from registry.licensing import OUTCOMES, AdapterTerms, Question, decide
from registry.licensing.stack import BASE, PASSING, Clash, StackPlan, asking, plan
from tests.registry.licensing.asking import OPEN_FLAGS
from tests.registry.licensing.test_properties import adapters, questions, strictness

RAIL = "creativeml-openrail-plusplus-m"
SELL = "generate_and_sell_images"
SHARE_MERGE = "redistribute_derivative"
CREDIT_FLAGS = {**OPEN_FLAGS, "allowNoCredit": False}
NO_SALE = {**OPEN_FLAGS, "allowCommercialUse": []}


def planned(
    act: str, *terms: AdapterTerms, base: str | None = RAIL, bases: tuple[str, ...] = ()
) -> StackPlan:
    question = Question(act, base_license=base, adapters=terms)
    return plan(asking(question), len(terms), bases)


def test_the_verdict_is_that_of_the_whole_stack_and_each_adapter_shows_what_it_brings() -> None:
    found = planned(SELL, AdapterTerms("CC-BY-4.0"), AdapterTerms("MIT"), AdapterTerms(civitai=CREDIT_FLAGS))
    assert found.passes
    assert found.verdict.conditions == ("attribution",)
    assert [each.brings for each in found.contributions] == [("attribution",), (), ("attribution",)]
    # Two adapters want credit, so leaving one of them out spares nothing.
    assert [each.only_here for each in found.contributions] == [(), (), ()]
    assert found.removals == ()
    assert found.clashes == ()


def test_a_condition_of_one_adapter_alone_is_its_own() -> None:
    found = planned(SELL, AdapterTerms("CC-BY-4.0"), AdapterTerms("MIT"))
    first, second = found.contributions
    assert (first.only_here, second.only_here) == (("attribution",), ())
    assert (first.without.outcome, second.without.outcome) == ("allowed", "conditional")
    assert first.decides and not second.decides


def test_a_wider_limit_than_the_others_adds_nothing() -> None:
    small, large = "stability-ai-community-2024", "ltx-2-community"
    found = planned(SELL, AdapterTerms(small), AdapterTerms(large), base="MIT")
    assert "revenue_below_usd:1000000" in found.contributions[0].only_here
    assert not any(text.startswith("revenue_below") for text in found.contributions[1].only_here)


def test_the_one_adapter_in_the_way_is_named() -> None:
    found = planned(SELL, AdapterTerms("MIT"), AdapterTerms(civitai=NO_SALE), AdapterTerms("CC-BY-4.0"))
    assert found.verdict.outcome == "forbidden"
    assert found.removals == ((2,),)
    assert found.blockers() == (2,)
    assert [each.loosens(found.verdict) for each in found.contributions] == [False, True, False]
    assert found.contributions[1].without.outcome == "conditional"


def test_two_that_fail_alone_must_both_go() -> None:
    found = planned(SELL, AdapterTerms("CC-BY-NC-4.0"), AdapterTerms("MIT"), AdapterTerms())
    assert found.removals == ((1, 3),)


def test_where_the_base_refuses_no_removal_helps_but_another_base_does() -> None:
    found = planned(
        SELL, AdapterTerms("MIT"), base="CC-BY-NC-4.0", bases=("CC-BY-NC-ND-4.0", RAIL, "CC-BY-4.0")
    )
    assert (found.removals, found.removals_complete) == ((), True)
    assert found.base_alone.outcome == "forbidden"
    assert [(each.key, each.verdict.outcome) for each in found.other_bases] == [
        (RAIL, "allowed"),
        ("CC-BY-4.0", "conditional"),
    ]


def test_share_alike_clashes_are_shown_pair_by_pair() -> None:
    found = planned(
        SHARE_MERGE,
        AdapterTerms("CC-BY-SA-4.0"),
        AdapterTerms("MIT"),
        AdapterTerms("CC-BY-NC-SA-4.0"),
        base="MIT",
    )
    assert found.clashes == (Clash("share_alike_clash", 1, 3),)
    assert found.removals == ((1,), (3,))
    assert found.blockers() == (1, 3)


def test_a_clash_with_the_base_names_the_base() -> None:
    found = planned(SHARE_MERGE, AdapterTerms("CC-BY-SA-4.0"), AdapterTerms("MIT"), base="faipl-1.0-sd")
    assert Clash("share_alike_clash", BASE, 1) in found.clashes
    assert found.removals == ((1,),)


def test_in_a_large_stack_a_way_out_is_still_found_and_said_not_to_be_the_only_one() -> None:
    terms = [AdapterTerms(("CC-BY-SA-4.0", "CC-BY-NC-SA-4.0")[number % 2]) for number in range(16)]
    found = planned(SHARE_MERGE, *terms, base="MIT")
    assert found.removals == (tuple(range(1, 17, 2)), tuple(range(2, 17, 2)))
    assert not found.removals_complete


def test_without_adapters_the_plan_is_the_verdict_of_the_base() -> None:
    found = planned(SELL)
    assert found.verdict == found.base_alone == decide(Question(SELL, base_license=RAIL))
    assert found.contributions == ()


@settings(max_examples=300)
@given(questions)
def test_what_a_removal_would_change_is_the_verdict_without_it(question: Question) -> None:
    found = plan(asking(question), len(question.adapters))
    for each in found.contributions:
        left = [terms for number, terms in enumerate(question.adapters, 1) if number != each.number]
        without = decide(replace(question, adapters=left))
        assert each.without == without
        assert strictness(without) <= strictness(found.verdict)


@settings(max_examples=200)
@given(questions, adapters)
def test_another_adapter_never_loosens_a_plan(question: Question, more: AdapterTerms) -> None:
    few = plan(asking(question), len(question.adapters))
    larger = replace(question, adapters=[*question.adapters, more])
    many = plan(asking(larger), len(larger.adapters))
    assert OUTCOMES.index(many.verdict.outcome) >= OUTCOMES.index(few.verdict.outcome)
    assert not (many.passes and not few.passes)


@settings(max_examples=300)
@given(questions, st.lists(adapters, max_size=2))
def test_the_removals_are_exactly_the_smallest_ones_that_help(
    question: Question, more: list[AdapterTerms]
) -> None:
    asked = replace(question, adapters=[*question.adapters, *more])
    found = plan(asking(asked), len(asked.adapters))
    numbers = range(1, len(asked.adapters) + 1)
    ask = asking(asked)
    helping = [
        set(gone)
        for size in range(1, len(numbers) + 1)
        for gone in combinations(numbers, size)
        if ask([number for number in numbers if number not in gone], None).outcome in PASSING
    ]
    smallest = [gone for gone in helping if not any(other < gone for other in helping)]
    expected = [] if found.passes else smallest
    assert {frozenset(gone) for gone in found.removals} == {frozenset(gone) for gone in expected}
    assert found.removals_complete
