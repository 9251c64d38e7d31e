"""What answers announce of quotas and pauses: read in every spelling, and never believed too far."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.sources.transport.rate_limits import LONGEST_BACKOFF, Announced, announced, backoff, retry_after

NOW = datetime(2026, 11, 26, 12, 0, 0, 400_000, tzinfo=UTC)


def test_the_hubs_headers_are_read() -> None:
    headers = {
        "RateLimit": '"api";r=489;t=189',
        "RateLimit-Policy": '"fixed window";"api";q=500;w=300',
    }
    assert announced(headers, NOW) == Announced(489, 189.0, 500, 300.0)


def test_the_tightest_of_several_quotas_counts() -> None:
    found = announced({"RateLimit": '"api";r=40;t=10, "pages";r=2;t=90'}, NOW)
    assert found is not None and (found.left, found.resets_in) == (2, 90.0)


def test_the_older_headers_are_read_too() -> None:
    at = NOW.timestamp()
    headers = {
        "X-RateLimit-Remaining": "3",
        "X-RateLimit-Limit": "60",
        "X-RateLimit-Reset": str(int(at) + 30),
    }
    found = announced(headers, NOW)
    assert found is not None and found.left == 3 and found.quota == 60
    assert found.resets_in == pytest.approx(30, abs=1)


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e9", '"api";r=;t=', "\x00", "9" * 40])
def test_headers_that_say_nothing_are_not_believed(value: str) -> None:
    assert retry_after({"Retry-After": value}, NOW) is None
    assert announced({"RateLimit": value}, NOW) is None
    assert announced({"X-RateLimit-Remaining": value, "X-RateLimit-Reset": value}, NOW) is None


def test_a_date_to_come_back_is_never_read_as_too_early() -> None:
    later = format_datetime(NOW.replace(microsecond=0) + timedelta(seconds=90), usegmt=True)
    assert retry_after({"Retry-After": later}, NOW) == 90
    assert retry_after({"Retry-After": format_datetime(NOW - timedelta(days=1), usegmt=True)}, NOW) == 0


@given(st.integers(1, 60), st.floats(0.01, 10))
def test_pauses_are_bounded_whatever_the_number_of_the_try(attempt: int, first: float) -> None:
    assert 0 <= backoff(attempt, first) <= min(LONGEST_BACKOFF, first * 2 ** (attempt - 1))
