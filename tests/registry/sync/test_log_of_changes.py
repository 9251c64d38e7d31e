"""Following a list that is a log of changes: a later run costs what has changed, and loses nothing of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from registry.models import (
    Availability,
    RunState,
    Source,
    Subscription,
    SubscriptionKind,
    UpstreamItem,
    Version,
)
from registry.sources.pages import Page, Unread
from registry.sources.upstream_errors import RequestRefused, UpstreamUnavailable
from registry.sync import clients
from registry.sync.clients import Client
from registry.sync.run import run
from registry.sync.subscriptions import subscribe
from tests.registry.sync.shelf import Shelf

pytestmark = [pytest.mark.database, pytest.mark.django_db]


class Log(Shelf):
    """The shelf as a log: `log` names the books in the order they changed; cursors are places in it."""

    def __init__(self) -> None:
        super().__init__(per_page=100)
        self.log: list[str] = []
        self.unreadable: set[str] = set()

    def change(self, *keys: str) -> None:
        for key in keys:
            self.books[key].tags = [*self.books[key].tags, f"changed {len(self.log)}"]
            self.log.append(key)

    def pages(self, kind: str, target: str, cursor: str | None) -> Iterator[Page]:
        if kind == SubscriptionKind.ADAPTER:
            yield from super().pages(kind, target, cursor)
            return
        start = int(cursor or 0)
        if start > len(self.log):
            raise RequestRefused("no such cursor")
        while True:
            self.requests.append(f"changes {start}")
            if self.faults.get(start):
                raise self.faults[start].pop(0)
            newest = {key: place for place, key in enumerate(self.log, 1)}
            places = sorted(place for place in newest.values() if place > start)
            part, more = places[: self.per_page], len(places) > self.per_page
            start = part[-1] if part else start
            listed = [self.unread(self.books[self.log[place - 1]]) for place in part]
            yield Page(
                [self._broken(each) if each.source_key in self.unreadable else each for each in listed],
                str(start) if more else None,
                resume=None if more else str(start),
            )
            if not more:
                return

    @staticmethod
    def _broken(each: Unread) -> Unread:
        def read() -> None:
            raise RequestRefused("no adapter")

        return Unread(each.source, each.source_key, each.fingerprint, read)  # type: ignore[arg-type]


@pytest.fixture
def log(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Log:
    upstream = Log()
    monkeypatch.setitem(clients.CLIENTS, Source.CIVITAI, Client(upstream.pages, shelf_kinds()))
    return upstream


def shelf_kinds() -> frozenset[str]:
    return frozenset(str(each) for each in SubscriptionKind)


@pytest.fixture
def following(log: Log) -> Subscription:
    return subscribe(Source.CIVITAI, SubscriptionKind.CATALOG, "all", actor="test", fetch=False)


def fill(log: Log, count: int) -> None:
    for number in range(1, count + 1):
        log.add(str(number), [f"{number}000"])
    log.change(*log.books)


def test_a_second_run_with_one_change_of_a_thousand_asks_once(log: Log, following: Subscription) -> None:
    fill(log, 1000)
    assert run(following).fetched == 1000
    log.change("500")
    log.requests.clear()
    log.read.clear()

    done = run(following)

    assert (log.requests, log.read) == (["changes 1000"], ["500"])
    assert (done.listed, done.fetched, done.skipped, done.failed) == (1, 1, 0, 0)
    assert set(Version.objects.values_list("availability", flat=True)) == {Availability.PRESENT}
    assert not UpstreamItem.objects.exclude(doubt="").exists()

    log.requests.clear()
    assert (run(following).listed, log.requests) == (0, ["changes 1001"])


def test_a_run_that_fails_half_way_begins_where_the_last_whole_one_ended(
    log: Log, following: Subscription
) -> None:
    fill(log, 5)
    run(following)
    log.per_page = 2
    log.change("1", "2", "3", "4")
    log.faults[7] = [RequestRefused("400")]
    assert run(following).state == RunState.FAILED
    log.requests.clear()

    done = run(following)

    assert log.requests == ["changes 5", "changes 7"]
    assert (done.state, done.fetched, done.skipped) == (RunState.DONE, 2, 2)


def test_a_run_that_was_stopped_goes_on_at_its_page_of_the_log(log: Log, following: Subscription) -> None:
    fill(log, 5)
    run(following)
    log.per_page = 2
    log.change("1", "2", "3")
    log.faults[7] = [UpstreamUnavailable("503")]
    assert run(following).state == RunState.STOPPED
    log.requests.clear()
    done = run(following)
    assert (done.state, done.listed, log.requests) == (RunState.DONE, 3, ["changes 7"])


def test_what_changes_once_more_while_the_log_is_read_is_kept_as_it_is_last(
    log: Log, following: Subscription
) -> None:
    fill(log, 4)
    log.per_page = 2
    pages = log.pages

    def moving(kind: str, target: str, cursor: str | None) -> Iterator[Page]:
        for number, page in enumerate(pages(kind, target, cursor)):
            yield page
            if number == 0 and cursor is None:
                log.change("1")

    clients.CLIENTS[Source.CIVITAI] = Client(moving, shelf_kinds())
    done = run(following)

    version = Version.objects.get(source_key="1000")
    assert (done.listed, done.fetched, done.repeated) == (4, 4, 1)
    assert version.adapter.tags == log.books["1"].tags
    following.refresh_from_db()
    assert following.resume == "5"


@pytest.mark.parametrize("known", [True, False])
def test_what_could_not_be_kept_is_asked_for_by_the_next_run_though_no_page_lists_it(
    log: Log, following: Subscription, known: bool
) -> None:
    fill(log, 3)
    if known:
        run(following)
        log.change("2")
    log.unreadable = {"2"}
    first = run(following)
    assert (first.failed, first.reasons["request_refused"]) == (1, 1)
    log.unreadable = set()
    log.requests.clear()

    run(following)

    assert log.requests[1:] == ["adapter 2"]
    assert Version.objects.get(source_key="2000").adapter.tags == log.books["2"].tags
    log.requests.clear()
    run(following)
    assert len(log.requests) == 1


def test_a_place_that_the_log_no_longer_knows_begins_it_anew(log: Log, following: Subscription) -> None:
    fill(log, 6)
    run(following)
    log.log = log.log[:3]

    done = run(following)
    following.refresh_from_db()

    assert (done.state, done.skipped, following.resume) == (RunState.DONE, 3, "3")
    assert set(Version.objects.values_list("availability", flat=True)) == {Availability.PRESENT}
