"""The planner: a base with several adapters, one verdict, what would make it pass, and what to write down.

The whole plan is in the address, so it can be shared and needs no script. The last one is remembered in a
cookie, so that `?add=ID`, the button on an adapter's page, adds to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.views.decorators.http import require_safe

from catalog.errors import BadQuery
from catalog.pages import words
from catalog.pages.forms import FACTS_PREFIX, FactsForm
from catalog.pages.gate import page
from catalog.pages.reading.plan import PlanPage, read_plan
from catalog.pages.reading.plan_asked import PlanAsked, id_of, read_asked, remembered
from catalog.release import release
from catalog.search import SearchHit, SearchQuery, search
from registry.errors import KuraError
from registry.licensing import ACTS
from registry.licensing.outputs.phrases import LANGUAGES
from registry.licensing.stack import MOST_ADAPTERS
from registry.models import BaseModel
from registry.stack_outputs import Outputs
from registry.stacks import Stack, read_stack

COOKIE: Final = "kura_plan"
# Above this a browser may drop a cookie; a plan that long is simply not remembered.
_LONGEST: Final = 1800
_FOUND: Final = 8
_YEAR: Final = 365 * 24 * 3600


@page
@require_safe
def plan(request: HttpRequest) -> HttpResponseBase:
    """`?adapter=ID&weight-ID=0.8&base=SLUG&act=ACT`; `add` and `drop` lead to the address they make."""
    problem: KuraError | None = None
    asked, form = PlanAsked(), FactsForm(prefix=FACTS_PREFIX)
    shown: PlanPage | None = None
    try:
        if request.GET.get("add", "").strip():
            added = id_of(request.GET["add"], "add")
            return redirect(remembered(request.COOKIES.get(COOKIE, "")).having([added]).address())
        asked, form = read_asked(request.GET)
        if request.GET.get("drop", "").strip():
            return redirect(asked.address())
        if asked.wanted:
            shown = read_plan(_stack(asked), asked, _language(asked))
    except KuraError as error:
        problem = error
    context = {
        "asked": asked,
        "act": ACTS.get(asked.act),
        "acts": ACTS.values(),
        "facts": form,
        "facts_count": len(asked.facts),
        "groups": _groups(),
        "shown": shown,
        "problem": problem,
        "full": len(asked.wanted) >= MOST_ADAPTERS,
        "notice": asked.address("plan-notice"),
        "bom": asked.address("plan-bom"),
        "share": request.build_absolute_uri(asked.address()),
        "languages": [(code, replace(asked, language=code).address()) for code in LANGUAGES],
        "language": _language(asked),
        "last": _last(request, asked),
        "section": "plan",
        **_found(request, asked),
    }
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    if htmx and htmx.target == "plan-found":
        return render(request, "pages/_plan_found.html", context)
    response = render(request, "pages/plan.html", context, status=200 if problem is None else 400)
    if shown is not None and len(stored := asked.address().partition("?")[2]) <= _LONGEST:
        response.set_cookie(
            COOKIE, stored, max_age=_YEAR, secure=request.is_secure(), httponly=True, samesite="Lax"
        )
    return response


@page
@require_safe
def plan_notice(request: HttpRequest) -> HttpResponseBase:
    """The NOTICE bundle of the plan of this address."""
    return _download(request, "notice")


@page
@require_safe
def plan_bom(request: HttpRequest) -> HttpResponseBase:
    """The bill of materials of the plan of this address."""
    return _download(request, "bom")


def _download(request: HttpRequest, what: str) -> HttpResponseBase:
    try:
        asked, _ = read_asked(request.GET)
        stack = _stack(asked)
        outputs = Outputs(stack, stack.decide())
        if what == "notice":
            data, media_type, name = outputs.notice().data, "application/zip", "notice.zip"
        else:
            data = outputs.bom(timezone.now(), release()).encode()
            media_type, name = "application/vnd.cyclonedx+json; version=1.6", "bom.cdx.json"
    except KuraError:
        # The page of the same address says what is wrong with it.
        return redirect(f"{reverse('pages:plan')}?{request.GET.urlencode()}")
    return HttpResponse(
        data,
        content_type=media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def _stack(asked: PlanAsked) -> Stack:
    return read_stack(asked.base or None, asked.wanted, asked.act, asked.facts)


def _language(asked: PlanAsked) -> str:
    """Of the credits: as asked for, else the reader's where there are phrases in it."""
    own = (translation.get_language() or "").partition("-")[0]
    return asked.language or (own if own in LANGUAGES else LANGUAGES[0])


def _last(request: HttpRequest, asked: PlanAsked) -> str:
    """The address of the last plan, for whoever comes with an empty one."""
    if asked.wanted:
        return ""
    before = remembered(request.COOKIES.get(COOKIE, ""))
    return before.address() if before.wanted else ""


def _groups() -> list[tuple[str, list[BaseModel]]]:
    """Base models by family, for the form: one query."""
    groups: dict[str, list[BaseModel]] = {}
    for base in BaseModel.objects.filter(license__isnull=False).order_by("family", "name"):
        groups.setdefault(words.family(base.family), []).append(base)
    return list(groups.items())


def _found(request: HttpRequest, asked: PlanAsked) -> dict[str, Any]:
    """What the search for another adapter found."""
    text = request.GET.get("q", "").strip()
    hits: list[SearchHit] = []
    if text:
        try:
            query = SearchQuery.from_params({"q": text})
            act = asked.act if asked.act in ACTS else ""
            hits = search(replace(query, limit=_FOUND, act=act, facts=asked.facts)).hits
        except BadQuery:
            hits = []
    chosen = {each.version for each in asked.wanted}
    offered = [hit for hit in hits if hit.version.pk not in chosen]
    return {"q": text[:300], "hits": [(hit, asked.having([hit.version.pk]).address()) for hit in offered]}
