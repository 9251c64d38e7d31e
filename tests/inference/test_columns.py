"""Columns: what each recipe applies and how it samples, and that every one has its base twin."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.recipes import (
    FAMILIES,
    RECIPE_NAMES,
    Axis,
    Hires,
    Layout,
    Prompt,
    Role,
    SheetPlan,
    Shown,
    Trigger,
    block_vectors,
    canonical_json,
    get_recipe,
    plan_from_dict,
    recipe_from_dict,
)
from registry.weights.block_weights import by_element, read_lbw

MOMO = Trigger("momo", names_subject=True)
SHOWN = (
    Shown("a" * 64, "Momo", "character", trigger=MOMO, negative="blurry"),
    Shown("b" * 64, "Ink", "style", 0.6, Trigger("ink")),
    Shown("c" * 64, "Hat", "clothing"),
)
WITH_BLOCKS = [name for name in FAMILIES if not name.startswith("sd3")]


def plan(name: str, family: str = "toybox", shown: tuple[Shown, ...] | None = None) -> SheetPlan:
    """The recipe's plan with as many adapters as it can show."""
    recipe = get_recipe(name, family)
    return SheetPlan(recipe, MOMO, SHOWN[: recipe.adapters[1]] if shown is None else shown)


@pytest.mark.parametrize("name", RECIPE_NAMES)
@pytest.mark.parametrize("family", WITH_BLOCKS)
def test_every_column_is_compared_with_the_base_that_is_sampled_alike(name: str, family: str) -> None:
    sheet = plan(name, family)
    for column in sheet.columns:
        twin = sheet.columns[column.twin]
        assert twin.role is Role.BASE
        assert sheet.sampled(twin) == sheet.sampled(column)
    batches = {(batch.places[0].row, batch.places[0].column): batch for batch in sheet.batches()}
    for (row, _), batch in batches.items():
        twin_batch = batches[row, batch.column.twin]
        assert (twin_batch.texts, twin_batch.seeds, twin_batch.how) == (batch.texts, batch.seeds, batch.how)


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_every_recipe_fills_whole_batches_and_survives_json(name: str) -> None:
    sheet = plan(name)
    assert {len(batch.texts) for batch in sheet.batches()} == {sheet.recipe.batch_size}
    assert sum(len(batch.places) for batch in sheet.batches()) == sheet.cells
    assert plan_from_dict(json.loads(canonical_json(sheet.as_dict()))) == sheet


@pytest.mark.parametrize("name", RECIPE_NAMES)
@pytest.mark.parametrize("family", FAMILIES)
def test_no_recipe_but_negative_has_a_negative_prompt(name: str, family: str) -> None:
    recipe = get_recipe(name, family)
    assert recipe.negative == ""
    assert recipe.wants_authors_negative == (name == "negative")


def test_each_base_is_rendered_once_for_each_way_of_sampling() -> None:
    for name in RECIPE_NAMES:
        overrides = [column.override for column in plan(name).columns if column.role is Role.BASE]
        assert len(overrides) == len(set(overrides))


def test_quick_is_a_part_of_the_standard_sheet() -> None:
    def batches(name: str) -> set[Any]:
        sheet = SheetPlan(get_recipe(name, "sd1"), MOMO)
        return {(b.column.role, b.column.weight, b.texts, b.seeds, b.how) for b in sheet.batches()}

    assert batches("quick") < batches("standard")


def test_tuning_changes_one_thing_at_a_time_in_the_order_of_practitioners() -> None:
    sheet = plan("tuning", "sd1")
    groups = list(dict.fromkeys(column.group for column in sheet.columns if column.group))
    assert groups == ["weight", "sampler", "cfg", "steps", "seed"]
    assert all(len(column.override) <= 1 for column in sheet.columns)
    for column in sheet.columns:
        if column.role is Role.ADAPTER and column.group != "weight":
            assert column.weight == 0.8


def test_a_changed_seed_moves_every_seed_of_the_row() -> None:
    for batch in plan("tuning").batches():
        offset = dict(batch.column.override).get("seed", 0)
        assert isinstance(offset, int)
        assert batch.seeds == tuple(seed + offset for seed in (11, 23, 11, 23))


