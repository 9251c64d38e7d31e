"""Hands: a review item that says who looked, with crops of what is worth looking at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference.metrics import Box, find_hands, review_hands
from inference.metrics.hands import busiest
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
    assert review.as_dict()["cells"] == [
        {"row": 0, "column": 2, "boxes": [{"left": 0, "top": 0, "right": 8, "bottom": 8}]}
    ]


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
