"""One line of the training scorecard: a number found, the usual range, how it stands, and why it matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .score_text import LABELS, NO_RANGE, NOT_STATED, RANGES, REASONS, VALUES

# `noted` is shown for information, or where no range fits; `not_stated` is what the file leaves out: not bad.
Standing = Literal["good", "low", "high", "noted", "not_stated"]
Numbers = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """`value_text` and `range_text` are message ids that `numbers` fill in; `value` and `range` are those in
    English. `label` and `why` are message ids themselves.
    """

    code: str
    standing: Standing
    value_text: str
    range_text: str
    numbers: Numbers = field(default_factory=dict)

    @property
    def label(self) -> str:
        return LABELS[self.code]

    @property
    def why(self) -> str:
        return REASONS[self.code]

    @property
    def value(self) -> str:
        return self.value_text % self.numbers

    @property
    def range(self) -> str:
        return self.range_text % self.numbers

    def as_dict(self) -> dict[str, Any]:
        shown = ("code", "label", "value", "range", "standing", "why", "value_text", "range_text")
        return {name: getattr(self, name) for name in shown} | {"numbers": dict(self.numbers)}


def line(
    code: str, standing: Standing, value: str, range_: str | None, **numbers: str | int | float
) -> ScoreLine:
    """A line whose texts stand under the keys `value` and `range_` of `score_text`."""
    return ScoreLine(code, standing, VALUES[value], RANGES[range_] if range_ else NO_RANGE, numbers)


def not_stated(code: str, range_: str | None = None, **numbers: str | int | float) -> ScoreLine:
    """A line for what the file does not say."""
    return ScoreLine(code, "not_stated", NOT_STATED, RANGES[range_] if range_ else NO_RANGE, numbers)


def within(value: float, low: float, high: float) -> Standing:
    """Where `value` stands to the closed range from `low` to `high`."""
    return "low" if value < low else "high" if value > high else "good"