def test_a_stack_shows_each_alone_every_pair_and_all() -> None:
    labels = [column.label for column in plan("stack").columns]
    assert labels == [
        "base", "0", "character", "style", "clothing",
        "character + style", "character + clothing", "style + clothing", "all",
    ]  # fmt: skip
    whole = plan("stack").columns[-1]
    assert [(slot.adapter, slot.unet) for slot in whole.slots] == [(0, 0.8), (1, 0.6), (2, 0.8)]
    two = [column.label for column in plan("stack", shown=SHOWN[:2]).columns]
    assert two == ["base", "0", "character", "style", "character + style"]


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_stack_of_another_size_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="2 to 3"):
        assert plan("stack", shown=(*SHOWN, SHOWN[0])[:count]).columns


@pytest.mark.parametrize("family", WITH_BLOCKS)
def test_blocks_together_are_the_whole_adapter_and_no_block_is_shown_twice(family: str) -> None:
    vectors = [by_element(read_lbw(text), family) for _, text in block_vectors(family)]
    named = {name for vector in vectors for name, weight in vector.items() if weight}
    assert all(sum(vector[name] for vector in vectors) == 1 for name in named)
    assert len(named) >= 12
    assert len(vectors) <= 14


def test_only_touched_blocks_are_shown_each_by_its_name() -> None:
    touched = ("BASE", "IN05", "M00", "OUT11", "not_a_block")
    assert [name for name, _ in block_vectors("sd1", touched)] == ["BASE", "IN05", "M00", "OUT11"]


def test_a_family_whose_blocks_have_no_names_says_so() -> None:
    with pytest.raises(ValueError, match="sd35_large"):
        assert plan("blocks", "sd35_large").columns


def test_the_authors_negative_prompt_is_set_beside_none() -> None:
    sheet = plan("negative")
    assert {sheet.sampled(column).negative for column in sheet.columns} == {"", "blurry"}
    assert {sheet.sampled(column).true_cfg for column in sheet.columns} == {1.0}
    with pytest.raises(ValueError, match="negative"):
        assert plan("negative", shown=()).columns


def test_the_negative_recipe_of_flux_has_a_true_guidance_in_every_column_and_no_other_recipe_has() -> None:
    recipes = {name: get_recipe(name, "flux1") for name in RECIPE_NAMES}
    assert {name for name, recipe in recipes.items() if recipe.true_cfg != 1} == {"negative"}
    shown = (Shown("a" * 64, trigger=MOMO, negative="blurry"),)
    sheet = SheetPlan(recipes["negative"], MOMO, shown)
    told = [(sheet.sampled(column).negative, sheet.sampled(column).true_cfg) for column in sheet.columns]
    assert told == [("", 2.0), ("", 2.0), ("", 2.0), ("blurry", 2.0), ("blurry", 2.0)]
    assert plan_from_dict(sheet.as_dict()) == sheet


def test_an_earlier_version_is_called_by_its_own_words_and_so_is_its_base() -> None:
    sheet = plan("version", shown=(SHOWN[0], Shown("b" * 64, "v1", trigger=Trigger("momo1", True))))
    for batch in sheet.batches():
        words = "momo1 " if batch.column.override else "momo "
        assert all(text.startswith(words) for text in batch.texts if "momo" in text)
    same = plan("version", shown=(SHOWN[0], Shown("b" * 64, "v1", trigger=MOMO)))
    assert sum(column.role is Role.BASE for column in same.columns) == 1


def test_overfit_varies_seeds_then_prompts_then_the_trigger() -> None:
    rows = plan("overfit").rows
    first = [row for row in rows if row.prompt == 0]
    assert len({row.seed for row in first}) == 4
    assert len({row.text for row in rows if row.seed == 11 and row.triggered}) >= 4
    silent = {row.scene for row in rows if not row.triggered}
    assert {row.scene for row in rows if row.triggered} <= silent


