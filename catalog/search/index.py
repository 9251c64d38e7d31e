"""SearchIndex: the interface every search engine behind the catalog keeps, and what it answers with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from catalog.search.query import SearchQuery
from inference.models import Sheet
from registry.models import Adapter, Inspection, Version


@dataclass(frozen=True)
class FacetValue:
    """One value of a facet; `count` is the number of adapters the search gives when it is chosen alone.

    `depth` counts the values above it that hold it: 1 for a checkpoint listed under its family.
    """

    value: str
    label: str
    count: int
    selected: bool = False
    depth: int = 0


@dataclass(frozen=True)
class Facet:
    """One way to narrow a search. `name` is the URL parameter; `more` values beyond the listed ones exist."""

    name: str
    label: str
    values: list[FacetValue]
    more: int = 0


@dataclass(frozen=True)
class SearchHit:
    """An adapter that matches, by its newest version that matches.

    outcome and conditions: the verdict for the query's act (None and empty where no act was asked).
    sheet: the version's newest finished sheet. base_label: the decided, declared or detected base in words.
    """

    adapter: Adapter
    version: Version
    outcome: str | None
    conditions: list[str]
    sheet: Sheet | None
    base_label: str
    inspection: Inspection | None


@dataclass(frozen=True)
class SearchPage:
    """A page of hits. `count` is exact; `next` is the `after` of the following page or None."""

    hits: list[SearchHit]
    count: int
    next: str | None
    facets: list[Facet]
    outcome_counts: dict[str, int] = field(default_factory=dict)

    def facet(self, name: str) -> Facet | None:
        """The facet of that URL parameter."""
        return next((each for each in self.facets if each.name == name), None)


class SearchIndex(Protocol):
    """What a search engine must do. Facets are exact and disjunctive; paging is by key, never by offset."""

    def search(self, query: SearchQuery) -> SearchPage:
        """One page; BadQuery names the parameter that asks for what does not exist."""

    def refresh(self, adapters: Collection[int]) -> int:
        """Read these adapters again; returns how many documents were written."""

    def health(self) -> Mapping[str, int]:
        """`{documents, behind}`: how many adapters are searchable and how many changes are not yet read."""
