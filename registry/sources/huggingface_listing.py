"""A repository on the Hub as a Listing: its card, terms, files, pictures and whether they can be had."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from registry.models import Availability, Source
from registry.sources.errors import NoAdaptersFound
from registry.sources.huggingface_card import Place, Said, bases_of, read_said
from registry.sources.huggingface_client import (
    LastChange,
    at_other_revisions,
    endpoint,
    file_address,
    last_changes,
    may_authenticate,
    may_fetch,
    model_info,
    page_of,
)
from registry.sources.huggingface_files import HubFile, WeightsGroup, files_of, group_weights
from registry.sources.huggingface_names import Reference
from registry.sources.listing import ListedVersion, Listing, RemoteFile, RemoteSample
from registry.sources.text import line, lines
from registry.sources.upstream_errors import NotFoundUpstream, UpstreamError, about
from registry.sources.walk import PICTURES, Failure

# Raised when the same answer would be read into something else: every repository is then read once more.
EDITION = "2"
_MOST_SAMPLES = 24
_MOST_DATES = 50


@dataclass(frozen=True, slots=True)
class _Access:
    """Whether the files of a repository can be had: as in ListedVersion and RemoteFile."""

    state: str = Availability.PRESENT
    reason: str = ""
    requires: str = ""


def fingerprint(info: Mapping[str, Any]) -> str:
    """A digest of all that can change about a repository; `info`: as a list or a description has it.

    Its commit stands for every file and for the card; downloads and likes are left out.
    """
    told = (info.get("id"), info.get("sha"), info.get("gated") or False)
    flags = (bool(info.get("disabled")), bool(info.get("private")), may_authenticate())
    return hashlib.sha256(json.dumps([EDITION, *told, *flags], default=str).encode()).hexdigest()


def identity_of(info: Mapping[str, Any]) -> str:
    """The id that a repository keeps when it is renamed or given to another account; empty where not told."""
    return line(info.get("_id"), 100)


def read_repository(reference: Reference, *, at: str = "", failures: list[Failure] | None = None) -> Listing:
    """Ask the Hub for a repository. `at`: the commit that a list named, read instead of the newest.

    One without weights has no versions. What costs none (a card that is no YAML, an unreadable license file)
    is added to `failures`. Raises UpstreamError, NoAdaptersFound where a file is named that holds no weights.
    """
    if at or reference.revision:
        info, document = model_info(reference.repo, at or reference.revision)
    else:
        # A revision that is missing says nothing about the repository.
        with about(Source.HUGGINGFACE, reference.repo):
            info, document = model_info(reference.repo)
    told: dict[str, Any] = json.loads(document.body)
    shown = reference.revision or "main"
    if at:
        # The commit is the default branch's: the address that stays the same from one sync to the next.
        document = type(document)(
            f"{endpoint()}/api/models/{quote(info.id)}",
            document.body,
            document.media_type,
            document.etag,
            document.fetched,
        )
    files = files_of(told.get("siblings"))
    groups = _wanted(group_weights(files, info.id), files, reference)
    tags = lines(told.get("tags"), limit=300, most=500)
    access = _access(told, info.id)
    is_open = access.state == Availability.PRESENT
    place = Place(info.id, str(info.sha), shown, frozenset(file.path for file in files), is_open)
    said = read_said(place, told.get("cardData"), tags, document)
    for source, error in said.failures:
        if failures is not None:
            failures.append(Failure(source, error))
    mains = [group.files[0].path for group in groups][:_MOST_DATES]
    changes = last_changes(info.id, str(info.sha), mains) if is_open else {}
    owner = info.id.partition("/")[0] if "/" in info.id else ""
    reading = said.reading
    listing = Listing(
        source=Source.HUGGINGFACE,
        source_key=info.id,
        name=line(info.id.rpartition("/")[2], 300),
        source_url=page_of(info.id),
        creator=line(owner, 200),
        creator_url=f"{endpoint()}/{quote(owner)}" if owner else "",
        description=reading.description if reading else "",
        tags=reading.tags if reading else [],
        changed=info.last_modified,
        fingerprint=fingerprint(told),
        identity=identity_of(told),
        whole=bool(files) and not (reference.revision or reference.path),
        own_page=not (reference.revision or reference.path),
        beside=frozenset(file.content for file in files if file.content),
        apart=at_other_revisions(info.id),
    )
    listing.versions = [_version(group, place, said, tags, access, changes) for group in groups]
    for version in listing.versions:
        if _bare(version.name) == _bare(listing.name):
            version.name, version.name_stated = "v1", False
    return listing


def _bare(name: str) -> str:
    return "".join(sign for sign in name.casefold() if sign.isalnum())


def _wanted(groups: list[WeightsGroup], files: Sequence[HubFile], reference: Reference) -> list[WeightsGroup]:
    """The versions that are meant: all, or the one file that was named."""
    if not reference.path:
        return groups
    file = next((each for each in files if each.path == reference.path), None)
    if file is None:
        raise NotFoundUpstream(f"{reference.repo} has no file {reference.path}.")
    for group in groups:
        if file in group.files:
            # The version is the same one as when all of it is taken in.
            return [WeightsGroup(group.name, [file], group.beside)]
    if not file.format:
        raise NoAdaptersFound(f"{reference.path} is not named like a weights file.")
    return [WeightsGroup(file.stem, [file])]


def _access(told: Mapping[str, Any], repo: str) -> _Access:
    if told.get("disabled") is True:
        return _Access(Availability.TAKEN_DOWN, "The Hub has disabled access to it.")
    if not told.get("gated"):
        return _Access()
    refusal: UpstreamError | None = may_fetch(repo)
    if refusal is None:
        return _Access()
    how = "by hand" if told.get("gated") == "manual" else "at once"
    reason = f"Its author gives it to those who ask ({how}): {refusal.message}"
    return _Access(Availability.GATED, line(reason, 300), "gated")


def _version(
    group: WeightsGroup,
    place: Place,
    said: Said,
    tags: Sequence[str],
    access: _Access,
    changes: Mapping[str, LastChange],
) -> ListedVersion:
    main, reading = group.files[0], said.reading
    bases, _ = bases_of(tags)
    change = changes.get(main.path)
    return ListedVersion(
        # The bytes of its main file: the same weights at another commit are no new version.
        source_key=main.content or f"{place.sha}:{main.path}"[:500],
        name=line(group.name, 200) or "v1",
        trigger_words=reading.trigger_words if reading else [],
        declared_base=(reading.base if reading else "") or ", ".join(bases)[:300],
        base_host="huggingface",
        published=change.date if change else None,
        documents=list(said.documents),
        claims=list(said.claims),
        remote=[
            *(_remote(file, place, access, primary=file is main) for file in group.files),
            *(_remote(file, place, access, role="embedding") for file in group.beside),
        ],
        remote_samples=_samples(said, place),
        availability=access.state,
        availability_reason=access.reason,
    )


def _remote(
    file: HubFile, place: Place, access: _Access, *, primary: bool = False, role: str = "weights"
) -> RemoteFile:
    hashes = [("SHA256", file.sha256)] if file.sha256 else []
    return RemoteFile(
        key=file.path,
        url=file_address(place.repo, place.sha, file.path),
        name=line(file.path.rpartition("/")[2], 300) or "unnamed",
        size=file.size,
        sha256=file.sha256,
        hashes=(*hashes, *([("git", file.oid)] if file.oid else [])),
        role=role,
        primary=primary,
        format=file.format,
        requires=access.requires,
    )


def _samples(said: Said, place: Place) -> list[RemoteSample]:
    """The pictures of the card's gallery: files of the repository, or addresses of their own."""
    found = []
    for url, parameters in (said.reading.pictures if said.reading else [])[:_MOST_SAMPLES]:
        path = url.removeprefix("./")
        if url.startswith("https://"):
            found.append(RemoteSample(url, parameters))
        elif path in place.paths and path.lower().endswith(tuple(PICTURES)):
            found.append(RemoteSample(file_address(place.repo, place.sha, path), parameters))
    return found
