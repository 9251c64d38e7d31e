"""The sheet viewer: the whole comparison as a table of pictures, with the compare stage for two of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRefresh

from catalog.pages.gate import page
from catalog.pages.reading.grid import effect_of, findings_of, read_grid
from catalog.pages.reading.hands import read_hands
from inference.models import Sheet, SheetState


@page
def sheet(request: HttpRequest, pk: int) -> HttpResponse:
    """One sheet. Without JavaScript each cell is a link to its picture.

    While it is rendered the page asks for what has come since; nothing new answers 204, and the end loads the
    page anew.
    """
    found = Sheet.objects.select_related("version__adapter", "base").filter(pk=pk).first()
    if found is None:
        raise Http404(_("There is no such sheet."))
    if request.htmx and found.is_over:  # type: ignore[attr-defined]
        return HttpResponseClientRefresh()
    grid = read_grid(found)
    if request.htmx:  # type: ignore[attr-defined]
        if (request.GET.get("shown"), request.GET.get("state")) == (str(grid.done), found.state):
            return HttpResponse(status=204)
        return render(request, "pages/_sheet_live.html", {"sheet": found, "grid": grid})
    context = {
        "sheet": found,
        "grid": grid,
        "done": found.state == SheetState.DONE,
        "live": not found.is_over,
        "memory": _memory(found),
        "again": _again(found),
        "effect": effect_of(found),
        "findings": findings_of(found),
        "hands": read_hands(grid) if found.state == SheetState.DONE else None,
        "current_file": found.blob_id in set(found.version.files.values_list("blob_id", flat=True)),
        "section": "browse",
    }
    return render(request, "pages/sheet.html", context)


def _memory(sheet: Sheet) -> dict[str, Any] | None:
    """How many pictures were rendered at a time where memory did not suffice for the whole batch."""
    if not sheet.fallbacks:
        return None
    last = sheet.fallbacks[-1]
    layout = last["layout"]
    return {"pictures": layout["at_once"] or last["pictures"], "offload": layout["offload"]}


def _again(sheet: Sheet) -> dict[str, Any] | None:
    """How the pictures compared when they were last rendered again."""
    if not sheet.reproduction:
        return None
    told: dict[str, Any] = sheet.reproduction
    return told | {"date": datetime.fromisoformat(told["compared"])}
