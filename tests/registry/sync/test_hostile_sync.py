"""What an upstream, another process or the clock can do to a run: it tells, it goes on, and loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from registry.models import (
    Adapter,
    Availability,
    Job,
    RunState,
    Source,
    Subscription,
    SubscriptionKind,
    SyncProblem,
    UpstreamItem,
    Version,
)
from registry.sources.listing import Listing
from registry.sources.pages import Page, Unread
from registry.sources.save_new import save_new
from registry.sources.upstream_errors import RateLimited, UnexpectedAnswer, UpstreamUnavailable
from registry.sync import clients, keeping, terms_reread
from registry.sync.clients import Client
from registry.sync.errors import BadSubscription, RunTaken, SubscriptionNotFound
from registry.sync.keeping import settled
from registry.sync.run import run
from registry.sync.subscriptions import request_due, subscribe, unsubscribe
from registry.sync.worker import sync
from tests.registry.sync.shelf import Shelf

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def fill(shelf: Shelf, count: int) -> None:
    for number in range(1, count + 1):
        shelf.add(str(number), [f"{number}000"])


def behind(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Let `change` make of each of the shelf's pages what the run is shown."""

    def pages(kind: str, target: str, cursor: str | None) -> Iterator[Page]:
        for page in shelf.pages(kind, target, cursor):
            yield change(page)

    kinds = frozenset(str(each) for each in SubscriptionKind)
    monkeypatch.setitem(clients.CLIENTS, Source.CIVITAI, Client(pages, kinds))


