"""The laws of the algebra over generated stacks: no order, no loosening by a layer, no gain by silence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from registry.licensing import (
    ACTS,
    LICENSES,
    OUTCOMES,
    AdapterTerms,
    AuthorReply,
    BaseConflict,
    Overlay,
    Question,
    Verdict,
    decide,
)
from registry.licensing.conditions import parse_condition, unite

TERRITORIES = ["JP", "US", "DE", "FR", "GB", "UK", "EU", "KR", "BR"]
HOSTS = ["own", "civitai", "huggingface", "pixai", "nowhere else"]
VALUES: dict[str, list[Any]] = {
    "annual_revenue_usd": [0, 999_999, 1_000_000, 9_999_999, 10**12],
    "mau": [0, 10**6, 10**8, 10**12],
    "monthly_visits": [0, 10**6, 10**12],
    "territory": TERRITORIES,
    "commercial": [True, False],
    "purpose": ["research", "fun"],
    "registered": [True, False],
    "is_individual": [True, False],
    "team_size": [1, 10, 11],
    "host": HOSTS,
    "model_run_commercial": [True, False],
    "base_commercial_license": [True, False],
    "permission_on_file": [True, False],
    "rights_cleared": [True, False],
    "trains_competing_model": [True, False],
    "competes_with_licensor": [True, False],
    "medium": ["print", "web"],
}
CONDITIONS = [
    "attribution", "share_alike", "noncommercial_only", "individuals_only", "contact_licensor",
    "revenue_below_usd:1000000", "mau_below:100000000", "territory_excludes:[EU,UK]", "host_only:[civitai]",
    "host_only:[civitai,pixai]", 'naming_prefix:"Krea"', "use_based_restrictions", "keep_licence_snapshot",
]  # fmt: skip

acts = st.sampled_from(list(ACTS))
licenses = st.none() | st.sampled_from(list(LICENSES))
expressions = st.builds(
    lambda one, operator, other: f"{one} {operator} {other}",
    st.sampled_from(list(LICENSES)),
    st.sampled_from(["AND", "OR"]),
    st.sampled_from(list(LICENSES)),
)
flags = st.fixed_dictionaries(
    {},
    optional={
        "allowNoCredit": st.none() | st.booleans(),
        "allowDerivatives": st.none() | st.booleans(),
        "allowDifferentLicense": st.none() | st.booleans(),
        "allowCommercialUse": st.none()
        | st.lists(st.sampled_from(["Image", "RentCivit", "Rent", "Sell"]), unique=True)
        | st.sampled_from(["None", "Image", "Sell", "{Image,RentCivit}"]),
    },
)
cells = st.tuples(
    st.sampled_from(["allowed", "conditional", "forbidden", "silent", "not_addressed"]),
    st.lists(st.sampled_from(CONDITIONS), max_size=3),
)
readings = st.dictionaries(acts, cells, max_size=3)
replies = st.builds(
    AuthorReply,
    grants=st.lists(acts, max_size=3),
    refusals=st.lists(acts, max_size=2),
    conditions=st.lists(st.sampled_from(CONDITIONS), max_size=2),
    state=st.sampled_from(["answered", "no_reply", "withdrawn", "sent"]),
)
adapters = st.builds(
    AdapterTerms,
    license=licenses | expressions,
    civitai=st.none() | flags,
    extra=st.lists(readings, max_size=1),
    author_reply=st.none() | replies,
    license_now=licenses,
    snapshot=st.booleans(),
    rights=st.sampled_from([None, "cleared", "unknown", "uncleared", "refused"]),
)
overlays = st.builds(Overlay, name=st.sampled_from(["guideline", "house"]), acts=readings)
questions = st.builds(
    Question,
    act=acts,
    base_license=licenses | expressions,
    base_model=st.sampled_from([None, "SD 1.5", "SDXL 1.0", "Pony", "Flux.1 D"]),
    adapters=st.lists(adapters, max_size=3),
    components=st.lists(st.sampled_from(list(LICENSES)), max_size=1),
    overlays=st.lists(overlays, max_size=2),
    facts=st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}
    ),
    base_conflict=st.none() | st.just(BaseConflict("SDXL 1.0", "Flux.1 D", "shapes")),
)


def strictness(verdict: Verdict) -> int:
    return OUTCOMES.index(verdict.outcome)


@given(questions, st.randoms(use_true_random=False))
def test_the_order_of_adapters_components_and_overlays_does_not_matter(
    question: Question, random: Any
) -> None:
    def shuffled(items: Any) -> list[Any]:
        copy = list(items)
        random.shuffle(copy)
        return copy

    other = replace(
        question,
        adapters=shuffled(question.adapters),
        components=shuffled(question.components),
        overlays=shuffled(question.overlays),
    )
    one, two = decide(question), decide(other)
    assert one.outcome == two.outcome
    assert set(one.conditions) == set(two.conditions)


@given(questions, adapters)
def test_another_adapter_never_loosens(question: Question, adapter: AdapterTerms) -> None:
    more = replace(question, adapters=[*question.adapters, adapter])
    assert strictness(decide(more)) >= strictness(decide(question))


@given(questions, st.sampled_from(list(LICENSES)))
def test_another_component_never_loosens(question: Question, license_id: str) -> None:
    more = replace(question, components=[*question.components, license_id])
    assert strictness(decide(more)) >= strictness(decide(question))


@given(questions, overlays)
def test_another_rule_never_loosens(question: Question, overlay: Overlay) -> None:
    more = replace(question, overlays=[*question.overlays, overlay])
    assert strictness(decide(more)) >= strictness(decide(question))


@given(questions)
def test_the_same_adapter_twice_changes_nothing(question: Question) -> None:
    twice = replace(question, adapters=[*question.adapters, *question.adapters])
    one, two = decide(question), decide(twice)
    assert (one.outcome, one.conditions) == (two.outcome, two.conditions)


@given(questions, st.sampled_from(list(VALUES)))
def test_leaving_a_fact_out_is_never_looser_than_its_best_value(question: Question, fact: str) -> None:
    without = replace(question, facts={name: v for name, v in question.facts.items() if name != fact})
    best = min(
        strictness(decide(replace(without, facts={**without.facts, fact: value}))) for value in VALUES[fact]
    )
    assert strictness(decide(without)) >= best


@given(questions)
def test_a_base_nobody_knows_is_never_yes(question: Question) -> None:
    verdict = decide(replace(question, base_license=None))
    assert verdict.outcome in ("unknown", "forbidden")


@given(questions)
def test_an_adapter_without_terms_is_never_yes(question: Question) -> None:
    verdict = decide(replace(question, adapters=[*question.adapters, AdapterTerms()]))
    assert verdict.outcome in ("unknown", "forbidden")


@given(questions, adapters)
def test_an_adapter_never_widens_a_base(question: Question, adapter: AdapterTerms) -> None:
    alone = decide(replace(question, adapters=[]))
    assert strictness(decide(replace(question, adapters=[adapter]))) >= strictness(alone)


@given(questions)
def test_an_incurable_gate_that_fails_is_the_same_as_a_refusal(question: Question) -> None:
    facts = {**question.facts, "annual_revenue_usd": 2_000_000}
    gated = Overlay("gate", {question.act: ("conditional", ["revenue_below_usd:1000000"])})
    refused = Overlay("gate", {question.act: ("forbidden", [])})
    with_gate = decide(replace(question, facts=facts, overlays=[gated]))
    with_refusal = decide(replace(question, facts=facts, overlays=[refused]))
    assert with_gate.outcome == with_refusal.outcome == "forbidden"


@given(questions)
def test_conditions_are_listed_where_and_only_where_the_verdict_is_conditional(question: Question) -> None:
    verdict = decide(question)
    open_overlay = any(entry.status == "conditional" and not entry.conditions for entry in verdict.ledger)
    assert bool(verdict.conditions) == (verdict.outcome == "conditional") or open_overlay


@given(questions)
def test_the_ledger_explains_the_outcome(question: Question) -> None:
    verdict = decide(question)
    statuses = {entry.status for entry in verdict.ledger}
    assert (verdict.outcome == "forbidden") == ("forbidden" in statuses)
    if "forbidden" not in statuses:
        assert (verdict.outcome == "unknown") == ("silent" in statuses)
    assert set(verdict.deciding) <= {entry.layer for entry in verdict.ledger}


@given(
    st.lists(st.sampled_from(CONDITIONS).map(parse_condition), max_size=6), st.randoms(use_true_random=False)
)
def test_uniting_conditions_is_idempotent_and_knows_no_order(conditions: list[Any], random: Any) -> None:
    once = unite(conditions)
    shuffled = list(conditions)
    random.shuffle(shuffled)
    assert unite(shuffled) == once
    assert unite([*once, *once]) == once


@settings(max_examples=300)
@given(st.sampled_from(list(LICENSES)), acts)
def test_and_is_at_least_as_strict_as_each_part_and_or_as_free_as_the_best(license_id: str, act: str) -> None:
    def asked(expression: str) -> int:
        return strictness(decide(Question(act, base_license="MIT", adapters=[AdapterTerms(expression)])))

    for other in ("MIT", "CC-BY-NC-4.0", "GPL-3.0-only"):
        assert asked(f"{license_id} AND {other}") >= max(asked(license_id), asked(other))
        assert asked(f"{license_id} OR {other}") == min(asked(license_id), asked(other))
