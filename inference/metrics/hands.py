"""Hands, which no measure here can judge: enlarged crops for a reviewer, found by a detector or by guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from scipy import ndimage

from inference.metrics.findings import Finding, Severity
from inference.metrics.pictures import Floats, Pixels

WINDOW = 4
"""A guessed crop is the picture's shorter side / WINDOW wide, and no crop is smaller than half of that."""
MARGIN = 0.25
"""What a crop shows on each side of a found hand, as a share of its longer side: the wrist belongs to it."""
MOST_CROPS = 4
"""So many crops a picture has at most; the detector's surest come first."""


@dataclass(frozen=True, slots=True)
class Box:
    """A square or rectangle in pixels of its picture, right and bottom exclusive."""

    left: int
    top: int
    right: int
    bottom: int


class Detector(Protocol):
    """Finds hands. `name` says which model and release it is, for the sheet."""

    name: str

    def __call__(self, pixels: Pixels) -> Sequence[Box]:
        """The hands of one picture, RGB bytes [height, width, 3], the surest first; empty where none is."""
        ...


@dataclass(frozen=True, slots=True)
class HandReview:
    """What a reviewer has to look at: crops by (row, column), and how they were found ("" = guessed).

    `looked` counts the pictures that were looked at, those without a crop too. `code` and `reason` tell why
    the detector that is set up was not used; "" where it was, or where none is set up.
    """

    detector: str
    boxes: Mapping[tuple[int, int], tuple[Box, ...]]
    looked: int = 0
    code: str = ""
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        cells = [
            {"row": row, "column": column, "boxes": [asdict(box) for box in boxes]}
            for (row, column), boxes in sorted(self.boxes.items())
        ]
        return {
            "detector": self.detector,
            "code": self.code,
            "reason": self.reason,
            "looked": self.looked,
            "cells": cells,
        }


def review_hands(
    pictures: Mapping[tuple[int, int], Pixels],
    detector: Detector | None = None,
    *,
    crops: int = 2,
    code: str = "",
    reason: str = "",
) -> HandReview:
    """Crops for the cells by (row, column): around the detector's hands, or up to `crops` guessed ones.

    A guess is where small detail is densest (`busiest`): hands are, but so is much else, and the sheet has
    to say that nobody looked for hands. `code` and `reason` tell why a detector is missing.
    """
    looked = len(pictures)
    if detector is None:
        guessed = {place: tuple(busiest(pixels, crops)) for place, pixels in pictures.items()}
        boxes = {place: found for place, found in guessed.items() if found}
        return HandReview("", boxes, looked, code, reason)
    boxes = {}
    for place, pixels in pictures.items():
        height, width = pixels.shape[:2]
        found = detector(pixels)[:MOST_CROPS]
        if found:
            boxes[place] = tuple(dict.fromkeys(framed(box, width, height) for box in found))
    return HandReview(detector.name, boxes, looked)


def framed(box: Box, width: int, height: int) -> Box:
    """A square crop around a box of a picture [height, width], with a margin and inside of the picture."""
    shorter = min(width, height)
    wanted = round((1 + 2 * MARGIN) * max(box.right - box.left, box.bottom - box.top))
    side = min(shorter, max(wanted, shorter // (2 * WINDOW), 1))
    left = min(max((box.left + box.right - side) // 2, 0), width - side)
    top = min(max((box.top + box.bottom - side) // 2, 0), height - side)
    return Box(left, top, left + side, top + side)


def busiest(pixels: Pixels, count: int) -> list[Box]:
    """Up to `count` windows with the most edges per area, the densest first; none overlaps another."""
    height, width = pixels.shape[:2]
    size = max(1, min(height, width) // WINDOW)
    gray: Floats = pixels.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    strength = np.hypot(ndimage.sobel(gray, 0), ndimage.sobel(gray, 1))
    # sums[y, x] belongs to the window whose top left corner is (x, y).
    total = np.pad(strength.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[size:, size:] - total[:-size, size:] - total[size:, :-size] + total[:-size, :-size]
    found: list[Box] = []
    while len(found) < count and sums.max() > 1e-6:
        top, left = (int(value) for value in np.unravel_index(int(sums.argmax()), sums.shape))
        found.append(Box(left, top, left + size, top + size))
        sums[max(0, top - size + 1) : top + size, max(0, left - size + 1) : left + size] = 0.0
    return found


def find_hands(review: HandReview) -> list[Finding]:
    """The review item. It says when nobody looked for hands; where a detector saw none there is no item."""
    cells = float(len(review.boxes))
    if not cells:
        return []
    numbers = {"pictures": cells, "detected": float(bool(review.detector))}
    if review.detector:
        message = f"Look at the hands in {cells:g} pictures ({review.detector} found them)."
    elif review.code:
        # The page has the reason; who reads numbers only must not take it for a site without a detector.
        numbers["failed"] = 1.0
        message = (
            f"Look at the hands yourself: the hand detector was not used ({review.code}), "
            "the crops only show busy places."
        )
    else:
        message = "Look at the hands yourself: no hand detector is set up, the crops only show busy places."
    return [Finding("look_at_hands", Severity.INFO, message, numbers)]
