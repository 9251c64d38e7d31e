"""What a reviewer does about terms, on the review screen: conclude items, paste texts, ask the author.

Every step is a plain form. With htmx the screen is drawn again in place; without it the browser is sent back
to the part of the screen that the form came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from catalog.downloads import send_blob
from catalog.pages.forms import DecisionForm
from catalog.pages.gate import page
from catalog.pages.item_forms import AnswerForm, TermsForms, evidence_given, value_given
from catalog.pages.reading.facts import flags_text
from catalog.pages.reading.queue import read_place
from catalog.pages.views.review import MAY_REVIEW, show
from catalog.pages.words import act as act_word
from registry import author_questions as asking
from registry.claims import read_pasted, record_pasted
from registry.conclusions import conclude, reopen
from registry.errors import KuraError
from registry.licensing.claims.statement import Statement
from registry.licensing.items import ITEMS
from registry.models import AuthorAnswer, AuthorQuestion, Version
from registry.review_items import keep_items

Args = ParamSpec("Args")
_PICTURES: Final = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


def _reviewers(
    view: Callable[Concatenate[HttpRequest, Args], HttpResponse],
) -> Callable[Concatenate[HttpRequest, Args], HttpResponseBase]:
    @page
    @login_required
    @permission_required(MAY_REVIEW, raise_exception=True)
    @require_POST
    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: Args.args, **kwargs: Args.kwargs) -> HttpResponse:
        return view(request, *args, **kwargs)

    return wrapped


@_reviewers
def item(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """Conclude an item, or open it again (`action=reopen`)."""
    version = get_object_or_404(Version, pk=pk)
    if key not in ITEMS:
        raise Http404(_("There is no such item."))
    given, who = request.POST, request.user.get_username()
    reason = given.get("reason", "")
    try:
        if given.get("action") == "reopen":
            reopen(version, key, reason, who)
            return _done(request, version, f"item-{key}", _("Opened again."))
        conclude(version, key, value_given(ITEMS[key], given), reason, evidence_given(given), who)
    except KuraError as error:
        return _again(request, version, TermsForms(f"item:{key}", given, _told(error)))
    return _done(request, version, f"item-{key}", _("Concluded. The verdicts follow."))


@_reviewers
def paste(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what a pasted text is understood as (`action=preview`), or keep it as a claim."""
    version = get_object_or_404(Version, pk=pk)
    given = request.POST
    kind, text, url = (given.get(name, "") for name in ("kind", "text", "url"))
    try:
        if given.get("action") == "preview":
            read = [_statement(each) for each in read_pasted(kind, text, url)]
            return _again(request, version, TermsForms("paste", given, read=read), status=200)
        record_pasted(version, kind, text, url, request.user.get_username())
    except KuraError as error:
        return _again(request, version, TermsForms("paste", given, _told(error)))
    keep_items(Version.objects.get(pk=pk))
    return _done(request, version, "items", _("Kept as evidence. Items and verdicts follow."))


@_reviewers
def ask(request: HttpRequest, pk: int) -> HttpResponse:
    """Start a question to the author about the chosen items."""
    version = get_object_or_404(Version.objects.select_related("adapter__creator"), pk=pk)
    given = request.POST
    try:
        asking.start(
            version, given.getlist("items"), given.get("language", "en"), request.user.get_username()
        )
    except KuraError as error:
        return _again(request, version, TermsForms("question", given, _told(error)))
    return _done(request, version, "question", _("Drafted. Read it, change it, and send it yourself."))


@_reviewers
def question(request: HttpRequest, pk: int) -> HttpResponse:
    """Take one step of a question: the field `action` names it."""
    found = get_object_or_404(AuthorQuestion.objects.select_related("version__adapter__creator"), pk=pk)
    given, who = request.POST, request.user.get_username()
    steps: dict[str, tuple[Callable[[], object], str]] = {
        "save": (lambda: asking.edit(found, given.get("text", ""), who), _("Saved.")),
        "language": (lambda: asking.redraft(found, given.get("language", ""), who), _("Drafted anew.")),
        "send": (lambda: _send(found, given, who), _("Recorded as sent.")),
        "remind": (lambda: asking.remind(found, who), _("Recorded as reminded.")),
        "give_up": (
            lambda: asking.give_up(found, who),
            _("Recorded: no reply. Silence is not taken for consent."),
        ),
        "discard": (lambda: asking.discard(found, who), _("The draft is gone.")),
        "take_back": (
            lambda: asking.take_back(found, given.get("message", ""), who),
            _("Recorded: the author took the answer back."),
        ),
    }
    version = found.version
    # The buttons of the languages are a step of their own; a form sends the one that was pressed.
    action = "language" if "language" in given and "action" not in given else given.get("action", "")
    step, said = steps.get(action, (None, ""))
    if step is None:
        raise Http404(_("There is no such step."))
    try:
        step()
    except KuraError as error:
        return _again(request, version, TermsForms("question", given, _told(error)))
    return _done(request, version, "question", said)


