"""The parts of a stack as outputs name them, and what the ledger of a verdict asks for each."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from registry.licensing.conditions import Condition, parse_condition
from registry.licensing.schema import License
from registry.licensing.table import Table
from registry.licensing.verdict import LedgerEntry, Verdict

Change = Literal["used", "merged", "unchanged"]

_MERGED: Final = frozenset(
    {"modify_or_merge", "redistribute_derivative", "sell_derivative", "relicense_derivative"}
)
_UNCHANGED: Final = frozenset({"redistribute_adapter", "sell_adapter"})


@dataclass(frozen=True)
class PartFile:
    """One file of a part; `size` in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Part:
    """One part of a stack. `layer`: its name in the ledger (`base`, `component:NAME`, `adapter:N`).

    `wording` is the credit line its author prescribes; empty where none is known. `weight` is the strength an
    adapter is used at. `declared` is the license its author states, an id or expression. `purl` identifies it
    among packages; `evidence` cites where its terms were read.
    """

    layer: str
    name: str
    creator: str = ""
    version: str = ""
    url: str = ""
    creator_url: str = ""
    wording: str = ""
    weight: float | None = None
    declared: str | None = None
    purl: str = ""
    files: tuple[PartFile, ...] = ()
    evidence: tuple[str, ...] = ()

    @property
    def is_adapter(self) -> bool:
        return self.layer.startswith("adapter:")


@dataclass(frozen=True)
class Asked:
    """What the ledger asks for one part (None: for the stack as a whole, as a host or a policy does)."""

    part: Part | None
    entries: tuple[LedgerEntry, ...]
    conditions: tuple[Condition, ...]
    licenses: tuple[License, ...]

    def duties(self, name: str) -> tuple[Condition, ...]:
        """The conditions of one kind; a name prefix or notice may come several times."""
        return tuple(condition for condition in self.conditions if condition.name == name)

    def asks(self, *names: str) -> bool:
        return any(condition.name in names for condition in self.conditions)

    def clause(self, name: str) -> str:
        """The clauses that ask for it, each with its license."""
        found = dict.fromkeys(
            " ".join(word for word in (entry.license or "", entry.clause or "") if word)
            for entry in self.entries
            if any(parse_condition(text).name == name for text in entry.conditions)
        )
        return "; ".join(text for text in found if text)


def owner(layer: str) -> str:
    """The part a layer of the ledger belongs to: `evidence:2` and `rights:2` speak of `adapter:2`."""
    kind, colon, rest = layer.partition(":")
    return f"adapter:{rest}" if kind in ("evidence", "rights") and colon else layer


def asked_of(verdict: Verdict, parts: Sequence[Part], table: Table) -> list[Asked]:
    """What the ledger asks for: each part in order, then layers of no part if they ask for anything."""
    by_owner: dict[str, list[LedgerEntry]] = {}
    for entry in verdict.ledger:
        by_owner.setdefault(owner(entry.layer), []).append(entry)
    names = {part.layer for part in parts}
    found = [_asked(part, by_owner.get(part.layer, ()), table) for part in parts]
    rest = [entry for name, entries in by_owner.items() if name not in names for entry in entries]
    whole = _asked(None, rest, table)
    return [*found, whole] if whole.conditions else found


def _asked(part: Part | None, entries: Iterable[LedgerEntry], table: Table) -> Asked:
    kept = tuple(entries)
    conditions = dict.fromkeys(parse_condition(text) for entry in kept for text in entry.conditions)
    rows: Mapping[str, License] = {
        entry.license: table[entry.license] for entry in kept if entry.license and entry.license in table
    }
    return Asked(part, kept, tuple(conditions), tuple(rows.values()))


def change_of(act: str) -> Change:
    """What the act does to the parts: uses them, merges them into one, or passes them on as they are."""
    if act in _MERGED:
        return "merged"
    return "unchanged" if act in _UNCHANGED else "used"


def plain(text: str) -> str:
    """A name on one line, without control characters and signs that reverse the direction of writing."""
    kept = (" " if char.isspace() else char for char in text if char.isspace() or not _steers(char))
    return " ".join("".join(kept).split())


def _steers(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn") and char != "\u200d"


def web_address(text: str) -> str:
    """The address if it is one a browser may open, else nothing: a card may state anything as its link."""
    bare = text.strip()
    if any(char.isspace() or char in '<>"' or _steers(char) for char in bare):
        return ""
    try:
        parts = urlsplit(bare)
    except ValueError:
        return ""
    return bare if parts.scheme in ("http", "https") and parts.netloc else ""


def weight_word(weight: float) -> str:
    """`0.8`, `1.0`, `-0.25`: at most three places, always one.

    >>> [weight_word(value) for value in (0.8, 1, -0.25, 0.12345)]
    ['0.8', '1.0', '-0.25', '0.123']
    """
    text = f"{weight:.3f}".rstrip("0")
    return f"{text}0" if text.endswith(".") else text
