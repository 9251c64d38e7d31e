"""Reads the beginning of a file at an upstream, through the door, for its triage."""

from __future__ import annotations

import re
from collections.abc import Mapping

from registry.sources.http import Answer, credentials_for, get_range
from registry.sources.triage import Triage, triage
from registry.sources.upstream_errors import HtmlInsteadOfFile, NotSafetensors

# What triage asks for first; the answer tells the file's exact size, too.
_FIRST = 64 * 1024


def remote_header(url: str, name: str, *, size: int | None = None) -> Triage:
    """What the header of the file at `url` tells. `size`: of the whole file in bytes, where it is known.

    Raises UpstreamError, NotSafetensors for a web page among them; never for what other bytes are.
    """
    credentials = credentials_for(url)
    try:
        first = get_range(url, 0, min(size, _FIRST) if size else _FIRST, credentials=credentials)
    except HtmlInsteadOfFile as error:
        raise web_page(error, name) from None
    held = first.body
    whole = _whole_size(first) or size or len(held)

    def ranges(start: int, end: int) -> bytes:
        if end <= len(held) or len(held) >= whole:
            return held[start:end]
        begin = max(start, len(held))
        return held[start:begin] + get_range(url, begin, end, credentials=credentials).body

    return triage(ranges, name, whole)


def web_page(error: HtmlInsteadOfFile, name: str) -> NotSafetensors:
    """The error of a file in whose place a web page came, whatever asked for it."""
    return NotSafetensors(
        f"{name}: the upstream served a web page instead of the file. {error.message}",
        next_step=error.next_step,
        status=error.status,
    )


def _whole_size(answer: Answer) -> int | None:
    """The file's size by Content-Range (RFC 9110, 14.4), by Content-Length where the range was ignored."""
    found = re.fullmatch(r"bytes \d{1,18}-\d{1,18}/(\d{1,18})", _header(answer.headers, "content-range"))
    if found is None and answer.status == 200:
        found = re.fullmatch(r"(\d{1,18})", _header(answer.headers, "content-length"))
    return int(found[1]) if found else None


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value.strip() for key, value in headers.items() if key.lower() == name), "")
