"""Hands from the rendered sheet to the reviewer: metrics, finding, and a check that waits for a decision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from inference import warm_bases
from inference.models import Sheet
from inference.recipes import Prompt, library
from inference.render import render_sheet
from inference.services import plan_sheet, record_check
from registry.checks import looked_at
from registry.models import Check, CheckOutcome, Inspection, Version
from registry.vetting import review
from tests.inference.onnx_models import red_finder, save
from tests.inference.rows import make_base, make_version

pytestmark = [pytest.mark.database, pytest.mark.django_db]

PROMPTS = (
    Prompt("a cat"),
    Prompt("a house"),
    Prompt("{subject} on a hill", subject="a man", takes_trigger=True),
    Prompt("{subject} by the sea", subject="a woman", takes_trigger=True),
)
GUESSED = {
    "detector": "",
    "code": "",
    "reason": "",
    "looked": 4,
    "cells": [{"row": 4, "column": 5, "boxes": [{"left": 0, "top": 0, "right": 4, "bottom": 4}]}],
}


@pytest.fixture
def drawn(tiny_base: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Version]:
    """A version of a family whose pictures may hold hands, on a base that draws 16 x 16 pixels."""
    settings.INFERENCE_THREADS = 1
    native = library.Native(16, 2, 3.0, PROMPTS)
    for family in ("sd1", "toybox"):
        monkeypatch.setitem(library.FAMILIES, family, native)
    make_base(tiny_base, family="sd1")
    yield make_version(trigger_words=["momo"], detected_family="sd1")
    warm_bases.forget_engine()


@pytest.fixture
def sheet() -> Sheet:
    """A finished sheet with guessed crops, as far as the check looks at one."""
    version = make_version(detected_family="sd1")
    found = plan_sheet(version=version, base=make_base("not/here", family="sd1"))
    Sheet.objects.filter(pk=found.pk).update(state="done", image=found.blob, metrics={"hands": GUESSED})
    return Sheet.objects.get(pk=found.pk)


def check_of(version: Version) -> Check | None:
    return Check.objects.filter(version=version, code="hands").first()


@pytest.mark.engine
def test_a_rendered_sheet_keeps_its_crops_the_finding_and_asks_the_reviewer(drawn: Version) -> None:
    sheet = plan_sheet(version=drawn)
    render_sheet(sheet.pk)
    sheet.refresh_from_db()
    told = sheet.metrics["hands"]
    assert (told["detector"], told["looked"], len(told["cells"])) == ("", 4, 4)
    assert sheet.manifest["metrics"]["hands"] == told
    (finding,) = [each for each in sheet.findings if each["code"] == "look_at_hands"]
    assert finding["severity"] == "info" and "no hand detector" in finding["message"]
    check = check_of(drawn)
    assert check is not None and check.outcome == CheckOutcome.TODO
    assert check.evidence["sheet"] == sheet.pk and check.evidence["pictures"] == 4


@pytest.mark.engine
def test_a_detector_that_sees_no_hands_leaves_nothing_to_look_at(
    drawn: Version, settings: Any, tmp_path: Path
) -> None:
    settings.HAND_DETECTOR = str(save(red_finder(), tmp_path / "hands.onnx"))
    sheet = plan_sheet(version=drawn)
    render_sheet(sheet.pk)
    sheet.refresh_from_db()
    told = sheet.metrics["hands"]
    assert told["detector"].startswith("hands.onnx ") and told["looked"] == 8
    assert "look_at_hands" not in {finding["code"] for finding in sheet.findings}
    check = check_of(drawn)
    assert check is not None and check.outcome == CheckOutcome.OK


def test_it_stays_to_do_until_a_reviewer_decides_and_comes_back_with_another_sheet(
    sheet: Sheet, admin_user: User
) -> None:
    version = sheet.version
    record_check(version)
    before = check_of(version)
    assert before is not None and before.outcome == CheckOutcome.TODO
    Inspection.objects.create(
        blob=sheet.blob, reader="test", valid=True, kind="adapter", data={"findings": []}
    )
    decision = review(version, admin_user, "reject", "the hands have six fingers")
    assert {"code": "hands", "outcome": "todo", "summary": before.summary} in decision.checks
    record_check(version)
    after = check_of(version)
    assert after is not None and after.outcome == CheckOutcome.OK
    Sheet.objects.filter(pk=sheet.pk).update(metrics={"hands": {**GUESSED, "looked": 6}})
    record_check(version)
    again = check_of(version)
    assert again is not None and again.outcome == CheckOutcome.TODO


def test_a_sheet_without_hands_takes_the_item_away(sheet: Sheet) -> None:
    record_check(sheet.version)
    assert check_of(sheet.version) is not None
    Sheet.objects.filter(pk=sheet.pk).update(metrics={})
    record_check(sheet.version)
    assert check_of(sheet.version) is None


def test_a_lost_detector_stands_in_the_evidence(sheet: Sheet) -> None:
    lost = {**GUESSED, "code": "hand_detector_missing", "reason": "There is no file x."}
    Sheet.objects.filter(pk=sheet.pk).update(metrics={"hands": lost})
    record_check(sheet.version)
    check = check_of(sheet.version)
    assert check is not None and check.evidence["detector_failed"] == "hand_detector_missing"


def test_looking_is_not_recorded_where_there_is_nothing_to_look_at() -> None:
    version = make_version()
    looked_at(version)
    assert check_of(version) is None
