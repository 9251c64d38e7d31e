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


def _not_yet(name: str) -> Reader:
    def read(source: str) -> Findings:
        raise SourceNotSupported(f"{source} is an address of {name}, which cannot be read directly.")

    return read


# How a source is spelled -> who reads it. The first match wins; everything else is a path. What is on Civitai
# is told by civitai_urls, because its hosts are settings.
READERS: tuple[tuple[re.Pattern[str], Reader], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), reader)
    for pattern, reader in (
        (r"hf:|https?://(www\.)?(huggingface\.co|hf\.co)/", huggingface.read),
        (r"kura:", kura.read),
        (r"[a-z][a-z0-9+.-]+://", _not_yet("an unknown kind of site")),
    )
)


def read_source(source: str, memory: Memory) -> Findings:
    """What SOURCE offers, and what of it `memory` knows already.

    Raises SourceNotSupported, ReferenceUnclear, PathNotFound, NoAdaptersFound, UpstreamError.
    """
    if is_reference(source):
        return civitai_source.read(source)
    for pattern, reader in READERS:
        if pattern.match(source):
            return reader(source)
    if not source.strip():
        # An empty path would mean the folder the program happens to run in.
        raise PathNotFound("No path is given.")
    return list_path(Path(source).expanduser(), memory)
