"""A verdict explained: why, under which clause, what to do next, what would change it; fit to be filed."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from catalog.pages.forms import DEFAULT_ACT
from catalog.pages.gate import page
from catalog.pages.reading.asked import Asked, act_of
from catalog.pages.reading.explain_verdict import read_verdict
from catalog.pages.verdict_facts import UnreadableFacts, facts_of_page, told_facts
from catalog.release import release
from registry.basis import current_basis
from registry.errors import KuraError
from registry.licensing import ACTS, LicensingError
from registry.models import BaseModel, Version


@page
def verdict(request: HttpRequest) -> HttpResponse:
    """`?version=` and `act=`, facts as `facts={json}` or from the form, `base=` for another base.

    An act, fact or base that does not exist is told with what is known, and never answered as something else.
    """
    version = _version(request.GET.get("version", ""))
    act = act_of(request.GET.get("act", ""), DEFAULT_ACT)
    if act is None:
        return _problem(request, version, _("There is no such act."), list(ACTS))
    slug = request.GET.get("base", "")
    base = BaseModel.objects.select_related("license", "parent").filter(slug=slug).first() if slug else None
    if slug and base is None:
        return _problem(request, version, _("There is no such base model."), [])
    try:
        facts, form, unknown = facts_of_page(request.GET)
        shown = read_verdict(Asked(version, act, facts, base), current_basis())
    except UnreadableFacts as error:
        return _problem(request, version, str(error), [])
    except (LicensingError, KuraError) as error:
        return _problem(request, version, error.message, [])
    context = {
        "page": shown,
        "version": version,
        "act": act,
        "acts": ACTS.values(),
        "form": form,
        "facts": told_facts(facts),
        "unknown_facts": unknown,
        "release": release(),
        "section": "browse",
    }
    return render(request, "pages/verdict.html", context)


def _version(raw: str) -> Version:
    if raw.isascii() and raw.isdigit() and len(raw) <= 18:
        rows = Version.objects.select_related(
            "adapter__creator", "terms_profile", "base_declared", "base_decided"
        )
        if found := rows.filter(pk=int(raw)).first():
            return found
    raise Http404(_("That version does not exist."))


def _problem(request: HttpRequest, version: Version, problem: str, known: list[str]) -> HttpResponse:
    context = {
        "version": version,
        "problem": problem,
        "known": known,
        "acts": ACTS.values(),
        "section": "browse",
    }
    return render(request, "pages/verdict_problem.html", context, status=400)
