"""Correcting by hand what a source says, and giving a field back to it; the page shows both."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from catalog.pages.edit_forms import EditForm, released
from catalog.pages.gate import page
from catalog.pages.views.adapter import show_adapter, version_id
from catalog.people import is_editor
from registry.edits import change
from registry.errors import KuraError
from registry.models import Adapter, Version


@page
@login_required
@require_POST
def edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    """POST sets what the person changed, or with `release=ROW.FIELD` gives one field back to its source."""
    if not is_editor(request.user):
        raise PermissionDenied
    wanted = version_id(request.POST.get("version", ""))
    version = Version.objects.select_related("adapter", "base_decided").filter(adapter=pk, pk=wanted).first()
    if version is None:
        raise Http404(_("The adapter has no such version."))
    if place := request.POST.get("release"):
        return _release(request, version, place)
    form = EditForm(version.adapter, version, request.POST)
    if not form.is_valid():
        return show_adapter(request, pk, version.pk, form)
    asked, who = form.changes(), request.user.get_username()
    try:
        with transaction.atomic():
            changed = _set(version.adapter, asked["adapter"], who) | _set(version, asked["version"], who)
    except KuraError as error:
        form.add_error(None, f"{error.message} {error.next_step}")
        return show_adapter(request, pk, version.pk, form)
    messages.success(
        request, _("Saved. No later reading changes these fields.") if changed else _("Nothing changed.")
    )
    return _back(version)


def _set(row: Adapter | Version, values: dict[str, object], who: str) -> bool:
    return bool(values) and change(row, who, values)


def _release(request: HttpRequest, version: Version, place: str) -> HttpResponse:
    found = released(place)
    if found is None:
        raise Http404(_("There is no such field."))
    row: Adapter | Version = version.adapter if found[0] == "adapter" else version
    change(row, request.user.get_username(), {}, [found[1]])
    messages.success(request, _("Given back: the source says again what stands there."))
    return _back(version)


def _back(version: Version) -> HttpResponse:
    return redirect(f"{reverse('pages:adapter', args=[version.adapter_id])}?version={version.pk}#edit")
