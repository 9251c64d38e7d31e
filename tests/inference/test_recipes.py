"""Recipes: what they must hold, and that a digest stands for all of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.recipes import (
    FAMILIES,
    Prompt,
    Recipe,
    Role,
    SheetPlan,
    Trigger,
    UnknownRecipe,
    canonical_json,
    digest,
    get_recipe,
    plan_from_dict,
)

STANDARD = get_recipe("standard", "toybox")
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
json_values: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Any valid recipe."""
    batch, batches = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    # Hundredths, as people write weights: two that print alike are no two columns.
    weights = [n / 100 for n in draw(st.lists(st.integers(1, 200), min_size=1, max_size=5, unique=True))]
    return replace(
        STANDARD,
        prompts=tuple(Prompt(draw(words).replace("{subject}", "")) for _ in range(batch * batches)),
        seeds=tuple(draw(st.lists(st.integers(0, 2**32), min_size=1, max_size=4, unique=True))),
        weights=tuple(sorted(weights)),
        batch_prompts=batch,
    )


def test_the_standard_recipe_keeps_its_digest_until_its_version_changes() -> None:
    """A changed recipe makes every sheet of the family old.

    When that is meant, raise `version` and this value.
    """
    assert (STANDARD.version, STANDARD.digest()) == (
        1,
        "dafb6ca60405e9524c85bb3964106dd9c797152fdb4360a4cdc0ff96e114af58",
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_the_standard_recipe_has_neutral_and_triggered_prompts_and_no_negative(family: str) -> None:
    recipe = get_recipe("standard", family)
    assert recipe.weights == (0.4, 0.6, 0.8, 1.0)
    assert recipe.negative == ""
    assert {prompt.takes_trigger for prompt in recipe.prompts} == {True, False}
    assert len(recipe.seeds) >= 2


@given(recipe=recipes())
def test_every_place_of_a_sheet_is_rendered_in_exactly_one_batch(recipe: Recipe) -> None:
    plan = SheetPlan(recipe, Trigger())
    places = [(place.row, place.column) for batch in plan.batches() for place in batch.places]
    assert sorted(places) == [(r, c) for r in range(len(plan.rows)) for c in range(len(plan.columns))]
    assert plan.cells == len(places)


@given(recipe=recipes())
def test_all_batches_of_a_sheet_have_one_shape(recipe: Recipe) -> None:
    batches = SheetPlan(recipe, Trigger()).batches()
    assert {len(batch.texts) for batch in batches} == {recipe.batch_size}
    assert all(len(batch.texts) == len(batch.seeds) == len(batch.places) for batch in batches)


@given(recipe=recipes(), trigger=st.builds(Trigger, words=words, names_subject=st.booleans()))
def test_base_control_and_weights_are_rendered_from_the_same_texts(recipe: Recipe, trigger: Trigger) -> None:
    by_column: dict[str, list[Any]] = {}
    for batch in SheetPlan(recipe, trigger).batches():
        by_column.setdefault(batch.column.label, []).append((batch.texts, batch.seeds))
    first = by_column["base"]
    assert all(batches == first for batches in by_column.values())


def test_the_control_is_rendered_last() -> None:
    roles = [batch.column.role for batch in SheetPlan(STANDARD, Trigger()).batches()]
    assert roles[0] is Role.BASE
    assert [role for role in roles if role is Role.CONTROL] == roles[-2:]


@given(recipe=recipes(), trigger=st.builds(Trigger, words=words, names_subject=st.booleans()))
def test_a_plan_survives_being_stored_as_json(recipe: Recipe, trigger: Trigger) -> None:
    plan = SheetPlan(recipe, trigger)
    assert plan_from_dict(json.loads(canonical_json(plan.as_dict()))) == plan


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 17}, {"cfg": 5.5}, {"seeds": (11, 24)}, {"weights": (0.4, 1.1)}, {"negative": "bad"},
        {"sampler": "euler"}, {"version": 2}, {"family": "sd1"}, {"width": 72},
        {"prompts": (*STANDARD.prompts[:3], Prompt("a green tree"))},
    ],
)  # fmt: skip
def test_every_value_of_a_recipe_counts_for_its_digest(change: dict[str, Any]) -> None:
    assert replace(STANDARD, **change).digest() != STANDARD.digest()


@given(value=json_values)
def test_the_digest_does_not_depend_on_the_order_of_keys(value: Any) -> None:
    turned = json.loads(json.dumps(value), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert digest(turned) == digest(value)


@pytest.mark.parametrize(
    ("trigger", "text"),
    [
        (Trigger(), "a star on a hill"),
        (Trigger("  , "), "a star on a hill"),
        (Trigger("pencil sketch"), "pencil sketch, a star on a hill"),
        (Trigger("momo", names_subject=True), "momo on a hill"),
        (Trigger("momo,\n blue hat, ", names_subject=True), "momo, blue hat on a hill"),
    ],
)
def test_trigger_words_go_where_practitioners_write_them(trigger: Trigger, text: str) -> None:
    assert Prompt("{subject} on a hill", subject="a star", takes_trigger=True).text(trigger) == text
    assert Prompt("{subject} on a hill", subject="a star").text(trigger) == "a star on a hill"


def test_rows_with_trigger_words_say_so_only_when_there_are_some() -> None:
    assert not any(row.triggered for row in SheetPlan(STANDARD, Trigger(" ")).rows)
    assert [row.triggered for row in SheetPlan(STANDARD, Trigger("momo")).rows] == [False] * 4 + [True] * 4


@pytest.mark.parametrize(
    "change",
    [
        {"prompts": STANDARD.prompts[:3]}, {"seeds": ()}, {"seeds": (1, 1)}, {"weights": (0.6, 0.4)},
        {"weights": (0.0, 1.0)}, {"weights": ()}, {"batch_prompts": 0},
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_laid_out_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="recipe"):
        replace(STANDARD, **change)


@pytest.mark.parametrize(
    "prompt",
    [
        {"template": "{subject} here"},
        {"template": "x", "subject": "y"},
        {"template": "x", "takes_trigger": True},
    ],
)
def test_a_prompt_needs_a_place_for_its_subject(prompt: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Prompt"):
        Prompt(**prompt)


@pytest.mark.parametrize(("name", "family"), [("grand", "toybox"), ("standard", "gpt")])
def test_an_unknown_recipe_names_what_there_is(name: str, family: str) -> None:
    with pytest.raises(UnknownRecipe, match="there are"):
        get_recipe(name, family)
