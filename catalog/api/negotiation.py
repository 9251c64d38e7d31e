"""Answers in the first format of a view when a client asks for none that it has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class AlwaysJSON(DefaultContentNegotiation):
    """A client that accepts only `application/octet-stream` still gets its problem document.

    RFC 9110, section 12.5.1, allows that in place of 406.
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The renderer asked for, else the first."""
        offered = list(renderers)
        try:
            chosen: tuple[Any, str] = super().select_renderer(request, offered, format_suffix)
        except NotAcceptable:
            return offered[0], offered[0].media_type or ""
        return chosen
