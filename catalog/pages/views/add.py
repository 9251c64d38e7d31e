"""Add from an address: what it would bring, read without fetching a file, then a job that takes it in."""

from __future__ import annotations

import hashlib
from typing import Any, Final, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from catalog.pages.forms import DEFAULT_ACT
from catalog.pages.gate import page
from catalog.pages.job_words import INGEST_JOB
from catalog.pages.views.review import MAY_REVIEW
from registry import jobs
from registry.errors import KuraError
from registry.licensing import ACTS
from registry.preview import Preview, address_of, preview

LONGEST: Final = 2000
# A person waits for it: before what was asked for by a schedule.
PRIORITY: Final = -10
_KEY_MAX: Final = 255


@page
@login_required
@permission_required(MAY_REVIEW, raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponseBase:
    """GET shows the form, filled by `?source=`; POST shows what it brings, with `action=add` takes it in."""
    given = (request.POST if request.method == "POST" else request.GET).get("source", "").strip()[:LONGEST]
    shown: Preview | None = None
    problem: KuraError | None = None
    if request.method == "POST":
        try:
            source = address_of(given)
            if request.POST.get("action") == "add":
                return _take_in(request, source)
            shown = preview(source, (DEFAULT_ACT,))
        except KuraError as error:
            problem = error
    return _show(request, given, shown, problem)


def _show(request: HttpRequest, given: str, shown: Preview | None, problem: KuraError | None) -> HttpResponse:
    context: dict[str, Any] = {
        "given": given,
        "preview": shown,
        "problem": problem,
        "act": ACTS[DEFAULT_ACT],
        "section": "intake",
        "tab": "add",
    }
    return render(request, "pages/add.html", context, status=422 if problem else 200)


def _take_in(request: HttpRequest, source: str) -> HttpResponseBase:
    user = cast(User, request.user)
    # A key is short; what is too long for one is told apart by its digest.
    key = source if len(source) <= _KEY_MAX else f"sha256:{hashlib.sha256(source.encode()).hexdigest()}"
    payload = {"source": source, "actor": user.get_username()}
    jobs.enqueue(INGEST_JOB, key, payload=payload, priority=PRIORITY, again=True)
    messages.success(request, _("It is being taken in; this page shows how far it is."))
    return redirect("pages:jobs")
