"""The sheet viewer: a plain table of pictures, gaps while it grows, what it tells."""

from __future__ import annotations

import html

import pytest
from django.test import Client

from catalog.pages.reading.grid import column_label, read_grid, read_pairs
from catalog.recommended import read_recommended
from inference.models import Sheet, SheetState
from registry.models import Version

pytestmark = pytest.mark.database


def test_the_table_has_all_prompts_and_weights(client: Client, version: Version) -> None:
    sheet = version.sheets.get()
    page = client.get(f"/sheets/{sheet.pk}/")
    grid = page.context["grid"]
    assert grid.columns == ["Base", "Control 0", "0.4", "0.6", "0.8", "1.0"]
    assert len(grid.rows) == 8
    assert page.content.decode().count("data-cell id=") == 48


def test_without_script_each_cell_leads_to_its_picture(client: Client, version: Version) -> None:
    page = client.get(f"/sheets/{version.sheets.get().pk}/").content.decode()
    answer = client.get(page.split('data-cell id="cell-0-0" href="')[1].split('"')[0])
    assert answer.headers["Content-Type"] == "image/png"
    assert b"".join(answer.streaming_content).startswith(b"\x89PNG")  # type: ignore[attr-defined]
    answer.close()


def test_a_growing_sheet_shows_gaps_not_holes(client: Client, version: Version) -> None:
    sheet = version.sheets.get()
    sheet.places.filter(row__gte=3).delete()
    Sheet.objects.filter(pk=sheet.pk).update(state=SheetState.RENDERING)
    page = client.get(f"/sheets/{sheet.pk}/").content.decode()
    assert "18 of 48 pictures" in page
    assert page.count("not yet") == 30


def test_a_refused_sheet_says_why(client: Client, version: Version) -> None:
    sheet = version.sheets.get()
    sheet.places.all().delete()
    Sheet.objects.filter(pk=sheet.pk).update(
        state=SheetState.REFUSED, code="wrong_base", message="It is for FLUX.1."
    )
    page = client.get(f"/sheets/{sheet.pk}/").content.decode()
    assert "It is for FLUX.1." in page
    assert "wrong_base" in page


def test_a_sheet_of_a_replaced_file_is_marked(client: Client, version: Version) -> None:
    sheet = version.sheets.get()
    assert "For an earlier file" not in client.get(f"/sheets/{sheet.pk}/").content.decode()
    version.files.all().delete()
    assert "For an earlier file" in client.get(f"/sheets/{sheet.pk}/").content.decode()


def test_cards_show_the_row_of_typical_effect_among_those_with_the_trigger_words(version: Version) -> None:
    sheet = version.sheets.get()
    for place in sheet.places.filter(column=4):
        place.metrics = {"effect": place.row / 10}
        place.save()
    assert read_pairs([sheet])[sheet.pk].strong.row == 6


@pytest.mark.parametrize(("weight", "label"), [(0.4, "0.4"), (1.0, "1.0"), (0.25, "0.25"), (2.0, "2.0")])
def test_a_weight_has_a_leading_zero_and_a_decimal(weight: float, label: str) -> None:
    assert column_label("adapter", weight) == label


@pytest.mark.parametrize(("low", "high", "weight"), [(0.4, 0.9, 0.8), (0.3, 0.6, 0.6), (0.9, 1.0, 0.9)])
def test_copied_lines_use_a_weight_that_the_sheet_recommends(low: float, high: float, weight: float) -> None:
    found = [{"code": "recommended_weight", "numbers": {"low": low, "high": high}}]
    assert read_recommended(Version(), found, 24).weight.default == weight


def test_a_sheet_that_does_not_exist_is_not_found(client: Client, db: None) -> None:
    assert client.get("/sheets/1/").status_code == 404


def test_the_strip_opens_with_the_typical_row_that_has_the_trigger_words(version: Version) -> None:
    sheet = version.sheets.get()
    for place in sheet.places.filter(role="adapter"):
        place.metrics = {"effect": (0.1, 0.5, 0.5, 0.9)[place.row // 2]}
        place.save()
    strip = read_grid(sheet).strip(rows=2)
    assert [pictures[0].row for pictures in strip] == [4, 2]
    assert {picture.role for pictures in strip for picture in pictures} == {"base", "adapter"}


def test_a_growing_sheet_asks_for_what_has_come_and_gets_nothing_when_nothing_has(
    client: Client, version: Version
) -> None:
    sheet = version.sheets.get()
    sheet.places.filter(row__gte=3).delete()
    Sheet.objects.filter(pk=sheet.pk).update(state=SheetState.RENDERING)
    page = client.get(f"/sheets/{sheet.pk}/").content.decode()
    address = html.unescape(page.split('hx-get="')[1].split('"')[0])
    assert client.get(address, headers={"HX-Request": "true"}).status_code == 204
    sheet.places.filter(row=2).delete()
    part = client.get(address, headers={"HX-Request": "true"}).content.decode()
    assert part.count("data-cell id=") == 12 and "12 of 48 pictures" in part
    assert "<html" not in part


def test_a_page_that_watched_a_sheet_to_its_end_loads_anew_and_then_asks_no_more(
    client: Client, version: Version
) -> None:
    sheet = version.sheets.get()
    answer = client.get(f"/sheets/{sheet.pk}/?shown=40&state=rendering", headers={"HX-Request": "true"})
    assert answer.headers["HX-Refresh"] == "true"
    assert "hx-get" not in client.get(f"/sheets/{sheet.pk}/").content.decode().split("<main")[1]


def test_a_sheet_says_how_memory_was_saved_and_how_it_compared_when_rendered_again(
    client: Client, version: Version
) -> None:
    sheet = version.sheets.get()
    before = client.get(f"/sheets/{sheet.pk}/").content.decode()
    assert "Memory did not suffice" not in before and "Rendered again" not in before
    layout = {"at_once": 2, "slice_vae": True, "offload": True}
    sheet.fallbacks = [{"layout": layout, "pictures": 4, "reason": "CUDA out of memory."}]
    sheet.reproduction = {
        "verdict": "close", "as_expected": True, "equal": 40, "cells": 48,
        "compared": "2026-11-26T10:00:00+00:00",
    }  # fmt: skip
    sheet.save()
    page = client.get(f"/sheets/{sheet.pk}/").content.decode()
    assert "2 pictures were rendered at a time" in page
    assert "waited outside of the device" in page
    assert "40 of 48 pictures are equal to the last bit" in page
    assert "as close as another device" in page
