"""Budgets of hosts, shared by all processes through PostgreSQL, or kept by one process for itself.

No request may be made inside a transaction: it would hold the budget's row, and everybody else, until the
answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Final, Protocol

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


@dataclass(frozen=True, slots=True)
class Taken:
    """`wait` as budget_rules.take gives it, and the number of the slot that was taken where it is 0.

    `settled`: an answer that announces nothing and is no refusal would change nothing in the budget.
    """

    wait: float | None
    slot: int = 0
    settled: bool = False


class Store(Protocol):
    """Where budgets are kept. Every call is one short transaction."""

    def take(self, key: str, limits: Limits) -> Taken:
        """Take one request out of the budget, if it may go now."""

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
    settled: bool = False
    renewed: float = field(default_factory=time.monotonic)

    def keep(self) -> None:
        """Say now and then that a long request goes on."""
        if time.monotonic() - self.renewed > LEASE_SECONDS / 4:
            self.renewed = time.monotonic()
            self.store.keep(self.number)

    def answered(self, signs: Signs, *, refused: bool) -> float:
        """Take down what the answer tells; the seconds for which nothing may go to this host."""
        if self.settled and not refused and signs.announced is None:
            return 0.0
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
        taken = store.take(key, limits)
        wait = taken.wait
        if wait == 0:
            return Slot(store, key, limits, taken.slot, taken.settled)
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

    def take(self, key: str, limits: Limits) -> Taken:
        with self._lock:
            now = time.time()
            budget = self._budgets.setdefault(key, budget_rules.fresh(limits, now))
            wait = budget_rules.take(budget, limits, self._in_flight(key), now)
            if wait != 0:
                return Taken(wait)
            self._number += 1
            self._slots[self._number] = key, now
            return Taken(wait, self._number, budget_rules.is_settled(budget, limits))

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


@dataclass(frozen=True, slots=True)
class _Held:
    """A budget whose row is locked until the transaction ends: nobody else decides meanwhile.

    `asked`: slot -> when its request was sent, for the requests under way. `now` by the database's clock.
    """

    budget: Budget
    asked: dict[int, float]
    now: float


class DatabaseStore:
    """Budgets as rows: whoever holds the row's lock is the one who decides.

    A request costs two statements where its place is taken and one where it is given back; what its answer
    tells costs two more where it tells anything.
    """

    def take(self, key: str, limits: Limits) -> Taken:
        with transaction.atomic(durable=True):
            held = _hold(key, limits)
            wait = budget_rules.take(held.budget, limits, len(held.asked), held.now)
            if wait != 0:
                _save(key, held.budget)
                return Taken(wait)
            slot = _save_and_take(key, held.budget, held.now)
            return Taken(wait, slot, budget_rules.is_settled(held.budget, limits))

    def keep(self, slot: int) -> None:
        with transaction.atomic(durable=True):
            HostSlot.objects.filter(pk=slot).update(until=_now() + LEASE_SECONDS)

    def answered(self, key: str, slot: int, limits: Limits, signs: Signs, *, refused: bool) -> float:
        with transaction.atomic(durable=True):
            held = _hold(key, limits)
            asked = held.asked.get(slot, held.now)
            _note(held.budget, limits, signs, asked, len(held.asked), held.now, refused=refused)
            _save(key, held.budget)
            return max(0.0, held.budget.blocked_until - held.now)

    def free(self, slot: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_FREE, [slot])


def _note(
    budget: Budget, limits: Limits, signs: Signs, asked: float, in_flight: int, now: float, *, refused: bool
) -> None:
    if refused:
        budget_rules.refused(budget, signs, asked=asked, in_flight=in_flight, now=now)
    else:
        budget_rules.answered(budget, limits, signs, in_flight, now)


_FIELDS: Final = tuple(each.name for each in fields(Budget))
_COLUMNS: Final = ", ".join(_FIELDS)
# A crash of the server may forget the last moments of a budget: the disk is not waited for. One message, of
# which each statement sees what was committed before it began: the slots are read when the lock is here.
_HOLD: Final = f"""
SET LOCAL synchronous_commit TO OFF;
SELECT {_COLUMNS} FROM registry_hostbudget WHERE key = %s FOR UPDATE;
SELECT extract(epoch FROM clock_timestamp())::float8, slot.id, slot.worker, slot.asked, slot.until
FROM (SELECT 1) AS one LEFT JOIN registry_hostslot AS slot ON slot.budget_id = %s
"""
_TAKE: Final = f"""
WITH saved AS (
    UPDATE registry_hostbudget SET ({_COLUMNS}) = ROW ({", ".join(["%s"] * len(_FIELDS))}) WHERE key = %s
)
INSERT INTO registry_hostslot (budget_id, worker, asked, until) VALUES (%s, %s, %s, %s) RETURNING id
"""
_FREE: Final = """
WITH lightly AS (SELECT set_config('synchronous_commit', 'off', true))
DELETE FROM registry_hostslot USING lightly WHERE id = %s
"""


def _hold(key: str, limits: Limits) -> _Held:
    """Lock the host's budget, made new where nobody asked it yet. Slots of dead processes are deleted."""
    with connection.cursor() as cursor:
        while True:
            cursor.execute(_HOLD, [key, key])
            cursor.nextset()
            found = cursor.fetchone()
            cursor.nextset()
            slots = cursor.fetchall()
            now = float(slots[0][0])
            if found is not None:
                break
            fresh = asdict(budget_rules.fresh(limits, now))
            HostBudget.objects.bulk_create([HostBudget(key=key, **fresh)], ignore_conflicts=True)
    asked, dead = {}, []
    for _, slot, worker, began, until in slots:
        if slot is None:
            continue
        if until < now or is_gone(worker):
            dead.append(slot)
        else:
            asked[slot] = began
    if dead:
        HostSlot.objects.filter(pk__in=dead).delete()
    return _Held(Budget(**dict(zip(_FIELDS, found, strict=True))), asked, now)


def _save(key: str, budget: Budget) -> None:
    HostBudget.objects.filter(pk=key).update(**asdict(budget))


def _save_and_take(key: str, budget: Budget, now: float) -> int:
    """Write the budget down and take a slot of it; its number."""
    values = asdict(budget)
    given = [*(values[name] for name in _FIELDS), key, key, worker_name(), now, now + LEASE_SECONDS]
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, given)
        return int(cursor.fetchone()[0])


def _now() -> float:
    """The database's clock: one for all machines."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        return float(cursor.fetchone()[0])


_process, _database = ProcessStore(), DatabaseStore()


def forget_process() -> None:
    """Let this process's own budgets begin anew, as in a new process."""
    _process.forget()
