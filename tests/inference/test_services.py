"""Planning of sheets: which file, which base, which words, and when a sheet is planned anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inference.errors import NoAdapterFile, NoBaseWeights, NoRecipe
from inference.models import Sheet, SheetState
from inference.policy import plan_missing_sheets
from inference.services import (
    RENDER_JOB,
    choose_base,
    find_base,
    finished_sheets,
    mark_failed,
    plan_sheet,
    request_sheet,
)
from inference.shown import trigger_of
from registry.models import BaseModel, Check, FileState, Job, JobState
from registry.storage import store_bytes
from tests.inference.rows import kohya_lora, make_base, make_version

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Weights of a base, as far as planning looks at them."""
    (tmp_path / "model_index.json").write_text("{}")
    return tmp_path


def test_a_planned_sheet_waits_and_is_planned_once(folder: Path) -> None:
    base, version = make_base(folder), make_version(trigger_words=["momo"])
    sheet = plan_sheet(version=version)
    assert (sheet.state, sheet.base, sheet.cells_total) == (SheetState.WAITING, base, 48)
    assert plan_sheet(version=version) == sheet


def test_changed_trigger_words_plan_the_sheet_anew(folder: Path) -> None:
    make_base(folder)
    version = make_version(trigger_words=["momo"])
    sheet = plan_sheet(version=version)
    Sheet.objects.filter(pk=sheet.pk).update(state=SheetState.RENDERING)
    version.trigger_words = ["pip"]
    version.save()
    again = plan_sheet(version=version)
    assert (again.pk, again.state) == (sheet.pk, SheetState.WAITING)
    assert again.plan["trigger"]["words"] == "pip"


def test_changed_weights_of_the_base_plan_the_sheet_anew(folder: Path) -> None:
    make_base(folder)
    version = make_version()
    first = plan_sheet(version=version).base_digest
    (folder / "model_index.json").write_text('{"a": 1}')
    assert plan_sheet(version=version).base_digest != first


def test_a_site_without_the_base_on_disk_can_still_plan() -> None:
    make_base("not/here")
    sheet = plan_sheet(version=make_version())
    assert (sheet.state, sheet.base_digest) == (SheetState.WAITING, "")


def test_a_failed_sheet_is_planned_again_when_asked_for(folder: Path) -> None:
    make_base(folder)
    version = make_version()
    sheet = plan_sheet(version=version)
    mark_failed(sheet, "out_of_memory", "Too large.")
    assert Check.objects.get(version=version, code="sheet").outcome == "fail"
    again = plan_sheet(version=version)
    assert (again.state, again.code) == (SheetState.WAITING, "")


def test_another_family_is_refused_with_the_reason_and_told_to_vetting(folder: Path) -> None:
    base = make_base(folder)
    version = make_version(detected_family="sdxl")
    sheet = plan_sheet(version=version, base=base)
    assert (sheet.state, sheet.code) == (SheetState.REFUSED, "wrong_base")
    assert "sdxl" in sheet.message
    check = Check.objects.get(version=version, code="sheet")
    assert (check.outcome, check.evidence["code"]) == ("warn", "wrong_base")


def test_a_base_without_weights_is_a_refusal_when_it_was_asked_for() -> None:
    base = BaseModel.objects.create(slug="bare", name="Bare", family="toybox")
    assert plan_sheet(version=make_version(), base=base).code == "no_base_weights"


def test_the_decided_base_goes_before_the_declared_one(folder: Path) -> None:
    declared, decided = make_base(folder, slug="a"), make_base(folder, slug="b")
    version = make_version(base_declared=declared, base_decided=decided)
    assert choose_base(version) == decided
    version.base_decided = None
    assert choose_base(version) == declared


def test_a_declared_base_without_weights_gives_way_to_one_of_the_family(folder: Path) -> None:
    bare = BaseModel.objects.create(slug="bare", name="Bare", family="toybox")
    rendered = make_base(folder)
    assert choose_base(make_version(base_declared=bare)) == rendered


def test_no_base_of_the_family_is_an_error_that_names_it() -> None:
    with pytest.raises(NoBaseWeights, match="flux1"):
        choose_base(make_version(detected_family="flux1"))


def test_a_base_is_found_by_slug_or_name_and_else_the_known_ones_are_named(folder: Path) -> None:
    base = make_base(folder)
    assert find_base("TOYBOX-V1") == find_base("base toybox-v1") == base
    with pytest.raises(NoBaseWeights, match="toybox-v1"):
        find_base("nothing")


