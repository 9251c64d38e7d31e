"""Prompt syntax of the practitioners: (more), (much more:1.4), [less] and escapes become weighted pieces of
text, and learned words are found in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MORE = 1.1
"""What one pair of round brackets multiplies by; square brackets divide by it (AUTOMATIC1111's
convention).
"""

_TOKEN = re.compile(r"\\[()\[\]\\]|\(|\[|:\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*\)|\)|\]|[^\\()\[\]:]+|\\|:")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text with the weight its tokens get."""

    text: str
    weight: float


def parse_emphasis(prompt: str) -> list[Piece]:
    """Pieces in order; neighbors of equal weight are one piece. Unclosed brackets still count, as users
    expect.

    An empty prompt gives one empty piece.
    """
    pieces: list[tuple[str, float]] = []
    round_open: list[int] = []
    square_open: list[int] = []

    def multiply(start: int, factor: float) -> None:
        for index in range(start, len(pieces)):
            text, weight = pieces[index]
            pieces[index] = (text, weight * factor)

    for match in _TOKEN.finditer(prompt):
        token = match[0]
        if len(token) == 2 and token[0] == "\\":
            pieces.append((token[1], 1.0))
        elif token == "(":
            round_open.append(len(pieces))
        elif token == "[":
            square_open.append(len(pieces))
        elif token == ")" and round_open:
            multiply(round_open.pop(), MORE)
        elif token == "]" and square_open:
            multiply(square_open.pop(), 1 / MORE)
        elif len(token) > 1 and token[0] == ":" and token[-1] == ")" and round_open:
            multiply(round_open.pop(), float(token[1:-1]))
        else:
            pieces.append((token, 1.0))
    for start in round_open:
        multiply(start, MORE)
    for start in square_open:
        multiply(start, 1 / MORE)
    return _merged(pieces)


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


def _merged(pieces: list[tuple[str, float]]) -> list[Piece]:
    merged: list[Piece] = []
    for text, weight in pieces:
        if merged and merged[-1].weight == weight:
            merged[-1] = Piece(merged[-1].text + text, weight)
        else:
            merged.append(Piece(text, weight))
    return merged or [Piece("", 1.0)]
