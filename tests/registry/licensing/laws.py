"""The laws of the algebra, each over one question: no order, no loosening by a layer, no gain by silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, Final

from registry.licensing import CONDITIONS, OUTCOMES, AdapterTerms, Overlay, Question, Verdict, decide
from registry.licensing.facts import Fact
from tests.registry.licensing import stacks

# A limit, the fact it tests, and a value that breaks it: of every gate whose failure cannot be mended.
BROKEN: Final[tuple[tuple[str, dict[str, Fact]], ...]] = (
    ("revenue_below_usd:1000000", {"annual_revenue_usd": 1_000_000}),
    ("mau_below:100", {"mau": 100}),
    ("monthly_visits_below:10", {"monthly_visits": 11}),
    ("team_size_at_most:10", {"team_size": 11}),
    ("territory_excludes:[EU,KR]", {"territory": "DE"}),
    ("host_only:[civitai]", {"host": "own"}),
    ("platform_generation_only:[civitai]", {"host": "own"}),
    ("noncommercial_only", {"commercial": True}),
    ("research_only", {"purpose": "fun"}),
    ("individuals_only", {"is_individual": False}),
    ("model_run_noncommercial", {"model_run_commercial": True}),
    ("no_competing_product", {"competes_with_licensor": True}),
    ("third_party_rights_clearance", {"rights_cleared": False}),
)


def strictness(verdict: Verdict) -> int:
    """The place of a verdict between allowed and forbidden."""
    return OUTCOMES.index(verdict.outcome)


def _asked(verdict: Verdict) -> tuple[str, set[str], set[str]]:
    return verdict.outcome, set(verdict.conditions), set(verdict.standing)


def order_does_not_matter(question: Question, dice: Random) -> None:
    def shuffled(items: Any) -> list[Any]:
        return dice.sample(list(items), len(items))

    other = replace(
        question,
        adapters=shuffled(question.adapters),
        components=shuffled(question.components),
        overlays=shuffled(question.overlays),
        tools=shuffled(question.tools),
    )
    assert _asked(decide(question)) == _asked(decide(other))


def another_adapter_never_loosens(question: Question, dice: Random) -> None:
    more = replace(question, adapters=[*question.adapters, stacks.adapter(dice)])
    assert strictness(decide(more)) >= strictness(decide(question))


def another_component_never_loosens(question: Question, dice: Random) -> None:
    more = replace(question, components=[*question.components, stacks.component(dice)])
    assert strictness(decide(more)) >= strictness(decide(question))


def another_rule_never_loosens(question: Question, dice: Random) -> None:
    more = replace(question, overlays=[*question.overlays, stacks.overlay(dice)])
    assert strictness(decide(more)) >= strictness(decide(question))


def another_program_never_loosens(question: Question, dice: Random) -> None:
    more = replace(question, tools=[*question.tools, dice.choice(["ComfyUI", "Forge", "SeaArt"])])
    assert strictness(decide(more)) >= strictness(decide(question))


def the_same_again_changes_nothing(question: Question, dice: Random) -> None:
    del dice
    twice = replace(
        question,
        adapters=[*question.adapters, *question.adapters],
        components=[*question.components, *question.components],
        overlays=[*question.overlays, *question.overlays],
    )
    assert _asked(decide(question)) == _asked(decide(twice))


def leaving_a_fact_out_is_never_looser_than_its_best_value(question: Question, dice: Random) -> None:
    fact = dice.choice(list(stacks.VALUES))
    without = {name: value for name, value in question.facts.items() if name != fact}
    stated = [decide(replace(question, facts={**without, fact: value})) for value in stacks.VALUES[fact]]
    assert strictness(decide(replace(question, facts=without))) >= min(map(strictness, stated))


def a_base_nobody_knows_is_never_yes(question: Question, dice: Random) -> None:
    del dice
    assert decide(replace(question, base_license=None)).outcome in ("unknown", "forbidden")


def an_adapter_without_terms_is_never_yes(question: Question, dice: Random) -> None:
    del dice
    more = replace(question, adapters=[*question.adapters, AdapterTerms()])
    assert decide(more).outcome in ("unknown", "forbidden")


def terms_that_do_not_address_the_act_grant_nothing(question: Question, dice: Random) -> None:
    neutral = AdapterTerms(extra=[{question.act: ("not_addressed", [])}], snapshot=dice.random() < 0.5)
    assert decide(replace(question, adapters=[neutral])).outcome in ("unknown", "forbidden")


def terms_nobody_read_are_never_yes(question: Question, dice: Random) -> None:
    unread = dice.choice(["other", "unknown", "none"])
    where = dice.choice(["base", "adapter", "component", "service"])
    changed = {
        "base": replace(question, base_license=unread, facts={}),
        "adapter": replace(question, adapters=[AdapterTerms(unread)]),
        "component": replace(question, components=[unread]),
        "service": replace(question, tools=["NovelAI"]),
    }[where]
    assert decide(changed).outcome in ("unknown", "forbidden")


def an_adapter_never_widens_a_base(question: Question, dice: Random) -> None:
    alone = replace(question, adapters=[])
    assert strictness(decide(replace(alone, adapters=[stacks.adapter(dice)]))) >= strictness(decide(alone))


def a_gate_that_fails_is_a_refusal(question: Question, dice: Random) -> None:
    limit, fact = dice.choice(BROKEN)
    facts = {**question.facts, **fact}
    gated = Overlay("gate", {question.act: ("conditional", ["attribution", limit])})
    refused = Overlay("gate", {question.act: ("forbidden", [])})
    for rule in (gated, refused):
        verdict = decide(replace(question, facts=facts, overlays=[*question.overlays, rule]))
        assert (verdict.outcome, verdict.conditions) == ("forbidden", ())


def what_can_be_mended_is_never_refused(question: Question, dice: Random) -> None:
    name = dice.choice([kind.id for kind in CONDITIONS.values() if kind.curable])
    rule = Overlay("mend", {question.act: ("conditional", [name])})
    facts = {**question.facts, CONDITIONS[name].fact or "": False}
    without = decide(replace(question, facts=facts))
    asked = decide(replace(question, facts=facts, overlays=[*question.overlays, rule]))
    assert strictness(asked) == max(strictness(without), OUTCOMES.index("conditional"))


def or_picks_one_license_for_the_whole_use(question: Question, dice: Random) -> None:
    one, other = dice.sample(stacks.IDS, 2)
    picked = [decide(_licensed(question, text)) for text in (one, other)]
    either = decide(_licensed(question, f"{one} OR {other}"))
    assert strictness(either) == min(map(strictness, picked))
    assert _asked(either) in [_asked(verdict) for verdict in picked]


def and_is_as_strict_as_the_stricter(question: Question, dice: Random) -> None:
    one, other = dice.sample(stacks.IDS, 2)
    picked = [decide(_licensed(question, text)) for text in (one, other)]
    assert strictness(decide(_licensed(question, f"{one} AND {other}"))) >= max(map(strictness, picked))


def _licensed(question: Question, text: str) -> Question:
    # Flags printed with a license text and licenses of two dates read the base as well; leave them out.
    return replace(question, adapters=[AdapterTerms(text)])


def rights_worse_off_are_never_looser(question: Question, dice: Random) -> None:
    def asked(rights: Any) -> int:
        return strictness(decide(replace(question, adapters=[AdapterTerms("MIT", rights=rights)])))

    kind = dice.choice(["copyright", "portrait", "character", "mark"])
    assert asked(None) == asked("cleared") <= asked("uncleared") <= asked("refused")
    assert asked("cleared") <= asked("unknown") <= asked("refused")
    assert asked({kind: "unknown", "mark": "cleared"}) <= asked("unknown")
    assert asked({"copyright": "cleared", kind: "refused"}) == asked("refused")


def conditions_stand_beside_a_conditional_verdict_only(question: Question, dice: Random) -> None:
    del dice
    verdict = decide(question)
    bare = any(entry.status == "conditional" and not entry.conditions for entry in verdict.ledger)
    assert bool(verdict.conditions) == (verdict.outcome == "conditional") or bare


def the_ledger_explains_the_outcome(question: Question, dice: Random) -> None:
    del dice
    verdict = decide(question)
    statuses = {entry.status for entry in verdict.ledger}
    assert (verdict.outcome == "forbidden") == ("forbidden" in statuses)
    if "forbidden" not in statuses:
        assert (verdict.outcome == "unknown") == ("silent" in statuses)
    assert set(verdict.deciding) <= {entry.layer for entry in verdict.ledger}
    if verdict.outcome in ("unknown", "forbidden"):
        assert verdict.deciding
        assert verdict.next_steps


LAWS: Final[tuple[Callable[[Question, Random], None], ...]] = (
    order_does_not_matter,
    another_adapter_never_loosens,
    another_component_never_loosens,
    another_rule_never_loosens,
    another_program_never_loosens,
    the_same_again_changes_nothing,
    leaving_a_fact_out_is_never_looser_than_its_best_value,
    a_base_nobody_knows_is_never_yes,
    an_adapter_without_terms_is_never_yes,
    terms_that_do_not_address_the_act_grant_nothing,
    terms_nobody_read_are_never_yes,
    an_adapter_never_widens_a_base,
    a_gate_that_fails_is_a_refusal,
    what_can_be_mended_is_never_refused,
    or_picks_one_license_for_the_whole_use,
    and_is_as_strict_as_the_stricter,
    rights_worse_off_are_never_looser,
    conditions_stand_beside_a_conditional_verdict_only,
    the_ledger_explains_the_outcome,
)
