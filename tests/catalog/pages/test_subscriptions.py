"""Subscriptions and updates: following, pausing, reports of runs, and newer versions of what is held."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.pages.sync_words import every
from registry import jobs
from registry.basis import current_basis
from registry.history import follow_basis
from registry.models import (
    IgnoredUpdate,
    Job,
    OfferedFile,
    Source,
    Subscription,
    SyncProblem,
    SyncRun,
    Version,
)
from registry.verdicts import profile_of
from tests.catalog.pages.rows import CLOSED_FLAGS, OPEN_FLAGS, claim, make_adapter

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "wake", lambda queue, **_: None)


def _follow(target: str = "ink wash", **values: Any) -> Subscription:
    return Subscription.objects.create(source=Source.CIVITAI, kind="tag", target=target, **values)


def _run(subscription: Subscription, **values: Any) -> SyncRun:
    counts = {"listed": 7, "fetched": 2, "skipped": 4, "failed": 1, "reasons": {"unchanged": 4, "gone": 1}}
    run = SyncRun.objects.create(
        subscription=subscription, state="done", finished=timezone.now(), **{**counts, **values}
    )
    SyncProblem.objects.create(
        run=run, what="civitai:5", code="gone_upstream", message="It is gone.", next_step="Nothing."
    )
    return run


def _newer(version: Version, name: str = "v2.0", flags: dict[str, Any] | None = None) -> Version:
    """A version that the upstream offers after the held one, for the same base."""
    newer = Version.objects.create(
        adapter=version.adapter,
        source_key=name,
        name=name,
        base_declared=version.base_declared,
        declared_base=version.declared_base,
        detected_family=version.detected_family,
        published=timezone.now() + timedelta(days=1),
    )
    claim(newer, "civitai_flags", flags or OPEN_FLAGS, url=f"file:{name}.json")
    newer.terms_profile = profile_of(newer)
    newer.save()
    OfferedFile.objects.create(
        version=newer,
        key=name,
        name=f"{name}.safetensors",
        url="https://x.test/1",
        size=version.files.get().blob.size + 2**20,
        primary=True,
    )
    return newer


def _count(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)


@pytest.mark.parametrize("address", ["/subscriptions/", "/updates/"])
def test_only_reviewers_follow(client: Client, db: None, address: str) -> None:
    assert client.get(address).headers["Location"] == f"/accounts/login/?next={address}"
    client.force_login(User.objects.create_user("reader"))
    assert client.post(address, {}).status_code == 403


def test_what_is_followed_runs_at_once(desk: Client) -> None:
    page = desk.get("/subscriptions/")
    choice = next(value for kinds in page.context["choices"].values() for value, _ in kinds)
    source, kind = choice.split(":")
    given = {"what": choice, "target": " https://other.test/ ", "every": "360", "fetch": "yes"}
    made = desk.post("/subscriptions/", given)
    row = Subscription.objects.get()
    assert made.headers["Location"] == f"/subscriptions/{row.pk}/"
    assert (row.source, row.kind, row.target, row.every_minutes, row.fetch, row.created_by) == (
        source,
        kind,
        "https://other.test/",
        360,
        True,
        "reviewer",
    )
    assert Job.objects.get().payload == {"subscription": row.pk}


@pytest.mark.parametrize(("what", "target"), [("folder:folder", "/etc"), ("nothing:tag", "x"), ("", "")])
def test_what_cannot_be_followed_from_a_browser_is_refused(desk: Client, what: str, target: str) -> None:
    page = desk.post("/subscriptions/", {"what": what, "target": target})
    assert page.status_code == 422
    assert "bad_subscription" in page.content.decode()
    assert not Subscription.objects.exists()


def test_a_report_says_what_a_run_did_and_left_out(desk: Client) -> None:
    subscription = _follow()
    _run(subscription, notes=["The filter was ignored."])
    page = desk.get(f"/subscriptions/{subscription.pk}/").content.decode()
    for told in ("unchanged since the last run", "The filter was ignored.", "civitai:5", "gone_upstream"):
        assert told in page, told


def test_an_older_report_can_be_opened_and_a_foreign_one_cannot(desk: Client) -> None:
    subscription, other = _follow(), _follow("other")
    old, foreign = _run(subscription, pages=3), _run(other)
    _run(subscription)
    page = desk.get(f"/subscriptions/{subscription.pk}/?run={old.pk}")
    assert page.context["page"].report.run == old
    assert desk.get(f"/subscriptions/{subscription.pk}/?run={foreign.pk}").status_code == 404


def test_pausing_running_and_forgetting(desk: Client) -> None:
    subscription = _follow()
    address = f"/subscriptions/{subscription.pk}/"
    desk.post(address, {"action": "pause"})
    subscription.refresh_from_db()
    assert not subscription.active
    desk.post(address, {"action": "resume"})
    subscription.refresh_from_db()
    assert subscription.active
    desk.post(address, {"action": "run"})
    assert Job.objects.get().payload == {"subscription": subscription.pk}
    assert desk.post(address, {"action": "explode"}).status_code == 400
    desk.post(address, {"action": "remove"})
    assert not Subscription.objects.exists()


def test_an_update_shows_both_versions_the_size_and_the_rights(desk: Client) -> None:
    held = make_adapter("Ink Lines", flags=OPEN_FLAGS)
    newer = _newer(held, flags=CLOSED_FLAGS)
    assert "is not decided yet" in desk.get("/updates/").content.decode()
    for version in (held, newer):
        assert version.terms_profile
        follow_basis(version.terms_profile, current_basis())
    page = desk.get("/updates/").content.decode()
    assert "Sell images" in page
    assert "v1.0</span>" in page
    assert "v2.0</strong>" in page
    assert "+1.0\xa0MB" in page
    assert f"?version={newer.pk}&amp;compare={held.pk}#versions" in page


def test_an_update_can_be_fetched(desk: Client) -> None:
    newer = _newer(make_adapter("Ink Lines", flags=OPEN_FLAGS))
    answer = desk.post("/updates/", {"version": newer.pk, "action": "fetch"})
    assert answer.headers["Location"] == "/jobs/"
    assert Job.objects.get().key == f"offer:{newer.offers.get().pk}"


def test_an_update_that_failed_for_good_says_why_when_it_is_asked_for_again(desk: Client) -> None:
    newer = _newer(make_adapter("Ink Lines", flags=OPEN_FLAGS))
    newer.offers.update(state="failed", code="hash_mismatch", reason="Its SHA256 is another one.")
    page = desk.post("/updates/", {"version": newer.pk, "action": "fetch"}, follow=True).content.decode()
    assert "Its SHA256 is another one." in page
    assert "house&#x27;s policy" not in page
    assert not Job.objects.exists()
    newer.offers.update(code="upstream_unavailable", reason="It fails with status 502.")
    assert desk.post("/updates/", {"version": newer.pk, "action": "fetch"}).headers["Location"] == "/jobs/"
    assert newer.offers.get().state == "waiting"


def test_an_ignored_update_is_told_no_more_until_it_is_taken_back(desk: Client) -> None:
    newer = _newer(make_adapter("Ink Lines", flags=OPEN_FLAGS))
    desk.post("/updates/", {"version": newer.pk, "action": "ignore", "reason": "fp32 only"})
    page = desk.get("/updates/")
    assert page.context["updates"] == []
    assert "fp32 only" in page.content.decode()
    desk.post("/updates/", {"version": newer.pk, "action": "heed"})
    assert not IgnoredUpdate.objects.exists()
    assert [each.offered for each in desk.get("/updates/").context["updates"]] == [newer.pk]


@pytest.mark.parametrize(("address", "most"), [("/subscriptions/", 9), ("/updates/", 14)])
def test_the_number_of_queries_does_not_grow(desk: Client, address: str, most: int) -> None:
    def grow(count: int) -> None:
        for number in range(count):
            subscription = _follow(f"{count} {number}")
            _run(subscription)
            Job.objects.create(kind="registry.sync", key=f"subscription:{subscription.pk}")
            held = make_adapter(f"Held {count} {number}", flags=OPEN_FLAGS)
            _newer(held, flags=CLOSED_FLAGS)
            ignored = _newer(held, "v3.0")
            IgnoredUpdate.objects.create(version=ignored, by="mika")

    grow(1)
    _count(desk, address)
    few = _count(desk, address)
    grow(5)
    assert _count(desk, address) == few
    assert few <= most


def test_one_subscription_asks_a_fixed_number_of_questions(desk: Client) -> None:
    subscription = _follow()
    _run(subscription)
    address = f"/subscriptions/{subscription.pk}/"
    _count(desk, address)
    few = _count(desk, address)
    for _ in range(5):
        _run(subscription)
    assert _count(desk, address) == few


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (1440, "every day"),
        (10_080, "every 7 days"),
        (60, "every hour"),
        (360, "every 6 hours"),
        (5, "every 5 minutes"),
    ],
)
def test_how_often_in_words(minutes: int, words: str) -> None:
    assert every(minutes) == words
