"""Forms of the pages: the question with its facts, and the reviewer's decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from registry.licensing import ACTS, LicensingError
from registry.licensing.errors import BadFact
from registry.licensing.facts import facts_from_json, read_facts

DEFAULT_ACT = "generate_and_sell_images"
FACTS_PREFIX = "fact"
_YES_NO = [("", _("not stated")), ("true", _("yes")), ("false", _("no"))]


class FactsForm(forms.Form):
    """The facts a verdict may hang on. An empty field stays open: it is never taken for a yes."""

    annual_revenue_usd = forms.IntegerField(
        label=_("Yearly revenue of the whole group, USD"), required=False, min_value=0, max_value=10**15
    )
    mau = forms.IntegerField(label=_("Monthly active users"), required=False, min_value=0, max_value=10**11)
    team_size = forms.IntegerField(
        label=_("People in the team"), required=False, min_value=0, max_value=10**7
    )
    territory = forms.CharField(label=_("Country (such as JP, US or EU)"), required=False, max_length=10)
    host = forms.CharField(label=_("Where it runs (own, civitai, …)"), required=False, max_length=60)
    commercial = forms.ChoiceField(label=_("Commercial purpose"), required=False, choices=_YES_NO)
    is_individual = forms.ChoiceField(
        label=_("A person acts, not an organization"), required=False, choices=_YES_NO
    )
    model_run_commercial = forms.ChoiceField(
        label=_("Weights are run commercially"), required=False, choices=_YES_NO
    )
    base_commercial_license = forms.ChoiceField(
        label=_("Paid license for the base is held"), required=False, choices=_YES_NO
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            choice = isinstance(field, forms.ChoiceField)
            field.widget.attrs["class"] = "select" if choice else "input"
            if self.is_bound and self.errors.get(self.add_prefix(name)):
                field.widget.attrs["aria-invalid"] = "true"

    def clean_territory(self) -> str:
        code = str(self.cleaned_data["territory"])
        try:
            read_facts({"territory": code or None})
        except LicensingError:
            raise forms.ValidationError(_("Write an ISO country code, such as JP, US or EU.")) from None
        return code.upper()

    def facts(self) -> dict[str, Any]:
        """The stated facts, in the licensing engine's words; what is invalid counts as not stated."""
        self.is_valid()
        stated: dict[str, Any] = {}
        for name, value in self.cleaned_data.items():
            if value in (None, ""):
                continue
            stated[name] = value == "true" if value in ("true", "false") else value
        return stated


def fields_of_facts(facts: Mapping[str, Any]) -> dict[str, str]:
    """Facts as the form's fields spell them: the way back from `FactsForm.facts`."""
    return {
        name: ("true" if value else "false") if isinstance(value, bool) else str(value)
        for name, value in facts.items()
        if name in FactsForm.base_fields
    }


def stated_facts(given: QueryDict) -> tuple[dict[str, Any], FactsForm]:
    """The facts of a page's address, from the form's own fields or from `facts={json}`, and the form to show.

    What cannot be read counts as not stated; the form then says which field is wrong.
    """
    if any(name.startswith(f"{FACTS_PREFIX}-") for name in given):
        form = FactsForm(given, prefix=FACTS_PREFIX)
        return form.facts(), form
    try:
        read = facts_from_json(given.get("facts", ""))
    except BadFact:
        read = {}
    fields = fields_of_facts(read)
    facts = FactsForm(fields).facts()
    return facts, FactsForm(initial=fields, prefix=FACTS_PREFIX)


def chosen_act(params: Mapping[str, Any]) -> str:
    """The act of a page's address; the question most readers come with where none or a wrong one is given."""
    act = str(params.get("act", ""))
    return act if act in ACTS else DEFAULT_ACT


class DecisionForm(forms.Form):
    """A reviewer's decision. A refusal needs a reason that says something."""

    MIN_REASON = 3

    action = forms.ChoiceField(choices=[("approve", _("Approve")), ("reject", _("Reject"))])
    reason = forms.CharField(required=False, max_length=2000, strip=True)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("action") == "reject" and len(cleaned.get("reason", "")) < self.MIN_REASON:
            self.add_error(
                "reason",
                _("Say why: at least %(count)d characters. The author and later reviewers will read it.")
                % {"count": self.MIN_REASON},
            )
        return cleaned
