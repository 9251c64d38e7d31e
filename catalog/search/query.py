"""SearchQuery: what somebody looks for, read from the parameters of a URL and written back to them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

from django.http import QueryDict

from catalog.errors import BadQuery
from registry.licensing import ACTS, LicensingError
from registry.licensing.errors import not_one_of
from registry.licensing.facts import facts_from_json, read_facts
from registry.models import Source, Vetting

OUTCOMES = ("allowed", "conditional", "unknown", "forbidden")
SORTS = ("newest", "name")
UNKNOWN = "unknown"

LIMIT = 24
LIMIT_MAX = 100
TEXT_MAX = 300
VALUE_MAX = 200
VALUES_MAX = 50
FACTS_MAX = 4000
CURSOR_MAX = 1200

# URL parameter -> field. A tuple field takes the parameter several times: any of its values may match.
MULTI = {
    "base": "bases",
    "outcome": "outcomes",
    "vetting": "vetting",
    "algorithm": "algorithms",
    "tag": "tags",
    "source": "sources",
}
SINGLE = {"q": "text", "act": "act", "facts": "facts", "has_sheet": "has_sheet", "sort": "sort"}
PAGING = {"after": "after", "limit": "limit"}
PARAMETERS = frozenset({*MULTI, *SINGLE, *PAGING})

_CLOSED: dict[str, tuple[str, ...]] = {
    "outcome": OUTCOMES,
    "vetting": tuple(Vetting.values),
    "source": tuple(Source.values),
}
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}

Params = Mapping[str, Any]


@dataclass(frozen=True)
class SearchQuery:
    """One search. Values of one field widen it (any of them), different fields narrow it (all of them).

    text: words, a quoted phrase, or a pasted SHA256, AutoV2 or AutoV3. bases:
    slugs of base models; a family's slug takes in its checkpoints, `unknown` means
    no base is known. act and facts: the question whose verdict
    `outcomes` filters by; facts as the licensing rules name them (revenue, territory, host ...). after: the
    opaque place where the next page starts.
    """

    text: str = ""
    bases: tuple[str, ...] = ()
    act: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    outcomes: tuple[str, ...] = ()
    vetting: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    has_sheet: bool | None = None
    sort: str = "newest"
    after: str = ""
    limit: int = LIMIT

    @classmethod
    def from_params(cls, params: QueryDict | Params, *, strict: bool = False) -> Self:
        """Read `?q=&base=&act=&facts={json}&outcome=&...`; an empty value counts as not given.

        Raises BadQuery naming the parameter. With `strict` a parameter that is not known is refused as well:
        a program that misspells a filter must not be answered as if it had not asked for one.
        """
        if strict:
            for name in params:
                if name not in PARAMETERS:
                    raise BadQuery(str(name), "no such parameter")
        given: dict[str, Any] = {}
        for name, attribute in MULTI.items():
            given[attribute] = _multi(name, _values(params, name))
        for name in SINGLE:
            given[SINGLE[name]] = _single(name, _values(params, name))
        given["after"] = _text("after", _last(params, "after"), CURSOR_MAX)
        given["limit"] = read_limit(_last(params, "limit"))
        query = cls(**given)
        if query.outcomes and not query.act:
            raise BadQuery("outcome", "needs an act to be decided for; add act=")
        return query

    def params(self) -> list[tuple[str, str]]:
        """The URL parameters that say what differs from the plain search, in a fixed order."""
        pairs: list[tuple[str, str]] = []
        for name in (*SINGLE, *MULTI, *PAGING):
            attribute = {**SINGLE, **MULTI, **PAGING}[name]
            value = getattr(self, attribute)
            if value == _DEFAULTS[attribute]:
                continue
            if name in MULTI:
                pairs.extend((name, each) for each in value)
            elif name == "facts":
                pairs.append((name, json.dumps(dict(value), sort_keys=True, ensure_ascii=False)))
            elif isinstance(value, bool):
                pairs.append((name, "true" if value else "false"))
            else:
                pairs.append((name, str(value)))
        return pairs

    def urlencode(self) -> str:
        """`params()` as the part of a URL after the question mark."""
        return urlencode(self.params())

    def with_(self, name: str, value: str) -> Self:
        """The same search from its first page with a value added (or set, where only one is taken)."""
        if name in MULTI:
            held = getattr(self, MULTI[name])
            wanted = _multi(name, [*held, value])
            return self._with({MULTI[name]: wanted})
        if name in SINGLE:
            return self._with({SINGLE[name]: _single(name, [value])})
        if name == "after":
            return dataclasses.replace(self, after=_text(name, value, CURSOR_MAX))
        if name == "limit":
            return self._with({"limit": read_limit(value)})
        raise BadQuery(name, "no such parameter")

    def without(self, name: str, value: str | None = None) -> Self:
        """The same search from its first page without one value of a parameter, or without the parameter.

        Taking the act away takes the outcomes with it: without a question there is no verdict.
        """
        attribute = {**MULTI, **SINGLE, **PAGING}.get(name)
        if attribute is None:
            raise BadQuery(name, "no such parameter")
        if name in MULTI and value is not None:
            kept = tuple(each for each in getattr(self, attribute) if each != value)
            return self._with({attribute: kept})
        changes: dict[str, Any] = {attribute: _DEFAULTS[attribute]}
        if name == "act":
            changes["outcomes"] = ()
        return self._with(changes)

    def toggle(self, name: str, value: str) -> Self:
        """Without the value where it is chosen, else with it: where a facet's check box leads."""
        chosen = (name, value) in self.params()
        return self.without(name, value) if chosen else self.with_(name, value)

    def _with(self, changes: dict[str, Any]) -> Self:
        return dataclasses.replace(self, **({"after": ""} | changes))

    def chips(self) -> list[tuple[str, str]]:
        """The active filters as (parameter, value): what a page shows on top with a cross to remove each."""
        shown = {*MULTI, "q", "act", "facts", "has_sheet"}
        return [(name, value) for name, value in self.params() if name in shown]


