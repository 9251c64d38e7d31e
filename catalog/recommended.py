"""What to set when a version is used, and who says so: weight, sampler and the rest, each with its evidence.

A weight comes from the author's words, else from the author's pictures (both kept in `Version.settings`, see
registry/sources/civitai_samples.py), else from the sheet rendered here, else it is the usual one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from registry.models import File, Version

USUAL_WEIGHT: Final = 0.8
"""What cards, the effect figure and copied lines use where nothing else is known or the recipe has it."""
# Stored JSON may come from anywhere, another Kura among it; no program takes more than this.
_MOST_WEIGHT: Final = 10.0
_CHOICES: Final = ("sampler", "scheduler", "size", "checkpoint")
_RANGES: Final = ("steps", "cfg", "guidance", "clip_skip")
_MOST_WORDINGS: Final = 5
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight by one source: `author`, `pictures`, `sheet` or `usual`.

    `low` and `high` are None where only one weight is known. `count`: statements, pictures or cells behind
    it. `wording`: the author's own words; `named_by`: how many pictures name the adapter by its version, by
    its file's hash or name, or as the only one.
    """

    source: str
    low: float | None
    default: float
    high: float | None
    count: int
    wording: tuple[str, ...] = ()
    named_by: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """What the author's pictures were made with: the value that most have, or the median with quartiles.

    `count` pictures have the value or a number, of `of` that tell any.
    """

    name: str
    value: str | None
    low: float | None
    default: float | None
    high: float | None
    count: int
    of: int


@dataclass(frozen=True, slots=True)
class PageLine:
    """One line of the checklist of a page: `state` is yes, partly, no or not_applicable."""

    code: str
    state: str
    found: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recommended:
    """`weight` is the one that is copied, `weights` all that somebody says; `score` is None without a page.

    `shown`, `told`, `reproducible`: the author's pictures, those with parameters, and those that tell enough
    to be made again.
    """

    weight: Weight
    weights: tuple[Weight, ...]
    settings: tuple[Setting, ...]
    shown: int
    told: int
    reproducible: int
    score: float | None
    page: tuple[PageLine, ...]

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON, under the names that docs/api.md tells."""

        def bare(each: Weight | Setting) -> dict[str, Any]:
            told = asdict(each)
            return {"min": told.pop("low"), "max": told.pop("high"), **told}

        return {
            "weight": bare(self.weight),
            "weights": [bare(each) for each in self.weights],
            "settings": [bare(each) for each in self.settings],
            "pictures": {"shown": self.shown, "told": self.told, "reproducible": self.reproducible},
            "page": None
            if self.score is None
            else {"score": self.score, "lines": [asdict(each) for each in self.page]},
        }


def read_recommended(version: Version, findings: Iterable[Mapping[str, Any]], cells: int) -> Recommended:
    """What is recommended for the version. `findings`: of its newest finished sheet, `cells`: its pictures.

    No query. What is no such statement in the stored JSON is left out.
    """
    settings = _object(version.settings)
    told = _object(settings.get("weights"))
    weights = [
        found for source in ("author", "pictures") if (found := _weight(source, _object(told.get(source))))
    ]
    if measured := _measured(findings, cells):
        weights.append(measured)
    pictures = _object(settings.get("pictures"))
    page = _object(version.page)
    score = _number(page.get("score"))
    lines = tuple(_lines(page.get("lines")))
    return Recommended(
        weight=weights[0] if weights else Weight("usual", None, USUAL_WEIGHT, None, 0),
        weights=tuple(weights),
        settings=tuple(_settings(settings)),
        shown=_count(pictures, "shown"),
        told=_count(pictures, "told"),
        reproducible=_count(pictures, "reproducible"),
        score=score if lines and score is not None and 0 <= score <= 1 else None,
        page=lines,
    )


def prompt_tag(file: File, weight: Weight) -> str:
    """`<lora:name:0.8>`: always with a leading zero and a decimal, which some tools do not read without."""
    return f"<lora:{PurePosixPath(file.name).stem}:{round(weight.default, 2)}>"


def prompt_of(version: Version, file: File, weight: Weight) -> str:
    """What is copied into a prompt: `<lora:name:0.8> word1, word2`."""
    return f"{prompt_tag(file, weight)} {', '.join(words_of(version))}".strip()


def words_of(version: Version) -> list[str]:
    """The trigger words that are copied."""
    return [word.strip() for word in version.trigger_words if word.strip()]


def _weight(source: str, told: Mapping[str, Any]) -> Weight | None:
    numbers = [_number(told.get(name)) for name in ("min", "default", "max")]
    low, default, high = (
        each if each is not None and abs(each) <= _MOST_WEIGHT else None for each in numbers
    )
    if default is None:
        return None
    if low is None or high is None or not low <= default <= high:
        low = high = None
    named = _object(told.get("named_by"))
    wording = told.get("wording")
    return Weight(
        source,
        low,
        default,
        high,
        _count(told, "count"),
        tuple(
            str(each)[:_LONGEST] for each in (wording if isinstance(wording, list) else [])[:_MOST_WORDINGS]
        ),
        {str(how)[:20]: _count(named, how) for how in list(named)[:10]},
    )


def _measured(findings: Iterable[Mapping[str, Any]], cells: int) -> Weight | None:
    """The range in which the sheet's pictures change without damage, with the usual weight moved into it."""
    for finding in findings:
        numbers = _object(finding.get("numbers"))
        low, high = _number(numbers.get("low")), _number(numbers.get("high"))
        if (
            finding.get("code") == "recommended_weight"
            and low is not None
            and high is not None
            and low <= high
        ):
            return Weight("sheet", low, min(max(USUAL_WEIGHT, low), high), high, cells)
    return None


def _settings(settings: Mapping[str, Any]) -> Iterable[Setting]:
    for name in _CHOICES:
        told = _object(settings.get(name))
        value = told.get("value")
        if isinstance(value, str) and value:
            count = _count(told, "count")
            yield Setting(name, value[:_LONGEST], None, None, None, count, max(count, _count(told, "of")))
    for name in _RANGES:
        told = _object(settings.get(name))
        default = _number(told.get("default"))
        if default is not None:
            low, high, count = _number(told.get("min")), _number(told.get("max")), _count(told, "count")
            yield Setting(name, None, low, default, high, count, count)


def _lines(told: object) -> Iterable[PageLine]:
    for each in told if isinstance(told, list) else []:
        if isinstance(each, dict) and each.get("state") in ("yes", "partly", "no", "not_applicable"):
            yield PageLine(str(each.get("code", ""))[:60], str(each["state"]), _object(each.get("found")))


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def _count(told: Mapping[str, Any], name: str) -> int:
    found = _number(told.get(name))
    return int(found) if found is not None and 0 <= found < 10**9 else 0


def sheet_facts(sheets: Sequence[Any]) -> tuple[list[Mapping[str, Any]], int]:
    """Findings and number of pictures of the first sheet, both empty where there is none."""
    if not sheets:
        return [], 0
    found = sheets[0].findings
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else [], int(
        sheets[0].cells_total
    )
