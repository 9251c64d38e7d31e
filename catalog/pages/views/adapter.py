"""The adapter page: how it looks, what may be done with it, how to use it, and everything known about it."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from catalog.pages.forms import chosen_act, stated_facts
from catalog.pages.gate import page
from catalog.pages.reading.adapter import AdapterPage, download_of, read_adapter
from catalog.pages.reading.cards import kind_of
from catalog.pages.reading.grid import effect_of, recommended_weight
from catalog.pages.reading.rights import read_rights
from catalog.pages.reading.usage import Usage, usage_of
from registry.licensing import ACTS

MOST_REASONS = 12


@page
def adapter(request: HttpRequest, pk: int) -> HttpResponse:
    """`?version=` chooses the version, `?act=` and the facts choose the question of the panel."""
    shown = read_adapter(pk, _version_id(request))
    act = chosen_act(request.GET)
    facts, facts_form = stated_facts(request.GET)
    rights = read_rights(shown.version, facts)
    inspection = shown.inspection
    context = {
        "page": shown,
        "act": ACTS[act],
        "acts": ACTS.values(),
        "facts": facts_form,
        "facts_count": len(facts),
        "rights": rights,
        "verdict": rights.verdict(act),
        "reasons": rights.reasons(act)[:MOST_REASONS],
        "download": download_of(shown),
        "usage": _usage(request, shown),
        "kind": kind_of(inspection.algorithm, inspection.rank_max) if inspection else "",
        "strip": shown.grid.strip(2) if shown.grid and shown.has_pictures else [],
        "effect": effect_of(shown.sheet),
        "section": "browse",
    }
    return render(request, "pages/adapter.html", context)


def _version_id(request: HttpRequest) -> int | None:
    raw = request.GET.get("version", "")
    if not raw:
        return None
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 18):
        raise Http404(_("The adapter has no such version."))
    return int(raw)


def _usage(request: HttpRequest, shown: AdapterPage) -> Usage | None:
    file = shown.main_file
    if file is None:
        return None
    # The address of the API is a contract, so it can be written without asking the API's code.
    address = request.build_absolute_uri(f"/api/v1/files/{file.blob_id}/content")
    weight = recommended_weight(shown.findings)
    return usage_of(shown.version, file, weight=weight, address=address, repository=shown.repository)