@pytest.mark.parametrize("family", FAMILIES)
def test_overfit_asks_an_adapter_without_words_nothing_twice_and_keeps_whole_batches(family: str) -> None:
    recipe = get_recipe("overfit", family)
    silent, called = SheetPlan(recipe, Trigger(" ")), SheetPlan(recipe, MOMO)
    assert [row.group for row in silent.rows] == ["seeds"] * 4 + ["scenes"] * 3 + ["neutral"] * 2
    assert len({(row.text, row.seed) for row in silent.rows}) == 9
    assert len({(row.text, row.seed) for row in called.rows}) == len(called.rows) == 16
    for sheet, size in ((silent, 3), (called, 4)):
        batches = sheet.batches()
        assert {len(batch.texts) for batch in batches} == {sheet.batch_size} == {size}
        assert sum(size for _ in batches) == sheet.cells == len(sheet.rows) * len(sheet.columns)
    # Both are of one recipe: the row of a sheet is found again when its version gets words.
    assert silent.recipe.digest() == called.recipe.digest()
    assert plan_from_dict(json.loads(canonical_json(silent.as_dict()))) == silent


def test_a_plan_from_before_a_recipe_left_rows_out_keeps_them() -> None:
    stored = SheetPlan(replace(get_recipe("overfit", "toybox"), each_once=False), Trigger()).as_dict()
    assert "each_once" not in stored["recipe"]
    assert len(plan_from_dict(stored).rows) == 16


@given(
    st.lists(st.sampled_from(["a cat", "a dog", "{subject} here", "{subject} there"]), min_size=1, max_size=9)
)
def test_of_equal_rows_the_first_stays_and_the_others_keep_their_order(templates: list[str]) -> None:
    prompts = tuple(
        Prompt(text, subject="a star", takes_trigger=number % 2 == 0) if "{" in text else Prompt(text)
        for number, text in enumerate(templates)
    )
    recipe = replace(get_recipe("overfit", "toybox"), prompts=prompts, batch_prompts=1)
    rows = SheetPlan(recipe, Trigger()).rows
    assert [row.text for row in rows] == list(dict.fromkeys(prompt.text(Trigger()) for prompt in prompts))
    assert [row.prompt for row in rows] == sorted(row.prompt for row in rows)


def test_the_second_pass_of_hires_has_a_base_of_its_own() -> None:
    sheet = plan("hires")
    enlarged = [column for column in sheet.columns if sheet.sampled(column).hires]
    assert [column.role for column in enlarged] == [Role.BASE, Role.ADAPTER]


def test_words_of_a_stack_go_where_each_belongs() -> None:
    prompt = Prompt("{subject} on a hill", subject="a star", takes_trigger=True)
    assert prompt.text(Trigger("momo", True, "ink")) == "ink, momo on a hill"
    assert prompt.text(Trigger(before="ink")) == "ink, a star on a hill"


@pytest.mark.parametrize(
    "change",
    [
        {"layout": Layout.AXES},
        {"axes": (Axis("cfg", (4.0,)),)},
        {"layout": Layout.AXES, "axes": (Axis("cfg", (4.0,)), Axis("cfg", (5.0,)))},
        {"clip_skip": 0},
        {"width": 0},
    ],
)
def test_a_layout_without_what_it_needs_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="recipe"):
        replace(get_recipe("standard", "toybox"), **change)


@pytest.mark.parametrize(
    ("field", "values"),
    [("size", (1,)), ("cfg", ()), ("cfg", (4.0, 4.0)), ("steps", ("x",)), ("steps", (True,))],
)
def test_an_axis_of_unknown_field_or_values_is_refused(field: str, values: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=field):
        Axis(field, values)


def test_later_fields_count_for_the_digest_only_when_they_say_something() -> None:
    recipe = get_recipe("standard", "toybox")
    assert not {"layout", "axes", "clip_skip", "hires"} & recipe.as_dict().keys()
    changed = replace(recipe, clip_skip=2, hires=Hires(1.5, 8, 0.5))
    assert changed.digest() != recipe.digest()
    assert recipe_from_dict(changed.as_dict()) == changed


def test_a_plan_tells_its_negative_prompts_once_each() -> None:
    assert plan("standard").negatives == []
    assert plan("negative").negatives == ["blurry"]