@pytest.mark.parametrize("key", ["", "x" * 501, "a\0b", "\ud800", "a\nb", " a"])
def test_an_id_that_no_row_can_hold_is_told_and_the_rest_of_its_page_is_kept(
    shelf: Shelf, following: Subscription, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    fill(shelf, 3)

    def spoiled(page: Page) -> Page:
        _, *rest = page.listings
        return Page(
            [Unread(Source.CIVITAI, key, "f", lambda: Listing("civitai", key, "x")), *rest], page.cursor
        )

    behind(shelf, monkeypatch, spoiled)
    done = run(following)
    assert (done.state, done.fetched, done.failed) == (RunState.DONE, 2, 1)
    assert done.reasons == {"listing_refused": 1}
    assert SyncProblem.objects.get().what.startswith("civitai:")


def test_notes_and_failures_of_a_hostile_upstream_are_kept_as_clean_text(
    shelf: Shelf, following: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shelf, 1)
    shelf.broken = {"1"}
    behind(
        shelf,
        monkeypatch,
        lambda page: Page(page.listings, page.cursor, page.failures, ["a\0b\ud800" + "c" * 1000]),
    )
    shelf.books["1"].key = "1\0"
    shelf.broken = {"1\0"}
    done = run(following)
    assert (done.state, done.failed) == (RunState.DONE, 1)
    assert done.notes[0].startswith("abccc") and len(done.notes[0]) == 300
    assert SyncProblem.objects.get().what == "shelf:1"


def test_a_cursor_that_no_row_can_hold_stops_the_run_with_its_cause(
    shelf: Shelf, following: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shelf, 3)
    behind(shelf, monkeypatch, lambda page: Page(page.listings, "next\0"))
    done = run(following)
    assert (done.state, done.error_code) == (RunState.STOPPED, UnexpectedAnswer.code)


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), AttributeError("y"), TypeError()])
def test_a_listing_that_no_reader_was_made_for_is_that_adapters_alone(
    shelf: Shelf, following: Subscription, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    fill(shelf, 3)

    def read() -> Listing:
        raise error

    def spoiled(page: Page) -> Page:
        _, *rest = page.listings
        return Page([Unread(Source.CIVITAI, "1", "f", read), *rest], page.cursor)

    behind(shelf, monkeypatch, spoiled)
    done = run(following)
    assert (done.state, done.fetched, done.reasons) == (RunState.DONE, 2, {"listing_refused": 1})
    assert type(error).__name__ in SyncProblem.objects.get().message


def test_what_failed_for_a_moment_is_asked_for_again_before_the_run_ends(
    shelf: Shelf, following: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shelf, 4)
    failing = ["2", "3"]

    def once(each: Unread) -> Unread:
        def read() -> Listing:
            if each.source_key in failing:
                failing.remove(each.source_key)
                raise UpstreamUnavailable("503")
            return each.read()

        return Unread(each.source, each.source_key, each.fingerprint, read)

    behind(
        shelf,
        monkeypatch,
        lambda page: Page(
            [once(each) if isinstance(each, Unread) else each for each in page.listings], page.cursor
        ),
    )
    done = run(following)
    assert (done.state, done.listed, done.fetched, done.failed) == (RunState.DONE, 4, 4, 0)
    assert (done.reasons, SyncProblem.objects.count()) == ({}, 0)
    assert Version.objects.count() == 4
    assert not UpstreamItem.objects.exclude(doubt="").exists()


def test_an_adapter_that_never_answers_holds_up_no_other(shelf: Shelf, following: Subscription) -> None:
    fill(shelf, 6)
    run(following)
    del shelf.books["1"], shelf.books["2"]
    shelf.refusals["1"] = UpstreamUnavailable("503")
    done = run(following)
    assert done.state == RunState.DONE
    assert Version.objects.get(source_key="1000").availability == Availability.PRESENT
    assert Version.objects.get(source_key="2000").availability == Availability.NOT_FOUND


def test_a_deadlock_is_gone_through_again_and_any_other_failure_is_not() -> None:
    class Cause(Exception):
        sqlstate = "40P01"

    tries: list[str] = []

    def meets(cause: Exception | None, times: int) -> str:
        if len(tries) < times:
            tries.append("")
            raise OperationalError("deadlock detected") from cause
        return "kept"

    assert settled(lambda: meets(Cause(), 2)) == "kept"
    tries.clear()
    with pytest.raises(OperationalError):
        settled(lambda: meets(None, 1))
    assert len(tries) == 1


@pytest.mark.django_db(transaction=True)
def test_a_database_that_breaks_off_leaves_a_run_that_goes_on_where_it_was(
    shelf: Shelf, following: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shelf, 25)
    kept = save_new
    calls: list[int] = []

    def breaks(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        made = kept(*arguments, **named)
        if len(calls) == 2:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return made

    monkeypatch.setattr(keeping, "save_new", breaks)
    with pytest.raises(OperationalError):
        run(following)
    connection.close()
    left = following.runs.get()
    assert (left.state, left.fetched, Version.objects.count()) == (RunState.STOPPED, 10, 10)

    done = run(following)
    assert (done.pk, done.state, done.listed, done.fetched) == (left.pk, RunState.DONE, 25, 25)
    assert Version.objects.count() == 25


def test_a_subscription_that_is_given_up_while_it_runs_ends_its_run_and_keeps_what_it_brought(
    shelf: Shelf, following: Subscription
) -> None:
    fill(shelf, 25)
    asked: list[int] = []

    def give_up() -> bool:
        asked.append(1)
        if len(asked) == 12:
            unsubscribe(Subscription.objects.get(), actor="test")
        return False

    with pytest.raises(RunTaken):
        run(following, should_stop=give_up)
    assert Adapter.objects.count() == 10
    assert not UpstreamItem.objects.exclude(subscription=None).exists()
    with pytest.raises(SubscriptionNotFound):
        sync(following)


def test_a_wait_longer_than_any_calendar_is_a_day(shelf: Shelf, following: Subscription) -> None:
    fill(shelf, 1)
    shelf.faults[0] = [RateLimited("for ever", retry_after=10**15)]
    assert run(following).state == RunState.STOPPED
    following.refresh_from_db()
    assert following.due < timezone.now() + timedelta(days=1, minutes=1)


def test_a_clock_that_was_ahead_for_a_moment_ends_no_subscription(following: Subscription) -> None:
    following.due = timezone.now() + timedelta(days=3650)
    following.save(update_fields=["due"])
    assert [job.payload for job in request_due()] == [{"subscription": following.pk}]
    following.due = timezone.now() + timedelta(days=1)
    following.save(update_fields=["due"])
    Job.objects.all().delete()
    assert request_due() == []


def test_terms_are_asked_for_again_though_one_upstream_or_adapter_never_answers(
    shelf: Shelf, following: Subscription
) -> None:
    fill(shelf, 8)
    run(following)
    UpstreamItem.objects.update(read=timezone.now() - timedelta(days=400))
    for key in "12345":
        shelf.refusals[key] = UpstreamUnavailable("503")
    assert terms_reread.reread(terms_reread.due()).waits
    later = terms_reread.reread(terms_reread.due())
    assert (later.asked, later.waits) == (3, False)
    UpstreamItem.objects.filter(key="8").update(read=timezone.now() + timedelta(days=3650))
    assert [item.key for item in terms_reread.due()] == ["8"]


@pytest.mark.parametrize(
    ("target", "minutes"), [("\ud800", 60), ("a\0", 60), ("x" * 501, 60), ("x", 0), ("x", 2**31 - 1)]
)
def test_what_no_row_or_calendar_can_hold_is_no_subscription(shelf: Shelf, target: str, minutes: int) -> None:
    with pytest.raises(BadSubscription):
        subscribe(Source.CIVITAI, "tag", target, actor="test", every_minutes=minutes)


def test_an_adapter_whose_list_is_empty_for_good_has_lost_its_versions_and_keeps_their_rows(
    shelf: Shelf, following: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shelf, 2)
    run(following)
    shelf.books["1"].versions = {}
    listing = shelf.listing

    def whole(book: Any) -> Listing:
        found = listing(book)
        found.whole = True
        return found

    monkeypatch.setattr(shelf, "listing", whole)
    run(following)
    lost = Version.objects.get(source_key="1000")
    assert (lost.availability, lost.claims.exists()) == (Availability.NOT_FOUND, True)
    assert Version.objects.get(source_key="2000").availability == Availability.PRESENT
