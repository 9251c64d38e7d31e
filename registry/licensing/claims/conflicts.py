"""Claims about one adapter that cannot all be true: which grants what another refuses, act by act.

Three kinds. `base`: a license that grants a commercial use which the base model's license forbids; an adapter
never widens its base. `text`: the author's own words forbid what a tag or flags grant. `sources`: two sources
name different licenses, or one grants what the other refuses. The stricter binds in any case; a conflict asks
a person to find out which is right. Permissions that only tighten the license they stand beside, and silence,
contradict nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from registry.licensing.civitai import flag_cell, parse_flags
from registry.licensing.claims.binding import in_words
from registry.licensing.claims.statement import all_of
from registry.licensing.question import AdapterTerms, Question
from registry.licensing.table import LICENSES, Table
from registry.licensing.verdict import Verdict, decide
from registry.licensing.vocabulary import ACTS

ConflictKind = Literal["base", "text", "sources"]

COMMERCE: Final = tuple(act for act, kind in ACTS.items() if kind.commerce)
_GRANTED: Final = ("allowed", "conditional")
# A base under which nothing is forbidden: what is left is the claim's own say.
_NEUTRAL: Final = "CC0-1.0"
_NOTHING_SAID: Final = frozenset({"other", "unknown", "none"})


@dataclass(frozen=True)
class Said:
    """One claim as far as conflicts go. `source` tells documents apart; `key` is the caller's own."""

    key: int
    kind: str
    value: object
    source: object = None


@dataclass(frozen=True)
class Side:
    """One side's answer for an act: its outcome, the conditions and the clause that makes it so."""

    outcome: str
    conditions: tuple[str, ...]
    clause: str | None

    def as_dict(self) -> dict[str, object]:
        return {"outcome": self.outcome, "conditions": list(self.conditions), "clause": self.clause}


@dataclass(frozen=True)
class Clash:
    """An act that the looser side grants and the stricter one refuses."""

    act: str
    looser: Side
    stricter: Side


@dataclass(frozen=True)
class Conflict:
    """Two sides that disagree; `stricter` is None where the base model's license is meant."""

    kind: ConflictKind
    looser: Said
    stricter: Said | None
    clashes: tuple[Clash, ...]


def find_conflicts(
    said: Sequence[Said], base_license: str | None = None, table: Table = LICENSES
) -> list[Conflict]:
    """Every conflict among the claims and with the base. Raises LicensingError for an unknown license."""
    return [*_with_base(said, base_license, table), *_among(said, table)]


def _with_base(said: Sequence[Said], base_license: str | None, table: Table) -> Iterator[Conflict]:
    if base_license is None:
        return
    base = _answers(None, base_license, None, table)
    for claim in said:
        if claim.kind != "license" or not isinstance(claim.value, str):
            continue
        own = _own(claim, table)
        if clashes := _clashes(own, base, COMMERCE):
            yield Conflict("base", claim, None, clashes)


def _among(said: Sequence[Said], table: Table) -> Iterator[Conflict]:
    for number, one in enumerate(said):
        for other in said[number + 1 :]:
            if (found := _between(one, other, table)) is not None:
                yield found


def _between(one: Said, other: Said, table: Table) -> Conflict | None:
    words = [claim for claim in (one, other) if claim.kind == "text_terms"]
    if len(words) == 2 or any(claim.value is None for claim in (one, other)):
        return None
    if words:
        stricter, looser = words[0], other if words[0] is one else one
        granted, forbidden = _own(looser, table), _forbidden_in_words(stricter, table)
        clashes = tuple(
            Clash(act, _side(granted[act]), forbidden[act])
            for act in ACTS
            if act in forbidden and granted[act].outcome in _GRANTED and _speaks(looser, act)
        )
        return Conflict("text", looser, stricter, clashes) if clashes else None
    if one.source == other.source:
        # One source's flags tighten its own license; that is what they are for.
        return None
    first, second = _own(one, table), _own(other, table)
    clashes, reverse = _clashes(first, second, tuple(ACTS)), _clashes(second, first, tuple(ACTS))
    if clashes or reverse:
        looser, stricter = (one, other) if len(clashes) >= len(reverse) else (other, one)
        return Conflict("sources", looser, stricter, clashes if len(clashes) >= len(reverse) else reverse)
    named = one.kind == other.kind == "license" and one.value != other.value
    if named and not _NOTHING_SAID & {str(one.value), str(other.value)}:
        return Conflict("sources", one, other, ())
    return None


def _speaks(claim: Said, act: str) -> bool:
    """Whether the claim's own words are about the act; flags merely imply some by being published."""
    if claim.kind != "civitai_flags" or not isinstance(claim.value, Mapping):
        return True
    return flag_cell(parse_flags(claim.value), act, bespoke=False).status != "not_addressed"


def _clashes(
    looser: Mapping[str, Verdict], stricter: Mapping[str, Verdict], acts: Sequence[str]
) -> tuple[Clash, ...]:
    return tuple(
        Clash(act, _side(looser[act]), _side(stricter[act]))
        for act in acts
        if looser[act].outcome in _GRANTED and stricter[act].outcome == "forbidden"
    )


def _side(verdict: Verdict) -> Side:
    """Outcome and the clauses of the license's or flags' own layer, whether or not it decides."""
    entries = [entry for entry in verdict.ledger if entry.layer != "base"] or list(verdict.ledger)
    clauses = [
        f"{entry.license}: {entry.clause}" if entry.license else str(entry.clause)
        for entry in entries
        if entry.clause
    ]
    return Side(verdict.outcome, verdict.conditions, "; ".join(dict.fromkeys(clauses)) or None)


def _own(claim: Said, table: Table) -> Mapping[str, Verdict]:
    license_id = claim.value if isinstance(claim.value, str) else None
    flags = claim.value if isinstance(claim.value, Mapping) else None
    return _answers(license_id, _NEUTRAL, _frozen(flags), table)


@lru_cache(maxsize=4096)
def _answers(
    license_id: str | None, base: str, flags: tuple[tuple[str, Any], ...] | None, table: Table
) -> Mapping[str, Verdict]:
    """The verdict for every act on claims that are alone on a base; without claims, of the base alone."""
    civitai = None if flags is None else {key: _thawed(value) for key, value in flags}
    adapters = [AdapterTerms(license=license_id, civitai=civitai)] if license_id or civitai else []
    return {act: decide(Question(act=act, base_license=base, adapters=adapters), table) for act in ACTS}


def _forbidden_in_words(claim: Said, table: Table) -> Mapping[str, Side]:
    """The acts that prose forbids, by itself or by the license it names."""
    words = in_words([claim.value])
    forbidden = {act: Side("forbidden", (), None) for act in words.forbidden}
    if words.licenses:
        named = _answers(all_of(words.licenses), _NEUTRAL, None, table)
        refused = {act: _side(verdict) for act, verdict in named.items() if verdict.outcome == "forbidden"}
        forbidden = refused | forbidden
    return forbidden


def _frozen(flags: Mapping[str, object] | None) -> tuple[tuple[str, Any], ...] | None:
    if flags is None:
        return None
    return tuple(
        (key, tuple(value) if isinstance(value, list) else value) for key, value in sorted(flags.items())
    )


def _thawed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
