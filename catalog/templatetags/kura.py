"""Tags and filters of the pages: icons, verdict marks, condition words, theme, links that keep the search."""

from __future__ import annotations

import json
import re
from typing import Any

from django import template
from django.template import Context
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from catalog.pages import training_words, weight_words, words
from catalog.pages.preferences import theme_of
from registry import former_names
from registry.models import Adapter

register = template.Library()


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """One drawing of static/img/icons.svg; it is decoration, the word beside it carries the meaning."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        extra, static("img/icons.svg"), name,
    )  # fmt: skip


@register.simple_tag(takes_context=True)
def theme(context: Context) -> str:
    """light, dark or auto, as the reader's cookie says; auto where a page is drawn without a request."""
    request = context.get("request")
    return theme_of(request) if request is not None else "auto"


@register.inclusion_tag("pages/_verdict_mark.html")
def verdict_mark(outcome: str, text: str = "", size: str = "") -> dict[str, Any]:
    """A verdict by color, word and shape. `text` replaces the outcome's own word."""
    return {"outcome": outcome, "text": text or words.outcome(outcome), "size": size}


@register.filter
def word(text: str) -> str:
    """Translates a text that a pure package marked for translation."""
    return gettext(text) if text else ""


@register.filter
def formerly(adapter: Adapter) -> list[str]:
    """What the adapter was called upstream before; select `upstream_identity` with lists of adapters."""
    return former_names.formerly(adapter)


@register.filter
def former_accounts(adapter: Adapter) -> list[str]:
    """The accounts that it was under before."""
    return former_names.former_accounts(adapter)


@register.filter
def status_word(status: str) -> str:
    """What one layer says, in words; `silent` and `not_addressed` differ."""
    return words.status(status)


@register.filter
def layer_word(layer: str) -> str:
    """base -> Base model; `adapter:1` -> Adapter 1."""
    return words.layer(layer)


@register.filter
def condition_word(condition: object) -> str:
    """A condition as the verdict spells it, in words with its parameter."""
    return words.condition(str(condition))


@register.filter
def algorithm_word(code: str) -> str:
    """lora -> LoRA."""
    return words.algorithm(code)


@register.filter
def act_word(act: str) -> str:
    """The label of an act."""
    return words.act(act)


@register.filter
def check_word(code: str) -> str:
    """The name of a vetting check."""
    return words.check(code)


@register.filter
def outcome_sentence(outcome: str) -> str:
    """What an outcome means."""
    return words.outcome_sentence(outcome)


@register.filter
def reason_word(code: str) -> str:
    """What a reason means."""
    return words.reason(code)


@register.filter
def confidence_word(code: str | None) -> str:
    """How well a clause was read."""
    return words.confidence(code)


@register.filter
def breakable(text: str) -> SafeString:
    """A long list that may be broken after each comma; copied, it is the text as it was."""
    return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in re.split("(?<=,)", text)))


@register.filter
def pretty(value: Any) -> str:
    """JSON for people: indented, any script readable."""
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


@register.filter
def vetting_tone(vetting: str) -> str:
    """The badge class that goes with a vetting state."""
    return {"approved": "badge--good", "waiting": "badge--wait"}.get(vetting, "badge--bad")


@register.filter
def vetting_icon(vetting: str) -> str:
    """The shape that goes with a vetting state, so that color is never alone."""
    return {"approved": "shield", "waiting": "clock"}.get(vetting, "forbidden")


@register.filter
def check_icon(outcome: str) -> str:
    """The shape that goes with the outcome of a check or the tone of a finding."""
    shapes = {"ok": "allowed", "note": "info", "warn": "conditional", "todo": "unknown", "fail": "forbidden"}
    return shapes.get(outcome, "unknown")


@register.filter
def item_icon(state: str) -> str:
    """The shape that goes with the state of a recorded item."""
    shapes = {"stated": "info", "asked": "clock", "answered": "person", "concluded": "check"}
    return shapes.get(state, "unknown")


@register.filter
def relation_word(code: str) -> str:
    """How two adapters are related: re_upload -> Re-upload."""
    return weight_words.relation(code)


@register.filter
def direction_word(code: str) -> str:
    """Which way an act went from one version to the next."""
    return weight_words.direction(code)


@register.filter
def standing_word(code: str) -> str:
    """How a number of the scorecard stands to its usual range."""
    return training_words.standing(code)


@register.filter
def standing_icon(code: str) -> str:
    """The shape that goes with a standing, so that color is never alone."""
    shapes = {"good": "allowed", "low": "conditional", "high": "conditional", "noted": "info"}
    return shapes.get(code, "unknown")
