"""Browse: facets on the left, cards or a dense table on the right, the whole search in the address."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from catalog.errors import BadQuery
from catalog.pages import words
from catalog.pages.forms import DEFAULT_ACT, stated_facts
from catalog.pages.gate import page
from catalog.pages.reading.cards import read_cards
from catalog.search import Facet, SearchPage, SearchQuery, search
from catalog.search.query import PARAMETERS, SORTS
from registry.licensing import ACTS

# The facets of the left column, in this order; the verdict has its own place above them.
_PANEL_FACETS = ("base", "vetting", "has_sheet", "algorithm", "tag", "source")


@dataclass(frozen=True)
class Chip:
    """An active filter in words, and the address without it."""

    text: str
    params: str


@page
def browse(request: HttpRequest) -> HttpResponse:
    """The catalog under the filters of the address. With htmx only the part that changed is sent."""
    facts, facts_form = stated_facts(request.GET)
    params = _params(request.GET, facts)
    problem: BadQuery | None = None
    try:
        query = SearchQuery.from_params(params)
        found = search(query)
    except BadQuery as error:
        problem, query = error, SearchQuery(text=request.GET.get("q", "")[:300].strip())
        found = SearchPage(hits=[], count=0, next=None, facets=[])
    view = "table" if request.GET.get("view") == "table" else "cards"
    context = {
        "query": query,
        "found": found,
        "cards": read_cards(found.hits),
        "problem": problem,
        "view": view,
        "acts": ACTS.values(),
        "facts": facts_form,
        "facts_count": len(facts),
        "facets": [facet for name in _PANEL_FACETS if (facet := found.facet(name)) is not None],
        "outcomes": _outcomes(query, found),
        "chips": _chips(query, found),
        "sorts": [(name, _sort_word(name)) for name in SORTS],
        "here": _address(query, view),
        "next": _address(query.with_("after", found.next), view) if found.next else "",
        "other_view": _address(query, "cards" if view == "table" else "table"),
        "ask": f"&act={query.act}" if query.act else "",
        "section": "browse",
    }
    response = render(request, _template(request, view), context)
    if request.htmx and "after" not in request.GET:  # type: ignore[attr-defined]
        response.headers["HX-Push-Url"] = _address(query, view)
    return response


def _template(request: HttpRequest, view: str) -> str:
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    if not htmx or htmx.history_restore_request:
        return "pages/browse.html"
    if "after" in request.GET:
        return f"pages/_items_{view}.html"
    return "pages/_browse.html"


def _params(given: QueryDict, facts: dict[str, Any]) -> dict[str, Any]:
    """The address with the facts form folded into `facts`, which is how a search is written and shared."""
    params: dict[str, Any] = {name: given.getlist(name) for name in given if name in PARAMETERS}
    params["facts"] = json.dumps(facts) if facts else ""
    # Every card shows a verdict, so there is always a question.
    if not any(params.get("act", [])):
        params["act"] = [DEFAULT_ACT]
    return params


def _address(query: SearchQuery, view: str) -> str:
    params = QueryDict(query.urlencode(), mutable=True)
    if view == "table":
        params["view"] = view
    encoded = params.urlencode()
    return reverse("pages:browse") + (f"?{encoded}" if encoded else "")


def _outcomes(query: SearchQuery, found: SearchPage) -> list[dict[str, Any]]:
    return [
        {
            "value": code,
            "word": words.outcome(code),
            "count": found.outcome_counts.get(code, 0),
            "selected": code in query.outcomes,
        }
        for code in words.OUTCOMES
    ]


def _chips(query: SearchQuery, found: SearchPage) -> list[Chip]:
    return [
        Chip(_chip_text(name, value, found), query.without(name, value).urlencode())
        for name, value in query.chips()
        if name != "act"
    ]


def _chip_text(name: str, value: str, found: SearchPage) -> str:
    if name == "outcome":
        return words.outcome(value)
    if name == "q":
        return f"“{value}”"
    if name == "facts":
        return _("My facts")
    return facet_label(found.facet(name), value)


def facet_label(facet: Facet | None, value: str) -> str:
    """The label a facet gives a value; the value itself where it is not listed."""
    listed = {each.value: each.label for each in facet.values} if facet else {}
    return listed.get(value, value)


def _sort_word(name: str) -> str:
    return {"newest": _("Newest first"), "name": _("Name")}.get(name, name)
