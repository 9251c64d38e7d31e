"""Reads what lies beside the adapter files of a folder, groups them, and lists them as adapters."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry.errors import KuraError
from registry.models import Source
from registry.scans import recall
from registry.sources.cards import read_card
from registry.sources.documents import read_document
from registry.sources.errors import NoAdaptersFound, PathNotFound
from registry.sources.findings import Findings
from registry.sources.license_files import linked_from, read_license_file
from registry.sources.listing import (
    ListedFile,
    ListedSample,
    ListedVersion,
    Listing,
    Mark,
    RawDocument,
    Reading,
)
from registry.sources.rescans import Edition, Memory, listing_digest, mark_of
from registry.sources.sidecars import Beside, first_filled, sidecars_of
from registry.sources.text import file_name, shown
from registry.sources.walk import CARD, PICTURES, WEIGHTS, Candidate, Failure, Folder, walk

_MOST_SAMPLES = 24
# Readings that need not be done again after the files are grouped may take up this many bytes.
_HELD = 16 * 2**20


@dataclass(slots=True)
class Found:
    """A weights file with what is said about it: its own sidecars first, then the folder's card.

    `asked`: files that a card or sidecar led to, by name within the folder. `whole`: nothing failed.
    """

    candidate: Candidate
    readings: list[Reading] = field(default_factory=list)
    documents: list[RawDocument] = field(default_factory=list)
    card: Path | None = None
    asked: list[str] = field(default_factory=list)
    whole: bool = True

    @property
    def path(self) -> Path:
        return self.candidate.path

    @property
    def group(self) -> tuple[str, str]:
        """One adapter per name: same Civitai model, or same card; every other file stands for itself."""
        if key := first_filled(self.readings, "adapter_key"):
            return str(first_filled(self.readings, "source")), str(key)
        return ("card", str(self.card)) if self.card else ("file", str(self.path))


def list_path(path: Path, memory: Memory) -> Findings:
    """The adapters in a file or below a folder. Raises PathNotFound, NoAdaptersFound."""
    failures: list[Failure] = []
    try:
        if path.is_file():
            names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
            candidates, top = [Candidate(path, Folder(path.parent, names))], path.parent
        elif path.is_dir():
            candidates, top = list(walk(path, failures)), path
        else:
            raise PathNotFound(f"{shown(path)} does not exist or may not be read.")
    except OSError as error:
        raise PathNotFound(f"{shown(path)}: {error.strerror or 'it could not be read'}.") from None
    if not candidates and not failures:
        raise NoAdaptersFound(f"{shown(path)} holds no file named {', '.join(WEIGHTS)}.")
    known = memory.sort(candidates)
    failures += known.refused
    lister = _Lister(top, memory.edition, failures)
    lister.group(known.others)
    lister.group(known.rejoining(lister.groups_seen()))
    return Findings(known.unchanged, lister.listings(candidates), failures, len(candidates))


class _Lister:
    """Reads what lies beside the files, groups them, and lists one adapter after the other."""

    def __init__(self, top: Path, edition: Edition, failures: list[Failure]) -> None:
        self._top = top
        self._edition = edition
        self._failures = failures
        self._failed: set[tuple[str, str]] = set()
        self._shared: tuple[Folder, _Shared] | None = None
        self._digests: dict[Path, str] = {}
        self._groups: dict[tuple[str, str], list[Candidate]] = {}
        self._held: dict[Path, Found] = {}
        self._spare = _HELD
        self._began = time.time_ns()

    def group(self, candidates: Iterable[Candidate]) -> None:
        """Put the files together by what is said beside them."""
        for candidate in candidates:
            if not _said_about(candidate):
                self._groups.setdefault(("file", str(candidate.path)), []).append(candidate)
                continue
            found = self._read(candidate)
            self._groups.setdefault(found.group, []).append(candidate)
            size = sum(len(document.body) for document in found.documents)
            if size <= self._spare:
                self._spare -= size
                self._held[candidate.path] = found

    def groups_seen(self) -> set[str]:
        """Digests of the names of the groups so far."""
        return {listing_digest(name) for name in self._groups}

    def listings(self, order: Sequence[Candidate]) -> Iterator[Listing]:
        """The adapters of the files in groups, one read after the other, in this order of their files."""
        places = {candidate.path: place for place, candidate in enumerate(order)}
        for members in self._groups.values():
            members.sort(key=lambda candidate: places[candidate.path])
        for name, members in sorted(self._groups.items(), key=lambda each: places[each[1][0].path]):
            items = [
                self._held.pop(each.path) if each.path in self._held else self._read(each) for each in members
            ]
            yield _listing(items, self._top, lambda item, name=name: self._mark(item, name))  # type: ignore[misc]

    def _mark(self, item: Found, name: tuple[str, str]) -> Mark | None:
        if not item.whole:
            return None
        return mark_of(item.candidate, listing_digest(name), item.asked, self._edition, self._began)

    def _read(self, candidate: Candidate) -> Found:
        """The candidate with its readings; a card is read once, and a broken sidecar costs one line."""
        path, folder = candidate.path, candidate.folder
        found = Found(candidate)
        beside = Beside(file_name(path), lambda: self._sha256(path))
        for kind, sidecar in sidecars_of(path, folder.present):
            try:
                found.documents.append(document := read_document(sidecar, kind.media_type))
                found.readings.append(kind.read(document, beside))
            except KuraError as error:
                self._fail(Failure(shown(sidecar), error))
                found.whole = False
        shared = self._shared_by(folder)
        found.documents += shared.documents
        found.readings += shared.readings
        found.card = shared.card
        found.whole &= shared.whole
        found.asked = list(dict.fromkeys([*shared.asked, *(name for name, _ in _linked_pictures(found))]))
        return found

    def _shared_by(self, folder: Folder) -> _Shared:
        if self._shared is None or self._shared[0] is not folder:
            self._shared = (folder, self._read_shared(folder))
        return self._shared[1]

    def _read_shared(self, folder: Folder) -> _Shared:
        """The folder's card and license texts; a README without front matter is no card and is not kept."""
        found = _Shared()
        if CARD in folder.present:
            card = folder.present[CARD]
            linked = linked_from(folder.path)

            def follow(link: str) -> str | None:
                found.asked.append(link)
                return linked(link)

            try:
                document = read_document(card, "text/markdown")
                found.documents.append(document)
                if reading := read_card(document, follow):
                    found.readings.append(reading)
                    found.card = card
                else:
                    found.documents.clear()
            except KuraError as error:
                self._fail(Failure(shown(card), error))
                found.whole = False
        for text in folder.licenses:
            try:
                document, told = read_license_file(text)
                if told:
                    found.documents.append(document)
                    found.readings.append(told)
            except KuraError as error:
                self._fail(Failure(shown(text), error))
                found.whole = False
        return found

    def _fail(self, failure: Failure) -> None:
        # What is read a second time fails a second time.
        if (told := (failure.source, failure.error.code)) not in self._failed:
            self._failed.add(told)
            self._failures.append(failure)

    def _sha256(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = _sha256(path)
        return self._digests[path]


@dataclass(slots=True)
class _Shared:
    """What speaks for all files of a folder."""

    documents: list[RawDocument] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    card: Path | None = None
    asked: list[str] = field(default_factory=list)
    whole: bool = True


def _said_about(candidate: Candidate) -> bool:
    """Whether something lies beside the file that may put it together with others."""
    return CARD in candidate.folder.present or bool(sidecars_of(candidate.path, candidate.folder.present))


def _sha256(path: Path) -> str:
    if known := recall(path):
        return known.sha256
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _listing(items: list[Found], top: Path, mark: Callable[[Found], Mark | None]) -> Listing:
    readings = [reading for item in items for reading in item.readings]
    lead = items[0]
    stated = first_filled(readings, "name")
    own_name = lead.card.parent.name if lead.card and lead.card.parent != top else lead.path.stem
    listing = Listing(
        source=first_filled(readings, "source") or Source.FOLDER,
        source_key=first_filled(readings, "adapter_key") or None,
        name=stated or file_name(Path(own_name)),
        name_stated=bool(stated),
        source_url=first_filled(readings, "url") or "",
        creator=first_filled(readings, "creator") or "",
        creator_url=first_filled(readings, "creator_url") or "",
        description=first_filled(readings, "description") or "",
        tags=first_filled(readings, "tags") or [],
    )
    versions: dict[str, ListedVersion] = {}
    for item in items:
        key = first_filled(item.readings, "version_key") or ""
        # Files without an upstream version id are a version each.
        slot = f"id {key}" if key else f"path {item.path}"
        if slot not in versions:
            versions[slot] = _version(item, key)
        told = dict.fromkeys(pair for reading in item.readings for pair in reading.announced)
        versions[slot].files.append(ListedFile(item.path, file_name(item.path), mark(item), tuple(told)))
        _add_readings(versions[slot], item)
    listing.versions = list(versions.values())
    for version in listing.versions:
        # A file named like its adapter tells nothing about the version.
        if _bare(version.name) == _bare(listing.name):
            version.name = "v1"
    return listing


def _bare(name: str) -> str:
    return "".join(sign for sign in name.casefold() if sign.isalnum())


def _version(item: Found, key: str) -> ListedVersion:
    readings = item.readings
    stated = first_filled(readings, "version_name")
    return ListedVersion(
        source_key=key or None,
        name=stated or file_name(Path(item.path.stem), 200),
        name_stated=bool(stated),
        notes=first_filled(readings, "notes") or "",
        trigger_words=first_filled(readings, "trigger_words") or [],
        declared_base=first_filled(readings, "base") or "",
        base_host=next((reading.base_host for reading in readings if reading.base), ""),
        published=first_filled(readings, "published"),
    )


def _add_readings(version: ListedVersion, item: Found) -> None:
    """Documents, claims and pictures of one file, each once however many files share them."""
    for reading in item.readings:
        version.claims.extend(claim for claim in reading.claims if claim not in version.claims)
    version.documents.extend(document for document in item.documents if document not in version.documents)
    known = {sample.path for sample in version.samples}
    for sample in _samples(item):
        if sample.path not in known and len(version.samples) < _MOST_SAMPLES:
            known.add(sample.path)
            version.samples.append(sample)


def _samples(item: Found) -> Iterator[ListedSample]:
    """Pictures beside the file (`<stem>.png`, `<stem>.preview.png`), then those that the card shows."""
    for path in item.candidate.folder.pictures(item.path.stem):
        yield ListedSample(path)
    folder = item.path.parent
    for name, parameters in _linked_pictures(item):
        # A card must not reach outside its folder.
        target = folder / name
        if target.is_file():
            inside = target.resolve()
            if inside.is_relative_to(folder.resolve()):
                yield ListedSample(inside, parameters)


def _linked_pictures(item: Found) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names within the folder of pictures that a card or sidecar shows, and what it says of each."""
    for reading in item.readings:
        for url, parameters in reading.pictures:
            if "://" not in url and Path(url).suffix.lower() in PICTURES:
                yield url, parameters
