"""Parameters of an address: a program that misspells one must not be answered as if it had not given it."""

from __future__ import annotations

from collections.abc import Collection

from rest_framework.request import Request

from catalog.errors import BadQuery


def known_only(request: Request, known: Collection[str]) -> None:
    """Raise BadQuery for a parameter that is not among `known`, is given twice, or holds a NUL."""
    for name, values in request.query_params.lists():
        if name not in known:
            raise BadQuery(name, "no such parameter")
        if len(values) > 1:
            raise BadQuery(name, "given more than once")
        if any("\0" in value for value in values):
            raise BadQuery(name, "contains a character that no text has")