def test_a_quarantined_file_is_not_shown(folder: Path) -> None:
    make_base(folder)
    version = make_version()
    version.files.update(state=FileState.QUARANTINED, reason="a pickle")
    with pytest.raises(NoAdapterFile):
        plan_sheet(version=version)


def test_a_family_without_a_recipe_is_said_so(folder: Path) -> None:
    make_base(folder, slug="x", family="mochi")
    with pytest.raises(NoRecipe):
        plan_sheet(version=make_version(detected_family="mochi"))


@pytest.mark.parametrize(
    ("words", "tags", "expected"),
    [
        ([], [], ("", False)),
        (["momo", "b"], ["Character"], ("momo", True)),
        (["sketch"], ["style"], ("sketch", False)),
    ],
)
def test_the_first_trigger_words_are_used_and_tags_tell_what_they_name(
    words: Any, tags: Any, expected: Any
) -> None:
    trigger = trigger_of(make_version(trigger_words=words, tags=tags))
    assert (trigger.words, trigger.names_subject) == expected


def test_asking_for_a_sheet_writes_one_job_for_a_gpu_worker(folder: Path) -> None:
    make_base(folder)
    version = make_version()
    sheet = request_sheet(version=version)
    request_sheet(version=version, priority=-1)
    job = Job.objects.get(kind=RENDER_JOB)
    assert (job.key, job.queue, job.family, job.priority) == (str(sheet.pk), "gpu", "toybox", -1)


def test_every_renderable_version_gets_its_sheet_without_being_asked_for(folder: Path) -> None:
    make_base(folder)
    wanted = make_version(name="a")
    make_version(name="b", detected_family="flux1")
    sheets = plan_missing_sheets()
    assert [sheet.version for sheet in sheets] == [wanted]
    assert plan_missing_sheets() == []
    assert Job.objects.count() == 1


def test_a_file_declared_for_a_base_of_another_family_gets_its_refusal_and_no_job(folder: Path) -> None:
    version = make_version(detected_family="sd1", base_declared=make_base(folder))
    (sheet,) = plan_missing_sheets()
    assert (sheet.version, sheet.code) == (version, "wrong_base")
    assert Check.objects.get(version=version, code="sheet").outcome == "warn"
    assert plan_missing_sheets() == []
    assert not Job.objects.exists()


def test_a_replaced_file_gets_a_sheet_of_its_own(folder: Path) -> None:
    from registry.models import File
    from registry.storage import store_bytes

    make_base(folder)
    version = make_version()
    plan_missing_sheets()
    version.files.all().delete()
    File.objects.create(
        version=version, blob=store_bytes(kohya_lora(seed=9), container="safetensors"), name="v2"
    )
    (sheet,) = plan_missing_sheets()
    assert sheet.blob == version.files.get().blob
    assert version.sheets.count() == 2


@pytest.mark.engine
def test_a_worker_renders_the_job_and_a_hopeless_one_ends_on_the_sheet(
    tiny_base: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inference import warm_bases
    from inference.recipes import library
    from registry import jobs

    settings.INFERENCE_THREADS = 1
    monkeypatch.setitem(
        library.FAMILIES, "toybox", library.Native(16, 1, 3.0, library.FAMILIES["toybox"].prompts)
    )
    make_base(tiny_base)
    good = request_sheet(version=make_version(name="good"))
    bad = request_sheet(version=make_version(b"no safetensors at all", name="bad"))
    assert jobs.work("gpu") == 2
    warm_bases.forget_engine()
    good.refresh_from_db()
    bad.refresh_from_db()
    assert good.state == SheetState.DONE
    assert bad.state == SheetState.REFUSED
    assert bad.code
    assert list(Job.objects.order_by("pk").values_list("state", flat=True)) == [
        JobState.DONE,
        JobState.FAILED,
    ]


def test_the_standard_sheet_stands_before_newer_ones_of_other_recipes(tmp_path: Path) -> None:
    base, version = make_base(tmp_path), make_version()
    blob = version.files.get().blob
    image = store_bytes(b"png", container="png")
    made = [
        Sheet.objects.create(
            version=version, blob=blob, base=base, recipe=recipe, recipe_digest=str(number) * 64,
            state=SheetState.DONE, image=image,
        )
        for number, recipe in enumerate(["standard", "standard", "tuning"])
    ]  # fmt: skip
    assert list(finished_sheets()) == [made[1], made[0], made[2]]
