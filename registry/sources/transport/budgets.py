"""Budgets of hosts, shared by all processes through PostgreSQL, or kept by one process for itself.

No request may be made inside a transaction: it would hold the budget's row, and everybody else, until the
answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol

from django.conf import settings
from django.db import connection, transaction

from registry.leases import is_gone, worker_name
from registry.models.upstreams import HostBudget, HostSlot
from registry.sources.transport import budget_rules
from registry.sources.transport.budget_rules import Budget, Limits, Signs
from registry.sources.transport.policy import PORTS, current_policy, matches, normal_host, split
from registry.sources.upstream_errors import RateLimited

API, FILES = "api", "files"
LEASE_SECONDS = 120.0
# Others' requests under way are waited for so long, downloads among them.
LONGEST_QUEUE = 600.0
Pause = Callable[[float], None]


class Store(Protocol):
    """Where budgets are kept. Every call is one short transaction."""

    def take(self, key: str, limits: Limits) -> tuple[float | None, int]:
        """As budget_rules.take, with the number of the slot that was taken."""

    def keep(self, slot: int) -> None:
        """The request goes on."""

    def answered(self, key: str, slot: int, limits: Limits, signs: Signs, *, refused: bool) -> float:
        """An answer came. The seconds for which nothing may go."""

    def free(self, slot: int) -> None:
        """The request is over."""


@dataclass
class Slot:
    """One request's place in the budget of its host; give it back by `free`."""

    store: Store
    key: str
    limits: Limits
    number: int
    renewed: float = field(default_factory=time.monotonic)

    def keep(self) -> None:
        """Say now and then that a long request goes on."""
        if time.monotonic() - self.renewed > LEASE_SECONDS / 4:
            self.renewed = time.monotonic()
            self.store.keep(self.number)

    def answered(self, signs: Signs, *, refused: bool) -> float:
        """Take down what the answer tells; the seconds for which nothing may go to this host."""
        return self.store.answered(self.key, self.number, self.limits, signs, refused=refused)

    def free(self) -> None:
        self.store.free(self.number)


def reserve(url: str, lane: str, longest_wait: float, pause: Pause = time.sleep) -> Slot:
    """A place in the budget of the address's host, waited for when need be.

    Raises RateLimited when it would take longer than `longest_wait` seconds.
    """
    parts = split(url)
    port = parts.port or PORTS[parts.scheme]
    key = f"{normal_host(parts.hostname or '')}:{port} {lane}"
    store, limits = current_store(), limits_of(url)
    waited_for_others, patience = 0.0, longest_wait
    while True:
        wait, number = store.take(key, limits)
        if wait == 0:
            return Slot(store, key, limits, number)
        if wait is None:
            step = 0.05 if waited_for_others < 2 else 0.5
            waited_for_others += step
            if waited_for_others > LONGEST_QUEUE:
                raise RateLimited(f"Too many requests to {parts.hostname} are under way.", retry_after=60.0)
            pause(step)
            continue
        if wait > patience:
            raise RateLimited(f"{parts.hostname} takes no request for {wait:.0f} seconds.", retry_after=wait)
        patience -= wait
        # Not a moment before: the host's clock decides, and answers are rounded.
        pause(wait + 0.01)


def limits_of(url: str) -> Limits:
    """What the settings allow for the address's host; a private one has no rate unless it is named."""
    parts = split(url)
    for pattern, number in settings.UPSTREAM_HOST_REQUESTS_PER_MINUTE.items():
        if matches(pattern, parts):
            return Limits(settings.UPSTREAM_CONCURRENCY, number)
    free = current_policy().is_private(parts)
    return Limits(settings.UPSTREAM_CONCURRENCY, None if free else settings.UPSTREAM_REQUESTS_PER_MINUTE)


def current_store() -> Store:
    """The database, or this process where UPSTREAM_SHARED_BUDGETS is off."""
    return _database if settings.UPSTREAM_SHARED_BUDGETS else _process


