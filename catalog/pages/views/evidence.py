"""A snapshot's stored bytes as text, never as a page: what a verdict cites, with address, date and SHA256."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from catalog.pages.gate import page
from catalog.pages.reading.snapshots import read_snapshot

MAY_REVIEW = "registry.add_review"


@page
def evidence(request: HttpRequest, pk: int) -> HttpResponse:
    """The snapshot of this id; of what was never public, readers see digest and date only."""
    may_review = request.user.has_perm(MAY_REVIEW)
    found = read_snapshot(pk, everything=may_review)
    if found is None:
        raise Http404(_("There is no such evidence."))
    context = {"page": found, "snapshot": found.snapshot, "section": "browse"}
    return render(request, "pages/evidence.html", context, status=200 if found.open else 403)
