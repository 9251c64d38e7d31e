"""Home: one sentence, one question, how the answers fall, and what was vetted last."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from catalog.errors import BadQuery
from catalog.pages import words
from catalog.pages.forms import chosen_act, stated_facts
from catalog.pages.gate import page
from catalog.pages.reading.cards import read_cards
from catalog.search import OUTCOMES, SearchQuery, search
from registry.licensing import ACTS
from registry.models import Vetting

RECENT = 12


@page
def home(request: HttpRequest) -> HttpResponse:
    """`?act=&base=` changes the question in place; the counts answer it before one has to search."""
    act = chosen_act(request.GET)
    base = request.GET.get("base", "")[:200]
    facts, facts_form = stated_facts(request.GET)
    question = SearchQuery(act=act, facts=facts, bases=(base,) if base else (), limit=1)
    try:
        answer = search(question)
    except BadQuery:
        base, question = "", SearchQuery(act=act, facts=facts, limit=1)
        answer = search(question)
    recent = search(SearchQuery(act=act, vetting=(Vetting.APPROVED,), limit=RECENT))
    bases = answer.facet("base")
    context = {
        "act": act,
        "facts": facts_form,
        "facts_count": len(facts),
        "acts": ACTS.values(),
        "base": base,
        "bases": [value for value in bases.values if value.value != "unknown"] if bases else [],
        "tally": [
            {
                "outcome": outcome,
                "word": words.outcome(outcome),
                "count": answer.outcome_counts.get(outcome, 0),
                "params": question.with_("outcome", outcome).without("limit").urlencode(),
            }
            for outcome in OUTCOMES
        ],
        "cards": read_cards(recent.hits),
        "total": recent.count,
        "section": "home",
    }
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    in_place = htmx and not htmx.history_restore_request
    return render(request, "pages/_home_answer.html" if in_place else "pages/home.html", context)
