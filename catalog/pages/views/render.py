"""Asking for a comparison sheet: the recipes, what the chosen one costs, and the button that queues it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required, permission_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.shortcuts import render as fill
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from catalog.pages.gate import page
from catalog.pages.views.review import MAY_REVIEW
from inference.cost import cost_of
from inference.house_recipes import recipe_names
from inference.services import STANDARD, choose_base, request_sheet
from inference.shown import read_others
from registry.errors import KuraError
from registry.models import Version


@page
@login_required
@permission_required(MAY_REVIEW, raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def render(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A version's next sheet: GET shows what it costs, POST queues it and goes to its page."""
    version = Version.objects.select_related("adapter").filter(pk=pk).first()
    if version is None:
        raise Http404(_("There is no such version."))
    given = request.POST if request.method == "POST" else request.GET
    recipe, others = given.get("recipe", STANDARD)[:60], given.get("others", "")[:200]
    context = {"version": version, "recipe": recipe, "others": others, "section": "browse", "recipes": []}
    try:
        base = choose_base(version)
        context |= {"base": base, "recipes": recipe_names(base.family)}
        if request.method == "POST":
            sheet = request_sheet(version=version, recipe=recipe, base=base, others=read_others(others))
            return redirect("pages:sheet", pk=sheet.pk)
        context["cost"] = cost_of(version, recipe, base, read_others(others))
    except KuraError as error:
        context["error"] = error
        return fill(request, "pages/render.html", context, status=200 if request.method == "GET" else 400)
    response: HttpResponse = fill(request, "pages/render.html", context)
    return response
