"""One condition of a license cell: parse its spelling, print it, and unite many into one list."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from registry.licensing.errors import UnknownCondition, not_one_of
from registry.licensing.vocabulary import CONDITIONS, ConditionKind

Parameter = int | str | tuple[str, ...] | None

# EU and UK lead every territory list, as licenses write it; the rest is alphabetical.
_FIRST = {"EU": 0, "UK": 1}


@dataclass(frozen=True)
class Condition:
    """A vocabulary word with its parameter, for example `revenue_below_usd` with 1000000."""

    name: str
    parameter: Parameter = None

    @property
    def kind(self) -> ConditionKind:
        return CONDITIONS[self.name]

    def __str__(self) -> str:
        """The wire spelling: `mau_below:1000000`, `naming_prefix:"Krea"`, `territory_excludes:[EU,UK]`."""
        if self.parameter is None:
            return self.kind.wire
        if isinstance(self.parameter, tuple):
            return f"{self.kind.wire}:[{','.join(self.parameter)}]"
        if isinstance(self.parameter, str):
            return f'{self.kind.wire}:"{self.parameter}"'
        return f"{self.kind.wire}:{self.parameter}"


_BY_SPELLING = {kind.id: kind for kind in CONDITIONS.values()} | {
    kind.wire: kind for kind in CONDITIONS.values()
}


@lru_cache(maxsize=4096)
def parse_condition(text: str) -> Condition:
    """Read one spelling as the license table and the wire write it; `UnknownCondition` otherwise."""
    name, colon, rest = text.strip().partition(":")
    kind = _BY_SPELLING.get(name)
    if kind is None:
        raise UnknownCondition(f"There is no condition {name!r}. {not_one_of(name, CONDITIONS)}")
    if not colon:
        if kind.parameter in (None, "optional_list"):
            return Condition(kind.id)
        raise UnknownCondition(f"Condition {name} needs a parameter ({kind.parameter}).")
    if kind.parameter is None:
        raise UnknownCondition(f"Condition {name} takes no parameter, got {rest!r}.")
    return Condition(kind.id, _parameter(kind, rest.strip()))


def _parameter(kind: ConditionKind, text: str) -> Parameter:
    if kind.parameter == "number":
        if re.fullmatch(r"[0-9]{1,18}", text):
            return int(text)
    elif kind.parameter == "text":
        bare = text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text
        if bare.strip():
            return bare
    else:
        inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
        words = [word.strip().strip('"') for word in inner.split(",")]
        if all(words):
            upper = kind.fact == "territory"
            return in_order(word.upper() if upper else word.lower() for word in words)
    raise UnknownCondition(
        f"Condition {kind.id} cannot take the parameter {text!r} ({kind.parameter} expected)."
    )


def in_order(words: Iterable[str]) -> tuple[str, ...]:
    """Each word once, in the order lists of territories and hosts are printed."""
    return tuple(sorted(set(words), key=lambda word: (_FIRST.get(word, 2), word)))


def unite(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Union in vocabulary order with the tighter of two limits: the smaller number, all excluded territories,
    only the hosts every list names. Two notices or two name prefixes both stay, since both must be met.

    >>> [str(c) for c in unite([Condition("mau_below", 5), Condition("mau_below", 3)])]
    ['mau_below:3']
    """
    kept: dict[tuple[str, object], Condition] = {}
    for condition in conditions:
        kind = condition.kind
        key = (condition.name, condition.parameter if kind.parameter == "text" else None)
        other = kept.get(key)
        kept[key] = condition if other is None else _tighter(kind, condition, other)
    return tuple(sorted(kept.values(), key=lambda c: (c.kind.order, str(c))))


def _tighter(kind: ConditionKind, one: Condition, other: Condition) -> Condition:
    first, second = one.parameter, other.parameter
    if isinstance(first, int) and isinstance(second, int):
        return Condition(kind.id, min(first, second))
    if isinstance(first, tuple) and isinstance(second, tuple):
        if kind.passes == "outside":
            return Condition(kind.id, in_order((*first, *second)))
        return Condition(kind.id, in_order(set(first) & set(second)))
    return one if first is not None else other
