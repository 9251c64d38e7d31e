"""One metadata value at a time: text that anyone may have edited, read leniently and made safe to keep.

kohya-ss/sd-scripts writes `str(value)` of Python values ("None", "True", "(768, 768)") and JSON text under
some keys; ostris/ai-toolkit writes JSON of everything. Nothing here raises: what cannot be read is None.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from .strict_json import too_many_values

# A bound for every text, list and depth that is kept, so that no header makes a large row.
MOST_TEXT = 2000
_MOST_ITEMS = 50
_MOST_DEPTH = 4
_NOTHING = frozenset({"", "none", "null", "nan", "undefined"})
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
# Joiners that emoji and several scripts need; every other format character can hide or reorder text.
_JOINERS = "\u200c\u200d"


def printable(text: str, most: int = MOST_TEXT) -> str:
    """`text` without control, format and private characters and without halves of surrogate pairs (PostgreSQL
    stores neither NUL nor those), line breaks kept, at most `most` characters long.
    """
    kept = text[: 4 * most]
    if not kept.isprintable():
        kept = "".join(
            c for c in kept if c in "\n\t" or c in _JOINERS or unicodedata.category(c)[0] not in "C"
        )
    return kept.strip()[:most]


def text_of(value: str | None, most: int = MOST_TEXT) -> str | None:
    """A stated text, or None where the trainer wrote that there is none."""
    if value is None:
        return None
    text = printable(value, most)
    return None if text.lower() in _NOTHING else text


def number_of(value: Any) -> int | float | None:
    """A finite number from a number or from text ("2e-4", "16.0"); whole ones as int."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > 60:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def numbers_of(value: Any) -> list[int | float]:
    """Every number in a number, a list, or the text of either ("[1e-05, 5e-06]", "1e-4 1e-5")."""
    if isinstance(value, list):
        found = [number_of(item) for item in value[:_MOST_ITEMS]]
    elif isinstance(value, str):
        found = [number_of(match) for match in _NUMBER.findall(value[:500])]
    else:
        found = [number_of(value)]
    return [number for number in found if number is not None]


def flag_of(value: Any) -> bool | None:
    """True or False as Python or JSON spells it, else None."""
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    return {"true": True, "1": True, "false": False, "0": False}.get(word or "")


def json_of(value: str | None) -> Any:
    """The JSON in a metadata value, or None where it is none or far larger than any that a trainer writes."""
    if not value or too_many_values(value):
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def mapping_of(value: str | None) -> Mapping[str, Any]:
    """The JSON object in a metadata value; empty where there is none."""
    found = json_of(value)
    return found if isinstance(found, dict) else {}


def size_of(value: Any) -> list[int] | None:
    """Width and height in pixels from "(768, 768)", "1024,768", "1024x1024", "512" or `[768, 512]`."""
    if isinstance(value, list):
        value = ",".join(str(item)[:12] for item in value[:4])
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    sizes = [int(number) for number in re.findall(r"(?<!\d)\d{2,5}(?!\d)", value[:80])][:2]
    return sizes * 2 if len(sizes) == 1 else sizes or None


def bounded(value: Any, depth: int = 0) -> Any:
    """A JSON value as it may be kept: texts printable and short, containers small and shallow, numbers finite
    and below 2**63. What was cut is not marked.
    """
    if isinstance(value, str):
        return printable(value, 500)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if isinstance(value, bool) or abs(value) < 2**63 else None
    if isinstance(value, dict) and depth < _MOST_DEPTH:
        items = list(value.items())[:_MOST_ITEMS]
        return {printable(str(key), 200): bounded(item, depth + 1) for key, item in items}
    if isinstance(value, list) and depth < _MOST_DEPTH:
        return [bounded(item, depth + 1) for item in value[:_MOST_ITEMS]]
    return None


def file_name(text: str) -> str:
    """What a trainer stated as its base checkpoint, without the folders of its own machine.

    A repository on the Hub ("org/name") stays whole.
    """
    plain = text.replace("\\", "/").rstrip("/")
    absolute = plain.startswith(("/", "~", ".")) or plain[1:2] == ":"
    return plain.rpartition("/")[2] if absolute or plain.count("/") > 1 else plain
