"""Upstreams: what SOURCE names, and which module reads it into Listings."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from registry.sources import civitai_source, huggingface, kura
from registry.sources.civitai_urls import is_reference
from registry.sources.errors import PathNotFound, SourceNotSupported
from registry.sources.findings import Findings
from registry.sources.folder import list_path
from registry.sources.rescans import Memory

Reader = Callable[[str], Findings]


# How a source is spelled -> who reads it. The first match wins; everything else is a path. What is on Civitai
# is told by civitai_urls, because its hosts are settings.
READERS: tuple[tuple[re.Pattern[str], Reader], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), reader)
    for pattern, reader in (
        (r"hf:|https?://(www\.)?(huggingface\.co|hf\.co)/", huggingface.read),
        (r"kura:", kura.read),
    )
)
_ANY_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def names_upstream(source: str) -> bool:
    """Whether SOURCE is spelled as something of an upstream, right or wrong, and not as a path."""
    return is_reference(source) or any(pattern.match(source) for pattern, _ in READERS)


def read_source(source: str, memory: Memory) -> Findings:
    """What SOURCE offers, and what of it `memory` knows already.

    Raises SourceNotSupported, ReferenceUnclear, PathNotFound, NoAdaptersFound, UpstreamError.
    """
    if is_reference(source):
        return civitai_source.read(source)
    for pattern, reader in READERS:
        if pattern.match(source):
            return reader(source)
    if _ANY_ADDRESS.match(source):
        raise SourceNotSupported(f"{source} is the address of an unknown kind of site.")
    if not source.strip():
        # An empty path would mean the folder the program happens to run in.
        raise PathNotFound("No path is given.")
    return list_path(Path(source).expanduser(), memory)
