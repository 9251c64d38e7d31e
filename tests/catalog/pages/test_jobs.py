"""The jobs page and its tray: how far each file is, what failed and why, and what a person may do."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.pages import job_words
from registry import jobs
from registry.models import Job, JobState, OfferedFile, Source, Subscription, Transfer, TransferState
from tests.catalog.pages.rows import OPEN_FLAGS, make_adapter

pytestmark = pytest.mark.database

PART = {"X-Kura-Part": "1"}


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "wake", lambda queue, **_: None)


def _running(key: str, kind: str = "registry.fetch", **values: object) -> Job:
    now = timezone.now()
    return Job.objects.create(
        kind=kind,
        key=key,
        state=JobState.RUNNING,
        worker="w",
        attempt=1,
        started=now,
        heartbeat=now,
        lease_until=now + timedelta(minutes=1),
        **values,
    )


def _over(key: str, state: JobState = JobState.DONE, code: str = "", kind: str = "registry.fetch") -> Job:
    now = timezone.now()
    return Job.objects.create(
        kind=kind,
        key=key,
        state=state,
        error_code=code,
        error_message="The line is down." if code else "",
        started=now,
        finished=now,
    )


def _text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).replace("\xa0", " ")


def test_only_reviewers_see_jobs(client: Client, db: None) -> None:
    assert client.get("/jobs/").headers["Location"] == "/accounts/login/?next=/jobs/"
    client.force_login(User.objects.create_user("reader"))
    assert client.get("/jobs/").status_code == 403
    assert client.get("/jobs/tray/").status_code == 403
    assert client.post("/jobs/retry-failed/").status_code == 403


def test_readers_get_no_tray(client: Client, desk: Client, db: None) -> None:
    assert "data-tray" in desk.get("/licenses/").content.decode()
    assert "data-tray" not in Client().get("/licenses/").content.decode()


def test_a_file_shows_bytes_speed_and_the_time_left(desk: Client) -> None:
    job = _running("offer:1")
    Transfer.objects.create(
        job=job, name="ink.safetensors", done=25 * 2**20, total=100 * 2**20, speed=5 * 2**20
    )
    for address in ("/jobs/", "/jobs/tray/"):
        page = desk.get(address).content.decode()
        assert f'<progress max="{100 * 2**20}" value="{25 * 2**20}"' in page
        shown = _text(page)
        for fact in ("ink.safetensors", "25 %", "25.0 MB of 100.0 MB", "5.0 MB/s", "15 s left"):
            assert fact in shown, fact


def test_a_file_that_tells_nothing_any_more_has_no_speed(desk: Client) -> None:
    late = timezone.now() - timedelta(minutes=2)
    Transfer.objects.create(job=_running("offer:1"), name="a", done=1, total=4, speed=9, updated=late)
    shown = _text(desk.get("/jobs/").content.decode())
    assert "no news for a while" in shown
    assert "left" not in shown


def test_a_fetch_names_the_file_and_leads_to_its_version(desk: Client) -> None:
    version = make_adapter("Ink Lines", flags=OPEN_FLAGS)
    offer = OfferedFile.objects.create(
        version=version, key="1", name="ink.safetensors", url="https://x.test/1"
    )
    _running(f"offer:{offer.pk}")
    page = desk.get("/jobs/").content.decode()
    assert f'href="/adapters/{version.adapter_id}/?version={version.pk}">ink.safetensors</a>' in page


def test_a_failure_says_why_and_what_to_do(desk: Client) -> None:
    _over("offer:1", JobState.FAILED, "upstream_unavailable")
    shown = _text(desk.get("/jobs/").content.decode())
    assert "The line is down." in shown
    assert "upstream_unavailable" in shown
    from_class = desk.get("/jobs/").context["jobs"].failed[0].next_step
    assert from_class and from_class in shown


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("pause", JobState.QUEUED, JobState.PAUSED),
        ("cancel", JobState.QUEUED, JobState.CANCELED),
        ("resume", JobState.PAUSED, JobState.QUEUED),
        ("retry", JobState.FAILED, JobState.QUEUED),
    ],
)
def test_a_button_does_what_it_says(desk: Client, action: str, before: JobState, after: JobState) -> None:
    job = (
        _over("a", JobState.FAILED, "x")
        if before == JobState.FAILED
        else Job.objects.create(kind="registry.fetch", key="a", state=before)
    )
    assert f'value="{action}"' in desk.get("/jobs/").content.decode()
    assert desk.post(f"/jobs/{job.pk}/", {"action": action}).headers["Location"] == "/jobs/"
    job.refresh_from_db()
    assert job.state == after


def test_a_running_job_shows_that_it_was_asked_to_pause(desk: Client) -> None:
    job = _running("a")
    desk.post(f"/jobs/{job.pk}/", {"action": "pause"})
    page = desk.get("/jobs/").content.decode()
    assert "Pausing" in page
    assert 'value="resume"' in page


def test_all_that_failed_starts_again_with_one_button(desk: Client) -> None:
    for key in "abc":
        _over(key, JobState.FAILED, "upstream_unavailable")
    assert "Try all 3 again" in _text(desk.get("/jobs/").content.decode())
    page = desk.post("/jobs/retry-failed/", follow=True).content.decode()
    assert "3 jobs start again." in page
    assert Job.objects.filter(state=JobState.QUEUED).count() == 3


def test_a_step_leads_back_to_where_it_was_taken_and_nowhere_else(desk: Client) -> None:
    job = Job.objects.create(kind="registry.fetch", key="a")
    back = desk.post(f"/jobs/{job.pk}/", {"action": "pause", "next": "/licenses/"})
    assert back.headers["Location"] == "/licenses/"
    away = desk.post(f"/jobs/{job.pk}/", {"action": "resume", "next": "https://elsewhere.test/"})
    assert away.headers["Location"] == "/jobs/"


def test_the_script_gets_parts_and_no_page_after_a_step(desk: Client) -> None:
    job = Job.objects.create(kind="registry.fetch", key="a")
    assert "<html" not in desk.get("/jobs/", headers=PART).content.decode()
    assert desk.post(f"/jobs/{job.pk}/", {"action": "pause"}, headers=PART).status_code == 204


def test_what_is_no_step_changes_nothing(desk: Client) -> None:
    job = Job.objects.create(kind="registry.fetch", key="a")
    assert desk.post(f"/jobs/{job.pk}/", {"action": "explode"}).status_code == 400
    assert desk.post("/jobs/999/", {"action": "pause"}).status_code == 404
    assert desk.get(f"/jobs/{job.pk}/").status_code == 405


def test_history_has_pages(desk: Client) -> None:
    for number in range(45):
        _over(f"source {number}", kind="registry.ingest")
    first = desk.get("/jobs/").context["jobs"]
    second = desk.get("/jobs/?page=2").context["jobs"]
    assert (len(first.history), first.more) == (40, True)
    assert (len(second.history), second.more) == (5, False)
    assert {line.job.pk for line in first.history}.isdisjoint(line.job.pk for line in second.history)
    assert desk.get("/jobs/?page=nonsense").context["jobs"].page == 1


def test_a_file_of_the_command_line_is_shown_without_buttons(desk: Client) -> None:
    Transfer.objects.create(name="by hand.safetensors", done=1, total=4)
    Transfer.objects.create(name="long ago", updated=timezone.now() - timedelta(hours=1))
    shown = _text(desk.get("/jobs/").content.decode())
    assert "On the command line by hand.safetensors" in shown
    assert "long ago" not in shown


def _fill(count: int) -> None:
    version = make_adapter(f"Adapter {count}", flags=OPEN_FLAGS)
    for number in range(count):
        offer = OfferedFile.objects.create(
            version=version, key=f"{number}", name=f"{number}.safetensors", url="https://x.test/1"
        )
        follow = Subscription.objects.create(source=Source.CIVITAI, kind="tag", target=f"{count} {number}")
        job = _running(f"offer:{offer.pk}")
        for part in range(3):
            Transfer.objects.create(job=job, name=f"part {part}", done=1, total=9)
        Transfer.objects.create(job=job, offer=offer, name="whole", done=9, total=9, state=TransferState.DONE)
        _running(f"subscription:{follow.pk}", "registry.sync", payload={"subscription": follow.pk})
        _running(f"version:{count} {number}", "registry.analyze", payload={"version": version.pk})
        sheet = version.sheets.get()
        _running(f"{count} {number}", "render_sheet", payload={"sheet": sheet.pk})
        _over(f"x{count} {number}", JobState.FAILED, "upstream_unavailable")
        _over(f"y{count} {number}")


@pytest.mark.parametrize(("address", "most"), [("/jobs/", 18), ("/jobs/tray/", 14)])
def test_the_number_of_queries_does_not_grow_with_the_jobs(desk: Client, address: str, most: int) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert desk.get(address).status_code == 200
        return len(asked)

    _fill(1)
    count()
    few = count()
    _fill(9)
    assert count() == few
    assert few <= most


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s left"),
        (59, "59 s left"),
        (61, "2 min left"),
        (3600, "1 h 0 min left"),
        (3 * 3600 + 61, "3 h 2 min left"),
        (49 * 3600, "3 days left"),
    ],
)
def test_time_left_is_as_exact_as_it_is_useful(seconds: float, words: str) -> None:
    assert job_words.time_left(timedelta(seconds=seconds)) == words
