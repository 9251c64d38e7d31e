"""The sheet viewer: a plain table of pictures, gaps while it grows, what it tells."""

from __future__ import annotations

import hashlib
import html

import pytest
from django.test import Client

from catalog.pages.reading.grid import Grid, read_grid, read_pairs
from catalog.pages.reading.heads import column_label
from catalog.recommended import read_recommended
from inference.models import Cell, Sheet, SheetCell, SheetState
from inference.recipes import Role, SheetPlan, Shown, Trigger, get_recipe
from registry.models import Version

pytestmark = pytest.mark.database

MOMO = Trigger("momo", names_subject=True)
STACK = (
    Shown("a" * 64, "Momo", "character", trigger=MOMO, negative="blurry"),
    Shown("b" * 64, "Ink", "style", 0.6, Trigger("ink")),
    Shown("c" * 64, "Hat", "clothing"),
)


def render(version: Version, name: str) -> Sheet:
    """The version's sheet as if it were of this recipe: one picture at every place of the plan."""
    sheet = version.sheets.get()
    recipe = get_recipe(name, "toybox")
    plan = SheetPlan(recipe, MOMO, STACK[: recipe.adapters[1]])
    image = Cell.objects.filter(places__sheet=sheet)[:1].get().image
    sheet.places.all().delete()
    spots = [(row, column) for row in range(len(plan.rows)) for column in range(len(plan.columns))]
    cells = {}
    for row, column in spots:
        # Columns that apply the same have the same cells.
        head = plan.columns[column]
        key = hashlib.sha256(f"{row} {head.role} {head.slots} {head.override}".encode()).hexdigest()
        cells[row, column] = Cell(key=key, inputs={}, image=image)
    Cell.objects.bulk_create({cell.key: cell for cell in cells.values()}.values())
    SheetCell.objects.bulk_create(
        SheetCell(
            sheet=sheet,
            cell_id=cells[row, column].key,
            row=row,
            column=column,
            role=str(plan.columns[column].role),
            metrics={},
        )
        for row, column in spots
    )
    Sheet.objects.filter(pk=sheet.pk).update(plan=plan.as_dict(), recipe=name, cells_total=plan.cells)
    return Sheet.objects.get(pk=sheet.pk)


def names(grid: Grid) -> list[str]:
    """The columns in words that stand alone."""
    return [head.name for head in grid.heads]


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


def test_columns_of_weights_alone_have_one_line_of_heads(client: Client, version: Version) -> None:
    page = client.get(f"/sheets/{version.sheets.get().pk}/").content.decode()
    assert "colgroup" not in page
    assert "is-opening" not in page
    assert "sheet.css" not in page


def test_a_tuning_sheet_says_over_its_columns_which_value_changes(client: Client, version: Version) -> None:
    sheet = render(version, "tuning")
    page = client.get(f"/sheets/{sheet.pk}/")
    groups = page.context["grid"].groups
    assert [group.name for group in groups] == ["", "Weight", "Sampler", "Guidance (CFG)", "Steps", "Seed"]
    assert sum(group.width for group in groups) == len(sheet.plan["columns"])
    text = page.content.decode()
    assert '<th scope="colgroup" colspan="5" class="is-opening"><span>Steps</span></th>' in text
    assert text.count("at weight 0.8") == 12


def test_a_column_has_a_name_that_stands_alone(version: Version) -> None:
    tuning = names(read_grid(render(version, "tuning")))
    assert tuning[:6] == ["Base", "Control 0", "0.4", "0.6", "0.8", "1.0"]
    assert tuning[-5:] == ["Seed: +0", "Base · Seed: +101", "Seed: +101", "Base · Seed: +202", "Seed: +202"]


@pytest.mark.parametrize(
    ("recipe", "last"),
    [
        ("stack", ["character", "style", "clothing", "character + style", "character + clothing",
                   "style + clothing", "All together"]),
        ("version", ["Earlier version: 1.0", "This version: 0.6", "This version: 0.8", "This version: 1.0"]),
        ("negative", ["Negative prompt: none", "Base · Negative prompt: the author's",
                      "Negative prompt: the author's"]),
    ],
)  # fmt: skip
def test_other_recipes_name_their_columns_by_what_they_apply(
    version: Version, recipe: str, last: list[str]
) -> None:
    assert names(read_grid(render(version, recipe)))[-len(last) :] == last


