"""Marks English texts of the pure packages for translation, without importing Django."""

from __future__ import annotations


def gettext_noop(text: str) -> str:
    """Marks a text for `makemessages`; pages translate it when they show it."""
    return text
