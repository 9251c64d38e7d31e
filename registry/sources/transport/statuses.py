"""What a status that is no success means, in the words of Civitai, the Hub and HTTP, as one of our errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils.dateparse import parse_datetime

from registry.sources.text import text
from registry.sources.transport.policy import host_and_path
from registry.sources.upstream_errors import (
    AccessRefused,
    EarlyAccess,
    GatedUpstream,
    GoneUpstream,
    LoginRequired,
    NotFoundUpstream,
    RateLimited,
    RequestRefused,
    UpstreamError,
    UpstreamUnavailable,
)

LONGEST_WORDS = 300
BUSY = frozenset({408, 425, 500, 502, 503, 504, 507, 509, *range(520, 531)})
_MISSING = frozenset({"RepoNotFound", "RevisionNotFound", "EntryNotFound"})


def error_of(url: str, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The error for an answer with a status of 400 or more.

    The Hub tells by its X-Error-Code header (huggingface_hub reads nothing else), Civitai by `error` and
    `message` of a JSON body, whose early access has a `deadline`.
    """
    place = host_and_path(url)
    value = _object(body)
    words = _words(headers, value)
    said = f" It says: {words.rstrip('.')}." if words else ""
    code = headers.get("X-Error-Code", "")
    is_page = "html" in headers.get("Content-Type", "").lower()
    if code == "GatedRepo":
        return GatedUpstream(f"{place} is gated by its author.{said}", status=status)
    if status in {401, 404} and code in _MISSING:
        return NotFoundUpstream(f"{place} was not found.{said}", status=status)
    match status:
        case 401 | 403 if _is_early_access(value):
            until = _date(value.get("deadline"))
            when = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
            return EarlyAccess(f"{place} is in early access{when}.", status=status, until=until)
        case 401:
            return LoginRequired(f"{place} is for those with an account.{said}", status=status)
        case 403 if is_page:
            # A proxy's page in front of the upstream: it says nothing about the item.
            return UpstreamUnavailable(
                f"{place} is answered by a page that blocks the request.", status=status
            )
        case 402 | 403:
            return AccessRefused(f"{place} is refused.{said}", status=status)
        case 404:
            return NotFoundUpstream(f"{place} was not found.{said}", status=status)
        case 410 | 451:
            return GoneUpstream(f"{place} is no longer there.{said}", status=status)
        case 429:
            return RateLimited(f"{place} was asked too often.{said}", status=status)
    if status in BUSY or status >= 500:
        return UpstreamUnavailable(f"{place} fails with status {status}.{said}", status=status)
    return RequestRefused(f"{place} answers with status {status}.{said}", status=status)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _words(headers: Mapping[str, str], value: dict[str, Any]) -> str:
    said = headers.get("X-Error-Message", "")
    for name in ("error", "message", "detail"):
        if isinstance(value.get(name), str) and value[name].strip():
            said = f"{said} {value[name]}".strip()
    for token in settings.UPSTREAM_TOKENS.values():
        # Some repeat what they were sent.
        said = said.replace(token, "[hidden]") if token else said
    return " ".join(text(said).split())[:LONGEST_WORDS]


def _is_early_access(value: dict[str, Any]) -> bool:
    return "early access" in str(value.get("error", "")).lower()


def _date(value: object) -> datetime | None:
    try:
        found = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if found is None:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
