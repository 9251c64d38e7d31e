"""Hands: a review item that says who looked, with crops of what is worth looking at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference.metrics import Box, find_hands, review_hands
from inference.metrics.hands import MARGIN, MOST_CROPS, busiest, framed
from tests.inference.metrics.pictures import Pixels, scene


class Finder:
    """A detector that sees a hand in the corner of every picture with anything in it."""

    name = "corner finder 1.0"

    def __call__(self, pixels: Pixels) -> Sequence[Box]:
        return [Box(0, 0, 8, 8)] if pixels.any() else []


def test_without_a_detector_the_item_says_that_nobody_looked_for_hands() -> None:
    review = review_hands({(0, 2): scene()})
    (finding,) = find_hands(review)
    assert finding.code == "look_at_hands"
    assert "no hand detector" in finding.message
    assert review.as_dict()["detector"] == ""
    assert len(review.boxes[0, 2]) == 2


def test_a_detector_is_named_and_cells_without_hands_are_left_out() -> None:
    review = review_hands({(0, 2): scene(), (1, 2): np.zeros((64, 64, 3), np.uint8)}, Finder())
    (finding,) = find_hands(review)
    assert "corner finder 1.0" in finding.message
    assert finding.numbers == {"pictures": 1, "detected": 1}
    # 64 pixels: no crop is smaller than an eighth of them, and the margin around a box of 8 gives 12.
    crop = {"left": 0, "top": 0, "right": 12, "bottom": 12}
    assert review.as_dict() == {
        "detector": "corner finder 1.0",
        "code": "",
        "reason": "",
        "looked": 2,
        "cells": [{"row": 0, "column": 2, "boxes": [crop]}],
    }


def test_a_lost_detector_leaves_guesses_and_is_no_missing_one() -> None:
    review = review_hands({(0, 2): scene()}, code="hand_detector_missing", reason="There is no file x.")
    (finding,) = find_hands(review)
    assert "hand_detector_missing" in finding.message and "no hand detector is set up" not in finding.message
    assert finding.numbers == {"pictures": 1, "detected": 0, "failed": 1}
    assert (review.as_dict()["code"], review.as_dict()["reason"]) == (
        "hand_detector_missing",
        "There is no file x.",
    )


def test_a_picture_without_anything_in_it_has_no_crop() -> None:
    review = review_hands({(0, 2): np.zeros((64, 64, 3), np.uint8)})
    assert (review.boxes, review.looked) == ({}, 1)
    assert find_hands(review) == []


def test_a_picture_full_of_hands_has_few_crops() -> None:
    def many(pixels: Pixels) -> Sequence[Box]:
        return [Box(x, 0, x + 4, 4) for x in range(0, 60, 6)]

    many.name = "many"  # type: ignore[attr-defined]
    review = review_hands({(0, 2): scene()}, many)  # type: ignore[arg-type]
    assert len(review.boxes[0, 2]) == MOST_CROPS


def test_where_the_detector_sees_no_hand_there_is_nothing_to_look_at() -> None:
    assert find_hands(review_hands({(0, 2): np.zeros((64, 64, 3), np.uint8)}, Finder())) == []


def test_the_densest_detail_is_cropped_first() -> None:
    picture = np.full((64, 96, 3), 128, np.uint8)
    picture[40:48:2, 70:82] = 255
    first = busiest(picture, 1)[0]
    assert first.left <= 70 and first.right >= 82
    assert first.top <= 40 and first.bottom >= 47


@given(height=st.integers(1, 80), width=st.integers(1, 80), count=st.integers(0, 5), seed=st.integers(0, 9))
def test_crops_lie_in_the_picture_and_do_not_overlap(height: int, width: int, count: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    boxes = busiest(pixels, count)
    assert len(boxes) <= count
    covered = np.zeros((height, width), int)
    for box in boxes:
        assert 0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height
        covered[box.top : box.bottom, box.left : box.right] += 1
    assert covered.max() <= 1


@given(
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    corner=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    size=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_crop_is_a_square_in_the_picture_around_the_hand(
    width: int, height: int, corner: tuple[float, float], size: tuple[float, float]
) -> None:
    left, top = int(corner[0] * (width - 1)), int(corner[1] * (height - 1))
    right = left + max(1, int(size[0] * (width - left)))
    bottom = top + max(1, int(size[1] * (height - top)))
    crop = framed(Box(left, top, right, bottom), width, height)
    side = crop.right - crop.left
    assert side == crop.bottom - crop.top >= 1
    assert crop.left >= 0 and crop.right <= width and crop.top >= 0 and crop.bottom <= height
    longer = max(right - left, bottom - top)
    if side < min(width, height):
        assert side >= round(longer * (1 + 2 * MARGIN))
    if longer <= side:
        assert crop.left <= left and right <= crop.right and crop.top <= top and bottom <= crop.bottom
