"""Tidying up: what is over long ago goes, and with it nothing that anything else refers to."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from inference.models import Sheet
from registry import analysis, jobs
from registry.housekeeping import Tidied, request_housekeeping, tidy
from registry.models import (
    AuditEvent,
    File,
    Job,
    OfferedFile,
    Snapshot,
    TermsClaim,
    Transfer,
    UpstreamItem,
    Version,
)
from registry.models.jobs import OVER, JobState
from tests.catalog.pages.rows import OPEN_FLAGS, make_adapter
from tests.registry.remote_source import rows

pytestmark = [pytest.mark.database, pytest.mark.django_db]
KINDS = ("registry.fetch", "registry.ingest", "registry.sync", "registry.recheck", "registry.reread_terms")


@pytest.fixture(autouse=True)
def here(settings: Settings, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VAR_DIR = tmp_path / "var"
    settings.JOB_HISTORY_DAYS = 90
    monkeypatch.setattr(jobs, "wake", lambda queue, **_: None)


def make_job(key: str, days: float, state: str = JobState.DONE, kind: str = "registry.fetch") -> Job:
    """A job that ended so many days ago, if it is over."""
    ended = timezone.now() - timedelta(days=days)
    values: dict[str, Any] = {"kind": kind, "key": key, "state": state}
    if state in OVER:
        values["finished"] = ended
    if state == JobState.FAILED:
        values["error_code"] = "gone_upstream"
    if state == JobState.RUNNING:
        values |= {"worker": "me", "lease_until": timezone.now(), "started": ended}
    job = Job.objects.create(**values)
    Job.objects.filter(pk=job.pk).update(created=ended)
    return job


def make_transfer(days: float, **values: Any) -> Transfer:
    return Transfer.objects.create(
        name="ink.safetensors", updated=timezone.now() - timedelta(days=days), **values
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", OVER)
def test_a_job_that_is_over_goes_when_it_is_old_and_its_progress_with_it(state: str, kind: str) -> None:
    old, new = make_job("old", 91, state, kind), make_job("new", 89, state, kind)
    make_transfer(91, job=old)
    kept = make_transfer(89, job=new)
    assert tidy() == Tidied(jobs=1, transfers=1)
    assert list(Job.objects.all()) == [new]
    assert list(Transfer.objects.all()) == [kept]
    assert tidy() == Tidied()


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.PAUSED, JobState.RUNNING])
def test_work_that_is_not_over_stays_however_old_it_is(state: str) -> None:
    job = make_job("waits", 4000, state)
    make_transfer(4000, job=job)
    assert tidy() == Tidied()
    assert (Job.objects.count(), Transfer.objects.count()) == (1, 1)


def test_what_nothing_else_tells_and_what_draws_sheets_stays() -> None:
    version = make_adapter("Ink", flags=OPEN_FLAGS)
    sheet = Sheet.objects.get(version=version)
    for kind in ("inference.render", "inference.compare", "inference.convert", "another.release"):
        make_job(str(sheet.pk), 400, JobState.DONE, kind)
    for state in (JobState.FAILED, JobState.CANCELED):
        make_job(f"{version.pk}:{state}", 400, state, "registry.analyze")
    before = set(Job.objects.values_list("pk", flat=True))
    measured = make_job(f"{version.pk}:done", 400, JobState.DONE, "registry.analyze")
    assert tidy() == Tidied(jobs=1)
    assert set(Job.objects.values_list("pk", flat=True)) == before
    assert not Job.objects.filter(pk=measured.pk).exists()


def test_a_file_that_could_not_be_measured_still_says_why() -> None:
    version = make_adapter("Ink", flags=OPEN_FLAGS, sheet=False)
    job = analysis.request_analysis(version)
    assert job is not None
    ended = timezone.now() - timedelta(days=400)
    Job.objects.filter(pk=job.pk).update(state="failed", finished=ended, error_code="worker_lost")
    tidy()
    assert analysis.request_analysis(version) == job
    assert analysis.measured(version, version.files.get().blob).code == "worker_lost"


def test_nothing_but_jobs_and_their_progress_is_touched() -> None:
    version = make_adapter("Ink", flags=OPEN_FLAGS)
    offer = OfferedFile.objects.create(
        version=version, key="1", name="ink.safetensors", url="https://x.test/1", state="failed",
        code="gone_upstream", reason="It is gone.",
    )  # fmt: skip
    UpstreamItem.objects.create(source="folder", key=version.adapter.source_key, adapter=version.adapter)
    AuditEvent.objects.create(actor="mika", action="ingest", subject=f"version:{version.pk}")
    job = make_job(f"offer:{offer.pk}", 400, JobState.FAILED)
    make_transfer(400, job=job, offer=offer, state="failed", code="gone_upstream")
    before = {name: found for name, found in rows().items() if name != "Job"}
    assert all(before[each.__name__] for each in (File, Snapshot, TermsClaim, OfferedFile, Version))
    sheets = list(Sheet.objects.values())
    assert sheets
    assert tidy() == Tidied(jobs=1, transfers=1)
    assert {name: found for name, found in rows().items() if name != "Job"} == before
    assert list(Sheet.objects.values()) == sheets


def test_no_row_points_at_a_job_but_its_progress() -> None:
    """Whoever lets another table point at jobs has to say which of them may be forgotten."""
    assert {each.related_model for each in Job._meta.related_objects} == {Transfer}


def test_progress_of_downloads_by_hand_goes_when_it_is_old() -> None:
    for state in ("running", "stopped", "done", "failed"):
        make_transfer(91, state=state)
    kept = make_transfer(89)
    assert tidy() == Tidied(transfers=4)
    assert list(Transfer.objects.all()) == [kept]


def test_progress_that_a_later_job_has_taken_over_stays_with_it() -> None:
    old, new = make_job("old", 91), make_job("new", 1, JobState.RUNNING)
    moved = make_transfer(91, job=old)
    Transfer.objects.filter(pk=moved.pk).update(job=new)
    assert tidy() == Tidied(jobs=1)
    assert list(Transfer.objects.all()) == [moved]


def test_zero_days_keep_the_history_for_good(settings: Settings) -> None:
    settings.JOB_HISTORY_DAYS = 0
    make_job("old", 40_000)
    make_transfer(40_000)
    assert tidy() == Tidied()
    assert (Job.objects.count(), Transfer.objects.count()) == (1, 1)


def test_many_jobs_go_in_steps_between_which_it_may_stop() -> None:
    ended = timezone.now() - timedelta(days=91)
    Job.objects.bulk_create(
        Job(kind="registry.fetch", key=str(number), state="done", finished=ended) for number in range(1201)
    )

    def stop() -> None:
        raise jobs.JobStopped

    with pytest.raises(jobs.JobStopped):
        tidy(pause=stop)
    assert 0 < Job.objects.count() < 1201
    tidy()
    assert Job.objects.count() == 0


def test_the_scheduler_asks_for_it_once_a_day() -> None:
    call_command("reaper", "--once")
    (job,) = Job.objects.filter(kind="registry.housekeeping")
    assert job.state == JobState.QUEUED
    done = jobs.run_next("cpu")
    assert done is not None and (done.pk, done.state) == (job.pk, JobState.DONE)
    assert request_housekeeping() is None
    assert request_housekeeping(timezone.now() + timedelta(hours=23)) is None
    again = request_housekeeping(timezone.now() + timedelta(hours=25))
    assert again is not None and (again.pk, again.state) == (job.pk, JobState.QUEUED)
    assert request_housekeeping(timezone.now() + timedelta(days=9)) is None


@pytest.mark.django_db(transaction=True)
def test_a_job_asked_for_again_while_it_is_forgotten_is_made_anew() -> None:
    old = make_job("offer:1", 91)
    asked: list[Job] = []

    def ask() -> None:
        try:
            asked.append(jobs.enqueue("registry.fetch", "offer:1", payload={"offer": 1}, again=True))
        finally:
            connection.close()

    with transaction.atomic():
        # As tidying up holds it.
        Job.objects.select_for_update().get(pk=old.pk)
        waiting = threading.Thread(target=ask)
        waiting.start()
        _wait_until_they_wait(1)
        Job.objects.filter(pk=old.pk).delete()
    waiting.join()
    (job,) = Job.objects.all()
    assert asked == [job] and (job.state, job.payload) == (JobState.QUEUED, {"offer": 1})
    assert job.pk != old.pk


def _wait_until_they_wait(number: int) -> None:
    """Until so many other sessions wait for a lock; the test's own limit ends it."""
    with connection.cursor() as cursor:
        found = 0
        while found < number:
            cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
            found = cursor.fetchone()[0]


def _ask_again(errors: list[Exception]) -> None:
    try:
        jobs.enqueue("registry.fetch", "asked", again=True)
    except Exception as error:
        errors.append(error)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_several_who_ask_for_a_job_that_is_just_forgotten_get_one(settings: Settings) -> None:
    job, errors = make_job("asked", 400), list[Exception]()
    asking = [threading.Thread(target=_ask_again, args=[errors]) for _ in range(4)]
    with transaction.atomic():
        Job.objects.select_for_update().get(pk=job.pk)
        for each in asking:
            each.start()
        _wait_until_they_wait(len(asking))
        Job.objects.filter(pk=job.pk).delete()
    for each in asking:
        each.join()
    assert errors == []
    assert Job.objects.get().state == JobState.QUEUED
