"""Finds adapter files in a folder, groups them with their sidecars and cards, and lists them as adapters."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from registry.errors import KuraError
from registry.models import Source
from registry.scans import recall
from registry.sources.cards import read_card
from registry.sources.documents import read_document
from registry.sources.errors import NoAdaptersFound, NotAnAdapter, PathNotFound
from registry.sources.license_files import license_files, linked_from, read_license_file
from registry.sources.listing import ListedFile, ListedSample, ListedVersion, Listing, RawDocument, Reading
from registry.sources.sidecars import Beside, first_filled, sidecars_of
from registry.sources.text import file_name, shown

WEIGHTS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf")
PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
CARD = "README.md"
_MOST_SAMPLES = 24
_LARGEST_PICTURE = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that was left out, and why: a line of its own, while the rest goes on."""

    source: str
    error: KuraError

    def as_dict(self) -> dict[str, str]:
        return {"source": self.source, "code": self.error.code, "message": str(self.error).partition(": ")[2]}


@dataclass(slots=True)
class Found:
    """A weights file with what is said about it: its own sidecars first, then the folder's card."""

    path: Path
    readings: list[Reading] = field(default_factory=list)
    documents: list[RawDocument] = field(default_factory=list)
    card: Path | None = None
    present: dict[str, Path] = field(default_factory=dict)


@dataclass(slots=True)
class Findings:
    """What a folder holds: adapters to take in, and what cannot be."""

    listings: list[Listing]
    failures: list[Failure]


def list_path(path: Path) -> Findings:
    """The adapters in a file or below a folder. Raises PathNotFound, NoAdaptersFound."""
    try:
        if path.is_file():
            beside = {entry.name: entry for entry in sorted(path.parent.iterdir()) if entry.is_file()}
            found, failures = _read([(path, beside)])
            return Findings(_group(found, path.parent), failures)
        there = path.is_dir()
    except OSError as error:
        raise PathNotFound(f"{shown(path)}: {error.strerror or 'it could not be read'}.") from None
    if not there:
        raise PathNotFound(f"{shown(path)} does not exist or may not be read.")
    failures = []
    candidates = list(_walk(path, failures))
    if not candidates and not failures:
        raise NoAdaptersFound(f"{shown(path)} holds no file named {', '.join(WEIGHTS)}.")
    found, unreadable = _read(candidates)
    return Findings(_group(found, path), failures + unreadable)


def _walk(top: Path, failures: list[Failure]) -> Iterator[tuple[Path, dict[str, Path]]]:
    """Weights files below `top` in a stable order, each with the files of its folder; nothing hidden."""

    def unreadable(error: OSError) -> None:
        folder = shown(Path(error.filename))
        cause = PathNotFound(f"{folder}: {error.strerror or 'it could not be read'}.")
        failures.append(Failure(folder, cause))

    for root, folders, names in os.walk(top, onerror=unreadable):
        folder = Path(root)
        if "model_index.json" in names:
            # A diffusers pipeline: its parts are base model weights, one line says it for all of them.
            folders.clear()
            told = NotAnAdapter(f"{file_name(folder)} is a whole diffusers pipeline.")
            failures.append(Failure(shown(folder), told))
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        present = {name: folder / name for name in sorted(names)}
        for name, path in present.items():
            if path.suffix.lower() in WEIGHTS and not name.startswith("."):
                yield path, present


def _read(candidates: list[tuple[Path, dict[str, Path]]]) -> tuple[list[Found], list[Failure]]:
    """Every candidate with its readings; a card is read once, and a broken sidecar costs one line."""
    found: list[Found] = []
    failures: list[Failure] = []
    cards: dict[Path, tuple[RawDocument | None, Reading | None]] = {}
    licenses: dict[Path, tuple[RawDocument | None, Reading | None]] = {}
    for path, present in candidates:
        item = Found(path, present=present)
        beside = Beside(file_name(path), cache(lambda path=path: _sha256(path)))  # type: ignore[misc]
        for kind, sidecar in sidecars_of(path, present):
            try:
                item.documents.append(document := read_document(sidecar, kind.media_type))
                item.readings.append(kind.read(document, beside))
            except KuraError as error:
                failures.append(Failure(shown(sidecar), error))
        if CARD in present:
            card = present[CARD]
            if card not in cards:
                cards[card] = _read_card(card, failures)
            written, reading = cards[card]
            if written:
                item.documents.append(written)
            if reading:
                item.readings.append(reading)
                item.card = card
        for text in license_files(present):
            if text not in licenses:
                licenses[text] = _read_license(text, failures)
            written, reading = licenses[text]
            if written and reading:
                item.documents.append(written)
                item.readings.append(reading)
        found.append(item)
    return found, failures


def _read_card(path: Path, failures: list[Failure]) -> tuple[RawDocument | None, Reading | None]:
    """The card's bytes and what they say; a README without front matter is no card and is not kept."""
    document = None
    try:
        document = read_document(path, "text/markdown")
        reading = read_card(document, linked_from(path.parent))
    except KuraError as error:
        failures.append(Failure(shown(path), error))
        return document, None
    return (document, reading) if reading else (None, None)


def _read_license(path: Path, failures: list[Failure]) -> tuple[RawDocument | None, Reading | None]:
    try:
        return read_license_file(path)
    except KuraError as error:
        failures.append(Failure(shown(path), error))
        return None, None


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


def _group(found: list[Found], top: Path) -> list[Listing]:
    """One listing per adapter: same Civitai model, or same card; every other file stands for itself."""
    groups: dict[tuple[str, str], list[Found]] = {}
    for item in found:
        key = first_filled(item.readings, "adapter_key")
        if key:
            name = (str(first_filled(item.readings, "source")), str(key))
        elif item.card:
            name = ("card", str(item.card))
        else:
            name = ("file", str(item.path))
        groups.setdefault(name, []).append(item)
    return [_listing(items, top) for items in groups.values()]


def _listing(items: list[Found], top: Path) -> Listing:
    readings = [reading for item in items for reading in item.readings]
    lead = items[0]
    own_name = lead.card.parent.name if lead.card and lead.card.parent != top else lead.path.stem
    listing = Listing(
        source=first_filled(readings, "source") or Source.FOLDER,
        source_key=first_filled(readings, "adapter_key") or None,
        name=first_filled(readings, "name") or file_name(Path(own_name)),
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
        versions[slot].files.append(ListedFile(item.path, file_name(item.path)))
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
    return ListedVersion(
        source_key=key or None,
        name=first_filled(readings, "version_name") or file_name(Path(item.path.stem), 200),
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
    for path in item.present.values():
        own = path.stem == item.path.stem or path.stem.startswith(f"{item.path.stem}.")
        if own and path.suffix.lower() in PICTURES:
            yield ListedSample(path)
    folder = item.path.parent
    for reading in item.readings:
        for url, parameters in reading.pictures:
            # Only a plain name in the same folder or below it; a card must not reach outside its folder.
            target = folder / url
            if "://" not in url and target.suffix.lower() in PICTURES and target.is_file():
                inside = target.resolve()
                if inside.is_relative_to(folder.resolve()):
                    yield ListedSample(inside, parameters)
