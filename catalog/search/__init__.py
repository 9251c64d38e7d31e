"""How the catalog is searched: the query, the index behind one interface, and keeping it up to date."""

from catalog.search.index import Facet, FacetValue, SearchHit, SearchIndex, SearchPage
from catalog.search.query import OUTCOMES, SearchQuery
from catalog.search.service import index, search

__all__ = [
    "OUTCOMES",
    "Facet",
    "FacetValue",
    "SearchHit",
    "SearchIndex",
    "SearchPage",
    "SearchQuery",
    "index",
    "search",
]
