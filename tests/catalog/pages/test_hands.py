"""Hands on the sheet's page and the reviewer's: crops beside the base, and who looked for them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from catalog.pages.finding_words import finding_sentence
from catalog.pages.reading.grid import read_grid
from catalog.pages.reading.hands import read_hands
from inference.models import Sheet
from inference.services import record_check
from registry.models import Version, Vetting

pytestmark = pytest.mark.database

BOX = {"left": 2, "top": 4, "right": 10, "bottom": 12}
GUESSED: dict[str, Any] = {
    "detector": "",
    "code": "",
    "reason": "",
    "looked": 2,
    "cells": [{"row": 4, "column": 5, "boxes": [BOX]}, {"row": 6, "column": 5, "boxes": [BOX]}],
}
FOUND = GUESSED | {"detector": "hands.onnx 0123456789ab", "looked": 8}
LOST = GUESSED | {"code": "hand_detector_missing", "reason": "There is no file <gone>."}


def give(version: Version, told: dict[str, Any]) -> Sheet:
    """The version's sheet with this review of hands."""
    sheet = version.sheets.get()
    sheet.metrics = sheet.metrics | {"hands": told}
    sheet.save()
    record_check(version)
    return sheet


def page_of(client: Client, sheet: Sheet) -> str:
    page = client.get(f"/sheets/{sheet.pk}/").content.decode()
    return page.partition('id="hands"')[2].partition("</section>")[0]


def test_crops_stand_beside_the_same_place_of_the_base_and_lead_to_the_cell(
    client: Client, version: Version
) -> None:
    sheet = give(version, GUESSED)
    shown = page_of(client, sheet)
    cells = {(place.row, place.column): place.cell_id for place in sheet.places.all()}
    for row in (4, 6):
        assert f'href="#cell-{row}-5"' in shown
        for column in (5, 0):
            assert f"/cells/{cells[row, column]}/2,4,10,12.webp" in shown
    assert shown.count("<li") == 2
    address = shown.split('<img src="')[1].split('"')[0]
    assert client.get(address).status_code == 200


def test_the_page_says_plainly_that_nobody_looked_for_hands(client: Client, version: Version) -> None:
    shown = page_of(client, give(version, GUESSED))
    assert "No hand detector is set up; these crops only show busy places." in shown


def test_the_page_names_the_detector_and_how_many_pictures_it_looked_at(
    client: Client, version: Version
) -> None:
    shown = page_of(client, give(version, FOUND))
    assert "hands.onnx 0123456789ab" in shown
    assert "found hands in 2 pictures of 8" in shown
    assert "busy places" not in shown


def test_a_detector_that_saw_no_hands_is_named_too(client: Client, version: Version) -> None:
    shown = page_of(client, give(version, FOUND | {"cells": []}))
    assert "saw no hands in 8 pictures" in shown and "<li" not in shown


def test_a_lost_detector_is_not_told_as_a_missing_one(client: Client, version: Version) -> None:
    shown = page_of(client, give(version, LOST))
    assert "could not be used; these crops only show busy places" in shown
    assert "There is no file &lt;gone&gt;." in shown and "hand_detector_missing" in shown
    assert "No hand detector is set up" not in shown


def test_a_sheet_that_was_made_before_or_holds_no_hands_has_no_such_section(
    client: Client, version: Version
) -> None:
    assert page_of(client, version.sheets.get()) == ""
    assert page_of(client, give(version, GUESSED | {"cells": []})) == ""


@pytest.mark.parametrize(
    "told",
    [
        {"cells": "none"},
        {"cells": [{"row": 99, "column": 5, "boxes": [BOX]}]},
        {"cells": [{"row": 4, "column": 5, "boxes": [{"left": -1}, {"left": "x"}, None]}]},
        {"looked": None, "detector": None, "cells": None},
    ],
)
def test_what_a_broken_row_holds_is_left_out(version: Version, told: dict[str, Any]) -> None:
    assert read_hands(read_grid(give(version, GUESSED | told))) is None


def test_a_reviewer_sees_the_crops_and_the_item_that_waits_for_the_decision(
    desk: Client, version: Version
) -> None:
    Version.objects.filter(pk=version.pk).update(vetting=Vetting.WAITING, vetted_at=None)
    give(version, GUESSED)
    page = desk.get(f"/review/{version.pk}/").content.decode()
    assert page.count("data-opens") == 2
    assert "Hands in the pictures" in page
    assert "Nobody looked for hands yet" in page


def test_programs_get_the_crops_with_their_addresses(client: Client, version: Version) -> None:
    sheet = give(version, FOUND)
    told = client.get(f"/api/v1/sheets/{sheet.pk}/").json()["hands"]
    assert (told["detector"], told["looked"]) == ("hands.onnx 0123456789ab", 8)
    assert [(cell["row"], cell["column"]) for cell in told["cells"]] == [(4, 5), (6, 5)]
    (box,) = told["cells"][0]["boxes"]
    assert {side: box[side] for side in BOX} == BOX
    for name in ("image_url", "base_image_url"):
        answer = client.get(box[name])
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/webp")
    assert box["image_url"] != box["base_image_url"]


def test_programs_are_told_null_where_there_is_nothing_to_judge(client: Client, version: Version) -> None:
    assert client.get(f"/api/v1/sheets/{version.sheets.get().pk}/").json()["hands"] is None


def test_programs_get_no_crops_of_other_pictures_while_a_sheet_is_rendered_anew(
    client: Client, version: Version
) -> None:
    sheet = give(version, FOUND)
    Sheet.objects.filter(pk=sheet.pk).update(state="rendering")
    assert client.get(f"/api/v1/sheets/{sheet.pk}/").json()["hands"] is None
    assert page_of(client, sheet) == ""


def test_the_finding_tells_the_three_cases_apart() -> None:
    none, found, lost = (
        finding_sentence("look_at_hands", {"pictures": 2.0, "detected": detected, **more}, "")
        for detected, more in ((0.0, {}), (1.0, {}), (0.0, {"failed": 1.0}))
    )
    assert "no hand detector is set up" in none
    assert found == "Look at the hands in 2 pictures."
    assert "could not be used" in lost