@pytest.mark.parametrize("recipe", ["tuning", "version", "negative", "hires", "stack", "blocks"])
def test_every_picture_is_compared_with_the_base_that_is_sampled_alike(
    client: Client, version: Version, recipe: str
) -> None:
    sheet = render(version, recipe)
    columns = sheet.plan["columns"]
    page = client.get(f"/sheets/{sheet.pk}/").content.decode()
    for number, column in enumerate(columns):
        cell = page.split(f'data-cell id="cell-1-{number}"')[1].split(">")[0]
        partner = int(cell.split('data-twin="cell-1-')[1].split('"')[0])
        assert columns[partner]["role"] == Role.BASE
        assert columns[partner]["override"] == column["override"]


def test_the_parameters_of_a_growing_sheet_are_those_of_each_column(version: Version) -> None:
    grid = read_grid(render(version, "tuning"))
    by_name = {picture.name: picture for picture in grid.rows[0].pictures if picture is not None}
    assert "sampler: euler_a" in by_name["Sampler: euler_a"].parameters
    assert "steps: 10," in by_name["Base · Steps: 10"].parameters
    assert "adapter weight" not in by_name["Base · Steps: 10"].parameters
    assert "seed: 112," in by_name["Seed: +101"].parameters
    assert by_name["Seed: +101"].seed == "112"


def test_the_parameters_of_a_finished_sheet_are_those_of_its_manifest(version: Version) -> None:
    sheet = version.sheets.get()
    sheet.manifest = {"cells": [{"row": 0, "column": 2, "parameters": "a cat\nSteps: 16"}]}
    pictures = read_grid(sheet).rows[0].pictures
    assert pictures[2] is not None
    assert pictures[2].parameters == "a cat\nSteps: 16"


@pytest.mark.parametrize(
    ("recipe", "shown"),
    [("tuning", 5), ("stack", 8), ("version", 4), ("blocks", 8), ("negative", 2), ("hires", 2)],
)
def test_the_strip_has_few_pictures_and_only_such_as_its_base_tells_of(
    version: Version, recipe: str, shown: int
) -> None:
    strip = read_grid(render(version, recipe)).strip()[0]
    assert len(strip) == shown
    assert {picture.twin for picture in strip} == {0}


def test_a_card_shows_the_version_itself_beside_the_plain_base(version: Version) -> None:
    sheet = render(version, "version")
    pair = read_pairs([sheet])[sheet.pk]
    assert pair.base.label == "Base"
    assert pair.strong.label == "This version: 0.8"


def test_rows_of_a_recipe_with_groups_stand_under_captions_and_others_do_not(
    client: Client, version: Version
) -> None:
    standard = client.get(f"/sheets/{version.sheets.get().pk}/").content.decode()
    assert "sheet__rows" not in standard
    grid = read_grid(render(version, "overfit"))
    assert [(row.number, row.caption) for row in grid.rows if row.caption] == [
        (0, "One scene at several seeds"),
        (4, "Other scenes at one seed"),
        (7, "The same without the trigger words"),
        (14, "Neutral prompts"),
    ]
    page = client.get(f"/sheets/{version.sheets.get().pk}/").content.decode()
    assert page.count('scope="rowgroup"') == page.count("<tbody>") == page.count("</tbody>") == 4
    assert "css/sheet.css" in page


def test_the_page_of_a_sheet_tells_its_negative_prompts(client: Client, version: Version) -> None:
    standard = client.get(f"/sheets/{version.sheets.get().pk}/").content.decode()
    assert "No picture has a negative prompt." in standard
    negative = client.get(f"/sheets/{render(version, 'negative').pk}/").content.decode()
    assert "Negative prompt: <q>blurry</q>" in negative
    assert "No picture has" not in negative
