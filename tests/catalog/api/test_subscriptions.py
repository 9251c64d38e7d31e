"""subscriptions/, sync-runs/, updates/ and recalls/: following upstreams by program."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from registry import jobs
from registry.models import (
    AuditEvent,
    IgnoredUpdate,
    Job,
    OfferedFile,
    Subscription,
    SyncProblem,
    SyncRun,
    Version,
)
from tests.catalog.api.conftest import Caller
from tests.factories import BlobFactory, FileFactory, VersionFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db]

WANTED = {"source": "civitai", "kind": "creator", "target": "mika"}


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "wake", lambda queue, **_: None)


def delete(caller: Caller, path: str) -> Any:
    return Client().delete(f"/api/v1/{path}", headers={"Authorization": f"Bearer {caller.token}"})


def test_a_reviewer_follows_pauses_runs_and_forgets(reviewer: Caller) -> None:
    made = reviewer.post("subscriptions/", WANTED | {"policy": {"families": ["sdxl"]}})
    assert (made.status_code, made.json()["policy"]) == (201, {"families": ["sdxl"]})
    own = f"subscriptions/{made.json()['id']}/"

    assert reviewer.post(f"{own}pause/", {}).json()["active"] is False
    assert reviewer.post(f"{own}resume/", {}).json()["active"] is True
    started = reviewer.post(f"{own}run/", {})
    assert (started.status_code, Job.objects.get().pk) == (202, started.json()["job"])
    assert delete(reviewer, own).status_code == 204
    assert not Subscription.objects.exists()
    assert AuditEvent.objects.filter(action="unsubscribe").count() == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "folder"}, "bad_subscription"),
        ({"policy": {"colors": ["red"]}}, "bad_triage_policy"),
        ({"target": "  "}, "invalid"),
        ({"every_minutes": 0}, "invalid"),
    ],
)
def test_what_cannot_be_followed_is_refused(reviewer: Caller, changes: dict[str, object], code: str) -> None:
    answer = reviewer.post("subscriptions/", WANTED | changes)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_others_look_and_do_not_touch(downloader: Caller) -> None:
    assert downloader.get("subscriptions/").status_code == 200
    assert downloader.post("subscriptions/", WANTED).status_code == 403
    assert downloader.post("updates/1/ignored/", {}).status_code == 403


def test_a_run_reports_listed_fetched_skipped_and_failed_with_the_reasons(downloader: Caller) -> None:
    row = Subscription.objects.create(**WANTED)
    run = SyncRun.objects.create(
        subscription=row, listed=3, fetched=1, skipped=1, failed=1, reasons={"unchanged": 1, "gone": 1}
    )
    SyncProblem.objects.create(run=run, what="civitai:7", code="gone", message="410")

    (listed,) = downloader.get("sync-runs/").json()["results"]
    assert (listed["listed"], listed["reasons"], "problems" in listed) == (
        3,
        {"unchanged": 1, "gone": 1},
        False,
    )
    whole = downloader.get(f"sync-runs/{run.pk}/").json()
    assert whole["problems"] == [{"what": "civitai:7", "code": "gone", "message": "410", "next_step": ""}]
    assert downloader.get("subscriptions/").json()["results"][0]["last_run"] == run.pk


def test_updates_are_told_ignored_and_told_again(reviewer: Caller) -> None:
    held = FileFactory(blob=BlobFactory(size=100)).version
    newer = VersionFactory(adapter=held.adapter, name="v2")
    OfferedFile.objects.create(version=newer, key="1", name="a.safetensors", size=150, primary=True)

    (update,) = reviewer.get("updates/").json()
    assert (update["held"], update["offered"], update["size_delta"]) == (held.pk, newer.pk, 50)

    assert reviewer.post(f"updates/{newer.pk}/ignored/", {"reason": "no"}).json()["ignored"] is True
    assert reviewer.get("updates/").json() == []
    assert delete(reviewer, f"updates/{newer.pk}/ignored/").json()["ignored"] is False
    assert not IgnoredUpdate.objects.exists()
    assert len(reviewer.get("updates/").json()) == 1


def test_the_recall_list_names_what_is_held_and_gone(downloader: Caller) -> None:
    held = FileFactory().version
    FileFactory()
    VersionFactory(availability="gone", availability_since=timezone.now())
    Version.objects.filter(pk=held.pk).update(
        availability="taken_down", availability_since=timezone.now(), availability_reason="by its author"
    )

    (row,) = downloader.get("recalls/").json()["results"]
    assert (row["id"], row["availability"], row["availability_reason"]) == (
        held.pk,
        "taken_down",
        "by its author",
    )
