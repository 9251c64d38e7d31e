"""The contact sheet: readable for people, and for programs through the manifest inside."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from inference.contact_sheet import MOST_WIDTH, ROW_CAPTION, Heading, Pixels, compose, read_manifest
from inference.recipes import RECIPE_NAMES, SheetPlan, Shown, Trigger, get_recipe

HEADING = Heading(
    "Momo v1", "Kura Toybox", "standard 0123abcd", "f" * 64, "2026-01-02", (("warning", "Too much."),)
)


MOMO = Trigger("momo", names_subject=True)
SHOWN = (
    Shown("a" * 64, "Momo", "character", trigger=MOMO, negative="blurry"),
    Shown("b" * 64, "Ink", "style", 0.6, Trigger("ink")),
    Shown("c" * 64, "Hat", "clothing"),
)


def plan(side: int = 64, trigger: str = "momo") -> SheetPlan:
    """The standard plan with pictures of this side."""
    return SheetPlan(replace(get_recipe("standard", "toybox"), width=side, height=side), Trigger(trigger))


def pictures(sheet: SheetPlan) -> dict[tuple[int, int], Pixels]:
    """Plain cells, each in its own color."""
    side = (sheet.recipe.height, sheet.recipe.width, 3)
    spots = [(row, column) for row in range(len(sheet.rows)) for column in range(len(sheet.columns))]
    return {spot: np.full(side, (20 * spot[0], 40 * spot[1], 99), np.uint8) for spot in spots}


@pytest.mark.parametrize("side", [16, 64, 512, 768])
def test_every_cell_is_on_the_sheet_in_its_place(side: int) -> None:
    sheet = plan(side)
    image = Image.open(io.BytesIO(compose(sheet, pictures(sheet), HEADING, {})))
    colors = [color for _, color in image.getcolors(image.width * image.height) or []]
    assert all((20 * row, 40 * column, 99) in colors for row in range(8) for column in range(6))
    columns = np.asarray(image)
    green = [int(np.argmax((columns == (0, 40 * column, 99)).all(-1).any(0))) for column in range(6)]
    assert green == sorted(green)


def test_the_manifest_inside_reads_back_as_it_was() -> None:
    sheet = plan()
    manifest = {"name": "蔵 Kura", "cells": [1, 2], "weight": 0.4}
    text = read_manifest(compose(sheet, pictures(sheet), HEADING, manifest))
    assert text is not None
    assert json.loads(text) == manifest


def test_an_ordinary_picture_has_no_manifest() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    assert read_manifest(buffer.getvalue()) is None


@pytest.mark.parametrize("title", ["", "x" * 500, "水彩風の絵 v2 " * 30, "line\nbreak\ttab \x00 nul", "🙂"])
def test_any_name_and_any_trigger_can_be_drawn(title: str) -> None:
    sheet = plan(trigger=title)
    heading = replace(HEADING, title=title, findings=(("info", title), ("error", title)))
    image = Image.open(io.BytesIO(compose(sheet, pictures(sheet), heading, {})))
    assert image.width < 1400


def any_plan(name: str, family: str = "toybox") -> SheetPlan:
    """The recipe's plan with as many adapters as it can show."""
    recipe = get_recipe(name, family)
    return SheetPlan(recipe, MOMO, SHOWN[: recipe.adapters[1]])


def drawn(sheet: SheetPlan) -> Image.Image:
    """The contact sheet with a color of its own in every cell."""
    rows, columns, side = len(sheet.rows), len(sheet.columns), sheet.recipe.width
    cells = {
        (row, column): np.full((side, side, 3), (row + 1, column + 1, 99), np.uint8)
        for row in range(rows)
        for column in range(columns)
    }
    return Image.open(io.BytesIO(compose(sheet, cells, HEADING, {})))


