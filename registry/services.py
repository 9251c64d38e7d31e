"""Takes adapters in: from what a source offers to stored bytes, rows, checks and a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from registry import scans, storage
from registry.bases import find_base
from registry.errors import KuraError
from registry.licensing.table import find_license
from registry.lineage import relate
from registry.lineage_checks import assess_with_kin
from registry.models import BaseModel, Blob, ClaimKind, Inspection, Version
from registry.sources import read_source
from registry.sources.errors import NoAdaptersFound, NotAnAdapter, UnknownBase
from registry.sources.folder import Failure
from registry.sources.listing import ListedClaim, ListedVersion
from registry.sources.pictures import check_picture
from registry.sources.save import Saved, StoredFile, StoredSample, content_key, save_version
from registry.sources.text import shown
from registry.weights.container import open_container
from registry.weights.digests import Digests
from registry.weights.inspection import inspect_file
from registry.weights.names import check_name

# Edition of the readings kept as Inspection rows; a new one makes new rows beside the old.
READER = "1"
KEPT_KINDS = ("adapter", "control_adapter")
_QUARANTINE = {
    "pickle": "A Python pickle; loading it would run whatever it says.",
    "zip": "A zip archive, as torch checkpoints are, with a pickle inside.",
}

Progress = Callable[[int, int, str], None]


@dataclass(slots=True)
class Report:
    """What an ingest did. `adapters`: id -> version id -> version, for new and changed ones."""

    adapters: dict[int, dict[int, Version]] = field(default_factory=dict)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        return bool(self.adapters or self.skipped)

    def as_dict(self) -> dict[str, Any]:
        """`{adapters: [{id, versions: [{id, state, files: [{sha256, state}]}]}], skipped, failed}`."""
        return {
            "adapters": [
                {"id": adapter, "versions": [_version_dict(version) for version in versions.values()]}
                for adapter, versions in self.adapters.items()
            ],
            "skipped": self.skipped,
            "failed": [failure.as_dict() for failure in self.failed],
        }


def _version_dict(version: Version) -> dict[str, Any]:
    files = [{"sha256": file.blob_id, "state": file.state} for file in version.files.all()]
    return {"id": version.pk, "state": version.vetting, "files": files}


def ingest(
    source: str,
    *,
    license_id: str = "",
    base: str = "",
    actor: str = "system",
    progress: Progress = lambda done, total, name: None,
) -> Report:
    """Take in everything SOURCE offers; what cannot be is a line in the report, and the rest goes on.

    `license_id` is declared by `actor` beside what the sidecars say; `base` is decided by `actor`. Running it
    again changes nothing. Raises KuraError when SOURCE itself cannot be used or nothing in it is usable.
    """
    claim = _declared_license(license_id) if license_id else None
    decided_base = _named_base(base) if base else None
    storage.remove_abandoned()
    findings = read_source(source)
    report = Report(failed=list(findings.failures))
    total = sum(len(listing.versions) for listing in findings.listings)
    done = 0
    try:
        for listing in findings.listings:
            stored = []
            for listed in listing.versions:
                progress(done, total, listed.files[0].name)
                done += 1
                if claim:
                    listed.claims.append(claim)
                if files := list(_store_files(listed, report)):
                    stored.append((listed, files))
            siblings = [content_key(files) for _, files in stored]
            for listed, files in stored:
                samples = list(_store_samples(listed, report))
                saved = save_version(
                    listing,
                    listed,
                    files,
                    samples,
                    actor=actor,
                    siblings=siblings,
                    decided_base=decided_base,
                )
                _note(saved, listed, files, report)
                _relate(saved, report)
    except storage.StorageFull as error:
        # Every other file would meet the same end; what is stored so far stays.
        report.failed.append(Failure(source, error))
    progress(total, total, "")
    return report


def nothing_usable(source: str, report: Report) -> NoAdaptersFound:
    """The error of an ingest that stored and skipped nothing."""
    count = len(report.failed)
    told = f": {report.failed[0].error.code}" if count == 1 else f"; {count} were left out" if count else ""
    return NoAdaptersFound(f"Nothing usable in {source}{told}.")


def _declared_license(license_id: str) -> ListedClaim:
    return ListedClaim(ClaimKind.LICENSE, find_license(license_id).id, license_id)


def _named_base(name: str) -> BaseModel:
    found = find_base(name)
    if found is None:
        raise UnknownBase(f"No base model is called {name!r}.")
    return found


def _note(saved: Saved, listed: ListedVersion, files: Sequence[StoredFile], report: Report) -> None:
    version = saved.version
    if saved.changed:
        report.adapters.setdefault(version.adapter_id, {})[version.pk] = version
        return
    for file in files:
        report.skipped.append(
            {
                "source": shown(next(item.path for item in listed.files if item.name == file.name)),
                "code": "already_stored",
                "adapter": version.adapter_id,
                "version": version.pk,
                "sha256": file.blob.sha256,
            }
        )


def _relate(saved: Saved, report: Report) -> None:
    """Find the version's kin, outside the transaction that saved it: the version stays without them too."""
    try:
        if relate(saved.version) or saved.changed:
            assess_with_kin(saved.version)
    except KuraError as error:
        report.failed.append(Failure(str(saved.version), error))


