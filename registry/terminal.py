"""Makes text of others safe to show on a terminal: names, metadata and messages that quote them."""

from __future__ import annotations


def terminal_text(text: str, keep: str = "") -> str:
    """`text` with a mark in the place of every character that could steer a terminal or break the output
    (control and format characters, halves of surrogate pairs), save those of `keep`.
    """
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text)


def one_line(text: str, limit: int | None = None) -> str:
    """`terminal_text` in one line, every run of blanks and line breaks a single space; cut after `limit`."""
    return terminal_text(" ".join(text.split()))[:limit]
