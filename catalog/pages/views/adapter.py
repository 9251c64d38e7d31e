"""The adapter page: how it looks, what may be done with it, how to use it, and everything known about it."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from catalog.pages.edit_forms import EditForm
from catalog.pages.forms import chosen_act, stated_facts
from catalog.pages.gate import page
from catalog.pages.reading.adapter import AdapterPage, download_of, read_adapter
from catalog.pages.reading.cards import kind_of
from catalog.pages.reading.grid import effect_of
from catalog.pages.reading.recommended import show_recommended
from catalog.pages.reading.rights import read_rights
from catalog.pages.reading.scorecard import read_scorecard
from catalog.pages.reading.similar import read_similar
from catalog.pages.reading.terms_history import read_terms_history
from catalog.pages.reading.training import read_training
from catalog.pages.reading.usage import Usage, usage_of
from catalog.pages.reading.versions import read_comparison
from catalog.pages.reading.weights import read_weights
from catalog.people import is_editor
from catalog.recommended import Weight, read_recommended, sheet_facts
from registry.analysis import request_diff
from registry.licensing import ACTS
from registry.models import Version
from registry.version_diff import version_before

MOST_REASONS = 12


@page
def adapter(request: HttpRequest, pk: int) -> HttpResponse:
    """`?version=` chooses the version, `?act=` and the facts choose the question of the panel."""
    raw = request.GET.get("version", "")
    return show_adapter(request, pk, version_id(raw) if raw else None)


def show_adapter(
    request: HttpRequest, pk: int, version: int | None, form: EditForm | None = None
) -> HttpResponse:
    """The page; `form`: what an editor gave and cannot be kept, to be corrected."""
    shown = read_adapter(pk, version)
    if form is None and is_editor(request.user):
        form = EditForm(shown.adapter, shown.version)
    act = chosen_act(request.GET)
    facts, facts_form = stated_facts(request.GET)
    rights = read_rights(shown.version, facts)
    inspection = shown.inspection
    data = inspection.data if inspection else {}
    compared = _compared(request, shown)
    advice = read_recommended(shown.version, *sheet_facts(shown.sheets))
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
        "usage": _usage(request, shown, advice.weight),
        "recommended": show_recommended(advice),
        "kind": kind_of(inspection.algorithm, inspection.rank_max) if inspection else "",
        "strip": shown.grid.strip(2) if shown.grid and shown.has_pictures else [],
        "effect": effect_of(shown.sheet),
        "weights": read_weights(shown.version, shown.main_file, data.get("rank")),
        "training": read_training(shown.version, data),
        "score": read_scorecard(shown.version, shown.versions, data),
        "compared": compared,
        "comparison": read_comparison(shown.version, compared, facts) if compared else None,
        "terms_history": read_terms_history(shown.version),
        "similar": read_similar(shown.version, act, facts),
        "edit_form": form,
        "section": "browse",
    }
    return render(request, "pages/adapter.html", context, status=422 if form and form.is_bound else 200)


@page
@login_required
@require_POST
def compare(request: HttpRequest, pk: int) -> HttpResponse:
    """Have the weights of two versions compared, then show them side by side."""
    wanted = [version_id(request.POST.get(name, "")) for name in ("version", "compare")]
    versions = {each.pk: each for each in Version.objects.filter(adapter=pk, pk__in=wanted)}
    if len(versions) < 2:
        raise Http404(_("The adapter has no such version."))
    one, other = wanted
    request_diff(versions[one], versions[other])
    asked = urlencode({"version": one, "compare": other, "act": chosen_act(request.POST)})
    return redirect(f"{reverse('pages:adapter', args=[pk])}?{asked}#versions")


def _compared(request: HttpRequest, shown: AdapterPage) -> Version | None:
    """The version to compare with: the one asked for, else the one before; None where there is none."""
    raw = request.GET.get("compare", "")
    if not raw:
        return version_before(shown.version)
    wanted = version_id(raw)
    if wanted == shown.version.pk:
        return None
    siblings = shown.adapter.versions.select_related("terms_profile")
    found = siblings.filter(pk=wanted).first()
    if found is None:
        raise Http404(_("The adapter has no such version."))
    return found


def version_id(raw: str) -> int:
    """The id in an address or a form. Raises Http404."""
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 18):
        raise Http404(_("The adapter has no such version."))
    return int(raw)


def _usage(request: HttpRequest, shown: AdapterPage, weight: Weight) -> Usage | None:
    file = shown.main_file
    if file is None:
        return None
    # The address of the API is a contract, so it can be written without asking the API's code.
    address = request.build_absolute_uri(f"/api/v1/files/{file.blob_id}/content")
    return usage_of(shown.version, file, weight=weight, address=address, repository=shown.repository)
