"""Takes adapters in: from what a source offers to stored bytes, rows, checks and a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings

from registry import half_fetched, scans, storage, storing
from registry.absence import miss, missing_versions, note_refused
from registry.bases import find_base
from registry.basis import current_basis
from registry.errors import KuraError
from registry.intake import take_in
from registry.licensing.table import find_license
from registry.lineage import relate
from registry.lineage_checks import assess_with_kin
from registry.models import Adapter, BaseModel, ClaimKind, OfferedFile, OfferState, Version
from registry.offers import PICTURE
from registry.sources import read_source
from registry.sources.announced import announced_for
from registry.sources.errors import NoAdaptersFound, UnknownBase
from registry.sources.listing import ListedClaim, ListedFile, ListedVersion, Listing
from registry.sources.pictures import check_picture
from registry.sources.rescans import Memory, current_edition
from registry.sources.save import Saved, StoredFile, StoredSample, content_key, save_version
from registry.sources.text import shown
from registry.sources.upstream_errors import UpstreamError
from registry.sources.walk import Failure
from registry.storing import KEPT_KINDS, READER, store_file

__all__ = ["KEPT_KINDS", "READER", "Progress", "Report", "ingest", "nothing_usable"]


Progress = Callable[[int, int, str], None]
Pair = tuple[ListedFile, StoredFile]


@dataclass(slots=True)
class Report:
    """What an ingest did. `adapters`: id -> version id -> version, for new and changed ones.

    `missed`: versions kept here that their adapter's page lists no longer; they stay, marked.
    """

    adapters: dict[int, dict[int, Version]] = field(default_factory=dict)
    missed: list[Version] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        return bool(self.adapters or self.skipped or self.missed)

    def as_dict(self) -> dict[str, Any]:
        """`{adapters: [{id, versions: [{id, state, files: [{sha256, state}]}]}], skipped, failed, missed}`;
        `missed`: `[{adapter, version, state, reason}]`.
        """
        return {
            "adapters": [
                {"id": adapter, "versions": [_version_dict(version) for version in versions.values()]}
                for adapter, versions in self.adapters.items()
            ],
            "skipped": self.skipped,
            "failed": [failure.as_dict() for failure in self.failed],
            "missed": [
                {
                    "adapter": version.adapter_id,
                    "version": version.pk,
                    "state": version.availability,
                    "reason": version.availability_reason,
                }
                for version in self.missed
            ],
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
    again changes nothing. What is kept here and refused there by now stays, with its state and the reason.
    Raises KuraError when SOURCE itself cannot be used or nothing in it is usable.
    """
    try:
        report = _ingest(source, license_id, base, actor, progress)
    except UpstreamError as error:
        note_refused([error])
        raise
    note_refused([failure.error for failure in report.failed])
    return report


def _ingest(source: str, license_id: str, base: str, actor: str, progress: Progress) -> Report:
    claim = _declared_license(license_id) if license_id else None
    decided_base = _named_base(base) if base else None
    storage.remove_abandoned()
    half_fetched.remove_abandoned()
    options = (claim and claim.value, decided_base and decided_base.pk)
    memory = Memory(current_edition(f"{storing.READER} {settings.HEADER_LIMIT}", *options))
    findings = read_source(source, memory)
    skipped = [
        _skipped(shown(each.candidate.path), each.adapter, each.version, each.sha256)
        for each in findings.unchanged
    ]
    # What a listing cannot be read for is added to the same list.
    report = Report(failed=findings.failures, skipped=skipped)
    done = len(report.skipped) + len(report.failed)
    try:
        for listing in findings.listings:
            stored: list[tuple[ListedVersion, list[Pair]]] = []
            for listed in listing.versions:
                progress(done, findings.total, listed.files[0].name if listed.files else listed.name)
                done += len(listed.files) or 1
                if claim:
                    listed.claims.append(claim)
                pairs = list(_store_files(listed, memory, report))
                # What an upstream lists stands by its id, also without any bytes.
                if pairs or (listed.source_key and not listed.files):
                    stored.append((listed, pairs))
            siblings = [content_key([file for _, file in pairs]) for _, pairs in stored if pairs]
            for listed, pairs in stored:
                files = [file for _, file in pairs]
                failures = len(report.failed)
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
                _note(saved, pairs, report)
                _relate(saved, report)
                _take_in(saved, actor, report, progress)
                if len(report.failed) == failures:
                    # Nothing of it has to be tried again, so the next scan may pass it by.
                    for file, _ in pairs:
                        memory.keep(file.mark, saved.version.pk)
            if listing.own_page:
                report.missed += miss(missing_versions(_adapter_of(listing), listing))
    except storage.StorageFull as error:
        # Every other file would meet the same end; what is stored so far stays.
        report.failed.append(Failure(source, error))
    memory.flush()
    progress(findings.total, findings.total, "")
    return report


