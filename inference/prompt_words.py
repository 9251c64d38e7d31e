"""Words in prompts: where the learned ones stand in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence


def cut(text: str, words: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    """The text in order as (part, None), and (part, number) where it is the word of that number.

    Capitals do not count, as in AUTOMATIC1111; a word is not found inside of a longer one ("hat" in "chat"),
    and of two that begin alike the longer one is.
    """
    if not words:
        yield text, None
        return
    order = sorted(range(len(words)), key=lambda number: -len(words[number]))
    pattern = re.compile("|".join(f"({_bounded(words[number])})" for number in order), re.IGNORECASE)
    at = 0
    for match in pattern.finditer(text):
        if match.start() > at:
            yield text[at : match.start()], None
        yield match[0], order[(match.lastindex or 1) - 1]
        at = match.end()
    if at < len(text) or not text:
        yield text[at:], None


def _bounded(word: str) -> str:
    """The word as a pattern; `<s1>` may stand anywhere, but a letter at its end must not go on."""
    before = r"(?<!\w)" if re.match(r"\w", word) else ""
    behind = r"(?!\w)" if re.search(r"\w\Z", word) else ""
    return f"{before}{re.escape(word)}{behind}"
