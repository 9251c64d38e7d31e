"""What reviewers fill in about items, pasted terms and answers, turned into what the services take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from registry.author_questions import Received
from registry.conclusions import Evidence
from registry.licensing.items import ITEMS, Item
from registry.licensing.replies import MEDIA
from registry.licensing.vocabulary import CONDITIONS
from registry.models import AuthorQuestion, Identity

_YES_NO = [("", _("not said")), ("yes", _("yes")), ("no", _("no"))]


def value_given(item: Item, given: QueryDict) -> dict[str, Any]:
    """The value of an item as its form states it; the service says what is wrong with it."""
    if item.kind == "act":
        return {"status": given.get("status", ""), "conditions": given.getlist("conditions")}
    if item.kind == "credit":
        required = {"yes": True, "no": False}.get(given.get("required", ""))
        if required is False:
            return {"required": False}
        return {"required": required, **_credit(given, "")}
    if item.kind == "base":
        return {"base": given.get("base", "")}
    notes = ("trained_on", "owner", "person", "release", "purposes", "term")
    return {"state": given.get("state", "")} | {name: given[name] for name in notes if given.get(name)}


def evidence_given(given: QueryDict) -> Evidence:
    """The evidence a form names: a stored snapshot, or words with their address."""
    chosen = given.get("evidence", "")
    if chosen.isascii() and chosen.isdigit() and len(chosen) <= 18:
        return Evidence(snapshot=int(chosen))
    return Evidence(text=given.get("evidence_text", ""), url=given.get("evidence_url", ""))


def _credit(given: QueryDict, prefix: str) -> dict[str, Any]:
    return {
        "wording": given.get(f"{prefix}wording", ""),
        "links": given.get(f"{prefix}links", "").split(),
        "where": given.getlist(f"{prefix}where"),
    }


class AnswerForm(forms.Form):
    """An author's answer. Each act that was asked has a field of its own: yes, no, or not said."""

    answered_by = forms.CharField(label=_("Who answered"), max_length=200)
    identity = forms.ChoiceField(label=_("How we know it is the author"), choices=Identity.choices)
    proof = forms.CharField(label=_("What shows it (a link, a header, a key)"), max_length=500)
    received = forms.DateField(
        label=_("Received on"), widget=forms.DateInput(attrs={"type": "date"}), initial=timezone.localdate
    )
    message = forms.CharField(
        label=_("The message as it came"), required=False, widget=forms.Textarea(attrs={"rows": 4})
    )
    picture = forms.FileField(label=_("or a picture of it (PNG, JPEG, WebP)"), required=False)
    proof_picture = forms.FileField(label=_("Picture that proves who wrote it"), required=False)
    conditions = forms.MultipleChoiceField(
        label=_("Conditions of every yes"), required=False, choices=[],
        widget=forms.SelectMultiple(attrs={"size": 4}),
    )  # fmt: skip
    territories = forms.CharField(
        label=_("Only in these countries (such as JP EU)"), required=False, max_length=300
    )
    only_media = forms.MultipleChoiceField(
        label=_("Only for these media"), required=False, choices=[(each, each) for each in MEDIA],
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    expires = forms.DateField(
        label=_("Last day of the permission; empty: until taken back"), required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )  # fmt: skip
    credit_required = forms.ChoiceField(label=_("Credit wanted"), required=False, choices=_YES_NO)
    credit_wording = forms.CharField(label=_("Wording of the credit"), required=False, max_length=2000)
    credit_links = forms.CharField(label=_("Links of the credit"), required=False, max_length=2000)
    material = forms.CharField(
        label=_("What it says of training material and persons"), required=False, max_length=2000
    )

    def __init__(self, *args: Any, question: AuthorQuestion, **kwargs: Any) -> None:
        kwargs["prefix"] = f"q{question.pk}"
        super().__init__(*args, **kwargs)
        self.acts = [ITEMS[key] for key in question.items if key in ITEMS and ITEMS[key].kind == "act"]
        choices = [(kind.wire, gettext(kind.label)) for kind in CONDITIONS.values() if not kind.parameter]
        conditions = self.fields["conditions"]
        assert isinstance(conditions, forms.MultipleChoiceField)
        conditions.choices = choices
        for item in self.acts:
            self.fields[f"act_{item.key}"] = forms.ChoiceField(
                label=gettext(item.label), required=False, choices=_YES_NO, widget=forms.RadioSelect
            )
        asked = set(question.items)
        if "credit" not in asked:
            for name in ("credit_required", "credit_wording", "credit_links"):
                del self.fields[name]
        if not asked & {"copyright", "portrait"}:
            del self.fields["material"]
        if not self.acts:
            for name in ("conditions", "territories", "only_media", "expires"):
                del self.fields[name]
        for each in self.fields.values():
            each.widget.attrs["class"] = _css_class(each.widget)

    @property
    def act_fields(self) -> list[forms.BoundField]:
        """The acts that were asked, in order."""
        return [self[f"act_{item.key}"] for item in self.acts]

    @property
    def other_fields(self) -> list[forms.BoundField]:
        """Everything else."""
        return [self[name] for name in self.fields if not name.startswith("act_")]

    def answer(self) -> Received:
        """What the form states; call it on a valid form."""
        said = self.cleaned_data
        by_answer: dict[str, list[str]] = {"yes": [], "no": []}
        for item in self.acts:
            by_answer.setdefault(said.get(f"act_{item.key}", ""), []).append(item.act)
        credit: dict[str, Any] = {}
        if said.get("credit_required") == "yes":
            links = said.get("credit_links", "").split()
            credit = {
                "required": True,
                "wording": said.get("credit_wording", ""),
                "links": links,
                "where": [],
            }
        elif said.get("credit_required") == "no":
            credit = {"required": False}
        return Received(
            answered_by=said["answered_by"],
            identity=said["identity"],
            proof=said["proof"],
            received=_moment(said["received"]),
            message=said.get("message", ""),
            picture=said.get("picture") or None,
            proof_picture=said.get("proof_picture") or None,
            grants=by_answer["yes"],
            refusals=by_answer["no"],
            conditions=said.get("conditions", []),
            territories=said.get("territories", "").replace(",", " ").split(),
            media=said.get("only_media", []),
            expires=said.get("expires"),
            credit=credit,
            material=said.get("material", ""),
        )


def _css_class(widget: forms.Widget) -> str:
    if isinstance(widget, forms.Textarea):
        return "textarea"
    if isinstance(widget, forms.SelectMultiple):
        return "select select--many"
    if isinstance(widget, forms.RadioSelect | forms.CheckboxSelectMultiple):
        return ""
    return "select" if isinstance(widget, forms.Select) else "input"


def _moment(day: Any) -> datetime:
    """The beginning of the day, so that an answer of today does not lie in the future."""
    zone = timezone.get_current_timezone() or UTC
    return datetime.combine(day, time.min, tzinfo=zone)


@dataclass(frozen=True)
class TermsForms:
    """What a reviewer gave and must see again: the form it came from, its fields, what is wrong with it.

    `place`: `item:KEY`, `paste` or `question`; `read`: what a pasted text would be understood as; `answer`:
    the id of a question with its form; `said`: what was done.
    """

    place: str = ""
    fields: QueryDict = field(default_factory=QueryDict)
    error: str = ""
    read: Sequence[Mapping[str, Any]] = ()
    answer: tuple[int, AnswerForm] | None = None
    said: str = ""
