"""Writes a Listing's version into the database: one transaction, and no new row when nothing is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction

from registry import checks, verdicts
from registry.analysis import request_analysis
from registry.bases import find_base
from registry.edits import keep_stated
from registry.ledger import audit, note_change
from registry.models import (
    Adapter,
    Availability,
    BaseModel,
    Blob,
    Creator,
    File,
    FileState,
    Inspection,
    OfferState,
    Sample,
    Version,
    Vetting,
)
from registry.offers import STATES, keep_availability, keep_offers, keep_pictures
from registry.review_items import keep_items
from registry.sources.evidence import embedded_claims, keep_claim, keep_snapshot
from registry.sources.listing import ListedClaim, ListedVersion, Listing
from registry.sources.renames import follow, identify
from registry.sources.text import json_value
from registry.upstream_checks import assess_upstream
from registry.weights.trigger_words import STATED_SOURCES


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A weights file whose bytes are in the storage. `reading`: the inspect contract's object.

    `announced`: the SHA256 that the source states for it, lower-case hex; empty where it states none.
    """

    blob: Blob
    name: str
    reading: dict[str, Any] | None = None
    reader: str = ""
    quarantine: str = ""
    announced: str = ""


@dataclass(frozen=True, slots=True)
class StoredSample:
    """A picture whose bytes are in the storage."""

    blob: Blob
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a version: made new, changed, or found as it was."""

    version: Version
    created: bool
    changed: bool


@transaction.atomic
def save_version(
    listing: Listing,
    listed: ListedVersion,
    files: Sequence[StoredFile],
    samples: Sequence[StoredSample] = (),
    *,
    actor: str,
    siblings: Sequence[str] = (),
    decided_base: BaseModel | None = None,
) -> Saved:
    """Make the version with everything that belongs to it, or bring it up to date.

    What the listing leaves empty is left as it is, decisions of reviewers and what a person has edited are
    never touched, and claims are superseded, not overwritten. `files` may be empty where the source has ids:
    then the version stands with its claims and what is offered upstream, and cannot be approved.
    `actor` is recorded when anything was written. `siblings`: the content keys of all versions that the
    listing puts together, where the source has no ids.
    """
    version, created, changed = _version(listing, listed, files, siblings)
    embedded = _embedded(files)
    documents = [*listed.documents, *(claim.document for claim in embedded if claim.document)]
    snapshots = {document: keep_snapshot(document) for document in documents}
    new_bytes, told = _keep_files(version, files)
    changed |= told
    changed |= _fill(version, facts_of(listed, files))
    changed |= _settle_base(version, listed)
    if decided_base is not None and version.base_decided_id != decided_base.pk:
        version.base_decided = decided_base
        version.save(update_fields=["base_decided", "updated"])
        audit(actor, "decide_base", f"version:{version.pk}", base=decided_base.slug)
        changed = True
    for claim in [*listed.claims, *embedded]:
        changed |= keep_claim(version, claim, snapshots, listed.base_host)
    changed |= _samples(version, samples)
    changed |= _upstream(version, listed)
    if changed:
        _settle(version, new_bytes=new_bytes)
        audit(actor, "ingest", f"version:{version.pk}", source=listing.source, created=created)
        note_change(version, "version_added" if created else "version_updated")
    return Saved(version, created, changed)


@transaction.atomic
def save_files(
    version: Version, files: Sequence[StoredFile], samples: Sequence[StoredSample] = (), *, actor: str
) -> Saved:
    """Add bytes that were fetched to a version that is known already, and whatever follows from them."""
    # Whoever saves the same adapter waits here.
    adapter = Adapter.objects.select_for_update().get(pk=version.adapter_id)
    rows = Version.objects.select_for_update(of=["self"], no_key=True)
    version = rows.select_related("base_declared", "base_decided").get(pk=version.pk)
    version.adapter = adapter
    embedded = _embedded(files)
    snapshots = {claim.document: keep_snapshot(claim.document) for claim in embedded if claim.document}
    new_bytes, changed = _keep_files(version, files)
    if not version.trigger_words:
        changed |= _fill(version, {"trigger_words": _embedded_words(files)})
    changed |= _settle_base(version)
    for claim in embedded:
        changed |= keep_claim(version, claim, snapshots)
    changed |= _samples(version, samples)
    if changed:
        _settle(version, new_bytes=new_bytes)
        audit(actor, "fetch", f"version:{version.pk}", files=[file.blob.sha256 for file in files])
        note_change(version, "version_updated")
    return Saved(version, False, changed)


def content_key(files: Sequence[StoredFile]) -> str:
    """What identifies a version whose source has no ids: the SHA256 of its first file."""
    return f"sha256:{files[0].blob.sha256}"


def _version(
    listing: Listing, listed: ListedVersion, files: Sequence[StoredFile], siblings: Sequence[str]
) -> tuple[Version, bool, bool]:
    """The version, whether it is new, and whether its adapter's row changed.

    An upstream's ids identify it; without any, the bytes do, in whatever folder they lie: then the adapter is
    the one that already holds this version, or else one of its siblings.
    """
    key = listed.source_key or content_key(files)
    values = values_of(listing, _creator(listing))
    adapter = None
    renamed = False
    if listing.source_key is None:
        known = (
            Version.objects.filter(adapter__source=listing.source).select_related("adapter").order_by("id")
        )
        held = known.filter(source_key=key).first() or known.filter(source_key__in=siblings).first()
        adapter = held.adapter if held else None
    else:
        renamed = follow(listing.source, listing.source_key, listing.identity)
    if adapter is None:
        adapter_key = listing.source_key or (siblings[0] if siblings else key)
        adapter, _ = Adapter.objects.get_or_create(
            source=listing.source, source_key=adapter_key, defaults=values
        )
    # Whoever saves another version of the same adapter waits here.
    adapter = Adapter.objects.select_for_update().get(pk=adapter.pk)
    identify(adapter, listing.identity)
    if not listing.name_stated:
        # The same bytes may lie here under several names: the first one stays.
        del values["name"]
    changed = _fill(adapter, values)
    # Whoever edits the version by hand waits until this is committed, and is then not overwritten.
    version, created = Version.objects.select_for_update(no_key=True).get_or_create(
        adapter=adapter, source_key=key, defaults={"name": listed.name}
    )
    return version, created, changed or created or renamed


def values_of(listing: Listing, creator: Creator | None) -> dict[str, Any]:
    """What the adapter's row says by the listing."""
    return {
        "name": listing.name,
        "source_url": listing.source_url,
        "description": listing.description,
        "tags": listing.tags,
        "creator": creator,
    }