_DEFAULTS: dict[str, Any] = {
    each.name: {} if each.name == "facts" else each.default for each in dataclasses.fields(SearchQuery)
}


def _values(params: QueryDict | Params, name: str) -> list[str]:
    if isinstance(params, QueryDict):
        found: Iterable[Any] = params.getlist(name)
    else:
        value = params.get(name)
        found = () if value is None else value if isinstance(value, (list, tuple)) else (value,)
    return [str(each) for each in found if str(each).strip()]


def _last(params: QueryDict | Params, name: str) -> str:
    values = _values(params, name)
    if len(values) > 1:
        raise BadQuery(name, "given more than once")
    return values[0].strip() if values else ""


def _multi(name: str, values: list[str]) -> tuple[str, ...]:
    read = tuple(dict.fromkeys(_text(name, value, VALUE_MAX) for value in values))
    if len(read) > VALUES_MAX:
        raise BadQuery(name, f"at most {VALUES_MAX} values")
    closed = _CLOSED.get(name)
    for value in read:
        if closed and value not in closed:
            raise BadQuery(name, f"{value!r} is not one of {', '.join(closed)}")
    return read


def _single(name: str, values: list[str]) -> Any:
    if len(values) > 1:
        raise BadQuery(name, "given more than once")
    raw = values[0].strip() if values else ""
    if name == "facts":
        return _facts(raw)
    if name == "has_sheet":
        return _flag(name, raw)
    if name == "sort":
        if raw and raw not in SORTS:
            raise BadQuery(name, f"{raw!r} is not one of {', '.join(SORTS)}")
        return raw or "newest"
    if name == "act" and raw and raw not in ACTS:
        raise BadQuery(name, f"no act {raw[:60]!r}. {not_one_of(raw[:60], ACTS)}")
    return _text(name, raw, TEXT_MAX if name == "q" else VALUE_MAX)


def _text(name: str, raw: str, longest: int) -> str:
    if len(raw) > longest:
        raise BadQuery(name, f"longer than {longest} characters")
    # PostgreSQL's text holds no NUL, and a lone surrogate cannot be encoded.
    if "\0" in raw or any("\ud800" <= character <= "\udfff" for character in raw):
        raise BadQuery(name, "contains a character that no text has")
    return raw.strip()


def _flag(name: str, raw: str) -> bool | None:
    if not raw:
        return None
    if raw.lower() in _TRUE:
        return True
    if raw.lower() in _FALSE:
        return False
    raise BadQuery(name, f"{raw[:40]!r} is neither true nor false")


def read_limit(raw: str, *, default: int = LIMIT, most: int = LIMIT_MAX) -> int:
    """The `limit` of a list, as written in an address. Raises BadQuery."""
    if not raw:
        return default
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 4 and 1 <= int(raw) <= most):
        raise BadQuery("limit", f"must be a whole number from 1 to {most}")
    return int(raw)


def _facts(raw: str) -> dict[str, Any]:
    if not raw:
        return {}
    _text("facts", raw, FACTS_MAX)
    try:
        read = facts_from_json(raw)
        read_facts(read)
    except LicensingError as error:
        raise BadQuery("facts", error.message) from None
    return read
