"""The training scorecard in the reader's language: what was found, what is usual, and why it matters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext

from registry.models import Version
from registry.weights.score_line import ScoreLine
from registry.weights.scorecard import scorecard


@dataclass(frozen=True)
class Line:
    """One line; `standing`: good, low, high, noted, not_stated."""

    code: str
    label: str
    value: str
    range: str
    standing: str
    why: str


@dataclass(frozen=True)
class Scored:
    """Lines with a value, labels of those that the file says nothing about, and how many lie in range."""

    lines: list[Line]
    silent: list[Line]
    good: int


def read_scorecard(version: Version, versions: Iterable[Version], data: Mapping[str, Any]) -> Scored:
    """The scorecard of a version whose main file was inspected as `data`; no query."""
    training = data.get("training")
    card = scorecard(
        training if isinstance(training, dict) else None,
        family=version.detected_family,
        rank=data.get("rank"),
        today=timezone.localdate(),
        published=[each.published.date() for each in versions if each.published is not None],
    )
    lines = [_line(each) for each in card.lines]
    return Scored(
        lines=[each for each in lines if each.standing != "not_stated"],
        silent=[each for each in lines if each.standing == "not_stated"],
        good=card.good,
    )


def _line(found: ScoreLine) -> Line:
    numbers = {name: _shown(value) for name, value in found.numbers.items()}
    return Line(
        code=found.code,
        label=gettext(found.label),
        value=_filled(found.value_text, numbers),
        range=_filled(found.range_text, numbers),
        standing=found.standing,
        why=gettext(found.why),
    )


def _filled(text: str, numbers: Mapping[str, str]) -> str:
    # Django takes an empty message for the catalog's own head.
    return gettext(text) % numbers if text else ""


def _shown(value: str | float) -> str:
    """Numbers as the language writes them; texts, such as dates and rates, as they are."""
    if isinstance(value, str):
        return value
    return number_format(
        value, decimal_pos=0 if float(value).is_integer() else None, force_grouping=value >= 10_000
    )
