"""Sheets that nobody asks for: of which versions, how many, and that people go first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from inference import tasks
from inference.models import Sheet, SheetState
from inference.policy import AUTOMATIC, SheetPolicy, gives_way, house_policy, plan_missing_sheets
from inference.services import RENDER_JOB, mark_failed, request_sheet
from registry import jobs
from registry.models import Job, JobState, Version, Vetting
from tests.inference.rows import kohya_lora, make_base, make_version

pytestmark = [pytest.mark.database, pytest.mark.django_db]

ALL = SheetPolicy(True, (), tuple(Vetting.values), 0, 200)


@pytest.fixture
def base(tmp_path: Path) -> Any:
    """A base, as far as planning looks at it."""
    (tmp_path / "model_index.json").write_text("{}")
    return make_base(tmp_path)


def versions(count: int, **fields: Any) -> list[Version]:
    return [make_version(kohya_lora(seed=10 * n), name=f"a{n}", **fields) for n in range(count)]


def test_every_version_of_a_family_with_weights_gets_one_sheet_and_only_one(base: Any) -> None:
    made = versions(3)
    make_version(kohya_lora(seed=77), name="elsewhere", detected_family="flux1")
    assert [sheet.version for sheet in plan_missing_sheets(ALL)] == made
    assert plan_missing_sheets(ALL) == []
    assert {job.priority for job in Job.objects.filter(kind=RENDER_JOB)} == {AUTOMATIC}


def test_states_of_vetting_that_the_policy_does_not_name_get_none(base: Any) -> None:
    make_version(name="no", vetting=Vetting.REJECTED)
    (wanted,) = versions(1)
    assert [sheet.version for sheet in plan_missing_sheets(house_policy())] == [wanted]


def test_families_that_the_policy_does_not_name_get_none(base: Any) -> None:
    versions(1)
    assert plan_missing_sheets(replace(ALL, families=("sdxl",))) == []
    assert len(plan_missing_sheets(replace(ALL, families=("sdxl", "toybox")))) == 1


def test_a_policy_that_is_switched_off_makes_none(base: Any) -> None:
    versions(1)
    assert plan_missing_sheets(replace(ALL, automatic=False)) == []


def test_no_more_are_added_than_the_queue_has_room_for(base: Any) -> None:
    versions(5)
    two = replace(ALL, queue=2)
    assert len(plan_missing_sheets(two)) == 2
    assert plan_missing_sheets(two) == []
    # One is taken by a worker: there is room for one more, and the oldest version is next.
    assert jobs.claim("gpu", "worker") is not None
    assert [sheet.version.adapter.name for sheet in plan_missing_sheets(two)] == ["a2"]


def test_no_more_are_added_in_a_day_than_the_policy_says(base: Any) -> None:
    versions(4)
    daily = replace(ALL, per_day=3)
    assert len(plan_missing_sheets(daily)) == 3
    Job.objects.update(state=JobState.DONE, finished=timezone.now())
    assert plan_missing_sheets(daily) == []
    Job.objects.update(created=timezone.now() - timedelta(hours=25))
    assert len(plan_missing_sheets(daily)) == 1


def test_a_sheet_that_somebody_asks_for_goes_before_the_automatic_ones(base: Any) -> None:
    versions(3)
    plan_missing_sheets(ALL)
    latest = make_version(kohya_lora(seed=55), name="urgent")
    asked = request_sheet(version=latest)
    claimed = jobs.claim("gpu", "worker")
    assert claimed is not None and claimed.payload == {"sheet": asked.pk}


def test_asking_for_an_automatic_sheet_makes_it_urgent(base: Any) -> None:
    made = versions(3)
    plan_missing_sheets(ALL)
    asked = request_sheet(version=made[2])
    claimed = jobs.claim("gpu", "worker")
    assert claimed is not None and claimed.payload == {"sheet": asked.pk}


def test_a_running_automatic_sheet_gives_way_and_one_that_was_asked_for_does_not(base: Any) -> None:
    _, second, third = versions(3)
    plan_missing_sheets(replace(ALL, queue=1))
    running = jobs.claim("gpu", "worker")
    assert running is not None and not gives_way(running)
    request_sheet(version=second)
    assert gives_way(running)
    asked = jobs.claim("gpu", "other")
    request_sheet(version=third)
    assert asked is not None and not gives_way(asked)


def test_a_sheet_that_gave_way_waits_again_without_a_try_being_counted(
    base: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, second = versions(2)
    plan_missing_sheets(replace(ALL, queue=1))
    running = jobs.claim("gpu", jobs.worker_name())
    assert running is not None
    request_sheet(version=second)

    def render(sheet: int, *, progress: Any, should_stop: Any) -> None:
        if should_stop():
            raise jobs.JobStopped

    monkeypatch.setattr(tasks, "render_sheet", render)
    jobs.run(running)
    assert (running.state, running.attempt) == (JobState.QUEUED, 0)
    following = jobs.claim("gpu", jobs.worker_name())
    assert following is not None and following.payload["sheet"] != running.payload["sheet"]


def test_a_sheet_that_kills_its_workers_is_given_up_with_the_reason_on_it(base: Any, settings: Any) -> None:
    settings.SHEET_TRIES = 2
    (version,) = versions(1)
    sheet = request_sheet(version=version)
    for _ in range(settings.SHEET_TRIES):
        assert jobs.claim("gpu", "far away:1:1:dead") is not None
        Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        jobs.reap()
    assert jobs.claim("gpu", "worker") is None
    sheet.refresh_from_db()
    assert (sheet.state, sheet.code) == (SheetState.FAILED, "worker_lost")
    assert "2 workers died" in sheet.message
    # Nobody asks for it again by himself.
    assert plan_missing_sheets(ALL) == []


def test_a_failed_sheet_is_not_tried_again_by_itself(base: Any) -> None:
    versions(1)
    (sheet,) = plan_missing_sheets(ALL)
    mark_failed(Sheet.objects.get(pk=sheet.pk), "restore_failed", "It differs.")
    assert plan_missing_sheets(ALL) == []
