"""Numbers for people: rounded, not cut; with a sign that stays beside them; nothing for what is no number."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

from catalog.pages.numbers import amount, counted, decimal, number, percent, rows_of, span


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (0.0004, "under 0.1 %"),
        (0.0449, "4.5 %"),
        (0.0996, "10 %"),
        (0.639, "64 %"),
        (1, "100 %"),
        (None, "–"),
        ("much", "–"),
        (float("nan"), "–"),
    ],
)
def test_a_share_is_a_rounded_percentage_in_one_piece(share: Any, text: str) -> None:
    assert percent(share) == text.replace(" ", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12.3456, "12.3"), (3.999, "4.00"), (0.01234, "0.0123"), (765.4, "765"), (1e-9, "1.00e-09")],
)
def test_a_norm_keeps_three_figures(value: float, text: str) -> None:
    assert amount(value) == text


def test_a_number_is_rounded_and_never_a_negative_zero() -> None:
    assert decimal(4.66, 1) == "4.7"
    assert decimal(-0.001, 2) == "0.00"


def test_a_span_of_one_number_is_that_number() -> None:
    assert span({"min": 8, "median": 8, "max": 8}, decimals=0) == "8"
    assert span({"min": 4, "median": 8, "max": 16}, decimals=0) == "4 to 16, median 8"
    assert span({"min": 4}, decimals=0) == ""


def test_a_count_beside_a_cut_list_counts() -> None:
    assert counted({"zero": ["a"], "zero_count": 40}, "zero") == 40
    assert counted({"zero": ["a"]}, "zero") == 1
    assert counted({}, "zero") == 0


@pytest.mark.parametrize("value", [True, "1", None, [], float("inf")])
def test_only_finite_numbers_are_numbers(value: Any) -> None:
    assert number(value) is None


def test_only_objects_are_rows() -> None:
    assert rows_of([{"a": 1}, 2, None]) == [{"a": 1}]
    assert rows_of("[]") == []


def test_numbers_follow_the_readers_language() -> None:
    with translation.override("de"):
        assert amount(12.34) == "12,3"
