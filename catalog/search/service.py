"""The one door to the search index: which engine is used is decided here."""

from __future__ import annotations

from catalog.search.index import SearchIndex, SearchPage
from catalog.search.postgres import PostgresIndex
from catalog.search.query import SearchQuery

_INDEX: SearchIndex = PostgresIndex()


def index() -> SearchIndex:
    """The search index in use."""
    return _INDEX


def search(query: SearchQuery) -> SearchPage:
    """One page of adapters, exact facets and, where an act is asked, how many fall under which outcome."""
    return _INDEX.search(query)
