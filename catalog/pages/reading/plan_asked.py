"""The question a plan's page answers, read from its address and written back to one that can be shared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from catalog.errors import BadQuery
from catalog.pages.forms import DEFAULT_ACT, FactsForm, stated_facts
from catalog.search.query import SearchQuery
from registry.licensing.outputs.phrases import LANGUAGES
from registry.licensing.stack import MOST_ADAPTERS
from registry.stacks import Wanted
from registry.terms import canonical

WEIGHT: Final = "weight-"


@dataclass(frozen=True)
class PlanAsked:
    """A stack and a question about it. `base`: a slug, empty for the base all adapters agree on;
    `language`: of the credit; `extra`: facts that the form has no field for.
    """

    base: str = ""
    wanted: tuple[Wanted, ...] = ()
    act: str = DEFAULT_ACT
    facts: Mapping[str, Any] = field(default_factory=dict)
    language: str = ""

    @property
    def extra(self) -> str:
        """Facts without a field in the form, as JSON; empty where there are none."""
        rest = {name: value for name, value in self.facts.items() if name not in FactsForm.base_fields}
        return canonical(rest) if rest else ""

    def params(self) -> list[tuple[str, str]]:
        """What the address says, in one order, so that one plan has one address."""
        pairs = [("base", self.base)] if self.base else []
        for each in self.wanted:
            pairs.append(("adapter", str(each.version)))
            if each.weight is not None:
                pairs.append((f"{WEIGHT}{each.version}", f"{each.weight:g}"))
        pairs.append(("act", self.act))
        if self.facts:
            pairs.append(("facts", canonical(dict(self.facts))))
        if self.language:
            pairs.append(("language", self.language))
        return pairs

    def address(self, name: str = "plan") -> str:
        """The page of this plan, or one of its downloads."""
        return f"{reverse(f'pages:{name}')}?{urlencode(self.params())}"

    def without(self, versions: Iterable[int]) -> str:
        """The address of the plan with these left out."""
        gone = set(versions)
        kept = tuple(each for each in self.wanted if each.version not in gone)
        return replace(self, wanted=kept).address()

    def instead(self, old: int, new: int) -> str:
        """The address of the plan with one adapter in place of another, at the same weight."""
        wanted = tuple(Wanted(new, each.weight) if each.version == old else each for each in self.wanted)
        return replace(self, wanted=wanted).address()

    def on(self, base: str) -> str:
        """The address of the plan on another base."""
        return replace(self, base=base).address()

    def having(self, versions: Iterable[int]) -> PlanAsked:
        """The plan with more adapters, each once."""
        known = {each.version for each in self.wanted}
        more = tuple(Wanted(pk) for pk in dict.fromkeys(versions) if pk not in known)
        return replace(self, wanted=(*self.wanted, *more))


def read_asked(given: QueryDict) -> tuple[PlanAsked, FactsForm]:
    """The question of an address, and the form of its facts. Raises BadQuery naming the parameter."""
    stated, form = stated_facts(given)
    # Checked as a search checks them: what is no JSON or no fact value is refused, not dropped.
    written = SearchQuery.from_params({"facts": given.get("facts", "")}).facts
    facts = {**written, **stated}
    ids = dict.fromkeys(_id(raw) for raw in given.getlist("adapter") if raw.strip())
    if len(ids) > MOST_ADAPTERS:
        raise BadQuery("adapter", f"at most {MOST_ADAPTERS} adapters make a stack")
    gone = {_id(raw) for raw in given.getlist("drop") if raw.strip()}
    language = given.get("language", "")
    if language and language not in LANGUAGES:
        raise BadQuery("language", f"{language[:20]!r} is not one of {', '.join(LANGUAGES)}")
    base = given.get("base", "").strip()
    if len(base) > 200 or "\0" in base:
        raise BadQuery("base", "is not the name of a base model")
    asked = PlanAsked(
        base=base,
        wanted=tuple(Wanted(pk, _weight(given, pk)) for pk in ids if pk not in gone),
        act=given.get("act", "") or DEFAULT_ACT,
        facts=facts,
        language=language,
    )
    return asked, form


def remembered(text: str) -> PlanAsked:
    """The plan of a stored address; an empty one where it cannot be read."""
    try:
        return read_asked(QueryDict(text))[0]
    except BadQuery:
        return PlanAsked()


def id_of(raw: str, name: str = "adapter") -> int:
    """The id of a version as an address writes it. Raises BadQuery."""
    return _id(raw, name)


def _id(raw: str, name: str = "adapter") -> int:
    text = raw.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadQuery(name, f"{text[:40]!r} is not the id of a version")
    return int(text)


def _weight(given: QueryDict, version: int) -> float | None:
    text = given.get(f"{WEIGHT}{version}", "").strip()
    if not text:
        return None
    try:
        return float(json.loads(text.replace(",", ".")))
    except (ValueError, TypeError, RecursionError, OverflowError):
        raise BadQuery(f"{WEIGHT}{version}", f"{text[:20]!r} is no weight") from None
