"""Prompt syntax of the practitioners: (more), (much more:1.4), [less] and escapes become weighted pieces of
text.
"""

from __future__ import annotations

import re
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


def _merged(pieces: list[tuple[str, float]]) -> list[Piece]:
    merged: list[Piece] = []
    for text, weight in pieces:
        if merged and merged[-1].weight == weight:
            merged[-1] = Piece(merged[-1].text + text, weight)
        else:
            merged.append(Piece(text, weight))
    return merged or [Piece("", 1.0)]
