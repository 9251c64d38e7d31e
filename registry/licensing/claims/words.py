"""What an author writes about terms in prose, sentence by sentence: bans, demands for credit, licenses named.

Prose can tighten terms and never widens them: a sentence that seems to allow something is kept as a hint, and
one about selling or commerce that fits no pattern is listed as unread.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from registry.licensing.claims import phrases
from registry.licensing.claims.statement import Statement, bounded

LONGEST: Final = 200_000
_MOST_SENTENCES: Final = 5_000
_LONGEST_SENTENCE: Final = 600
_MOST_LISTED: Final = 30
_CODE: Final = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_LINK: Final = re.compile(r"!?\[((?:[^\[\]\n]|\[[^\[\]\n]{0,80}\]){0,300})\]\([^)\n]{0,500}\)")
_ADDRESS: Final = re.compile(r"https?://\S+")
_END: Final = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？；])|\n+")


@dataclass
class _Found:
    forbidden: set[str] = field(default_factory=set)
    contact: set[str] = field(default_factory=set)
    credit: bool = False
    licenses: set[str] = field(default_factory=set)
    sentences: list[str] = field(default_factory=list)
    grants: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)


def read_words(text: str) -> Statement | None:
    """The bans and demands of a description or card body as one statement; None where there are none.

    value: `{forbidden: [act], contact: [act], credit: bool, licenses: [id]}`; None where only doubtful
    sentences were found. wording: the sentences relied on; hints: `{grants: [sentence]}`; unread: the
    doubtful ones.
    """
    found = _Found()
    for sentence in _sentences(text):
        _read(sentence, found)
    binds = bool(found.forbidden or found.contact or found.credit or found.licenses)
    if not binds and not found.doubtful:
        return None
    value = {
        "forbidden": sorted(found.forbidden),
        "contact": sorted(found.contact - found.forbidden),
        "credit": found.credit,
        "licenses": sorted(found.licenses),
    }
    unread = tuple(dict.fromkeys(found.doubtful))[:_MOST_LISTED]
    return Statement(
        kind="text_terms",
        value=value if binds else None,
        wording=bounded("\n".join(dict.fromkeys(found.sentences if binds else unread))),
        unread=unread,
        hints={"grants": list(dict.fromkeys(found.grants))[:_MOST_LISTED]} if found.grants else {},
    )


def _sentences(text: str) -> Iterator[str]:
    plain = _ADDRESS.sub(" ", _LINK.sub(r"\1", _CODE.sub(" ", text[:LONGEST]))).replace("*", "")
    for number, part in enumerate(_END.split(plain)):
        if number >= _MOST_SENTENCES:
            return
        if sentence := " ".join(part.split()):
            yield sentence[:_LONGEST_SENTENCE]


def _read(sentence: str, found: _Found) -> None:
    folded = unicodedata.normalize("NFKC", sentence).casefold().replace("\u2019", "'")
    named = _named(folded)
    # The name of a license may hold the very words of a ban.
    bare = phrases.LICENSE_NAME.sub(" ", folded)
    granted = bool(phrases.GRANT.search(bare))
    bans = [acts for pattern, acts in phrases.BANS if pattern.search(bare)]
    asks = bool(phrases.CONTACT.search(bare)) and not granted
    elsewhere = bool(phrases.ABOUT_BASE.search(bare) or phrases.ABOUT_DATA.search(bare)) and not named
    doubtful = bool((bans or asks) and elsewhere)
    if granted and phrases.COMMERCE in bans:
        # "Commercial use is allowed, do not resell the file": only the second half is a ban.
        bans.remove(phrases.COMMERCE)
    if doubtful:
        bans, asks = [], False
    credit = bool(phrases.CREDIT.search(bare) and not phrases.NO_CREDIT.search(bare)) and not elsewhere
    found.licenses.update(named)
    found.credit |= credit
    if asks:
        found.contact.update(phrases.COMMERCE)
    found.forbidden.update(act for acts in bans for act in acts if not (asks and acts is phrases.COMMERCE))
    if bans or asks or credit or named:
        found.sentences.append(sentence)
    elif granted:
        found.grants.append(sentence)
    elif doubtful or phrases.TOUCHES_TERMS.search(bare):
        found.doubtful.append(sentence)


def _named(folded: str) -> list[str]:
    """Non-commercial licenses that the sentence puts the adapter under."""
    if not phrases.PUT_UNDER.search(folded) or phrases.ABOUT_DATA.search(folded):
        return []
    return [license_id for pattern, license_id in phrases.NAMED if pattern.search(folded)]
