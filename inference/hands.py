"""Hands on a sheet: which pictures are looked at and by which detector, whose loss loses no sheet."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from inference.cells import Pixels
from inference.errors import HandDetectorMissing, HandDetectorNoRuntime
from inference.metrics import Detector, Finding, HandReview, Severity, review_hands
from inference.recipes import Column, Role, SheetPlan
from registry.errors import KuraError

NO_HANDS = frozenset({"toybox"})
"""Families whose pictures hold none: it draws six things, and no person is among them."""
MOST_GUESSED, MOST_LOOKED = 6, 12
"""How many pictures get guessed crops, and how many a detector looks at."""

logger = logging.getLogger(__name__)


def look_at_hands(
    plan: SheetPlan,
    family: str,
    pixels: Mapping[tuple[int, int], Pixels],
    findings: Sequence[Finding],
) -> HandReview | None:
    """The hands of a measured sheet, or None where there is nothing to judge.

    Nothing is in a family without hands, and on a sheet with a finding of severity error. A detector that
    cannot be used leaves guessed crops, with the reason.
    """
    if family in NO_HANDS or any(finding.severity is Severity.ERROR for finding in findings):
        return None
    places = [place for place in places_of(plan, findings) if place in pixels]
    if not places:
        return None
    try:
        detector = hand_detector()
        if detector is not None:
            return review_hands({place: pixels[place] for place in places[:MOST_LOOKED]}, detector)
        code = reason = ""
    except KuraError as error:
        logger.warning("%s: %s %s", error.code, error.message, error.next_step)
        code, reason = error.code, error.message
    subjects = {number for number, prompt in enumerate(plan.recipe.prompts) if prompt.subject}
    # A picture of no subject is seldom one of a person; where the recipe has no other, it is looked at.
    rows = plan.rows
    likely = [place for place in places if rows[place[0]].prompt in subjects] or places
    chosen = {place: pixels[place] for place in likely[:MOST_GUESSED]}
    return review_hands(chosen, code=code, reason=reason)


def places_of(plan: SheetPlan, findings: Sequence[Finding]) -> list[tuple[int, int]]:
    """(row, column) of the pictures to look at, those that come first being looked at first.

    One column: of those sampled as the recipe says, that show the sheet's own adapter whole and as many
    others as there are, the one at the strongest weight that is recommended, or the nearest to 1. Rows with
    a subject go first, then the first seed of every prompt before the second.
    """
    column = _column(plan, findings)
    if column is None:
        return []
    seeds: dict[int, int] = {}
    order = []
    for number, row in enumerate(plan.rows):
        turn = seeds[row.prompt] = seeds.get(row.prompt, -1) + 1
        order.append((not plan.recipe.prompts[row.prompt].subject, turn, number))
    return [(number, column) for _, _, number in sorted(order)]


def _column(plan: SheetPlan, findings: Sequence[Finding]) -> int | None:
    wanted = next((f.numbers["high"] for f in findings if f.code == "recommended_weight"), 1.0)

    def fits(column: Column) -> bool:
        plain = column.role is Role.ADAPTER and not column.override
        return plain and column.slots[0].adapter == 0 and not any(slot.blocks for slot in column.slots)

    fitting = [number for number, column in enumerate(plan.columns) if fits(column)]
    if not fitting:
        return None
    columns = plan.columns
    return min(
        fitting, key=lambda each: (-len(columns[each].slots), abs((columns[each].weight or 0.0) - wanted))
    )


def hand_detector() -> Detector | None:
    """The detector of this installation; None where none is set up.

    Raises HandDetectorMissing, HandDetectorNoRuntime and HandDetectorUnusable.
    """
    if not settings.HAND_DETECTOR:
        return None
    path = Path(settings.HAND_DETECTOR)
    try:
        if not path.is_file():
            raise HandDetectorMissing(f"There is no file {path}.")
        told = path.stat()
        return _load(path, told.st_size, told.st_mtime_ns)
    except OSError as error:
        raise HandDetectorMissing(f"{path} cannot be read: {error.strerror}.") from None


@lru_cache(maxsize=1)
def _load(path: Path, size: int, changed: int) -> Detector:
    """Kept for the next sheet while the file is the same."""
    try:
        from inference.engine.hand_detector import load_detector
    except ImportError as error:
        raise HandDetectorNoRuntime(f"onnxruntime cannot be imported: {error}.") from None
    return load_detector(path)
