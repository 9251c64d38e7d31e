"""Jobs: how far work is, and what a person may do about it. The page needs no script; the tray is extra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from catalog.pages.gate import page
from catalog.pages.reading.jobs import read_jobs, read_tray
from catalog.pages.views.review import MAY_REVIEW
from registry import job_control
from registry.models import Job

ACTIONS: Final[dict[str, Callable[[Job], None]]] = {
    "pause": job_control.pause,
    "resume": job_control.resume,
    "cancel": job_control.cancel,
    "retry": job_control.retry,
    "top": job_control.move_to_top,
}
# A script asks for parts of the page by this header, and needs no page after a step.
PART: Final = "X-Kura-Part"
_LAST_PAGE: Final = 10_000


@page
@login_required
@permission_required(MAY_REVIEW, raise_exception=True)
@require_safe
def jobs(request: HttpRequest) -> HttpResponse:
    """The page; for the script only the part that changes. `?page=2`: older history."""
    asked = request.GET.get("page", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and 1 <= int(asked[:6]) <= _LAST_PAGE else 1
    template = "pages/_jobs.html" if PART in request.headers else "pages/jobs.html"
    return render(request, template, {"jobs": read_jobs(number), "section": "intake", "tab": "jobs"})


@page
@login_required
@permission_required(MAY_REVIEW, raise_exception=True)
@require_safe
def jobs_tray(request: HttpRequest) -> HttpResponse:
    """What the tray in the header shows."""
    return render(request, "pages/_jobs_tray.html", {"jobs": read_tray()})


@page
@login_required
@permission_required(MAY_REVIEW, raise_exception=True)
@require_POST
def job(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One step with one job: `action` is pause, resume, cancel, retry or top."""
    act = ACTIONS.get(request.POST.get("action", ""))
    found = get_object_or_404(Job, pk=pk)
    if act is None:
        return HttpResponse(status=400)
    act(found)
    return _back(request)


@page
@login_required
@permission_required(MAY_REVIEW, raise_exception=True)
@require_POST
def retry_failed(request: HttpRequest) -> HttpResponseBase:
    """Start all failed jobs anew."""
    count = job_control.retry_failed()
    if PART not in request.headers:
        told = ngettext("%(count)d job starts again.", "%(count)d jobs start again.", count)
        messages.success(request, told % {"count": count} if count else _("Nothing had failed."))
    return _back(request)


def _back(request: HttpRequest) -> HttpResponseBase:
    if PART in request.headers:
        return HttpResponse(status=204)
    target = request.POST.get("next", "")
    own = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return redirect(target if own else "pages:jobs")
