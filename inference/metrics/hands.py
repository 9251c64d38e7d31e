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
"""A guessed crop is the picture's shorter side / WINDOW wide."""


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
        """The hands of one picture, RGB bytes [height, width, 3]; empty where there are none."""
        ...


@dataclass(frozen=True, slots=True)
class HandReview:
    """What a reviewer has to look at: boxes by (row, column), and how they were found ("" = guessed)."""

    detector: str
    boxes: Mapping[tuple[int, int], tuple[Box, ...]]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        cells = [
            {"row": row, "column": column, "boxes": [asdict(box) for box in boxes]}
            for (row, column), boxes in sorted(self.boxes.items())
        ]
        return {"detector": self.detector, "cells": cells}


def review_hands(
    pictures: Mapping[tuple[int, int], Pixels], detector: Detector | None = None, *, crops: int = 2
) -> HandReview:
    """Boxes for the cells by (row, column): the detector's, or up to `crops` guessed ones in each.

    A guess is where small detail is densest (`busiest`): hands are, but so is much else, and the sheet has
    to say that nobody looked for hands.
    """
    if detector is None:
        return HandReview("", {place: tuple(busiest(pixels, crops)) for place, pixels in pictures.items()})
    found = {place: tuple(detector(pixels)) for place, pixels in pictures.items()}
    return HandReview(detector.name, {place: boxes for place, boxes in found.items() if boxes})


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
    if review.detector:
        message = f"Look at the hands in {cells:g} pictures ({review.detector} found them)."
    else:
        message = "Look at the hands yourself: no hand detector is set up, the crops only show busy places."
    numbers = {"pictures": cells, "detected": float(bool(review.detector))}
    return [Finding("look_at_hands", Severity.INFO, message, numbers)]
