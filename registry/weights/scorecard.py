"""The training scorecard: what a file states of its training against the ranges that practitioners use.

A range is a habit, no verdict: what lies outside can be right, and what the file does not say is not bad.
Each line is explained, with the source of its range, in docs/scorecard.md.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from . import score_data, score_settings
from .score_data import Purpose
from .score_line import ScoreLine, Standing, line, not_stated

_OLD_DAYS, _QUIET_DAYS = 730, 365


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The lines in reading order. `stated` of them have a value, `good` of those lie in their range.

    `purpose` is what the file seems to teach, which decides the range of the image count.
    """

    lines: tuple[ScoreLine, ...]
    purpose: Purpose | None

    @property
    def stated(self) -> int:
        return sum(line.standing != "not_stated" for line in self.lines)

    @property
    def good(self) -> int:
        return sum(line.standing == "good" for line in self.lines)

    def as_dict(self) -> dict[str, Any]:
        return {
            "lines": [line.as_dict() for line in self.lines],
            "purpose": self.purpose,
            "stated": self.stated,
            "good": self.good,
        }


def scorecard(
    training: Mapping[str, Any] | None,
    *,
    family: str,
    rank: Mapping[str, int] | None,
    today: date,
    published: Sequence[date] = (),
) -> Scorecard:
    """Score `training`, the object of an inspection (None where the file states nothing).

    `family` and `rank` are those of the inspection, `published` the days of the adapter's versions in any
    order, `today` the day to count ages from. Never raises for what `training` holds.
    """
    stated = training or {}
    working = score_settings.working_rank(stated, rank)
    lines = (
        score_data.image_count(stated),
        score_settings.steps(stated, working),
        score_settings.learning_rate(stated, family),
        score_settings.text_encoder_learning_rate(stated),
        score_data.resolution(stated, family),
        score_data.caption_variety(stated),
        score_data.exposures(stated),
        score_settings.rank_and_data(stated, working),
        score_data.regularization(stated),
        score_settings.base_checkpoint(stated),
        _age(stated, today, published),
        _update_rhythm(today, published),
    )
    return Scorecard(lines, score_data.purpose_of(stated))


def _age(training: Mapping[str, Any], today: date, published: Sequence[date]) -> ScoreLine:
    try:
        trained = date.fromisoformat(str(training.get("trained_on", "")))
    except ValueError:
        if not published:
            return not_stated("age", "age")
        trained, how = max(published), "published"
    else:
        how = "trained"
    days = (today - trained).days
    if days < 0:
        return line("age", "noted", "future", "age", date=trained.isoformat())
    # Old is worth knowing, not wrong.
    standing: Standing = "good" if days <= _OLD_DAYS else "noted"
    return line("age", standing, how, "age", date=trained.isoformat(), days=days)


def _update_rhythm(today: date, published: Sequence[date]) -> ScoreLine:
    days = sorted(published)
    if not days:
        return not_stated("update_rhythm", "update_rhythm")
    last = days[-1].isoformat()
    if len(days) == 1:
        return line("update_rhythm", "noted", "one_version", "update_rhythm", date=last)
    between = statistics.median([(b - a).days for a, b in pairwise(days)])
    standing: Standing = "good" if (today - days[-1]).days <= _QUIET_DAYS else "noted"
    return line(
        "update_rhythm",
        standing,
        "versions",
        "update_rhythm",
        versions=len(days),
        between=round(between),
        date=last,
    )