def facts_of(listed: ListedVersion, files: Sequence[StoredFile]) -> dict[str, Any]:
    """What the version's row says by the listing; what is empty is left as it is."""
    return {
        "name": listed.name if listed.name_stated else "",
        "notes": listed.notes,
        "trigger_words": listed.trigger_words or _embedded_words(files),
        "declared_base": listed.declared_base,
        "published": listed.published,
        "settings": json_value(listed.settings),
        "page": json_value(listed.page),
    }


def _upstream(version: Version, listed: ListedVersion) -> bool:
    """What the upstream offers and how it answers; a folder tells neither."""
    if listed.files and not listed.remote:
        return False
    changed = keep_offers(version, listed.remote)
    changed |= keep_pictures(version, listed.remote_samples, settings.SAMPLES_PER_VERSION)
    if listed.availability == Availability.PRESENT and _refused_when_fetched(version):
        # The page is shown as if nothing were the matter; asked for the file, the upstream says otherwise.
        return changed
    told = listed.availability_reason, listed.availability_until
    return keep_availability(version, listed.availability, *told) or changed


def _refused_when_fetched(version: Version) -> bool:
    # Of a file that is not found nothing follows (registry/absence.py); the page itself is there again.
    codes = [
        code for code, state in STATES.items() if state == version.availability != Availability.NOT_FOUND
    ]
    return version.offers.filter(state=OfferState.FAILED, code__in=codes).exists()


def _settle_base(version: Version, listed: ListedVersion | None = None) -> bool:
    """Set what follows from the declared name and from all of the version's files, even to nothing.

    A new name that is in no table must not leave the old base standing, nor a second file the first's family.
    """
    base = version.base_declared
    if listed and listed.declared_base and "declared_base" not in version.edited:
        base = find_base(listed.declared_base, listed.base_host)
    readings = checks.latest_inspections(list(version.files.all())).values()
    families = {reading.family for reading in readings} - {"unknown"}
    family = families.pop() if len(families) == 1 else "unknown"
    if (version.base_declared, version.detected_family) == (base, family):
        return False
    version.base_declared, version.detected_family = base, family
    version.save(update_fields=["base_declared", "detected_family", "updated"])
    return True


