"""Foreign text made safe to keep: no control characters, bounded lengths, plain text out of HTML."""

from __future__ import annotations

import math
import os
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

# PostgreSQL text cannot hold U+0000, UTF-8 cannot hold lone surrogates; other control characters and
# those that override the direction of writing can disguise a name on screen.
_UNSAFE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_BLANKS = re.compile(r"[ \t\r\f\v]+")
_LONGEST_TEXT = 50_000
_LONGEST_WORDS = 5_000
_DEEPEST = 40
_MOST_ITEMS = 1000


def line(value: object, limit: int) -> str:
    """`value` as one clean line of at most `limit` characters; anything but text gives an empty one."""
    if not isinstance(value, str):
        return ""
    return " ".join(_UNSAFE.sub("", value[: limit * 4]).split())[:limit].rstrip()


def file_name(path: Path, limit: int = 300) -> str:
    """The file's name as clean text; bytes that are no UTF-8 show as a replacement sign."""
    return line(os.fsencode(path.name).decode("utf-8", errors="replace"), limit) or "unnamed"


def shown(path: Path) -> str:
    """The whole path, for a report; always text that can be printed."""
    return os.fsencode(path).decode("utf-8", errors="replace")


def text(value: object, limit: int = _LONGEST_TEXT) -> str:
    """`value` as clean text with its line breaks; anything but text gives an empty one."""
    if not isinstance(value, str):
        return ""
    return _UNSAFE.sub("", value[: limit * 2]).replace("\r\n", "\n").strip()[:limit]


def lines(value: object, *, limit: int, most: int = 100) -> list[str]:
    """The distinct, non-empty lines of a list (or the one line of a text), at most `most` of them."""
    items = value if isinstance(value, list) else [value]
    found = (line(item, limit) for item in items[:_MOST_ITEMS])
    return list(dict.fromkeys(item for item in found if item))[:most]


def words(value: object, *, most: int = 100) -> list[str]:
    """Trigger words: a list, or one text with commas. Commas inside brackets belong to the word."""
    parts: list[object] = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            parts.extend(re.split(r",(?![^(<\[]*[)>\]])", item[:_LONGEST_WORDS]))
    return lines(parts, limit=300, most=most)


def tags(value: object) -> list[str]:
    """A list of tags; anything else gives none."""
    return lines(value, limit=100) if isinstance(value, list) else []


def identifier(value: object) -> str:
    """An upstream's numeric id as text; zero, negative and anything else gives an empty one."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return ""
    found = str(value)[:20]
    return str(int(found)) if re.fullmatch(r"[0-9]{1,18}", found) and int(found) > 0 else ""


def moment(value: object) -> datetime | None:
    """An ISO 8601 time with its zone (UTC when it names none); None when it is not one."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def json_value(value: Any, depth: int = 0) -> Any:
    """`value` as JSON that PostgreSQL takes: text cleaned, no NaN, bounded depth and lengths."""
    if isinstance(value, str):
        return _UNSAFE.sub("", value[:_LONGEST_TEXT])
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 10**30 else str(value)[:30] if abs(value) < 10**300 else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth >= _DEEPEST:
        return None
    if isinstance(value, dict):
        pairs = list(value.items())[:_MOST_ITEMS]
        return {line(str(key), 200): json_value(item, depth + 1) for key, item in pairs}
    if isinstance(value, list | tuple):
        return [json_value(item, depth + 1) for item in value[:_MOST_ITEMS]]
    return line(str(value), 200)


class _PlainText(HTMLParser):
    _BREAKS = frozenset({"p", "br", "li", "div", "h1", "h2", "h3", "h4", "ul", "ol", "tr", "hr"})
    _SILENT = frozenset({"script", "style", "template", "title"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._SILENT:
            self._silent += 1
        elif tag in self._BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in self._BREAKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def plain(value: object, limit: int = _LONGEST_TEXT) -> str:
    """HTML as plain text, at most one blank line between paragraphs; the raw bytes stay in the snapshot."""
    source = text(value, limit * 4)
    if "<" not in source and "&" not in source:
        return source[:limit]
    parser = _PlainText()
    try:
        parser.feed(source)
        parser.close()
    except (AssertionError, ValueError):
        # html.parser gives up on some malformed declarations; what it had read by then is still good.
        pass
    rows = (_BLANKS.sub(" ", row).strip() for row in _UNSAFE.sub("", "".join(parser.parts)).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(rows)).strip()[:limit]
