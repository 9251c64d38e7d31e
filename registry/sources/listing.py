"""Listing: what a source says about one adapter and where it was read. Plain data, no database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from registry.licensing.claims.statement import Statement
from registry.sources.text import text


@dataclass(frozen=True, slots=True)
class RawDocument:
    """The exact bytes a source gave, and where: `file:NAME` for a sidecar, else the URL."""

    url: str
    body: bytes
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class ListedClaim:
    """One statement about terms, in the fields of TermsClaim; `wording` as written at the source."""

    kind: str
    value: Any
    wording: str
    document: RawDocument | None = None
    standing: str = "declared"
    unread: tuple[str, ...] = ()
    hints: dict[str, Any] = field(default_factory=dict)


def listed(statement: Statement, document: RawDocument) -> ListedClaim:
    """A statement as a claim that cites the document it was read from."""
    return ListedClaim(
        statement.kind,
        statement.value,
        text(statement.wording),
        document,
        standing=statement.standing,
        unread=tuple(text(each) for each in statement.unread),
        hints=dict(statement.hints),
    )


@dataclass(frozen=True, slots=True)
class Mark:
    """By what a file is known again (registry/sources/rescans.py).

    `key` of its ScannedPath; `digest` of the stat of all that was read for it, empty where it is not to be
    relied on; `listing` tells what it was put together with; `asked`: further files that were looked for.
    """

    key: str
    digest: str
    listing: str
    asked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A weights file on this machine and the name the source gives it; without a mark, read at each scan."""

    path: Path
    name: str
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class ListedSample:
    """A picture on this machine that the author shows, with the parameters stated for it."""

    path: Path
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ListedVersion:
    """One version. `source_key` None: the source has no ids, so the files' SHA256 identifies it.

    `name_stated`: whether the source gives that name, or it is only the file's, of which a copy has another.
    """

    source_key: str | None
    name: str
    notes: str = ""
    trigger_words: list[str] = field(default_factory=list)
    declared_base: str = ""
    base_host: str = ""
    published: datetime | None = None
    documents: list[RawDocument] = field(default_factory=list)
    claims: list[ListedClaim] = field(default_factory=list)
    files: list[ListedFile] = field(default_factory=list)
    samples: list[ListedSample] = field(default_factory=list)
    name_stated: bool = True


@dataclass(slots=True)
class Listing:
    """One adapter with the versions at hand. `source_key` None: identified by its first file's SHA256.

    `name_stated` as in ListedVersion.
    """

    source: str
    source_key: str | None
    name: str
    source_url: str = ""
    creator: str = ""
    creator_url: str = ""
    description: str = ""
    tags: list[str] = field(default_factory=list)
    versions: list[ListedVersion] = field(default_factory=list)
    name_stated: bool = True


@dataclass(slots=True)
class Reading:
    """What one sidecar says. Empty means it does not say; a merge takes the first reading that does."""

    document: RawDocument
    source: str = ""
    adapter_key: str = ""
    version_key: str = ""
    url: str = ""
    name: str = ""
    version_name: str = ""
    creator: str = ""
    creator_url: str = ""
    description: str = ""
    notes: str = ""
    tags: list[str] = field(default_factory=list)
    trigger_words: list[str] = field(default_factory=list)
    base: str = ""
    base_host: str = ""
    published: datetime | None = None
    claims: list[ListedClaim] = field(default_factory=list)
    pictures: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
