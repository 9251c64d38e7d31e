"""jobs/: how far work is, and pausing, canceling and trying again by program."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry import jobs
from registry.models import Job, JobState, Transfer
from tests.catalog.api.conftest import Caller

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "wake", lambda queue, **_: None)


def _failed(key: str) -> Job:
    job = jobs.enqueue("registry.fetch", key)
    Job.objects.filter(pk=job.pk).update(
        state=JobState.FAILED, finished=timezone.now(), error_code="upstream_unavailable"
    )
    return job


def test_a_job_shows_how_far_its_files_are(downloader: Caller) -> None:
    job = jobs.enqueue("registry.fetch", "offer:1")
    Transfer.objects.create(job=job, name="ink.safetensors", done=25, total=100, speed=5)
    [shown] = downloader.get(f"jobs/{job.pk}/").json()["transfers"]
    assert (shown["name"], shown["done"], shown["total"], shown["speed"], shown["seconds_left"]) == (
        "ink.safetensors",
        25,
        100,
        5,
        15,
    )


def test_a_list_of_jobs_costs_the_same_queries_however_long(downloader: Caller) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert downloader.get("jobs/").status_code == 200
        return len(asked)

    for number in range(2):
        Transfer.objects.create(job=jobs.enqueue("registry.fetch", str(number)), name="a")
    count()
    few = count()
    for number in range(2, 20):
        Transfer.objects.create(job=jobs.enqueue("registry.fetch", str(number)), name="a")
    assert count() == few


def test_a_reviewer_pauses_resumes_cancels_and_starts_again(reviewer: Caller) -> None:
    job = jobs.enqueue("registry.fetch", "offer:1")
    steps = [("pause", "paused"), ("resume", "queued"), ("cancel", "canceled"), ("retry", "queued")]
    for step, state in steps:
        answer = reviewer.post(f"jobs/{job.pk}/{step}/", {})
        assert (answer.status_code, answer.json()["state"]) == (200, state)


def test_all_that_failed_is_started_again_in_one_call(reviewer: Caller) -> None:
    for key in "abc":
        _failed(key)
    assert reviewer.post("jobs/retry-failed/", {}).json() == {"retried": 3}
    assert Job.objects.filter(state=JobState.QUEUED).count() == 3


@pytest.mark.parametrize("step", ["pause", "resume", "cancel", "retry"])
def test_only_reviewers_touch_jobs(anybody: Caller, downloader: Caller, step: str) -> None:
    job = jobs.enqueue("registry.fetch", "offer:1")
    assert anybody.post(f"jobs/{job.pk}/{step}/", {}).status_code == 401
    assert downloader.post(f"jobs/{job.pk}/{step}/", {}).status_code == 403
    job.refresh_from_db()
    assert job.state == JobState.QUEUED


def test_a_job_that_does_not_exist_is_not_found(reviewer: Caller) -> None:
    assert reviewer.post("jobs/999/pause/", {}).status_code == 404
