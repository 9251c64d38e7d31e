"""How often a host is asked: by one process, by several that share a database, and after one was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from registry.leases import worker_name
from registry.models import HostBudget, HostSlot, RememberedRefusal
from registry.sources.http import get
from registry.sources.transport import budget_rules
from registry.sources.transport.budget_rules import Budget, Limits, Signs
from registry.sources.transport.budgets import API, current_store, reserve
from registry.sources.transport.rate_limits import Announced
from registry.sources.upstream_errors import NotFoundUpstream, RateLimited
from tests.upstreams.faults import FaultyServer, Quota, Status, TooMany
from tests.upstreams.replies import Reply, Request

NO_SIGNS = Signs(None, None, 1.0)


# --- The rules ----------------------------------------------------------------------------------------------


@given(
    st.integers(1, 600),
    st.lists(st.tuples(st.floats(0, 20), st.booleans()), min_size=1, max_size=200),
)
def test_no_minute_has_more_requests_than_a_minutes_and_one_burst(
    per_minute: int, steps: list[tuple[float, bool]]
) -> None:
    limits = Limits(4, per_minute)
    now = 1_000_000.0
    budget, taken = budget_rules.fresh(limits, now), []
    for pause, patient in steps:
        now += pause
        wait = budget_rules.take(budget, limits, 0, now)
        if wait and patient:
            now += wait
            wait = budget_rules.take(budget, limits, 0, now + 1e-6)
        if wait == 0:
            taken.append(now)
    burst = max(1.0, per_minute * budget_rules.BURST_SECONDS / 60)
    for start in taken:
        within = sum(start <= each < start + 60 for each in taken)
        assert within <= per_minute + burst + 1


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.floats(0, 90), st.booleans(), st.booleans()), max_size=40),
    st.floats(0, 1e6),
)
def test_an_answer_that_tells_nothing_changes_nothing_in_a_settled_budget(
    together: int, steps: list[tuple[float, bool, bool]], later: float
) -> None:
    limits, now = Limits(together, 60), 1_000_000.0
    budget = budget_rules.fresh(limits, now)
    for pause, is_refused, is_told in steps:
        now += pause
        signs = Signs(Announced(5, 9.0), None, 1.0) if is_told else NO_SIGNS
        if is_refused:
            budget_rules.refused(budget, signs, asked=now, in_flight=1, now=now)
        else:
            budget_rules.answered(budget, limits, signs, 1, now)
    before = replace(budget)
    budget_rules.answered(budget, limits, NO_SIGNS, 1, now + later)
    if budget_rules.is_settled(before, limits):
        assert budget == before


@given(st.integers(1, 20), st.integers(1, 60), st.integers(1, 4), st.randoms(use_true_random=False))
def test_a_host_with_a_fixed_window_is_asked_no_more_than_it_allows(
    limit: int, window: int, together: int, random: object
) -> None:
    limits, now = Limits(together, None), 1_000_000.0
    budget = budget_rules.fresh(limits, now)
    began, used, over, in_flight = now, 0, 0, 0
    for _ in range(100):
        wait = budget_rules.take(budget, limits, in_flight, now)
        if wait is None or (wait == 0 and in_flight + 1 > together):
            in_flight = 0
            continue
        if wait:
            now += wait
            continue
        if now >= began + window:
            began, used = now, 0
        used += 1
        over += used > limit
        told = Announced(max(0, limit - used), began + window - now, limit, float(window))
        budget_rules.answered(budget, limits, Signs(told, None, 1.0), 1, now)
        now += 0.01
    assert over == 0


def test_requests_at_a_time_are_halved_by_429_and_come_back_slowly() -> None:
    limits, now = Limits(8, None), 1_000_000.0
    budget = budget_rules.fresh(limits, now)
    seen = []
    for _ in range(4):
        now += 100
        budget_rules.refused(budget, Signs(None, 5.0, 1.0), asked=now - 1, in_flight=1, now=now)
        seen.append(budget.allowance)
        assert budget_rules.take(budget, limits, 0, now) == pytest.approx(5.0)
    assert seen == [4, 2, 1, 1]
    for _ in range(200):
        now += 1
        budget_rules.answered(budget, limits, NO_SIGNS, 1, now)
        seen.append(budget.allowance)
    assert seen[-1] == 7 and seen[4:] == sorted(seen[4:])


def test_requests_that_were_refused_together_halve_once() -> None:
    limits, now = Limits(8, None), 1_000_000.0
    budget = budget_rules.fresh(limits, now)
    for _ in range(8):
        budget_rules.refused(budget, Signs(None, 1.0, 1.0), asked=now, in_flight=8, now=now + 1)
    assert budget.allowance == 4


def test_without_a_time_each_refusal_in_a_row_may_cost_twice_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    budget, now = Budget(4, 1.0, 0.0), 1_000_000.0
    waits = []
    for _ in range(7):
        budget_rules.refused(budget, NO_SIGNS, asked=now, in_flight=1, now=now)
        waits.append(budget.blocked_until - now)
        now = budget.blocked_until
    assert waits == [1, 2, 4, 8, 16, 30, 30]


# --- One process --------------------------------------------------------------------------------------------


class Upstream(FaultyServer):
    latency = 0.02

    def __init__(self) -> None:
        super().__init__()
        self.at_once = self.most_at_once = 0

    def answer(self, request: Request) -> Reply:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(0.05)
        with self._lock:
            self.at_once -= 1
        return Reply.of_json({})


@pytest.fixture
def upstream(settings: Settings) -> Iterator[Upstream]:
    with Upstream() as server:
        settings.UPSTREAM_PRIVATE_HOSTS = [server.host]
        yield server


def ask_together(url: str, number: int) -> list[BaseException]:
    """Ask from so many threads at once; what went wrong."""
    failed: list[BaseException] = []

    def ask(each: int) -> None:
        try:
            get(f"{url}/{each}")
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(each,)) for each in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def test_no_more_requests_run_at_a_time_than_allowed(upstream: Upstream, settings: Settings) -> None:
    settings.UPSTREAM_CONCURRENCY = 3
    assert ask_together(upstream.url, 12) == []
    assert upstream.most_at_once <= 3 and len(upstream.requests) == 12


def test_a_hosts_own_number_of_requests_a_minute_is_kept(upstream: Upstream, settings: Settings) -> None:
    settings.UPSTREAM_HOST_REQUESTS_PER_MINUTE = {upstream.host: 12}
    settings.UPSTREAM_LONGEST_WAIT_SECONDS = 1
    get(upstream.url)
    get(upstream.url)
    with pytest.raises(RateLimited) as limited:
        get(upstream.url)
    assert limited.value.retry_after is not None and 3 < limited.value.retry_after <= 5
    assert len(upstream.requests) == 2


# --- Several processes --------------------------------------------------------------------------------------


@pytest.fixture
def shared(upstream: Upstream, settings: Settings) -> Upstream:
    settings.UPSTREAM_SHARED_BUDGETS = True
    return upstream


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
class TestShared:
    """Budgets in the database."""

    def test_a_request_leaves_a_budget_and_no_slot(self, shared: Upstream) -> None:
        get(shared.url)
        assert HostBudget.objects.get().key == f"{shared.host} api"
        assert not HostSlot.objects.exists()

    def test_a_request_costs_four_statements_and_two_more_where_its_answer_tells_of_limits(
        self, shared: Upstream
    ) -> None:
        get(shared.url)
        with CaptureQueriesContext(connection) as asked:
            get(f"{shared.url}/again")
        # Whether it was refused lately, the place with its budget, the place taken, the place given back.
        assert len([each for each in asked if each["sql"] not in ("BEGIN", "COMMIT")]) == 4
        shared.quotas.append(Quota(limit=9, window=60))
        with CaptureQueriesContext(connection) as asked:
            get(f"{shared.url}/told")
        assert len([each for each in asked if each["sql"] not in ("BEGIN", "COMMIT")]) == 6
        assert HostBudget.objects.get().quota_left == 8

    def test_who_waited_for_the_budget_sees_the_places_that_were_taken_meanwhile(
        self, shared: Upstream, settings: Settings
    ) -> None:
        settings.UPSTREAM_CONCURRENCY = 1
        reserve(shared.url, API, 5).free()
        key, taken = f"{shared.host} api", []

        def take() -> None:
            try:
                taken.append(current_store().take(key, Limits(1, None)))
            finally:
                connection.close()

        with transaction.atomic():
            HostBudget.objects.select_for_update().get(pk=key)
            waiting = threading.Thread(target=take)
            waiting.start()
            wait_until_somebody_waits()
            now = time.time()
            HostSlot.objects.create(budget_id=key, worker=worker_name(), asked=now, until=now + 60)
        waiting.join()
        assert [(each.wait, each.slot) for each in taken] == [(None, 0)]

    def test_threads_with_connections_of_their_own_share_one_allowance(
        self, shared: Upstream, settings: Settings
    ) -> None:
        settings.UPSTREAM_CONCURRENCY = 2
        assert ask_together(shared.url, 8) == []
        assert shared.most_at_once <= 2 and len(shared.requests) == 8
        assert not HostSlot.objects.exists()

    def test_a_quota_is_kept_by_all_together(self, shared: Upstream) -> None:
        quota = Quota(limit=6, window=1)
        shared.quotas.append(quota)
        get(shared.url)
        assert ask_together(shared.url, 12) == []
        assert quota.over == 0

    def test_a_pause_that_one_was_told_holds_for_all(self, shared: Upstream, settings: Settings) -> None:
        settings.UPSTREAM_LONGEST_WAIT_SECONDS = 0
        shared.plan(TooMany("3600"))
        failed = [*ask_together(shared.url, 1), *ask_together(shared.url, 3)]
        assert [type(each) for each in failed] == [RateLimited] * 4
        assert len(shared.requests) == 1

    def test_a_refusal_that_one_got_is_known_to_all(self, shared: Upstream) -> None:
        shared.plan(Status(404, {"error": "Model not found"}))
        failed = ask_together(shared.url, 1) + ask_together(shared.url, 1)
        assert [type(each) for each in failed] == [NotFoundUpstream] * 2
        assert len(shared.requests) == 1
        assert RememberedRefusal.objects.get().address == f"{shared.url}/0"
        get(f"{shared.url}/0", fresh=True)
        assert not RememberedRefusal.objects.exists()

    def test_a_request_inside_a_transaction_is_a_mistake_that_shows(self, shared: Upstream) -> None:
        with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
            get(shared.url)
        assert shared.requests == []

    def test_the_slot_of_a_process_that_was_killed_is_free(
        self, shared: Upstream, settings: Settings
    ) -> None:
        settings.UPSTREAM_CONCURRENCY = 1
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, f"{shared.url}/held"],
            cwd=django_settings.BASE_DIR,
            env=environment(shared.host),
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == b"held\n"
                assert HostSlot.objects.count() == 1
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait(timeout=30)
        slot = reserve(shared.url, API, longest_wait=5)
        assert HostSlot.objects.get().pk == slot.number
        slot.free()


def wait_until_somebody_waits() -> None:
    """Until another session waits for a lock; the test's own limit ends it."""
    found = False
    with connection.cursor() as cursor:
        while not found:
            cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
            found = bool(cursor.fetchone()[0])


HOLD = """
import sys, time
import django
django.setup()
from registry.sources.transport.budgets import API, reserve
reserve(sys.argv[1], API, 5)
print("held", flush=True)
time.sleep(60)
"""


def environment(*hosts: str) -> dict[str, str]:
    """The environment of a process that shares this test's database."""
    found = connection.get_connection_params()
    address = f"postgresql://{found['user']}@/{found['dbname']}?host={quote(str(found['host']), safe='')}"
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": address,
        "UPSTREAM_SHARED_BUDGETS": "true",
        "UPSTREAM_PRIVATE_HOSTS": ",".join(hosts),
    }
