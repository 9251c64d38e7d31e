"""How a file was trained, for people: trigger words with who says so, what was stated, and all the tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.dateformat import format as format_date
from django.utils.formats import get_format, number_format
from django.utils.translation import gettext as _

from catalog.pages import training_words
from catalog.pages.numbers import mapping, rows_of, span
from registry.models import Version

MOST_FACTS = 40
MOST_TAGS = 500
_LONGEST = 300


@dataclass(frozen=True)
class TriggerWord:
    """A word that calls what was trained, and who says so."""

    word: str
    source: str


@dataclass(frozen=True)
class TrainingFact:
    """One thing that the metadata states, as it states it."""

    label: str
    value: str


@dataclass(frozen=True)
class Tag:
    """A caption tag and on how many pictures it stands, where that is told."""

    tag: str
    count: str


@dataclass(frozen=True)
class Training:
    """What the section shows. `words` are copied with the prompt tag, `guesses` only found in the file."""

    words: list[TriggerWord]
    guesses: list[TriggerWord]
    facts: list[TrainingFact]
    tags: list[Tag]
    tag_count: int


def read_training(version: Version, data: Mapping[str, Any]) -> Training:
    """The section for a version whose main file was inspected as `data`; no query."""
    stated = mapping(data.get("training"))
    words, guesses = _words(version, data.get("trigger_words"))
    tags = _tags(stated.get("top_tags"))
    distinct = stated.get("distinct_tags")
    return Training(
        words=words,
        guesses=guesses,
        facts=_facts(stated),
        tags=tags,
        tag_count=distinct if isinstance(distinct, int) else len(tags),
    )


def _words(version: Version, found: Any) -> tuple[list[TriggerWord], list[TriggerWord]]:
    """The version's own words with their source, and the others that the file hints at.

    A guess never joins the words that an author wrote: a file with 400 tags must not become a prompt of 400
    words.
    """
    entries = rows_of(found)
    sources = {
        str(each.get("word", "")).strip().casefold(): str(each.get("source", ""))
        for each in reversed(entries)
    }
    by_hand: set[str] = set()
    if "trigger_words" in version.edited:
        stated = {str(word).strip() for word in version.stated.get("trigger_words") or []}
        by_hand = {word.strip() for word in version.trigger_words} - stated
    words = [
        TriggerWord(word, training_words.source("by_hand" if word in by_hand else _source(sources, word)))
        for word in dict.fromkeys(word.strip() for word in version.trigger_words)
        if word
    ]
    have = {word.word.casefold() for word in words}
    guesses = {
        word.casefold(): TriggerWord(word, training_words.source(str(each.get("source", ""))))
        for each in entries
        if (word := str(each.get("word", "")).strip()) and word.casefold() not in have
    }
    return words, list(guesses.values())


def _source(sources: Mapping[str, str], word: str) -> str:
    return sources.get(word.casefold(), "author")


def _facts(stated: Mapping[str, Any]) -> list[TrainingFact]:
    shown = [(training_words.order(name), name, fact_text(name, value)) for name, value in stated.items()]
    return [
        TrainingFact(training_words.fact(name), text)
        for _place, name, text in sorted(shown)
        if text and name not in training_words.SHOWN_ELSEWHERE
    ][:MOST_FACTS]


def fact_text(name: str, value: Any) -> str:
    """A stated value for people: bounded, lists and objects in one line; empty for nothing."""
    if name == "rank":
        return span(mapping(value), decimals=0)
    if name == "declared_base":
        return "{value} ({source})".format_map({"value": "", "source": "", **mapping(value)})
    if name == "resolution" and isinstance(value, list):
        return " × ".join(str(each) for each in value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if name in training_words.TIMES and isinstance(value, int | float):
        return _date(float(value))
    if isinstance(value, int):
        return number_format(value, use_l10n=True, force_grouping=value >= 10_000)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, list):
        return _(", ").join(each for each in (fact_text("", one) for one in value[:12]) if each)[:_LONGEST]
    if isinstance(value, dict):
        pairs = ((str(key), fact_text("", one)) for key, one in list(value.items())[:12])
        return _(", ").join(f"{key} {text}" for key, text in pairs if text)[:_LONGEST]
    return ""


def _date(seconds: float) -> str:
    try:
        return format_date(datetime.fromtimestamp(seconds, UTC), get_format("DATE_FORMAT"))
    except (OverflowError, OSError, ValueError):
        return ""


def _tags(top: Any) -> list[Tag]:
    entries = rows_of(top)
    return [
        Tag(str(each.get("tag", ""))[:_LONGEST], str(each["count"]) if "count" in each else "")
        for each in entries[:MOST_TAGS]
        if each.get("tag")
    ]
