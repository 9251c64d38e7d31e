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
    etag: str = field(default="", compare=False)
    fetched: datetime | None = field(default=None, compare=False)


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
    """A weights file on this machine and the name the source gives it; without a mark, read at each scan.

    `announced`: name and SHA256 (lower-case hex) of the files that its sidecars describe.
    """

    path: Path
    name: str
    mark: Mark | None = None
    announced: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ListedSample:
    """A picture on this machine that the author shows, with the parameters stated for it."""

    path: Path
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that an upstream offers for a version; its bytes are fetched only after triage.

    `key`: the upstream's own id of it (a Civitai file id, the path within a repository). `url`: without any
    credential. `size`: exact bytes, `about`: bytes as the upstream rounds them; None where it tells neither.
    `sha256`: as announced, lower-case hex or empty; never an identity, only something to compare with.
    `hashes`: all digests announced, spelled as the upstream does. `role`: weights, pictures or anything else
    the upstream calls it. `requires`: login, purchase, early_access, gated: why it cannot be had now.
    """

    key: str
    url: str
    name: str
    size: int | None = None
    about: int | None = None
    sha256: str = ""
    hashes: tuple[tuple[str, str], ...] = ()
    role: str = "weights"
    primary: bool = False
    format: str = ""
    requires: str = ""


@dataclass(frozen=True, slots=True)
class RemoteSample:
    """A picture that the author shows upstream, with the parameters stated for it."""

    url: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ListedVersion:
    """One version. `source_key` None: the source has no ids, so the files' SHA256 identifies it.

    `name_stated`: whether the source gives that name, or it is only the file's, of which a copy has another.
    `remote`: files to be fetched. `availability`: one of registry.models.Availability; with a reason and, for
    early access, until when. `settings`: recommended settings with their evidence
    (registry/sources/civitai_samples.py gives the shape); `page`: how complete the page is, line by line.
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
    remote: list[RemoteFile] = field(default_factory=list)
    remote_samples: list[RemoteSample] = field(default_factory=list)
    availability: str = "present"
    availability_reason: str = ""
    availability_until: datetime | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    page: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Listing:
    """One adapter with the versions at hand. `source_key` None: identified by its first file's SHA256.

    `name_stated` as in ListedVersion. `changed`: when the upstream last changed it, where it tells.
    `fingerprint`: a digest of all that the source says of it; the same again means nothing to do.
    `identity`: the upstream's own id of it that stays when it is renamed, where `source_key` is its name.
    `whole`: the upstream shows all versions that there are, so that even an empty list is an answer.
    `own_page`: what the adapter's own page shows now, all of it: a version that is missing there is missed,
    but for those with the source keys `beside`, which are there and no versions of their own by the page, and
    those with a document whose address the regular expression `apart` fits: they were read at another place.
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
    changed: datetime | None = None
    fingerprint: str = ""
    identity: str = ""
    whole: bool = False
    own_page: bool = False
    beside: frozenset[str] = frozenset()
    apart: str = ""


@dataclass(slots=True)
class Reading:
    """What one sidecar says. Empty means it does not say; a merge takes the first reading that does.

    `announced`: name and SHA256, in lower-case hex, of the files that it describes.
    """

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
    announced: list[tuple[str, str]] = field(default_factory=list)