def _embedded_words(files: Sequence[StoredFile]) -> list[str]:
    """Trigger words from the weights' own metadata: only where it states them, not where they are guessed."""
    words = [
        word["word"]
        for file in files
        for word in (file.reading or {}).get("trigger_words") or []
        if isinstance(word, dict) and word.get("source") in STATED_SOURCES
    ]
    return [str(json_value(word))[:300] for word in dict.fromkeys(words) if isinstance(word, str)][:100]


def _creator(listing: Listing) -> Creator | None:
    if not listing.creator:
        return None
    creator, _ = Creator.objects.get_or_create(
        source=listing.source, name=listing.creator, defaults={"url": listing.creator_url}
    )
    return creator


def _fill(row: Adapter | Version, values: dict[str, Any]) -> bool:
    """Set what is not empty and differs; whether anything did. Absence upstream never erases here.

    What a person has set here (registry/edits.py) stays byte for byte; what is said of it now stands beside.
    """
    changed = [
        name
        for name, value in values.items()
        if value and name not in row.edited and getattr(row, name) != value
    ]
    for name in changed:
        setattr(row, name, values[name])
    if changed:
        row.save(update_fields=[*changed, "updated"])
    keep_stated(row, values)
    return bool(changed)


def _embedded(files: Sequence[StoredFile]) -> list[ListedClaim]:
    """What the files' own metadata says about terms."""
    return [claim for file in files if file.reading for claim in embedded_claims(file.blob, file.reading)]


def _keep_files(version: Version, files: Sequence[StoredFile]) -> tuple[bool, bool]:
    """Keep the files with their readings and the digests stated for them; whether bytes are new, and whether
    anything is.
    """
    new_bytes = changed = False
    for file in files:
        new_bytes |= _file(version, file)
        changed |= _inspection(file)
        changed |= _announced(version, file)
    return new_bytes, changed or new_bytes


def _file(version: Version, file: StoredFile) -> bool:
    _, created = File.objects.get_or_create(
        version=version,
        blob=file.blob,
        defaults={
            "name": file.name,
            "state": FileState.QUARANTINED if file.quarantine else FileState.STORED,
            "reason": file.quarantine[:300],
            "announced": file.announced,
        },
    )
    return created


def _announced(version: Version, file: StoredFile) -> bool:
    """Keep the SHA256 that the source states now; whether it is another than before."""
    if not file.announced:
        return False
    rows = File.objects.filter(version=version, blob=file.blob).exclude(announced=file.announced)
    return bool(rows.update(announced=file.announced))


def _inspection(file: StoredFile) -> bool:
    if file.reading is None:
        return False
    data = json_value(file.reading)
    rank = data.get("rank") or {}
    _, created = Inspection.objects.get_or_create(
        blob=file.blob,
        reader=file.reader,
        defaults={
            "data": data,
            "valid": bool(data.get("valid")),
            "kind": data.get("kind") or "unreadable",
            "algorithm": data.get("algorithm") or "",
            "dialect": data.get("dialect") or "",
            "family": data.get("family") or "unknown",
            "rank_max": int(rank["max"]) if rank.get("max") is not None else None,
            "modules": data.get("modules") or 0,
        },
    )
    return created


def _samples(version: Version, samples: Sequence[StoredSample]) -> bool:
    known = set(version.samples.values_list("blob_id", flat=True))
    new = {sample.blob.pk: sample for sample in samples if sample.blob.pk not in known}
    for position, sample in enumerate(new.values(), start=len(known)):
        Sample.objects.create(
            version=version, blob=sample.blob, parameters=json_value(sample.parameters), position=position
        )
    return bool(new)


def _settle(version: Version, *, new_bytes: bool) -> None:
    """Bring what follows from the rows up to date: vetting state, terms profile, checks, measures."""
    states = set(version.files.values_list("state", flat=True))
    state = version.vetting
    if states == {FileState.QUARANTINED}:
        state = Vetting.QUARANTINED
    elif new_bytes and state in {Vetting.APPROVED, Vetting.QUARANTINED}:
        # What a reviewer approved were other bytes.
        state = Vetting.WAITING
    if state != version.vetting:
        version.vetting = state
        version.save(update_fields=["vetting", "updated"])
    if not verdicts.settle(version):
        # Where the profile moves, the items are kept with it.
        keep_items(version)
    checks.assess(version)
    assess_upstream(version)
    if new_bytes:
        request_analysis(version)
