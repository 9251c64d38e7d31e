"""Turns text into search tokens: Latin words, and CJK runs as single characters and pairs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

# Scripts written without blanks between words: kana, Han, Bopomofo, Hangul, Thai, Lao, Khmer, Myanmar.
_RUN = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3021-\u3029\u3040-\u30fa\u30fc-\u30ff\u3100-\u318f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U0001b000-\U0001b16f\U00020000-\U000323af"
)
_PIECE = re.compile(rf"[{_RUN}]+|[^\W_{_RUN}]+")
_IN_RUN = re.compile(rf"[{_RUN}]")
_QUOTED = re.compile(r'"([^"]*)"')

# PostgreSQL keeps positions up to 16383 and 255 of them for one lexeme; a lexeme has at most 2046 bytes.
LAST_POSITION = 16_000
POSITIONS_OF_ONE = 255
LONGEST_WORD = 100
# Further apart than any phrase reaches: a phrase never runs from one field of a document into the next.
GAP = 50

_HASH = re.compile(r"\A(?:(?:sha256|autov[123]|blake3):)?([0-9a-f]+)\Z", re.IGNORECASE)
_HASH_LENGTHS = {64, 12, 10, 8}


def fold(text: str) -> str:
    """NFKC, case folded, accents stripped; kana keep their voicing marks, which are other letters."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    if folded.isascii():
        return folded
    kept: list[str] = []
    for character in folded:
        if _IN_RUN.match(character):
            kept.append(character)
        else:
            kept.extend(
                each for each in unicodedata.normalize("NFKD", character) if not unicodedata.combining(each)
            )
    return unicodedata.normalize("NFC", "".join(kept))


def pieces(text: str) -> list[str]:
    """Words and unbroken CJK runs in order, folded; punctuation and underscores only separate."""
    return _PIECE.findall(fold(text))


def is_run(piece: str) -> bool:
    """Whether the piece is of a script written without blanks."""
    return bool(_IN_RUN.match(piece))


def document(fields: Iterable[str]) -> str:
    """The PostgreSQL `tsvector` literal of a document made of these fields, most important first.

    Words and pairs carry positions, so that a CJK run of three or more characters and a quoted phrase match
    exactly. Text past LAST_POSITION is left out.
    """
    positions: dict[str, list[int]] = {}
    at = 0
    for text in fields:
        for piece in pieces(text):
            for token, placed in _tokens(piece):
                held = positions.setdefault(token, [])
                if placed:
                    at += 1
                    if len(held) < POSITIONS_OF_ONE:
                        held.append(at)
            if is_run(piece):
                at += 1
            if at > LAST_POSITION:
                return _literal(positions)
        at += GAP
    return _literal(positions)


@dataclass(frozen=True)
class TextQuery:
    """A search text read: a `tsquery` literal (empty = no words in it) and the digest it may be."""

    tsquery: str = ""
    digest: str = ""


def read_query(text: str) -> TextQuery:
    """Every word and run must be there, a quoted part as a phrase; the last word may be a beginning."""
    digest = _digest(text.strip())
    terms: list[str] = []
    at = 0
    for match in _QUOTED.finditer(text):
        terms.extend(_loose(text[at : match.start()]))
        if phrase := _phrase(match.group(1)):
            terms.append(phrase)
        at = match.end()
    rest = text[at:]
    terms.extend(_loose(rest, prefix_last=True))
    return TextQuery(tsquery=" & ".join(dict.fromkeys(terms)), digest=digest)


def _digest(text: str) -> str:
    match = _HASH.match(text)
    if match is None or len(match.group(1)) not in _HASH_LENGTHS:
        return ""
    return match.group(1)


def _tokens(piece: str) -> list[tuple[str, bool]]:
    """(token, whether it takes a position): a word; or the single characters and the pairs of a run."""
    if not is_run(piece):
        return [(piece[:LONGEST_WORD], True)]
    singles = [(character, False) for character in dict.fromkeys(piece)]
    return singles + [(pair, True) for pair in _pairs(piece)]


def _pairs(run: str) -> list[str]:
    return [run[index : index + 2] for index in range(len(run) - 1)]


def _loose(text: str, *, prefix_last: bool = False) -> list[str]:
    found = pieces(text)
    terms = [_term(piece) for piece in found]
    if prefix_last and found and not is_run(found[-1]) and not text[-1:].isspace():
        terms[-1] += ":*"
    return terms


def _term(piece: str) -> str:
    if not is_run(piece):
        return _lexeme(piece[:LONGEST_WORD])
    return _followed(_pairs(piece)) if len(piece) > 1 else _lexeme(piece)


def _phrase(text: str) -> str:
    """Words next to each other. A run in a phrase is matched by its pairs; its end takes a place too."""
    parts: list[str] = []
    gap = 0
    for piece in pieces(text):
        tokens = [piece[:LONGEST_WORD]] if not is_run(piece) else _pairs(piece)
        if not tokens:  # a single CJK character has no position of its own
            return " & ".join(_term(each) for each in pieces(text))
        joined = " <-> ".join(_lexeme(token) for token in tokens)
        parts.append(f" <{1 + gap}> {joined}" if parts else joined)
        gap = 1 if is_run(piece) else 0
    phrase = "".join(parts)
    return f"({phrase})" if "<" in phrase else phrase


def _followed(tokens: list[str]) -> str:
    joined = " <-> ".join(_lexeme(token) for token in tokens)
    return f"({joined})" if len(tokens) > 1 else joined


def _lexeme(token: str) -> str:
    return "'" + token.replace("\\", "\\\\").replace("'", "''") + "'"


def _literal(positions: dict[str, list[int]]) -> str:
    return " ".join(
        _lexeme(token) + (":" + ",".join(map(str, held)) if held else "") for token, held in positions.items()
    )
