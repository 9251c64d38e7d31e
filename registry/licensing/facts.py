"""What an asker states about the case: checked types, ISO territories, and one spelling for each fact."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NoReturn

from registry.licensing.errors import BadFact, ContradictoryTerms
from registry.licensing.vocabulary import DATA, FACTS, FactKind, read_toml

Fact = bool | int | float | str
Facts = Mapping[str, Fact]

_TERRITORIES: Final = read_toml(DATA / "territories.toml")
_ALPHA_2: Final[frozenset[str]] = frozenset(_TERRITORIES["codes"])
_ALPHA_3: Final[Mapping[str, str]] = {three: two for two, three in _TERRITORIES["codes"].items()}
EU: Final[frozenset[str]] = frozenset(_TERRITORIES["eu"])
UK: Final[frozenset[str]] = frozenset(_TERRITORIES["uk"])
# The European institutions write EL for Greece.
_ALIASES: Final = {"EL": "GR"}

_BY_SPELLING: Final = {kind.wire: kind for kind in FACTS.values()} | {
    kind.id: kind for kind in FACTS.values()
}


def facts_from_json(text: str) -> dict[str, Any]:
    """The object of facts that a text holds, as it was written; an empty text states none.

    Raises `BadFact` for what is no JSON object, and for text that is no Unicode (halves of surrogate pairs,
    which could be neither printed nor put into an address). The facts themselves are checked by `read_facts`.
    """

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    try:
        read = json.loads(text or "{}", parse_constant=refuse)
        json.dumps(read, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadFact(
            f"The facts are not JSON: {error}.", next_step='Write an object such as {"territory": "JP"}.'
        ) from error
    if not isinstance(read, dict):
        raise BadFact("The facts must be a JSON object.", next_step='Write {"territory": "JP"}.')
    return read


def read_facts(stated: Mapping[str, object]) -> tuple[Facts, tuple[str, ...]]:
    """Checked facts and the names that are no facts at all. A null counts as not stated.

    Raises `BadFact` for a wrong type or range and for text that is no Unicode, `ContradictoryTerms` for two
    spellings that disagree.
    """
    facts: dict[str, Fact] = {}
    ignored: list[str] = []
    for name, value in stated.items():
        require_unicode(name, name)
        kind = _BY_SPELLING.get(name)
        if kind is None:
            ignored.append(name)
        elif value is not None:
            fact = _checked(kind, value)
            if facts.setdefault(kind.id, fact) != fact:
                raise ContradictoryTerms(f"The fact {kind.id} is stated twice, with different values.")
    return MappingProxyType(facts), tuple(ignored)


def _checked(kind: FactKind, value: object) -> Fact:
    if kind.type == "boolean":
        if isinstance(value, bool):
            return value
        raise BadFact(f"The fact {kind.wire} must be true or false, got {value!r}.")
    if kind.type == "number":
        # A whole number of any size counts; only a float can be infinite or none at all.
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        if isinstance(value, float) and math.isfinite(value) and value >= 0:
            return value
        raise BadFact(f"The fact {kind.wire} must be a number of zero or more, got {value!r}.")
    if not isinstance(value, str) or not value.strip():
        raise BadFact(f"The fact {kind.wire} must be a text, got {value!r}.")
    require_unicode(kind.wire, value)
    return _territory(value) if kind.type == "territory" else value.strip().casefold()


def require_unicode(name: str, text: str) -> None:
    """Raises `BadFact` for a text that no encoding can write down."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadFact(f"The fact {name!a} holds half of a surrogate pair, which is no text: {text!a}.")


def _territory(text: str) -> str:
    """ISO 3166-1 alpha-2 of a code (alpha-2, alpha-3 or a subdivision such as US-CA), or EU or UK."""
    code = text.strip().upper().partition("-")[0]
    code = _ALIASES.get(code, _ALPHA_3.get(code, code))
    if code in _ALPHA_2 or code in ("EU", "UK"):
        return code
    raise BadFact(f"The territory {text!r} is neither an ISO 3166 code nor EU or UK.")


def territory_within(territory: str, listed: str) -> bool | None:
    """Whether a territory lies in a listed one; None when only a part of it may (EU against a member)."""
    if territory == listed:
        return True
    if listed == "EU":
        return territory in EU
    if listed in ("UK", "GB"):
        return territory in UK or territory == "UK"
    if territory == "EU" and listed in EU:
        return None
    return False
