"""Why a version can have no sheet: told before anything is planned, with numbers, and never as a job."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.models import Sheet, SheetState
from inference.policy import plan_missing_sheets
from inference.refusals import tell_refusals, why_no_sheet
from inference.services import plan_sheet, request_sheet
from registry.models import BaseModel, Check, CheckOutcome, FileState, Inspection, Job, Version
from tests.inference.rows import make_base, make_version

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model_index.json").write_text("{}")
    return tmp_path


def read(version: Version, modules: int = 264) -> None:
    blob = version.files.get().blob
    Inspection.objects.create(
        blob=blob, reader="test", valid=True, kind="adapter", data={"findings": []}, modules=modules
    )


def check_of(version: Version) -> Check:
    return Check.objects.get(version=version, code="sheet")


@pytest.mark.parametrize(
    ("family", "numbers", "step"),
    [
        ("wan21", {"family_known": 1, "bases": 0, "recipes": 0, "modules": 264}, "cannot be rendered"),
        ("sdxl", {"family_known": 1, "bases": 0, "recipes": 1, "modules": 264}, "its weights folder"),
        (
            "unknown",
            {"family_known": 0, "bases": 0, "recipes": 0, "modules": 264},
            "Settle the version's base",
        ),
    ],
)
def test_a_family_without_a_base_is_told_with_its_numbers(
    folder: Path, family: str, numbers: dict[str, float], step: str
) -> None:
    make_base(folder)
    version = make_version(detected_family=family)
    read(version)
    found = why_no_sheet(version)
    assert found is not None and found.error.code == "no_base_weights"
    assert step in found.error.next_step
    (finding,) = found.findings
    assert (finding.code, finding.severity, finding.numbers) == ("not_renderable", "info", numbers)
    assert family in finding.message


def test_a_base_of_a_family_without_recipes_does_not_help(folder: Path) -> None:
    make_base(folder, slug="wan", family="wan21")
    found = why_no_sheet(make_version(detected_family="wan21"))
    assert found is not None and found.error.code == "no_recipe"
    assert found.findings[0].numbers["bases"] == 1 and found.findings[0].numbers["recipes"] == 0
    assert "cannot be rendered" in found.error.next_step


def test_a_file_of_another_family_than_its_base_has_the_finding_that_rendering_would_give(
    folder: Path,
) -> None:
    base = make_base(folder)
    version = make_version(detected_family="sdxl", base_declared=base)
    read(version)
    found = why_no_sheet(version)
    assert found is not None and found.error.code == "wrong_base"
    sheet = request_sheet(version=version)
    assert sheet.findings == [finding.as_dict() for finding in found.findings]
    (finding,) = sheet.findings
    assert (finding["code"], finding["severity"]) == ("wrong_base", "error")
    assert finding["numbers"] == {"modules": 264.0}
    assert "sdxl" in finding["message"] and "toybox" in finding["message"]
    assert check_of(version).evidence["findings"] == ["wrong_base"]
    assert not Job.objects.exists()


def test_a_base_without_weights_that_was_asked_for_has_its_finding(folder: Path) -> None:
    bare = BaseModel.objects.create(slug="bare", name="Bare", family="toybox")
    sheet = plan_sheet(version=make_version(), base=bare)
    assert [finding["code"] for finding in sheet.findings] == ["not_renderable"]


def test_what_can_be_planned_or_has_no_file_has_nothing_to_tell(folder: Path) -> None:
    make_base(folder)
    version = make_version()
    assert why_no_sheet(version) is None
    version.files.update(state=FileState.QUARANTINED, reason="a pickle")
    assert why_no_sheet(version) is None
    version.detected_family = "wan21"
    assert why_no_sheet(version) is None


def test_a_planned_sheet_that_was_refused_forgets_it_when_it_can_be_rendered(folder: Path) -> None:
    base = make_base(folder)
    version = make_version(detected_family="sdxl", base_declared=base)
    assert request_sheet(version=version).state == SheetState.REFUSED
    version.detected_family = "toybox"
    version.save()
    sheet = request_sheet(version=version)
    assert (sheet.state, sheet.findings) == (SheetState.WAITING, [])
    assert check_of(version).outcome == CheckOutcome.TODO


def test_vetting_is_told_once_and_again_when_a_base_has_come(folder: Path) -> None:
    make_base(folder)
    fine = make_version(name="fine")
    version = make_version(name="video", detected_family="sdxl")
    assert tell_refusals() == 1
    told = check_of(version)
    assert told.outcome == CheckOutcome.WARN
    assert "No comparison sheet: No base model of the family sdxl" in told.summary
    assert told.evidence["refusal"][0]["numbers"]["recipes"] == 1
    assert tell_refusals() == 0
    assert check_of(version).updated == told.updated
    make_base(folder, slug="xl", family="sdxl")
    assert tell_refusals() == 0
    assert check_of(version).outcome == CheckOutcome.TODO
    assert not Check.objects.filter(version=fine, code="sheet", outcome=CheckOutcome.WARN).exists()
    assert not Job.objects.exists() and not Sheet.objects.exists()


def test_automatic_planning_tells_what_it_must_pass_by(folder: Path) -> None:
    # The decided base goes first and has no weights; the declared one would be another family's.
    decided = BaseModel.objects.create(slug="bare", name="Bare", family="sdxl")
    version = make_version(detected_family="sdxl", base_declared=make_base(folder), base_decided=decided)
    assert plan_missing_sheets() == []
    told = check_of(version)
    assert told.evidence["code"] == "no_base_weights"
    # It stays told, though another base of it has weights.
    tell_refusals()
    assert plan_missing_sheets() == []
    assert (check_of(version).evidence, check_of(version).updated) == (told.evidence, told.updated)
