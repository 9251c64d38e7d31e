"""The review queue: sheet, checks and decision bar on one screen; the next version comes in place."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from catalog.pages.forms import DEFAULT_ACT, DecisionForm
from catalog.pages.gate import page
from catalog.pages.item_forms import TermsForms
from catalog.pages.reading.adapter import read_version
from catalog.pages.reading.credits import read_credits
from catalog.pages.reading.hands import read_hands
from catalog.pages.reading.items import read_items
from catalog.pages.reading.questions import read_questions
from catalog.pages.reading.queue import QueuePlace, read_place
from catalog.pages.reading.rights import read_rights
from registry.claims import KINDS
from registry.errors import KuraError
from registry.licensing import ACTS
from registry.models import Version
from registry.vetting import review as decide

MAY_REVIEW = "registry.add_review"
# The acts whose verdicts a reviewer sees at a glance; the whole grid is one click away.
SHOWN_ACTS = ("use_privately", "generate_and_sell_images", "run_as_paid_service", "redistribute_adapter")


@page
@login_required
@permission_required(MAY_REVIEW, raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def review(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """GET shows the version (the oldest waiting one unless chosen); POST decides and shows the next one."""
    place = read_place(pk)
    if pk is not None and place.version is None:
        raise Http404(_("That version does not exist."))
    if request.method == "POST":
        return _decide(request, place)
    return show(request, place, DecisionForm())


def _decide(request: HttpRequest, place: QueuePlace) -> HttpResponse:
    form = DecisionForm(request.POST)
    version = place.version
    if version is None:
        # The last one was decided by somebody else meanwhile.
        return _next(request, None)
    if not form.is_valid():
        return show(request, place, form, status=422)
    action, reason = form.cleaned_data["action"], form.cleaned_data["reason"]
    try:
        decide(version, cast(User, request.user), action, reason)
    except KuraError as error:
        form.add_error(None, f"{error.message} {error.next_step}")
        return show(request, place, form, status=409)
    words = {"approve": _("Approved: %(name)s"), "reject": _("Rejected: %(name)s")}
    messages.success(request, words[action] % {"name": version})
    return _next(request, place.next)


def _next(request: HttpRequest, version: int | None) -> HttpResponse:
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect("pages:review-version", version) if version else redirect("pages:review")
    return show(request, read_place(version), DecisionForm())


def show(
    request: HttpRequest,
    place: QueuePlace,
    form: DecisionForm,
    status: int = 200,
    terms: TermsForms | None = None,
) -> HttpResponse:
    """The screen of a version, or of an empty queue; `terms`: what was given on terms, to be shown again."""
    context: dict[str, Any] = {"place": place, "form": form, "section": "review"}
    if place.version is not None:
        context |= _about(place.version, terms or TermsForms())
    template = "pages/_review.html" if request.htmx else "pages/review.html"  # type: ignore[attr-defined]
    response = render(request, template, context, status=status)
    if request.htmx and place.address:  # type: ignore[attr-defined]
        response.headers["HX-Push-Url"] = place.address
    return response


def _about(version: Version, terms: TermsForms) -> dict[str, Any]:
    shown = read_version(version)
    rights = read_rights(version, {})
    items = read_items(version)
    return {
        "page": shown,
        "hands": read_hands(shown.grid) if shown.has_pictures else None,
        "verdicts": [{"act": ACTS[act], "verdict": rights.verdict(act)} for act in SHOWN_ACTS],
        "reasons": rights.reasons(DEFAULT_ACT)[:6],
        "rights": rights,
        "act": ACTS[DEFAULT_ACT],
        "items": items,
        "questions": read_questions(version, items.rows, terms.answer),
        "credits": read_credits(version, DEFAULT_ACT),
        "paste_kinds": KINDS.values(),
        "given": terms,
    }