def _store_files(listed: ListedVersion, report: Report) -> Iterator[StoredFile]:
    for file in listed.files:
        try:
            yield _store_file(file.path, file.name)
        except storage.StorageFull:
            raise
        except KuraError as error:
            report.failed.append(Failure(shown(file.path), error))


def _store_file(path: Path, name: str) -> StoredFile:
    """Store one weights file if it is one. Raises WeightsError, NotAnAdapter, StorageError."""
    check_name(path.name)
    known = scans.recall(path)
    if known and known.container in (*_QUARANTINE, "safetensors"):
        return _stored(known, name, known.container)
    container = open_container(path, header_limit=settings.HEADER_LIMIT)
    if container.kind in _QUARANTINE:
        return _stored(scans.store(path, container=container.kind), name, container.kind)
    if container.error:
        raise container.error
    kind = inspect_file(path, hashes=False, header_limit=settings.HEADER_LIMIT).kind
    if kind not in KEPT_KINDS:
        raise NotAnAdapter(f"{name} is of the kind {kind}.")
    return _stored(scans.store(path, container=container.kind), name, container.kind)


def _stored(blob: Blob, name: str, container: str) -> StoredFile:
    quarantine = _QUARANTINE.get(container, "")
    return StoredFile(blob, name, reading=_reading(blob, name), reader=READER, quarantine=quarantine)


def _reading(blob: Blob, name: str) -> dict[str, Any]:
    """The stored bytes' own reading: read once for each blob and edition of the reader."""
    row = Inspection.objects.filter(blob=blob, reader=READER).first()
    if row:
        data: dict[str, Any] = row.data
        return data
    digests = Digests(
        size=blob.size,
        sha256=blob.sha256.upper(),
        blake3=blob.blake3,
        crc32=blob.crc32,
        autov1=blob.autov1 or None,
        autov2=blob.autov2,
        autov3=blob.autov3 or None,
    )
    read = inspect_file(storage.local_path(blob), digests=digests, header_limit=settings.HEADER_LIMIT)
    return read.as_dict() | {"path": name}


def _store_samples(listed: ListedVersion, report: Report) -> Iterator[StoredSample]:
    for sample in listed.samples:
        try:
            blob = scans.recall(sample.path)
            if blob is None:
                blob = scans.store(sample.path, container=check_picture(sample.path))
            yield StoredSample(blob, sample.parameters)
        except storage.StorageFull:
            raise
        except KuraError as error:
            report.failed.append(Failure(shown(sample.path), error))
