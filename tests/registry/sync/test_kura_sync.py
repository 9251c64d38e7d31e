"""Following another Kura by its feed: a run asks for what has changed there, and for nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from registry.models import Adapter, Availability, RunState, Source, Subscription, UpstreamItem, Version
from registry.sync.run import run
from registry.sync.subscriptions import subscribe
from tests.registry.sources.test_kura_export import KURA, claim, export
from tests.upstreams.faults import FaultyServer, Reply, Request

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("blobs", "seeded")]


class Feed(FaultyServer):
    """Another Kura with many vetted adapters of one version each; `changes`: adapter -> its newest change."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.changes = {number: number for number in range(1, count + 1)}
        self.broken: set[int] = set()

    def change(self, adapter: int) -> None:
        self.changes[adapter] = max(self.changes.values()) + 1

    def answer(self, request: Request) -> Reply:
        if request.path.endswith("/changes/"):
            return Reply.of_json(self._changes(request))
        number = int(request.path.split("/")[4])
        told = export(claim(snapshot=None), change=self.changes[number])
        told["adapter"] = told["adapter"] | {"id": number, "name": f"Ink {number} {self.changes[number]}"}
        told["version"] = told["version"] | {"id": number}
        return Reply.of_json(told)

    def _changes(self, request: Request) -> dict[str, Any]:
        after = int(request.first("after").rpartition(".")[2] or 0)
        limit = int(request.first("limit") or 50)
        wanted = sorted((change, adapter) for adapter, change in self.changes.items() if change > after)
        if alone := request.first("adapter"):
            wanted = [each for each in wanted if each[1] == int(alone)]
        page, more = wanted[:limit], len(wanted) > limit
        cursor = f"{KURA}.{page[-1][0] if page else after}"
        rows = [self._row(*each) for each in page]
        return {"kura": KURA, "results": rows, "next": "/more" if more else None, "cursor": cursor}

    def _row(self, change: int, adapter: int) -> dict[str, Any]:
        version = {"id": adapter, "vetting": "approved", "change": change, "path": [KURA]}
        shown: list[Any] = ["spoiled"] if adapter in self.broken else [version]
        return {"change": change, "adapter": adapter, "at": "2026-11-01T00:00:00+00:00", "versions": shown}

    @property
    def asked(self) -> list[str]:
        return [each.path.removeprefix("/api/v1/") for each in self.requests]


@pytest.fixture
def feed(settings: Settings) -> Iterator[Feed]:
    with Feed(40) as server:
        settings.UPSTREAM_PRIVATE_HOSTS = [server.host]
        settings.UPSTREAM_SHARED_BUDGETS = False
        settings.UPSTREAM_REQUESTS_PER_MINUTE = 100_000
        yield server


@pytest.fixture
def following(feed: Feed) -> Subscription:
    return subscribe(Source.KURA, "catalog", feed.url, actor="test", fetch=False)


def test_a_second_run_costs_the_feed_and_the_one_version_that_changed(
    feed: Feed, following: Subscription
) -> None:
    first = run(following)
    assert (first.state, first.fetched, len(feed.requests)) == (RunState.DONE, 40, 41)
    feed.change(7)
    feed.requests.clear()
    done = run(following)
    assert feed.asked == ["changes/", "versions/7/export/"]
    assert (done.state, done.listed, done.fetched) == (RunState.DONE, 1, 1)
    assert Adapter.objects.get(source_key=f"{feed.url}#7").name == "Ink 7 41"
    assert set(Version.objects.values_list("availability", flat=True)) == {Availability.PRESENT}
    feed.requests.clear()
    assert run(following).listed == 0
    assert feed.asked == ["changes/"]


def test_a_row_that_cannot_be_read_costs_no_other_and_is_asked_for_until_it_can_be(
    feed: Feed, following: Subscription
) -> None:
    feed.broken = {3}
    done = run(following)
    assert (done.state, done.fetched, done.reasons) == (RunState.DONE, 39, {"unexpected_answer": 1})
    feed.broken = set()
    run(following)
    assert Adapter.objects.filter(source_key=f"{feed.url}#3").exists()
    assert not UpstreamItem.objects.exclude(doubt="").exists()
