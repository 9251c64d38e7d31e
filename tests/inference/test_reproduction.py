"""A finished sheet rendered again: equal where it has to be, and told apart where it is not."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from inference.cells import read_pixels, to_png
from inference.errors import NotReproducible, PicturesDiffer
from inference.layouts import BatchLayout
from inference.models import Cell, Sheet, SheetState
from inference.recipes import library
from inference.render import render_sheet
from inference.reproduction import TOLERANCE, Comparison, Difference, compare_sheet
from inference.services import COMPARE_JOB, plan_sheet, request_comparison
from inference.warm_bases import forget_engine
from registry import jobs
from registry.models import Job, JobState
from registry.storage import store_bytes
from tests.inference.rows import make_base, make_version
from tests.inference.test_render import PROMPTS

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    monkeypatch.setitem(library.FAMILIES, "toybox", library.Native(16, 2, 3.0, PROMPTS))
    settings.INFERENCE_THREADS = 1
    yield
    forget_engine()


@pytest.fixture
def sheet(tiny_base: Path) -> Sheet:
    """A finished sheet of 48 pictures."""
    make_base(tiny_base)
    planned = plan_sheet(version=make_version(trigger_words=["momo"], tags=["character"]))
    render_sheet(planned.pk)
    planned.refresh_from_db()
    return planned


def repaint(cell: Cell, change: int) -> None:
    """As if the stored picture had been made otherwise: all its levels moved."""
    pixels = (read_pixels(cell).astype(int) + change).clip(0, 255).astype(np.uint8)
    cell.image = store_bytes(to_png(pixels), container="png")
    cell.facts["digest"] = "0" * 64
    cell.save()


def test_a_base_loaded_anew_renders_every_picture_equal_to_the_last_bit(sheet: Sheet) -> None:
    forget_engine()
    found = compare_sheet(sheet.pk)
    assert (found.verdict, found.alike, found.equal, found.cells) == ("equal", True, 48, 48)
    assert found.as_expected
    sheet.refresh_from_db()
    assert sheet.reproduction["verdict"] == "equal"
    assert Cell.objects.count() == 48


def test_a_picture_that_is_another_is_found_with_its_place_and_its_numbers(sheet: Sheet) -> None:
    repaint(sheet.places.get(row=3, column=4).cell, 40)
    with pytest.raises(PicturesDiffer, match="1 pictures"):
        call_command("render", compare=sheet.pk, stdout=io.StringIO(), stderr=io.StringIO())
    sheet.refresh_from_db()
    told = sheet.reproduction
    assert (told["verdict"], told["equal"], told["as_expected"]) == ("different", 47, False)
    (worst,) = told["worst"]
    assert (worst["row"], worst["column"]) == (3, 4)
    assert worst["mean"] > TOLERANCE and worst["largest"] >= 40


def test_small_differences_are_close_on_another_device_and_too_much_on_the_same(sheet: Sheet) -> None:
    repaint(sheet.places.get(row=0, column=2).cell, 1)
    here = compare_sheet(sheet.pk)
    assert (here.verdict, here.as_expected) == ("close", False)
    sheet.manifest["environment"]["device"] = "another"
    sheet.save()
    elsewhere = compare_sheet(sheet.pk)
    assert (elsewhere.verdict, elsewhere.alike, elsewhere.as_expected) == ("close", False, True)


def test_a_narrower_layout_is_compared_by_the_tolerance() -> None:
    found = Comparison(False, {}, BatchLayout(1).as_dict(), cells=2, equal=1)
    found.differences.append(Difference(0, 0, TOLERANCE, 9))
    assert (found.verdict, found.as_expected) == ("close", True)
    found.differences.append(Difference(0, 1, TOLERANCE + 0.1, 9))
    assert (found.verdict, found.as_expected) == ("different", False)


def test_the_command_prints_what_it_found_as_json(sheet: Sheet) -> None:
    out = io.StringIO()
    call_command("render", "--compare", str(sheet.pk), "--json", stdout=out, stderr=io.StringIO())
    told = json.loads(out.getvalue())
    assert (told["verdict"], told["cells"], told["worst"]) == ("equal", 48, [])
    assert told["environment"]["dtype"] == "float32"


def test_a_worker_compares_when_it_is_asked_to(sheet: Sheet) -> None:
    request_comparison(sheet)
    assert jobs.work("gpu") == 1
    sheet.refresh_from_db()
    assert sheet.reproduction["verdict"] == "equal"
    job = Job.objects.get(kind=COMPARE_JOB)
    assert (job.state, job.progress_done) == (JobState.DONE, 48)


def test_a_base_whose_weights_changed_cannot_reproduce_anything(sheet: Sheet) -> None:
    Sheet.objects.filter(pk=sheet.pk).update(base_digest="0" * 64)
    with pytest.raises(NotReproducible, match="no longer"):
        compare_sheet(sheet.pk)


def test_a_sheet_that_is_not_there_or_not_done_is_refused(tiny_base: Path) -> None:
    make_base(tiny_base)
    waiting = plan_sheet(version=make_version())
    assert waiting.state == SheetState.WAITING
    with pytest.raises(NotReproducible, match="not finished"):
        request_comparison(waiting)
    with pytest.raises(NotReproducible, match="no sheet 4711"):
        call_command("render", "--compare", "4711")
    with pytest.raises(CommandError, match="--compare"):
        call_command("render")
