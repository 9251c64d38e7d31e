"""Recognizes the text of a license by the digest of its words, or as a changed copy of a known one.

No text is kept here, only digests: of the whole, of a sample of its five-word runs (a bottom-k sketch after
Broder 1997, which estimates the Jaccard resemblance of two texts) and of its sentences, so that the sentences
in which a pasted copy differs can be shown. A text that is not one of these, word for word, is never taken
for a license: a changed copy is named with what it resembles and stays unread.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from registry.licensing.claims.statement import Statement, bounded
from registry.licensing.vocabulary import DATA

KNOWN: Final = DATA / "texts.json"
LONGEST: Final = 400_000
SHINGLE: Final = 5
SKETCH: Final = 192
# Below this share of common five-word runs two texts are merely both licenses.
RESEMBLES: Final = 0.5
_MOST_CHANGES: Final = 30
_FRONT: Final = re.compile(r"\A\ufeff?---[ \t]*\r?\n.*?\r?\n---[ \t]*\r?\n", re.DOTALL)
_TAG: Final = re.compile(r"</?[a-z][^<>]{0,300}>", re.IGNORECASE)
_LINK: Final = re.compile(r"\[([^\]\n]{0,300})\]\([^)\n]{0,500}\)")
_COPYRIGHT: Final = re.compile(
    r"[\s#*>/;-]*(?:portions\s+)?(?:copyright\s*(?:\(c\)|©|\d{4}|by\b|\[|<)|\(c\)\s|©)", re.IGNORECASE
)
_NUMBERING: Final = re.compile(
    r"^[ \t*>-]*(?:\(?[0-9]{1,2}[.)]|\(?[a-z][.)])\s+", re.IGNORECASE | re.MULTILINE
)
# What turns a copyright line into one that says something about terms.
_SAYS_MORE: Final = re.compile(
    r"\b(?:use|commercial|sell|licen[sc]e[ds]?|permi\w+|may|must|not)\b", re.IGNORECASE
)
_LONGEST_COPYRIGHT: Final = 30
_RESERVED: Final = re.compile(r"\W*all rights reserved\W*", re.IGNORECASE)
_WORD: Final = re.compile(r"\w+")
_SENTENCE_END: Final = re.compile(r"(?<=[.;:!?])\s+|\n\s*\n+")


@dataclass(frozen=True)
class Fingerprint:
    """Digests of one text, hex: `whole` SHA256 of its words; `sketch` the lowest 32-bit digests of its
    five-word runs, ascending; `sentences` 32-bit digests."""

    whole: str
    sketch: tuple[str, ...]
    sentences: frozenset[str]
    words: int


@dataclass(frozen=True)
class KnownText:
    """A published text of a license of the table. `source`: where the text was read."""

    license: str
    source: str
    fingerprint: Fingerprint


@dataclass(frozen=True)
class TextMatch:
    """What a text is: `license` word for word; else `resembles`, the nearest known one.

    similarity: estimated share of common five-word runs. changes: sentences of the given text that the known
    one does not have; missing: how many sentences of the known one it lacks.
    """

    license: str | None
    source: str = ""
    resembles: str | None = None
    similarity: float = 0.0
    changes: tuple[str, ...] = ()
    missing: int = 0


def words_of(text: str) -> list[str]:
    """The words that count: without markup, layout, case, punctuation, copyright lines and a title line."""
    return _WORD.findall(_plain(text))


def _plain(text: str) -> str:
    source = unicodedata.normalize("NFKC", _FRONT.sub("", text[:LONGEST]))
    source = _LINK.sub(r"\1", _TAG.sub(" ", source))
    kept = [line for line in source.splitlines() if not _is_notice(line)]
    start = next((number for number, line in enumerate(kept) if _WORD.search(line)), len(kept))
    kept = kept[start:]
    if kept and len(_WORD.findall(kept[0])) <= 10 and re.search(r"licen[sc]e", kept[0], re.IGNORECASE):
        kept.pop(0)
    return _NUMBERING.sub("", "\n".join(kept)).casefold().replace("_", " ").replace("licence", "license")


def _is_notice(line: str) -> bool:
    if _RESERVED.fullmatch(line):
        return True
    if not _COPYRIGHT.match(line) or len(_WORD.findall(line)) > _LONGEST_COPYRIGHT:
        return False
    return not _SAYS_MORE.search(line)


def fingerprint(text: str) -> Fingerprint:
    """The digests of a text as this module compares them."""
    words = words_of(text)
    runs = {
        _short(" ".join(words[start : start + SHINGLE])) for start in range(max(1, len(words) - SHINGLE + 1))
    }
    return Fingerprint(
        whole=hashlib.sha256(" ".join(words).encode()).hexdigest(),
        sketch=tuple(sorted(runs)[:SKETCH]),
        sentences=frozenset(_short(folded) for folded, _ in _sentences(text)),
        words=len(words),
    )


def _sentences(text: str) -> Iterator[tuple[str, str]]:
    """Each sentence, folded to its words and as written."""
    for sentence in _SENTENCE_END.split(_plain(text)):
        if words := _WORD.findall(sentence):
            yield " ".join(words), " ".join(sentence.split())


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def resemblance(one: Fingerprint, other: Fingerprint) -> float:
    """Estimated Jaccard resemblance, 0 to 1, from the lowest digests of the two texts together."""
    lowest = sorted({*one.sketch, *other.sketch})[:SKETCH]
    common = set(one.sketch) & set(other.sketch)
    return sum(digest in common for digest in lowest) / len(lowest) if lowest else 0.0


@cache
def known_texts() -> tuple[KnownText, ...]:
    """The texts that can be recognized, as `python -m registry.licensing.claims.known_texts` wrote them."""
    rows: list[dict[str, Any]] = json.loads(KNOWN.read_text(encoding="utf-8"))["texts"]
    return tuple(
        KnownText(
            row["license"],
            row["source"],
            Fingerprint(
                row["whole"],
                tuple(row["sketch"].split()),
                frozenset(row["sentences"].split()),
                row["words"],
            ),
        )
        for row in rows
    )


def match_text(text: str) -> TextMatch:
    """Which known license a text is, word for word, or else which one it resembles and where it differs."""
    mine = fingerprint(text)
    if not mine.words:
        return TextMatch(None)
    for known in known_texts():
        if known.fingerprint.whole == mine.whole:
            return TextMatch(known.license, known.source)
    nearest = max(known_texts(), key=lambda known: resemblance(known.fingerprint, mine), default=None)
    if nearest is None:
        return TextMatch(None)
    similarity = resemblance(nearest.fingerprint, mine)
    if similarity < RESEMBLES:
        return TextMatch(None)
    changes = [
        written for folded, written in _sentences(text) if _short(folded) not in nearest.fingerprint.sentences
    ]
    return TextMatch(
        None,
        nearest.source,
        resembles=nearest.license,
        similarity=round(similarity, 2),
        changes=tuple(dict.fromkeys(changes))[:_MOST_CHANGES],
        missing=len(nearest.fingerprint.sentences - mine.sentences),
    )


def read_license_text(text: str, where: str = "") -> Statement | None:
    """The claim that a license file makes, detected from its words; None for a file without any.

    `where`: its name or address, for the wording. A text that is not recognized is stated and unread.
    """
    match = match_text(text)
    first = next(
        (line.strip(" #*=-\t") for line in _FRONT.sub("", text).splitlines() if _WORD.search(line)), ""
    )
    if not first:
        return None
    wording = bounded(f"{where}: {first}" if where else first, 300)
    if match.license is not None:
        return Statement(
            "license", match.license, wording, standing="detected", hints={"known_text": match.source}
        )
    if match.resembles is not None:
        hints = {
            "resembles": match.resembles,
            "similarity": match.similarity,
            "missing_sentences": match.missing,
            "known_text": match.source,
        }
        return Statement(
            "license", None, wording, standing="detected", unread=match.changes or (wording,), hints=hints
        )
    return Statement("license", None, wording, standing="detected", unread=(wording,))
