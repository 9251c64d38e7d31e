"""`manage.py decide`: may this be done with this stack? Questions and answers as JSON; opens no database."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand
from django.utils import timezone

from registry.errors import KuraError
from registry.licensing import ACTS, LicensingError, Verdict, decide, question_from_wire
from registry.terminal import one_line

_MOST_DIGITS: Final = 4000


class QuestionsUnreadable(KuraError):
    """The file with the questions cannot be opened."""

    code = "questions_unreadable"
    next_step = "Name a file that holds the questions as JSON, or - for standard input."


class InvalidJson(KuraError):
    """What was read is not JSON."""

    code = "invalid_json"
    next_step = "Give one question as a JSON object, or several as a list."


class Command(BaseCommand):
    help = (
        "Decide what may be done with a base model and adapters: outcome, conditions, reasons, every layer."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "questions",
            nargs="?",
            default="-",
            metavar="FILE",
            help="Questions as JSON, one object or a list; - or nothing reads standard input.",
        )
        parser.add_argument("--json", action="store_true", help="Print the verdicts as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        asked = parse(read(options["questions"]))
        today = timezone.localdate()
        answers = [answer(item, today) for item in (asked if isinstance(asked, list) else [asked])]
        if options["json"]:
            rows = [row(item, given) for item, given in answers]
            # In ASCII, so that it can be written whatever the texts hold and the terminal takes.
            self.stdout.write(json.dumps(rows if isinstance(asked, list) else rows[0], indent=2))
        else:
            self.stdout.write("\n\n".join(in_words(item, given) for item, given in answers))
        failed = [given for _, given in answers if isinstance(given, LicensingError)]
        if failed:
            more = f" ({len(failed)} of {len(answers)} questions failed.)" if len(answers) > 1 else ""
            self.stderr.write(one_line(str(failed[0])) + more)
            sys.exit(1)


def read(source: str) -> str:
    """The text of a file, or of standard input for `-`."""
    try:
        raw = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise QuestionsUnreadable(f"{source}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise InvalidJson(f"{source} is not UTF-8 text.") from error


class TwoValues:
    """Two values under one key of an object: no reader takes it for either of them."""

    def __init__(self, first: object, second: object) -> None:
        self.values = first, second

    def __repr__(self) -> str:
        return "{!r} and then {!r}".format(*self.values)


def parse(text: str) -> object:
    """The JSON value. What spoils one question only is left in it for that question's own error: NaN, numbers
    too long to be read, a key that is given twice with different values.
    """
    try:
        return json.loads(text, parse_int=_whole, object_pairs_hook=_told_once)
    except (ValueError, RecursionError) as error:
        raise InvalidJson(f"The questions cannot be read: {error}.") from error


def _whole(digits: str) -> int | float:
    # Python refuses to read more digits than this; as a float such a number is infinite, hence no number.
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _told_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    told: dict[str, object] = {}
    for key, value in pairs:
        told[key] = TwoValues(told[key], value) if key in told and told[key] != value else value
    return told


def answer(item: object, today: date) -> tuple[object, Verdict | LicensingError]:
    """One question's verdict, or the error that says why it cannot be read."""
    try:
        return item, decide(question_from_wire(item, today))
    except LicensingError as error:
        return item, error


def row(item: object, given: Verdict | LicensingError) -> dict[str, object]:
    """One answer in the shape of the contract; a bad question keeps its place with its error."""
    if isinstance(given, Verdict):
        return {**given.as_dict(), "id": _id(item)}
    message = f"{given.message} {given.next_step}".strip()
    return {"id": _id(item), "error": {"code": given.code, "message": message}}


def in_words(item: object, given: Verdict | LicensingError) -> str:
    """One answer for a person to read."""
    name = "" if _id(item) is None else f"{_id(item)}: "
    if not isinstance(given, Verdict):
        return f"{name}{given}"
    act = ACTS[item["act"]].label if isinstance(item, dict) else ""
    lines = [f"{name}{act}: {given.outcome.upper()}"]
    lines += [f"  condition: {condition}" for condition in given.conditions]
    lines += [f"  always: {rule}" for rule in given.standing]
    for reason in given.reasons:
        clause = f" [{reason.clause}]" if reason.clause else ""
        about = f" {reason.condition}" if reason.condition else ""
        step = f" -> {reason.next_step}" if reason.next_step else ""
        lines.append(f"  {reason.layer}: {reason.code}{about}{clause}{step}")
    if given.ignored:
        lines.append(f"  not understood: {', '.join(given.ignored)}")
    return "\n".join(lines)


def _id(item: object) -> object:
    """The question's id as it was given; None where there is none, or one that JSON cannot hold."""
    given = item.get("id") if isinstance(item, dict) else None
    try:
        json.dumps(given, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
    return given
