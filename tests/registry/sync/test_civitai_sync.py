"""A sync of 2,000 models from a server that does all that Civitai does wrong: nothing lost, nothing twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.models import Count
from django.utils import timezone
from pytest_django import Settings

from registry.models import Adapter, AuditEvent, RunState, Source, Subscription, SyncRun, Version
from registry.seed import seed
from registry.sources.transport.budgets import current_store
from registry.sync.report import run_report
from registry.sync.run import run
from registry.sync.subscriptions import subscribe
from tests.registry.sources.civitai_fixture import ask_civitai
from tests.upstreams.civitai import CivitaiServer
from tests.upstreams.civitai_catalog import FIRST_ID, Catalog, file, model, version
from tests.upstreams.faults import Broken, Cut, Hangup, Html, Quota, TooMany, Truncated

pytestmark = [pytest.mark.database, pytest.mark.slow]

MODELS = 2000
HOUR = 3600.0
LIST = r"^/api/v1/models$"


@pytest.fixture
def server(settings: Settings) -> Iterator[CivitaiServer]:
    odd = [
        model(7, [version(70, [file(700, hashes={})])]),
        model(8, [version(80, [file(800, hashes={"SHA256": ""})])]),
        model(9, [version(90, []), version(91)]),
    ]
    for each in odd:
        each["tags"] = ["generated"]
    with CivitaiServer(Catalog(odd, generated=MODELS)) as upstream:
        ask_civitai(settings, upstream)
        current_store().forget()  # type: ignore[attr-defined]
        yield upstream


def expected() -> set[str]:
    return {"7", "8", "9", *(str(FIRST_ID + number) for number in range(MODELS))}


def follow_all() -> Subscription:
    return subscribe(Source.CIVITAI, "tag", "generated", actor="test", fetch=False)


def an_hour_later(server: CivitaiServer) -> None:
    """The quota's window is over, for the server and for us."""
    for quota in server.quotas:
        quota._began -= HOUR
    current_store().forget()  # type: ignore[attr-defined]


@pytest.mark.django_db
@pytest.mark.parametrize("announce", ["ratelimit", "retry-after"])
def test_every_fault_and_an_hourly_quota_lose_nothing(
    server: CivitaiServer, seeded: None, announce: str
) -> None:
    quota = Quota(limit=9, window=HOUR, announce=announce)
    server.quotas.append(quota)
    server.plan(TooMany(retry_after="1"), path=LIST, times=1, skip=1)
    server.plan(TooMany(), path=LIST, times=1)
    server.plan(Broken(502), path=LIST, times=2, skip=2)
    server.plan(Cut(at=0.5), path=LIST, times=1, skip=1)
    server.plan(Html(), path=LIST, times=1, skip=1)
    server.plan(Truncated(by=500), path=LIST, times=1)
    server.plan(Hangup(), path=LIST, times=1)
    subscription = follow_all()
    over, kept, waits = [], 0, 0
    while True:
        done = run(subscription)
        over.append(quota.over)
        assert Version.objects.count() >= kept, "an error deleted something"
        kept = Version.objects.count()
        if done.state != RunState.STOPPED:
            break
        subscription.refresh_from_db()
        if done.error_code == "rate_limited":
            assert subscription.due > timezone.now() + timedelta(minutes=50)
            waits += 1
            an_hour_later(server)
        else:
            # So many faults in a row that the door gave up: the run waits a minute, and goes on.
            assert done.error_code == "upstream_unavailable"
            assert timezone.now() < subscription.due < timezone.now() + timedelta(minutes=2)
        assert len(over) < 20

    assert done.state == RunState.DONE
    assert set(Adapter.objects.values_list("source_key", flat=True)) == expected()
    report = run_report(done)
    assert (done.listed, done.fetched, done.skipped, done.failed) == (MODELS + 3, MODELS + 3, 0, 0)
    assert report.line == f"{MODELS + 3} listed, {MODELS + 3} fetched, 0 skipped, 0 failed"
    assert waits > 1
    assert max(b - a for a, b in zip([0, *over], over, strict=False)) <= 1


@pytest.mark.django_db
def test_an_item_that_comes_on_two_pages_is_kept_once(server: CivitaiServer, seeded: None) -> None:
    server.skips, server.repeats = False, True

    done = run(follow_all())

    assert (done.state, done.listed) == (RunState.DONE, MODELS + 3)
    assert set(Adapter.objects.values_list("source_key", flat=True)) == expected()


@pytest.mark.django_db
def test_the_second_run_reads_what_changed_alone(server: CivitaiServer, seeded: None) -> None:
    subscription = follow_all()
    run(subscription)
    for number in (3, 700):
        server.catalog.edit(FIRST_ID + number)

    done = run(subscription)

    assert (done.fetched, done.skipped) == (2, MODELS + 1)


# --- Killed -------------------------------------------------------------------------------------------------


def start(subscription: Subscription, server: CivitaiServer, var: Path) -> subprocess.Popen[bytes]:
    """`manage.py sync ID`, as a person starts it, on this test's database and upstream."""
    found = connection.get_connection_params()
    address = f"postgresql://{found['user']}@/{found['dbname']}?host={quote(str(found['host']), safe='')}"
    return subprocess.Popen(
        [sys.executable, "manage.py", "sync", str(subscription.pk)],
        cwd=django_settings.BASE_DIR,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": address,
            "VAR_DIR": str(var),
            "CIVITAI_API": server.api,
            "UPSTREAM_PRIVATE_HOSTS": server.host,
            "UPSTREAM_SHARED_BUDGETS": "true",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for(least: int, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + 120
    while (count := Version.objects.count()) < least:
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return count


@pytest.mark.django_db(transaction=True)
def test_a_killed_sync_loses_and_repeats_nothing(server: CivitaiServer, tmp_path: Path) -> None:
    seed()
    subscription = follow_all()
    for least in (250, 1100):
        process = start(subscription, server, tmp_path / "var")
        try:
            kept = wait_for(least, process)
            os.kill(process.pid, signal.SIGKILL)
        finally:
            process.kill()
            process.wait()
        row = SyncRun.objects.get()
        assert (row.state, row.fetched) == (RunState.RUNNING, Adapter.objects.count())
        assert kept < MODELS
    place = row.pages
    before = len(server.requests)

    finished = start(subscription, server, tmp_path / "var")
    assert finished.wait(timeout=300) == 0

    row = SyncRun.objects.get()
    assert (row.state, row.listed, row.fetched, row.failed) == (RunState.DONE, MODELS + 3, MODELS + 3, 0)
    assert set(Adapter.objects.values_list("source_key", flat=True)) == expected()
    # Each version was taken in once, and no page that had been kept was asked for again.
    taken = AuditEvent.objects.filter(action="ingest").values("subject").annotate(count=Count("pk"))
    assert {each["count"] for each in taken} == {1}
    asked = [each for each in server.requests[before:] if "ids" not in each.query]
    assert len(asked) <= row.pages - place
    assert all(each.query.get("cursor") for each in asked)
