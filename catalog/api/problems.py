"""Every failure of the programming interface as a problem document (RFC 9457) with a code and a next step."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from catalog import errors
from registry.author_questions import BadQuestionStep, SameReader
from registry.conclusions import NotConcluded, UnknownItem
from registry.errors import KuraError, VersionNotFound
from registry.storage import BlobMissing
from registry.vetting import HardGateFailed, NotReviewable

MEDIA_TYPE = "application/problem+json"
logger = logging.getLogger(__name__)

_STATUS: dict[type[KuraError], int] = {
    errors.NotFound: 404,
    VersionNotFound: 404,
    errors.TokenMissing: 401,
    errors.TokenUnknown: 401,
    errors.TokenExpired: 401,
    errors.TokenRevoked: 401,
    errors.ScopeMissing: 403,
    errors.DownloadRefused: 403,
    errors.RangeNotSatisfiable: 416,
    errors.PreconditionFailed: 412,
    errors.BackendUnusable: 500,
    BlobMissing: 503,
    NotReviewable: 409,
    HardGateFailed: 409,
    UnknownItem: 404,
    NotConcluded: 409,
    BadQuestionStep: 409,
    SameReader: 409,
}

# What to do next where the framework refused the call, by the framework's own code.
_NEXT_STEP = {
    "not_authenticated": errors.TokenMissing.next_step,
    "authentication_failed": "Check the token, or make a new one.",
    "permission_denied": "Ask an administrator for the permission, or for a place in the group Reviewers.",
    "not_found": "Check the address; lists show what exists.",
    "method_not_allowed": "The header Allow names the methods of this address.",
    "unsupported_media_type": "Send JSON with `Content-Type: application/json`.",
    "parse_error": "Send well-formed JSON.",
    "invalid": "Correct the named fields; the schema at /api/v1/schema/ says what each one takes.",
}


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's hook: the problem document for an exception of a view; an unexpected one is a plain 500."""
    cause = error.__cause__ if isinstance(error, exceptions.APIException) else error
    if isinstance(cause, KuraError):
        response = problem(
            cause.code,
            cause.message,
            cause.next_step,
            status_of(cause),
            headers=getattr(cause, "headers", {}),
        )
        if isinstance(cause, errors.BadQuery):
            response.data["parameter"] = cause.parameter
    elif isinstance(error, exceptions.APIException):
        response = _from_framework(error)
    elif isinstance(error, Http404):
        response = problem("not_found", "There is no such thing here.", _NEXT_STEP["not_found"], 404)
    elif isinstance(error, PermissionDenied):
        response = problem("permission_denied", "Not allowed.", _NEXT_STEP["permission_denied"], 403)
    else:
        if settings.DEBUG:
            return None
        logger.error("A call failed unexpectedly.", exc_info=error)
        response = problem(
            "internal_error",
            "Something went wrong here.",
            "Try again; if it stays, tell the administrator.",
            500,
        )
    if response.status_code == 401:
        # RFC 6750, section 3.1: only a token that was sent can be invalid.
        sent = isinstance(cause, errors.TokenUnknown | errors.TokenExpired | errors.TokenRevoked)
        response["WWW-Authenticate"] = 'Bearer realm="kura"' + (', error="invalid_token"' if sent else "")
    set_rollback()
    return response


def problem(
    code: str, detail: str, next_step: str, status: int, *, headers: Mapping[str, str] | None = None
) -> Response:
    """A problem document: `{type, title, status, detail, code, next_step}`."""
    data = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "next_step": next_step,
    }
    return Response(data, status=status, headers=dict(headers or {}), content_type=MEDIA_TYPE)


def status_of(error: KuraError) -> int:
    """The HTTP status of an error: its class's or nearest parent's; else 400, or 503 if it may pass."""
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return 400 if error.permanent else 503


def _from_framework(error: exceptions.APIException) -> Response:
    if isinstance(error, exceptions.ValidationError):
        response = problem("invalid", "Some fields cannot be used.", _NEXT_STEP["invalid"], 400)
        response.data["errors"] = error.get_full_details()
        return response
    code = str(error.get_codes()) if isinstance(error.detail, str) else error.default_code
    next_step = _NEXT_STEP.get(code, "See docs/api.md.")
    headers = {}
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return problem(code, str(error.detail), next_step, error.status_code, headers=headers)