class ProcessStore:
    """Budgets of this process, in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._budgets: dict[str, Budget] = {}
        self._slots: dict[int, tuple[str, float]] = {}
        self._number = 0

    def take(self, key: str, limits: Limits) -> tuple[float | None, int]:
        with self._lock:
            now = time.time()
            budget = self._budgets.setdefault(key, budget_rules.fresh(limits, now))
            wait = budget_rules.take(budget, limits, self._in_flight(key), now)
            if wait != 0:
                return wait, 0
            self._number += 1
            self._slots[self._number] = key, now
            return wait, self._number

    def keep(self, slot: int) -> None:
        """Slots of a process end with it."""

    def answered(self, key: str, slot: int, limits: Limits, signs: Signs, *, refused: bool) -> float:
        with self._lock:
            now = time.time()
            budget, asked = self._budgets[key], self._slots.get(slot, (key, now))[1]
            _note(budget, limits, signs, asked, self._in_flight(key), now, refused=refused)
            return max(0.0, budget.blocked_until - now)

    def free(self, slot: int) -> None:
        with self._lock:
            self._slots.pop(slot, None)

    def forget(self) -> None:
        """Start anew, as a new process would."""
        with self._lock:
            self._budgets.clear()
            self._slots.clear()

    def _in_flight(self, key: str) -> int:
        return sum(each == key for each, _ in self._slots.values())


class DatabaseStore:
    """Budgets as rows: whoever holds the row's lock is the one who decides."""

    def take(self, key: str, limits: Limits) -> tuple[float | None, int]:
        with transaction.atomic(durable=True):
            now = _now()
            row = _row(key, limits, now)
            budget = _budget(row)
            wait = budget_rules.take(budget, limits, self._in_flight(key, now), now)
            _save(row, budget)
            if wait != 0:
                return wait, 0
            slot = HostSlot.objects.create(
                budget=row, worker=worker_name(), asked=now, until=now + LEASE_SECONDS
            )
            return wait, slot.pk

    def keep(self, slot: int) -> None:
        with transaction.atomic(durable=True):
            HostSlot.objects.filter(pk=slot).update(until=_now() + LEASE_SECONDS)

    def answered(self, key: str, slot: int, limits: Limits, signs: Signs, *, refused: bool) -> float:
        with transaction.atomic(durable=True):
            now = _now()
            row = _row(key, limits, now)
            budget = _budget(row)
            asked = HostSlot.objects.filter(pk=slot).values_list("asked", flat=True).first()
            in_flight = self._in_flight(key, now)
            _note(budget, limits, signs, now if asked is None else asked, in_flight, now, refused=refused)
            _save(row, budget)
            return max(0.0, budget.blocked_until - now)

    def free(self, slot: int) -> None:
        with transaction.atomic(durable=True):
            _lightly()
            HostSlot.objects.filter(pk=slot).delete()

    def _in_flight(self, key: str, now: float) -> int:
        """Requests under way to this host, of processes that live."""
        alive = 0
        for slot in HostSlot.objects.filter(budget_id=key):
            if slot.until < now or is_gone(slot.worker):
                slot.delete()
            else:
                alive += 1
        return alive


def _note(
    budget: Budget, limits: Limits, signs: Signs, asked: float, in_flight: int, now: float, *, refused: bool
) -> None:
    if refused:
        budget_rules.refused(budget, signs, asked=asked, in_flight=in_flight, now=now)
    else:
        budget_rules.answered(budget, limits, signs, in_flight, now)


def _row(key: str, limits: Limits, now: float) -> HostBudget:
    _lightly()
    values = _values(budget_rules.fresh(limits, now))
    HostBudget.objects.bulk_create([HostBudget(key=key, **values)], ignore_conflicts=True)
    return HostBudget.objects.select_for_update().get(pk=key)


def _budget(row: HostBudget) -> Budget:
    return Budget(**{each.name: getattr(row, each.name) for each in fields(Budget)})


def _values(budget: Budget) -> dict[str, Any]:
    return asdict(budget)


def _save(row: HostBudget, budget: Budget) -> None:
    HostBudget.objects.filter(pk=row.pk).update(**_values(budget))


def _lightly() -> None:
    """A crash of the server may forget the last moments of a budget; the disk is not waited for."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit TO OFF")


def _now() -> float:
    """The database's clock: one for all machines."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        return float(cursor.fetchone()[0])


_process, _database = ProcessStore(), DatabaseStore()


def forget_process() -> None:
    """Let this process's own budgets begin anew, as in a new process."""
    _process.forget()
