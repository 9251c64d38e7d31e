"""The facts of the page that explains a verdict: every one the engine knows, from fields or from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.pages.forms import FACTS_PREFIX, FactsForm
from registry.licensing import FACTS, LicensingError
from registry.licensing.errors import BadFact
from registry.licensing.facts import facts_from_json, read_facts
from registry.policies import TOOL

_YES_NO = [("", gettext_lazy("not stated")), ("true", gettext_lazy("yes")), ("false", gettext_lazy("no"))]


class EveryFact(FactsForm):
    """The usual facts and those that only some licenses ask for. An empty field stays open."""

    monthly_visits = forms.IntegerField(
        label=gettext_lazy("Visits a month"), required=False, min_value=0, max_value=10**12
    )
    tool = forms.CharField(label=gettext_lazy("Program (a1111, comfyui, …)"), required=False, max_length=60)
    purpose = forms.CharField(label=gettext_lazy("Purpose, such as research"), required=False, max_length=60)
    medium = forms.ChoiceField(
        label=gettext_lazy("Medium"),
        required=False,
        choices=[
            ("", gettext_lazy("not stated")),
            ("web", gettext_lazy("Web")),
            ("print", gettext_lazy("Print")),
            ("video", gettext_lazy("Video")),
        ],
    )
    registered = forms.ChoiceField(
        label=gettext_lazy("Registered with the licensor"), required=False, choices=_YES_NO
    )
    permission_on_file = forms.ChoiceField(
        label=gettext_lazy("Permission of the licensor is on file"), required=False, choices=_YES_NO
    )
    rights_cleared = forms.ChoiceField(
        label=gettext_lazy("Rights in the material are cleared"), required=False, choices=_YES_NO
    )
    trains_competing_model = forms.ChoiceField(
        label=gettext_lazy("A competing model is trained"), required=False, choices=_YES_NO
    )
    competes_with_licensor = forms.ChoiceField(
        label=gettext_lazy("Competes with the licensor's products"), required=False, choices=_YES_NO
    )


class UnreadableFacts(Exception):
    """The address states facts that cannot be read; the message says which and what is known."""


def facts_of_page(given: QueryDict) -> tuple[dict[str, Any], EveryFact, tuple[str, ...]]:
    """The facts of the page's address, the form that shows them, and names that are no facts at all.

    From the form's own fields, or from `facts={json}` with every fact there is. A field that cannot be read
    counts as not stated and the form says so; raises UnreadableFacts for JSON that cannot be read, since
    whoever wrote that sees no form.
    """
    if any(name.startswith(f"{FACTS_PREFIX}-") for name in given):
        form = EveryFact(given, prefix=FACTS_PREFIX)
        return form.facts(), form, ()
    try:
        stated = facts_from_json(given.get("facts", ""))
    except BadFact as error:
        raise UnreadableFacts(_("The facts of this address are no JSON object.")) from error
    # The tool is the rules' fact and not the engine's.
    tool = {TOOL: stated.pop(TOOL)} if isinstance(stated.get(TOOL), str) else {}
    try:
        read, unknown = read_facts(stated)
    except LicensingError as error:
        raise UnreadableFacts(error.message) from error
    facts = {**read, **tool}
    return facts, EveryFact(initial=_fields(facts), prefix=FACTS_PREFIX), unknown


def told_facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was stated, for the record: `(fact, value)` with the fact in English, to be translated."""
    return [(FACTS[name].label if name in FACTS else name, _told(value)) for name, value in facts.items()]


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


def _fields(facts: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: ("true" if value else "false") if isinstance(value, bool) else str(value)
        for name, value in facts.items()
        if name in EveryFact.base_fields
    }