def nothing_usable(source: str, report: Report) -> NoAdaptersFound:
    """The error of an ingest that stored and skipped nothing."""
    count = len(report.failed)
    told = f": {report.failed[0].error.code}" if count == 1 else f"; {count} were left out" if count else ""
    first = report.failed[0].error if count == 1 else None
    # What to do about a folder is no help with an upstream.
    step = first.next_step if isinstance(first, UpstreamError) else None
    return NoAdaptersFound(f"Nothing usable in {source}{told}.", next_step=step)


def _declared_license(license_id: str) -> ListedClaim:
    found = find_license(license_id, current_basis().table)
    return ListedClaim(ClaimKind.LICENSE, found.id, license_id)


def _named_base(name: str) -> BaseModel:
    found = find_base(name)
    if found is None:
        raise UnknownBase(f"No base model is called {name!r}.")
    return found


def _skipped(
    source: str, adapter: int, version: int, sha256: str | None, code: str = "already_stored"
) -> dict[str, Any]:
    return {
        "source": source,
        "code": code,
        "adapter": adapter,
        "version": version,
        "sha256": sha256,
    }


def _note(saved: Saved, pairs: Sequence[Pair], report: Report) -> None:
    version = saved.version
    if saved.changed:
        report.adapters.setdefault(version.adapter_id, {})[version.pk] = version
        return
    for file, stored in pairs:
        report.skipped.append(_skipped(shown(file.path), version.adapter_id, version.pk, stored.blob.sha256))


def _take_in(saved: Saved, actor: str, report: Report, progress: Progress) -> None:
    """Fetch what the version is offered with upstream and what is worth it; one line for each file.

    A version that is left without bytes because all of its files failed is no result, only its failures are.
    """
    version, told, failed = saved.version, 0, 0

    def show(offer: OfferedFile, done: int, total: int | None) -> None:
        progress(done, total or 0, offer.name)

    for taken in take_in(version, actor=actor, progress=show):
        offer, name = taken.offer, f"{version.adapter}: {taken.offer.name}"
        if taken.error is not None:
            report.failed.append(Failure(name, taken.error))
            failed += offer.role != PICTURE
        elif taken.fetched:
            version.refresh_from_db(fields=["vetting"])
            report.adapters.setdefault(version.adapter_id, {})[version.pk] = version
        elif offer.state == OfferState.PASSED_BY:
            line = _skipped(name, version.adapter_id, version.pk, None, "passed_by")
            report.skipped.append(line | {"why": offer.code, "message": offer.reason, "saved": offer.saved})
        elif offer.blob_id and not saved.changed:
            report.skipped.append(_skipped(name, version.adapter_id, version.pk, offer.blob_id))
        told += 1
    held = version.files.exists()
    if failed and not held:
        report.adapters.get(version.adapter_id, {}).pop(version.pk, None)
        report.adapters = {adapter: versions for adapter, versions in report.adapters.items() if versions}
    elif not (told or held or saved.changed):
        report.skipped.append(_skipped(str(version), version.adapter_id, version.pk, None, "unchanged"))


def _adapter_of(listing: Listing) -> Adapter | None:
    return Adapter.objects.filter(source=listing.source, source_key=listing.source_key or "").first()


def _relate(saved: Saved, report: Report) -> None:
    """Find the version's kin, outside the transaction that saved it: the version stays without them too."""
    try:
        if relate(saved.version) or saved.changed:
            assess_with_kin(saved.version)
    except KuraError as error:
        report.failed.append(Failure(str(saved.version), error))


def _store_files(listed: ListedVersion, memory: Memory, report: Report) -> Iterator[Pair]:
    for file in listed.files:
        try:
            stored = store_file(file.path, file.name, memory.edition.reader)
            told = announced_for(stored.blob.sha256, file.name, file.announced)
            yield file, replace(stored, announced=told)
        except storage.StorageFull:
            raise
        except KuraError as error:
            report.failed.append(Failure(shown(file.path), error))


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