@_reviewers
def answer(request: HttpRequest, pk: int) -> HttpResponse:
    """Record an author's answer, with the message or a picture of it."""
    found = get_object_or_404(AuthorQuestion.objects.select_related("version"), pk=pk)
    form = AnswerForm(request.POST, request.FILES, question=found)
    if form.is_valid():
        try:
            asking.record_answer(found, form.answer(), request.user.get_username())
            return _done(request, found.version, "items", _("Recorded. The verdicts follow."))
        except KuraError as error:
            form.add_error(None, _told(error))
    return _again(request, found.version, TermsForms("question", answer=(found.pk, form)))


@_reviewers
def second_read(request: HttpRequest, pk: int) -> HttpResponse:
    """Confirm an answer as its second reader."""
    found = get_object_or_404(AuthorAnswer.objects.select_related("question__version"), pk=pk)
    version = found.question.version
    try:
        asking.second_read(found, request.user.get_username())
    except KuraError as error:
        return _again(request, version, TermsForms("question", error=_told(error)))
    return _done(request, version, "question", _("Confirmed."))


@page
@login_required
@permission_required(MAY_REVIEW, raise_exception=True)
@require_safe
def picture(request: HttpRequest, pk: int, which: str) -> HttpResponseBase:
    """The picture of a message, or of its proof; for reviewers, since a letter was never public."""
    found = get_object_or_404(AuthorAnswer.objects.select_related("picture", "proof_picture"), pk=pk)
    blob = found.picture if which == "message" else found.proof_picture
    if blob is None or blob.container not in _PICTURES:
        raise Http404(_("There is no such picture."))
    response = send_blob(
        request,
        blob,
        name=f"answer-{pk}-{which}.{blob.container}",
        media_type=_PICTURES[blob.container],
        attachment=False,
        cache_control="private, max-age=86400",
        backend="internal",
        ranges=False,
    )
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _send(found: AuthorQuestion, given: Mapping[str, Any], who: str) -> None:
    """What stands in the letter's field when it is marked as sent is what was sent."""
    text = str(given.get("text", ""))
    if text.strip() and text.replace("\r\n", "\n").strip() != found.text:
        asking.edit(found, text, who)
    asking.mark_sent(found, str(given.get("channel", "")), str(given.get("address", "")), who)


def _told(error: KuraError) -> str:
    return " ".join(part for part in (error.message, error.next_step) if part)


def _done(request: HttpRequest, version: Version, anchor: str, said: str) -> HttpResponse:
    if not request.htmx:  # type: ignore[attr-defined]
        messages.success(request, said)
        return redirect(f"{reverse('pages:review-version', args=[version.pk])}#{anchor}")
    return show(request, read_place(version.pk), DecisionForm(), terms=TermsForms(said=said))


def _again(request: HttpRequest, version: Version, terms: TermsForms, status: int = 422) -> HttpResponse:
    return show(request, read_place(version.pk), DecisionForm(), status, terms)


def _statement(statement: Statement) -> dict[str, Any]:
    """What one part of a pasted text is understood as, in words."""
    value = statement.value
    if isinstance(value, Mapping) and statement.kind == "text_terms":
        acts = [act_word(act) for act in (*value.get("forbidden", ()), *value.get("contact", ()))]
        text = [_("refuses: %(acts)s") % {"acts": ", ".join(acts)}] if acts else []
        text += [_("asks for credit")] if value.get("credit") else []
        text += [str(name) for name in value.get("licenses", ())]
    elif isinstance(value, Mapping):
        text = [flags_text({name: each for name, each in value.items() if not name.startswith("unstated")})]
    else:
        text = [str(value)] if value else [_("stated, and not recognized")]
    return {"kind": statement.kind, "text": "; ".join(text), "unread": list(statement.unread)[:20]}
