"""The contact sheet: readable for people, and for programs through the manifest inside."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from inference.contact_sheet import Heading, Pixels, compose, read_manifest
from inference.recipes import SheetPlan, Trigger, get_recipe

HEADING = Heading(
    "Momo v1", "Kura Toybox", "standard 0123abcd", "f" * 64, "2026-01-02", (("warning", "Too much."),)
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
