"""The sheet viewer: the whole comparison as a table of pictures, with the compare stage for two of them."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from catalog.pages.gate import page
from catalog.pages.reading.grid import effect_of, findings_of, read_grid
from inference.models import Sheet, SheetState


@page
def sheet(request: HttpRequest, pk: int) -> HttpResponse:
    """One sheet. Without JavaScript each cell is a link to its picture."""
    found = Sheet.objects.select_related("version__adapter", "base").filter(pk=pk).first()
    if found is None:
        raise Http404(_("There is no such sheet."))
    grid = read_grid(found)
    context = {
        "sheet": found,
        "grid": grid,
        "done": found.state == SheetState.DONE,
        "effect": effect_of(found),
        "findings": findings_of(found),
        "current_file": found.blob_id in set(found.version.files.values_list("blob_id", flat=True)),
        "section": "browse",
    }
    return render(request, "pages/sheet.html", context)
