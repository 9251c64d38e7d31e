"""Sentences for conditions with their numbers, in the reader's language."""

from __future__ import annotations

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _

from registry.licensing.conditions import Condition, parse_condition
from registry.licensing.errors import UnknownCondition
from registry.licensing.sentences import CONDITION_SENTENCES, GATE_ANSWERS


def value_of(condition: Condition) -> str:
    """A condition's parameter for people: `1,000,000`, `EU, UK, KR`, `“Krea”`; empty without one."""
    parameter = condition.parameter
    if isinstance(parameter, int):
        return str(intcomma(parameter))
    if isinstance(parameter, tuple):
        return ", ".join(parameter)
    return f"“{parameter}”" if parameter else ""


def condition_sentence(spelled: str) -> str:
    """What a condition asks, with its number. An unknown one shows itself."""
    try:
        condition = parse_condition(spelled)
    except UnknownCondition:
        return spelled
    sentence = CONDITION_SENTENCES.get(condition.name)
    if sentence is None:
        return _(condition.kind.step)
    return _(sentence) % {"value": value_of(condition) or _("the platform")}


def answer_sentence(condition: Condition, *, passes: bool) -> str:
    """The beginning of a sentence: `If yearly revenue is below US$1,000,000`."""
    texts = GATE_ANSWERS[condition.name]
    text = texts[0] if passes else texts[1]
    return _(text) % {"value": value_of(condition) or _("the platform")} if text else ""