def left_edges(sheet: SheetPlan, image: Image.Image) -> list[int]:
    """Where the columns of the first row begin, from the left."""
    pixels = np.asarray(image)
    line = pixels[int(np.argmax((pixels == (1, 1, 99)).all(-1).any(1)))]
    return [int(np.argmax((line == (1, column + 1, 99)).all(-1))) for column in range(len(sheet.columns))]


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_every_recipe_shows_each_cell_once_and_its_columns_in_their_order(name: str) -> None:
    sheet = any_plan(name)
    image = drawn(sheet)
    areas = {color: count for count, color in image.getcolors(image.width * image.height) or []}
    cells = [
        areas[row + 1, column + 1, 99]
        for row in range(len(sheet.rows))
        for column in range(len(sheet.columns))
    ]
    assert len(set(cells)) == 1
    edges = left_edges(sheet, image)
    assert edges == sorted(edges)


@pytest.mark.parametrize("name", ["tuning", "blocks", "stack", "version", "negative", "hires"])
def test_columns_of_two_groups_stand_farther_apart_and_a_line_parts_them(name: str) -> None:
    sheet = any_plan(name)
    image = drawn(sheet)
    edges, heads = left_edges(sheet, image), sheet.columns
    steps = {True: set[int](), False: set[int]()}
    for number in range(1, len(heads)):
        steps[heads[number].group == heads[number - 1].group].add(edges[number] - edges[number - 1])
    assert max(steps[True]) < min(steps[False])
    gap = np.asarray(image)[:, edges[2] - 24 : edges[2]].astype(int)
    paper, height = gap[0, 0], len(sheet.rows) * (edges[1] - edges[0])
    assert max((gap != paper).any(-1).sum(0)) > height


@pytest.mark.parametrize("name", ["standard", "quick", "overfit"])
def test_columns_of_weights_alone_stand_evenly(name: str) -> None:
    sheet = any_plan(name)
    edges = left_edges(sheet, drawn(sheet))
    assert len(set(np.diff(edges))) == 1


def test_a_sheet_of_many_large_columns_is_no_wider_than_programs_can_open() -> None:
    large = any_plan("tuning")
    large = replace(large, recipe=replace(large.recipe, width=512, height=512))
    assert drawn(large).width <= MOST_WIDTH


def test_all_adapters_of_a_stack_are_named_above_the_columns() -> None:
    stack = any_plan("stack")
    renamed = replace(stack, adapters=(*SHOWN[:2], replace(SHOWN[2], label="Scarf")))
    one, other = drawn(stack), drawn(renamed)
    changed = np.argwhere((np.asarray(one) != np.asarray(other)).any(-1))
    first_row = int(np.argmax((np.asarray(one) == (1, 1, 99)).all(-1).any(1)))
    assert len(changed)
    assert changed[:, 0].max() < first_row


def test_each_group_of_rows_stands_under_a_caption() -> None:
    called, bare = any_plan("overfit"), any_plan("overfit")
    prompts = tuple(replace(prompt, group="") for prompt in bare.recipe.prompts)
    bare = replace(bare, recipe=replace(bare.recipe, prompts=prompts))
    silent = replace(called, trigger=Trigger())
    heights = [drawn(sheet).height for sheet in (called, bare)]
    assert heights[0] - heights[1] == 4 * ROW_CAPTION

    def tops(sheet: SheetPlan) -> list[int]:
        pixels = np.asarray(drawn(sheet))
        rows = range(1, len(sheet.rows) + 1)
        return [int(np.argmax((pixels == (row, 1, 99)).all(-1).any(1))) for row in rows]

    # The first of each group is lower by its caption and those before it.
    lower = np.subtract(tops(called), tops(bare))
    assert np.flatnonzero(np.diff(lower, prepend=0)).tolist() == [0, 4, 7, 14]
    assert set(np.diff(lower, prepend=0)) == {0, ROW_CAPTION}
    # An adapter without trigger words has no rows "without the trigger words", and no caption for them.
    assert len(tops(silent)) == 9
    assert "silent" not in {row.group for row in silent.rows}
