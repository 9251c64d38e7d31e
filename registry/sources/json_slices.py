"""Cuts a JSON list out of an answer item by item, each with the exact bytes it was written in."""

from __future__ import annotations

import json
import re
from typing import Any

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def slices(body: bytes, key: str) -> tuple[list[tuple[Any, bytes]], dict[str, Any]]:
    """The items of the list under `key` of the JSON object `body`, with their bytes, and the other members.

    A value under `key` that is no list is left among the others. Raises ValueError when `body` is no JSON
    object in UTF-8 (RFC 8259).
    """
    text = body.decode("utf-8-sig")
    items: list[tuple[Any, bytes]] = []
    others: dict[str, Any] = {}
    try:
        at = _expect(text, 0, "{")
        while text[at] != "}":
            name, at = _value(text, at)
            at = _expect(text, at, ":")
            if name == key and text[at] == "[":
                items, at = _items(text, at)
            else:
                others[str(name)], at = _value(text, at)
            at = _next(text, at, "}")
        if _blank(text, at + 1) != len(text):
            raise ValueError("There is something after the JSON object.")
    except (IndexError, RecursionError):
        raise ValueError("The JSON object has no end.") from None
    return items, others


def _items(text: str, at: int) -> tuple[list[tuple[Any, bytes]], int]:
    items: list[tuple[Any, bytes]] = []
    at = _expect(text, at, "[")
    while text[at] != "]":
        start = at
        value, end = _DECODER.raw_decode(text, start)
        items.append((value, text[start:end].encode()))
        at = _next(text, _blank(text, end), "]")
    return items, _blank(text, at + 1)


def _value(text: str, at: int) -> tuple[Any, int]:
    value, end = _DECODER.raw_decode(text, at)
    return value, _blank(text, end)


def _next(text: str, at: int, end: str) -> int:
    """Behind the comma, or at the closing sign."""
    if text[at] == end:
        return at
    at = _expect(text, at, ",")
    if text[at] == end:
        raise ValueError("There is a comma with nothing after it.")
    return at


def _expect(text: str, at: int, sign: str) -> int:
    at = _blank(text, at)
    if text[at] != sign:
        raise ValueError(f"{sign!r} was expected at {at}.")
    return _blank(text, at + 1)


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at
