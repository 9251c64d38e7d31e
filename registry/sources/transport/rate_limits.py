"""What an answer says about how often to ask (Retry-After, RateLimit, X-RateLimit), and pauses without it."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_BACKOFF = 30.0
# RateLimit: "api";r=499;t=32 - RateLimit-Policy: "api";q=500;w=300 (draft-ietf-httpapi-ratelimit-headers-09).
_REMAINING = re.compile(r";\s*r\s*=\s*(\d{1,12})\b")
_RESET = re.compile(r";\s*t\s*=\s*(\d{1,9})\b")
_QUOTA = re.compile(r";\s*q\s*=\s*(\d{1,12})\b")
_WINDOW = re.compile(r";\s*w\s*=\s*(\d{1,9})\b")


@dataclass(frozen=True, slots=True)
class Announced:
    """How many requests are left, for how many seconds; the whole quota and its window in seconds."""

    left: int
    resets_in: float
    quota: int | None = None
    window: float | None = None


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until Retry-After, which is a number or an HTTP date (RFC 9110, 10.2.3); None without one."""
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    # A date says whole seconds: the end of that second is safe.
    return max(0.0, math.ceil((at - now).total_seconds()))


def announced(headers: Mapping[str, str], now: datetime) -> Announced | None:
    """The quota that the answer announces, of several the tightest; None when it announces none."""
    found = [each for part in _items(headers.get("RateLimit", "")) if (each := _draft(part))]
    if not found:
        return _older(headers, now)
    tightest = min(found, key=lambda each: each.left)
    policy = headers.get("RateLimit-Policy", "")
    quota, window = _QUOTA.search(policy), _WINDOW.search(policy)
    return Announced(
        tightest.left,
        tightest.resets_in,
        int(quota[1]) if quota else None,
        float(window[1]) if window else None,
    )


def backoff(attempt: int, first: float) -> float:
    """Seconds before try `attempt` + 1 (1 is the first): anything up to a bound that doubles.

    Full jitter, after "Exponential Backoff and Jitter", AWS Architecture Blog, 2015: many clients that failed
    together do not come back together.
    """
    return random.uniform(0, min(LONGEST_BACKOFF, first * 2 ** (attempt - 1)))


def _items(value: str) -> list[str]:
    return [part for part in value.split(",") if part.strip()]


def _draft(part: str) -> Announced | None:
    remaining, reset = _REMAINING.search(part), _RESET.search(part)
    return Announced(int(remaining[1]), float(reset[1])) if remaining and reset else None


def _older(headers: Mapping[str, str], now: datetime) -> Announced | None:
    """X-RateLimit-Remaining with X-RateLimit-Reset, in seconds from now or since 1970."""
    left, reset = headers.get("X-RateLimit-Remaining", ""), headers.get("X-RateLimit-Reset", "")
    if not re.fullmatch(r"\d{1,12}", left) or not re.fullmatch(r"\d{1,10}(\.\d+)?", reset):
        return None
    seconds = float(reset)
    if seconds > 1e9:
        seconds -= now.timestamp()
    limit = headers.get("X-RateLimit-Limit", "")
    return Announced(int(left), max(0.0, seconds), int(limit) if re.fullmatch(r"\d{1,12}", limit) else None)
