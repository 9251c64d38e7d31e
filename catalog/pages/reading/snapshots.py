"""A snapshot for people: its bytes as plain text with nothing hidden in it, and what rests on it."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from catalog.disclosure import is_open
from registry.models import Snapshot, TermsClaim, TermsRule

MOST_SHOWN: Final = 200_000
MOST_CLAIMS: Final = 50
# Besides line breaks: the joiners, without which emoji and several scripts fall apart.
_KEPT: Final = frozenset("\n\t\u200c\u200d")


@dataclass(frozen=True)
class SnapshotPage:
    """`text` is None for bytes that are no text; `dump` then shows their beginning in hexadecimal.

    `unchanged`: whether the bytes still have the SHA256 under which they were stored. `open`: whether the
    reader may see them; otherwise text, dump and all that rests on them are left out.
    """

    snapshot: Snapshot
    open: bool
    size: int
    text: str | None
    dump: str
    cut: bool
    unchanged: bool
    claims: list[TermsClaim]
    rules: list[TermsRule]
    others: list[Snapshot]


def read_snapshot(pk: int, *, everything: bool) -> SnapshotPage | None:
    """The snapshot, None for one that does not exist. Four queries.

    Without `everything` its bytes are open only where a rule or a claim of a public kind rests on them.
    """
    snapshot = Snapshot.objects.filter(pk=pk).first()
    if snapshot is None:
        return None
    claims = list(
        TermsClaim.objects.filter(snapshot=snapshot).select_related("version__adapter__creator")[:MOST_CLAIMS]
    )
    rules = list(TermsRule.objects.filter(snapshot=snapshot)[:MOST_CLAIMS])
    others = list(Snapshot.objects.filter(url=snapshot.url).exclude(pk=pk).defer("body")[:MOST_CLAIMS])
    body = bytes(snapshot.body)
    shown = everything or is_open(claims, rule=bool(rules))
    text = as_text(body) if shown else None
    return SnapshotPage(
        snapshot=snapshot,
        open=shown,
        size=len(body),
        text=None if text is None else text[:MOST_SHOWN],
        dump=as_hex(body[:512]) if shown and text is None else "",
        cut=text is not None and len(text) > MOST_SHOWN,
        unchanged=hashlib.sha256(body).hexdigest() == snapshot.sha256,
        claims=claims if shown else [],
        rules=rules if shown else [],
        others=others if shown else [],
    )


def as_text(body: bytes) -> str | None:
    """The bytes as text in which control and invisible formatting characters can be seen; None for no text.

    A text direction override could otherwise make a clause read as another one (Unicode TR36, section 3.2).

    >>> as_text(b"may\\xe2\\x80\\xae not")
    'may‹U+202E› not'
    """
    if b"\0" in body:
        return None
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        each if each in _KEPT or unicodedata.category(each) not in ("Cc", "Cf") else f"‹U+{ord(each):04X}›"
        for each in plain
    )


def as_hex(body: bytes) -> str:
    """Sixteen bytes a line, with their offsets and the letters among them."""
    return "\n".join(_hex_line(place, body[place : place + 16]) for place in range(0, len(body), 16))


def _hex_line(place: int, row: Sequence[int]) -> str:
    letters = "".join(chr(each) if 32 <= each < 127 else "." for each in row)
    return f"{place:08x}  {' '.join(f'{each:02x}' for each in row):<47}  {letters}"
