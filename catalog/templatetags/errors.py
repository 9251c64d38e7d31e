"""Filters for failures: what an upstream's refusal means, what to do about it, and whom to ask."""

from __future__ import annotations

from django import template

from catalog.pages import error_words
from registry.errors import error_class

register = template.Library()


@register.filter
def error_meaning(code: str) -> str:
    """What happened, in one sentence; empty where only the message tells."""
    return error_words.meaning(code)


@register.filter
def error_step(code: str) -> str:
    """What to do about an error with this code, before it is translated; empty for any other code."""
    found = error_class(code) if code else None
    return found.next_step if found else ""


@register.filter
def error_who(code: str) -> str:
    """Who can change it, before it is translated; empty where it is the reader."""
    found = error_class(code) if code else None
    return found.who_to_ask if found else ""
