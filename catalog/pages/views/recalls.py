"""The recall list: versions stored here that their upstream took back, archived, gated or lost."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from catalog.pages.gate import page
from catalog.pages.reading.offers import read_recalls
from registry.models import Availability
from registry.offers import RECALLED


@page
def recalls(request: HttpRequest) -> HttpResponse:
    """One page of the list, of one state where the address names it."""
    state, after = request.GET.get("state", ""), request.GET.get("after", "")
    if (state and state not in RECALLED) or (after and not _is_id(after)):
        raise Http404(_("There is no such list."))
    context = {
        "found": read_recalls(state, int(after) if after else None),
        "state": state,
        "states": [(str(each), Availability(each).label) for each in RECALLED],
        "tab": "recalls",
        "section": "intake",
    }
    return render(request, "pages/recalls.html", context)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18
