"""sheets/: what one costs, and asking for one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inference.models import Cell, Sheet, SheetCell, SheetState
from inference.services import plan_sheet
from registry.models import Job
from tests.catalog import build
from tests.catalog.api.conftest import Caller
from tests.inference.rows import kohya_lora, make_base, make_version

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def test_anybody_may_ask_what_a_sheet_costs_and_nothing_is_queued(anybody: Caller, tmp_path: Path) -> None:
    make_base(tmp_path)
    version = make_version()
    answer = anybody.get("sheets/cost/", {"version": version.pk, "recipe": "quick"})
    assert answer.json() == {"cells": 12, "new_cells": 12, "seconds": None, "measured": False}
    assert not Sheet.objects.exists()


def test_a_stack_names_its_others_in_the_address(anybody: Caller, tmp_path: Path) -> None:
    make_base(tmp_path)
    momo, ink = make_version(), make_version(kohya_lora(seed=2), name="ink")
    query = {"version": momo.pk, "recipe": "stack", "others": f"{ink.pk}:style:0.6"}
    assert anybody.get("sheets/cost/", query).json()["cells"] == 40


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"recipe": "grand"}, 400, "no_recipe"),
        ({"recipe": "stack"}, 400, "recipe_does_not_fit"),
        ({"base": "nowhere"}, 400, "no_base_weights"),
        ({"version": 10**9}, 404, "version_not_found"),
        ({"version": "x"}, 400, "invalid"),
        ({"price": 1}, 400, "bad_query"),
    ],
)
def test_what_cannot_be_made_has_its_reason_instead_of_a_cost(
    anybody: Caller, tmp_path: Path, query: dict[str, object], status: int, code: str
) -> None:
    make_base(tmp_path)
    answer = anybody.get("sheets/cost/", {"version": make_version().pk, **query})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_reviewer_queues_a_sheet_and_gets_the_same_one_again(reviewer: Caller, tmp_path: Path) -> None:
    make_base(tmp_path)
    momo, ink = make_version(), make_version(kohya_lora(seed=2), name="ink")
    body = {"version": momo.pk, "recipe": "stack", "others": [{"version": ink.pk, "role": "style"}]}
    answer = reviewer.post("sheets/", body)
    assert answer.status_code == 202
    sheet = Sheet.objects.get()
    assert (answer.json()["id"], sheet.state, sheet.recipe) == (sheet.pk, SheetState.WAITING, "stack")
    assert reviewer.post("sheets/", body).json()["id"] == sheet.pk
    assert Job.objects.get(kind="render_sheet").key == str(sheet.pk)


def test_readers_cannot_set_workers_to_work(anybody: Caller, downloader: Caller, tmp_path: Path) -> None:
    make_base(tmp_path)
    version = make_version()
    assert anybody.post("sheets/", {"version": version.pk}).status_code == 401
    assert downloader.post("sheets/", {"version": version.pk}).status_code == 403
    assert not Sheet.objects.exists()


def test_a_reviewer_has_a_finished_sheet_compared_and_an_unfinished_one_is_refused(
    reviewer: Caller, anybody: Caller, tmp_path: Path
) -> None:
    make_base(tmp_path)
    sheet = reviewer.post("sheets/", {"version": make_version().pk}).json()["id"]
    refused = reviewer.post(f"sheets/{sheet}/compare/", {})
    assert (refused.status_code, refused.json()["code"]) == (400, "not_reproducible")
    Sheet.objects.filter(pk=sheet).update(state=SheetState.DONE, image=Sheet.objects.get(pk=sheet).blob)
    assert anybody.post(f"sheets/{sheet}/compare/", {}).status_code in {401, 403}
    answer = reviewer.post(f"sheets/{sheet}/compare/", {})
    assert (answer.status_code, answer.json()["kind"]) == (202, "compare_sheet")
    detail = anybody.get(f"sheets/{sheet}/", {}).json()
    assert (detail["fallbacks"], detail["reproduction"]) == ([], {})


def test_a_cell_is_handed_to_other_programs(anybody: Caller, tmp_path: Path) -> None:
    make_base(tmp_path)
    version = make_version(trigger_words=["momo"])
    sheet = plan_sheet(version=version)
    cell = Cell.objects.create(key="a" * 64, inputs={}, image=build.picture("blue"))
    columns = sheet.plan["columns"]
    place = SheetCell.objects.create(sheet=sheet, cell=cell, row=1, column=len(columns) - 1, role="adapter")
    address = f"sheets/{sheet.pk}/cells/{place.row}/{place.column}/"
    told = anybody.get(address).content.decode()
    assert told.startswith(f"{sheet.plan['rows'][1]['text']} <lora:momo:1>\n")
    assert f"Seed: {sheet.plan['rows'][1]['seed']}" in told
    graph = json.loads(anybody.get(address, {"to": "comfyui"}).content)
    assert "momo.safetensors" in {node["inputs"].get("lora_name") for node in graph.values()}
    assert (
        "load_lora_weights('momo.safetensors'" in anybody.get(address, {"to": "diffusers"}).content.decode()
    )
    assert anybody.get(address, {"to": "paint"}).status_code == 400
    assert anybody.get(f"sheets/{sheet.pk}/cells/99/0/").status_code == 404
