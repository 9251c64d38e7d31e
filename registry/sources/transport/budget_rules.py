"""When the next request to a host may go: pure arithmetic on one host's budget, wherever that is kept."""

from __future__ import annotations

from dataclasses import dataclass

from registry.sources.transport.rate_limits import Announced, backoff

# Requests that may go at once after a rest: what ten seconds bring.
BURST_SECONDS = 10.0
# After so many quiet seconds one more request at a time is tried.
EASE_SECONDS = 30.0
# Two announcements of one window differ by rounding to whole seconds on both sides.
SAME_WINDOW = 2.0
LONGEST_BLOCK = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What this site allows itself: requests at a time, and a minute (None: any number)."""

    concurrency: int
    per_minute: int | None


@dataclass(frozen=True, slots=True)
class Signs:
    """What an answer tells of limits; `first_pause`: seconds to begin with where it tells no time."""

    announced: Announced | None
    retry_after: float | None
    first_pause: float


@dataclass(slots=True)
class Budget:
    """One host's budget. Times are seconds since 1970.

    `allowance`: requests at a time, now. `tokens` as of `refilled`: requests that may go at once. Nothing
    goes before `blocked_until`. `strikes`: refusals in a row. `quota_left` until `quota_until`: what the host
    announced.
    """

    allowance: int
    tokens: float
    refilled: float
    eased: float = 0.0
    blocked_until: float = 0.0
    strikes: int = 0
    quota: int | None = None
    quota_window: float | None = None
    quota_left: int | None = None
    quota_until: float = 0.0


def fresh(limits: Limits, now: float) -> Budget:
    """The budget of a host that was never asked."""
    return Budget(limits.concurrency, _most(limits), now, eased=now)


def take(budget: Budget, limits: Limits, in_flight: int, now: float) -> float | None:
    """Take one request out of the budget (0), or tell how many seconds to wait; None while only requests
    under way are in the way, so that nobody can say when that ends.
    """
    _refill(budget, limits, now)
    budget.allowance = min(budget.allowance, limits.concurrency)
    if budget.quota_left is not None and now >= budget.quota_until:
        _next_window(budget, now)
    waits = [budget.blocked_until - now]
    if budget.quota_left == 0:
        waits.append(budget.quota_until - now)
    if limits.per_minute is not None and budget.tokens < 1:
        waits.append((1 - budget.tokens) * 60 / limits.per_minute)
    wait = max(waits)
    if wait > 0:
        return wait
    if in_flight >= budget.allowance:
        return None
    if limits.per_minute is not None:
        budget.tokens -= 1
    if budget.quota_left is not None:
        budget.quota_left -= 1
    return 0.0


def is_settled(budget: Budget, limits: Limits) -> bool:
    """Whether `answered` changes nothing where the answer announces no quota."""
    return budget.strikes == 0 and budget.allowance >= limits.concurrency


def answered(budget: Budget, limits: Limits, signs: Signs, in_flight: int, now: float) -> None:
    """An answer that is no refusal came: what it announced counts; after a quiet while one more may go."""
    if signs.announced:
        _announce(budget, signs.announced, in_flight, now)
    budget.strikes = 0
    if budget.allowance < limits.concurrency and now - budget.eased >= EASE_SECONDS:
        budget.allowance += 1
        budget.eased = now


def refused(budget: Budget, signs: Signs, *, asked: float, in_flight: int, now: float) -> None:
    """The host said 429 or 503 with a time: nothing goes until then, and after that half as many at a time.

    Without a time the pause grows with each refusal in a row. Requests that were under way together (`asked`
    before the last halving) halve once.
    """
    told = signs.announced
    if told:
        _announce(budget, told, in_flight, now)
    budget.strikes += 1
    wait = signs.retry_after
    if wait is None:
        spent = told is not None and told.left == 0
        wait = told.resets_in if told and spent else backoff(budget.strikes, signs.first_pause)
    budget.blocked_until = max(budget.blocked_until, now + min(wait, LONGEST_BLOCK))
    if asked >= budget.eased:
        budget.allowance = max(1, budget.allowance // 2)
        budget.eased = now


def _announce(budget: Budget, told: Announced, in_flight: int, now: float) -> None:
    until = now + min(told.resets_in, LONGEST_BLOCK)
    same = budget.quota_left is not None and abs(until - budget.quota_until) <= SAME_WINDOW
    # Requests under way may not be counted yet. In one window our own count is the safe one.
    left = max(0, told.left - max(0, in_flight - 1))
    budget.quota_left = min(left, budget.quota_left) if same and budget.quota_left is not None else left
    budget.quota_until = max(until, budget.quota_until) if same else until
    budget.quota, budget.quota_window = told.quota, told.window


def _next_window(budget: Budget, now: float) -> None:
    """The announced window is over; the next one's length is known only where the host told it."""
    if budget.quota is None or not budget.quota_window:
        budget.quota_left = None
    else:
        budget.quota_left, budget.quota_until = budget.quota, now + budget.quota_window


def _refill(budget: Budget, limits: Limits, now: float) -> None:
    if limits.per_minute is not None:
        gained = max(0.0, now - budget.refilled) * limits.per_minute / 60
        budget.tokens = min(_most(limits), budget.tokens + gained)
    budget.refilled = now


def _most(limits: Limits) -> float:
    return max(1.0, (limits.per_minute or 0) * BURST_SECONDS / 60)
