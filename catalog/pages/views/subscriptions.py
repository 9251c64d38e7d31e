"""Subscriptions: what is followed upstream, how its runs went, and the updates that they found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from catalog.pages.error_words import meaning
from catalog.pages.gate import page
from catalog.pages.reading.subscriptions import choices, read_subscription, read_subscriptions
from catalog.pages.sync_words import INTERVALS, every
from catalog.pages.views.add import PRIORITY
from catalog.pages.views.review import MAY_REVIEW
from registry import intake
from registry.errors import KuraError
from registry.models import OfferState, Subscription, Version
from registry.sync import subscriptions as follow
from registry.sync import updates as news
from registry.sync.errors import BadSubscription

MOST_UPDATES: Final = 100
_LONGEST: Final = 500


@page
@login_required
@permission_required(MAY_REVIEW, raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def subscriptions(request: HttpRequest) -> HttpResponseBase:
    """GET lists what is followed; POST follows something more and runs it at once."""
    problem: KuraError | None = None
    if request.method == "POST":
        try:
            source, kind = _what(request)
            made = follow.subscribe(
                source,
                kind,
                request.POST.get("target", "")[: _LONGEST + 1],
                actor=_actor(request),
                title=request.POST.get("title", "").strip(),
                every_minutes=_interval(request),
                fetch=request.POST.get("fetch") == "yes",
            )
            follow.request_sync(made)
        except KuraError as error:
            problem = error
        else:
            messages.success(request, _("It is followed now, and its first run begins."))
            return redirect("pages:subscription", made.pk)
    followed, total = read_subscriptions()
    context: dict[str, Any] = {
        "followed": followed,
        "more": total - len(followed),
        "choices": choices(),
        "intervals": [(minutes, every(minutes)) for minutes in INTERVALS],
        "given": request.POST if problem else {},
        "problem": problem,
        "section": "intake",
        "tab": "subscriptions",
    }
    return render(request, "pages/subscriptions.html", context, status=422 if problem else 200)


@page
@login_required
@permission_required(MAY_REVIEW, raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def subscription(request: HttpRequest, pk: int) -> HttpResponseBase:
    """GET shows its runs, `?run=` one of them in full; POST runs, pauses, resumes or removes it."""
    found = get_object_or_404(Subscription, pk=pk)
    if request.method == "POST":
        return _act(request, found)
    asked = request.GET.get("run", "")
    shown = read_subscription(
        found, int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 19 else None
    )
    if shown is None:
        raise Http404(_("It has no such run."))
    context = {"page": shown, "section": "intake", "tab": "subscriptions"}
    return render(request, "pages/subscription.html", context)


def _act(request: HttpRequest, found: Subscription) -> HttpResponseBase:
    action, actor = request.POST.get("action", ""), _actor(request)
    steps: dict[str, Callable[[], object]] = {
        "run": lambda: follow.request_sync(found),
        "pause": lambda: follow.pause(found, actor=actor),
        "resume": lambda: follow.resume(found, actor=actor),
        "remove": lambda: follow.unsubscribe(found, actor=actor),
    }
    if action not in steps:
        return HttpResponse(status=400)
    steps[action]()
    told = {
        "run": _("It runs as soon as a worker is free."),
        "pause": _("It is paused; what it brought stays."),
        "resume": _("It is followed again."),
        "remove": _("It is followed no longer; what it brought stays."),
    }
    messages.success(request, told[action])
    return redirect("pages:subscriptions") if action == "remove" else redirect("pages:subscription", found.pk)


@page
@login_required
@permission_required(MAY_REVIEW, raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def updates(request: HttpRequest) -> HttpResponseBase:
    """GET lists newer versions of what is held; POST fetches or ignores one, or takes ignoring back."""
    if request.method == "POST":
        version = get_object_or_404(Version, pk=_id(request.POST.get("version", "")))
        return _settle(request, version)
    found = news.updates()
    ignored = Version.objects.filter(ignored_update__isnull=False).select_related("adapter", "ignored_update")
    context = {
        "updates": found[:MOST_UPDATES],
        "total": len(found),
        "more": max(len(found) - MOST_UPDATES, 0),
        "ignored": ignored.order_by("-ignored_update__at", "-pk")[:MOST_UPDATES],
        "section": "intake",
        "tab": "updates",
    }
    return render(request, "pages/updates.html", context)


def _settle(request: HttpRequest, version: Version) -> HttpResponseBase:
    action, actor = request.POST.get("action", ""), _actor(request)
    if action == "fetch":
        asked = intake.request(version, actor=actor, priority=PRIORITY)
        if asked:
            messages.success(request, _("It is being fetched; this page shows how far it is."))
            return redirect("pages:jobs")
        messages.error(request, _why_nothing(version))
    elif action == "ignore":
        news.ignore(version, actor=actor, reason=request.POST.get("reason", "").strip())
        messages.success(request, _("Ignored: %(name)s") % {"name": version})
    elif action == "heed":
        news.heed(version, actor=actor)
    else:
        return HttpResponse(status=400)
    return redirect("pages:updates")


def _why_nothing(version: Version) -> str:
    """Why no file of the version is asked for: what failed for good says so itself."""
    failed = next((each for each in intake.files_of(version) if each.state == OfferState.FAILED), None)
    if failed is None:
        return _("None of its files is to be fetched by the house's policy.")
    # What happened in the reader's words, and then in the upstream's.
    why = " ".join(filter(None, [meaning(failed.code), failed.reason]))
    return _("%(name)s cannot be had: %(why)s") % {"name": failed.name, "why": why}


def _actor(request: HttpRequest) -> str:
    return cast(User, request.user).get_username()


def _what(request: HttpRequest) -> tuple[str, str]:
    """Source and kind, of those alone that the form offers. Raises BadSubscription."""
    given = request.POST.get("what", "")
    if given not in {value for kinds in choices().values() for value, _name in kinds}:
        raise BadSubscription("That cannot be followed from here.")
    source, _sep, kind = given.partition(":")
    return source, kind


def _interval(request: HttpRequest) -> int:
    given = request.POST.get("every", "")
    return int(given) if given in {str(each) for each in INTERVALS} else follow.DAY


def _id(raw: str) -> int:
    if not (raw.isascii() and raw.isdigit() and len(raw) < 19):
        raise Http404(_("That version does not exist."))
    return int(raw)
