"""A sheet whose plan leaves rows out: what it costs is what is rendered, and it is found again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference import warm_bases
from inference.cost import cost_of
from inference.models import Cell, Sheet, SheetState
from inference.recipes import Prompt, library
from inference.render import render_sheet
from inference.services import plan_sheet
from tests.inference.rows import make_base, make_version

PROMPTS = (
    *(Prompt(text) for text in ("a cat", "a house", "a tree")),
    *(
        Prompt(f"{{subject}} {place}", subject="a star", takes_trigger=True)
        for place in ("on a hill", "by the sea", "at night")
    ),
)

pytestmark = [pytest.mark.engine, pytest.mark.database, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, settings: Any, tiny_base: Path) -> Iterator[None]:
    monkeypatch.setitem(library.FAMILIES, "toybox", library.Native(16, 2, 3.0, PROMPTS))
    settings.INFERENCE_THREADS = 1
    make_base(tiny_base)
    yield
    warm_bases.forget_engine()


def rendered(sheet: Sheet) -> Sheet:
    run = render_sheet(sheet.pk)
    sheet.refresh_from_db()
    assert sheet.state == SheetState.DONE, sheet.message
    assert run.rendered + run.reused == sheet.cells_total == sheet.places.count()
    return sheet


def test_the_overfit_sheet_of_an_adapter_without_words_has_no_row_twice_and_is_found_again() -> None:
    version = make_version()
    # One scene at four seeds, two others and three neutral prompts, in base, control and two weights.
    assert cost_of(version, "overfit").cells == 36
    sheet = rendered(plan_sheet(version=version, recipe="overfit"))
    assert sheet.cells_total == Cell.objects.count() == 36
    assert sheet.manifest["layout"]["cells"] == len(sheet.places.all()[0].cell.inputs["batch"]) == 3
    again = plan_sheet(version=version, recipe="overfit")
    assert (again.pk, again.state) == (sheet.pk, SheetState.DONE)
    assert cost_of(version, "overfit").new_cells == 0


def test_a_version_that_gets_words_has_the_same_sheet_planned_anew_with_its_rows() -> None:
    version = make_version()
    sheet = rendered(plan_sheet(version=version, recipe="overfit"))
    version.trigger_words = ["momo"]
    version.save()
    anew = plan_sheet(version=version, recipe="overfit")
    assert (anew.pk, anew.state) == (sheet.pk, SheetState.WAITING)
    assert rendered(anew).cells_total == 15 * 4
