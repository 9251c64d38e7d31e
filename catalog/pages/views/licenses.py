"""Licenses explained: what each license of the table says per act, with the clause."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from catalog.pages.gate import page
from registry.licensing import ACTS, BASE_MODELS, LICENSES

# What the overview shows of each license: the acts that people ask for most.
OVERVIEW_ACTS = ("generate_and_sell_images", "run_as_paid_service", "redistribute_adapter", "sell_adapter")


@page
def licenses(request: HttpRequest) -> HttpResponse:
    """All licenses of the table; the table is closed, so the list is short."""
    rows = [
        {"license": each, "cells": [each.summary[act] for act in OVERVIEW_ACTS]}
        for each in sorted(LICENSES.values(), key=lambda each: each.name.casefold())
    ]
    context = {"rows": rows, "acts": [ACTS[act] for act in OVERVIEW_ACTS], "section": "licenses"}
    return render(request, "pages/licenses.html", context)


@page
def license_page(request: HttpRequest, license_id: str) -> HttpResponse:
    """One license: every act with status, conditions and clause, and the base models under it."""
    found = LICENSES.get(license_id)
    if found is None:
        raise Http404(_("There is no such license in the table."))
    context = {
        "license": found,
        "rows": [{"act": act, "cell": found.summary[name]} for name, act in ACTS.items()],
        "bases": [base for base in BASE_MODELS.values() if base.license == license_id],
        "section": "licenses",
    }
    return render(request, "pages/license.html", context)
