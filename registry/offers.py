"""Keeps what an upstream offers for a version, and in which state it is there: absence never erases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from registry.ledger import note_change
from registry.models import (
    Availability,
    AvailabilityChange,
    File,
    FileState,
    OfferedFile,
    OfferState,
    Version,
)
from registry.sources.announced import read_hashes
from registry.sources.listing import RemoteFile, RemoteSample
from registry.sources.text import json_value, line
from registry.sources.upstream_errors import EarlyAccess, UpstreamError

WEIGHTS: Final = "weights"
PICTURE: Final = "picture"
# Cause of an upstream's refusal -> the state that it stands for. A login that is missing is ours to fix, and
# a host that fails says nothing about the version.
STATES: Final[Mapping[str, str]] = {
    "not_found_upstream": Availability.NOT_FOUND,
    "gone_upstream": Availability.GONE,
    "early_access": Availability.EARLY_ACCESS,
    "gated_upstream": Availability.GATED,
}
# The upstream no longer stands behind these, or no longer gives them to everybody.
RECALLED: Final = (
    Availability.GONE,
    Availability.NOT_FOUND,
    Availability.TAKEN_DOWN,
    Availability.ARCHIVED,
    Availability.GATED,
)
# What is listed again and again is dated this often.
_SEEN_EVERY: Final = timedelta(days=1)
_FACTS: Final = ("name", "url", "size", "about", "hashes", "role", "primary", "requires", "format")


def keep_offers(version: Version, remote: Sequence[RemoteFile]) -> bool:
    """Write down the files that the upstream lists for the version now; whether anything is new.

    One that it no longer lists stays as it was. One whose announced digest, size or address changed is
    offered anew: other bytes may lie there now, and those stored before stay stored.
    """
    if not remote:
        return False
    now = timezone.now()
    held = {offer.key: offer for offer in version.offers.exclude(role=PICTURE)}
    new: list[OfferedFile] = []
    changed: list[OfferedFile] = []
    seen: list[int] = []
    for file in {file.key: file for file in remote}.values():
        facts = _facts(file)
        offer = held.get(facts["key"])
        if offer is None:
            new.append(_offer(version, facts, now))
            continue
        if any(getattr(offer, name) != facts[name] for name in _FACTS):
            if _other_bytes(offer, facts):
                _offer_anew(offer)
            for name in _FACTS:
                setattr(offer, name, facts[name])
            changed.append(offer)
        elif now - offer.seen >= _SEEN_EVERY:
            seen.append(offer.pk)
        offer.seen = offer.updated = now
    OfferedFile.objects.bulk_create(new, ignore_conflicts=True)
    if changed:
        told = [*_FACTS, "state", "code", "reason", "triage", "saved", "seen", "updated"]
        OfferedFile.objects.bulk_update(changed, told)
    if seen:
        OfferedFile.objects.filter(pk__in=seen).update(seen=now)
    return bool(new or changed)


def keep_new(
    versions: Iterable[tuple[Version, Sequence[RemoteFile], Sequence[RemoteSample]]], most: int
) -> list[tuple[Version, list[OfferedFile]]]:
    """`keep_offers` and `keep_pictures` for versions that were just made, in one query for all; the files."""
    now = timezone.now()
    new: list[tuple[Version, list[OfferedFile]]] = []
    pictures = []
    for version, remote, samples in versions:
        facts = {file.key: _facts(file) for file in remote}
        new.append((version, [_offer(version, each, now) for each in facts.values()]))
        pictures += [_picture(version, key, sample) for key, sample in _shown(samples, most).items()]
    rows = [offer for _, offers in new for offer in offers]
    OfferedFile.objects.bulk_create([*rows, *pictures], ignore_conflicts=True)
    return new


def keep_pictures(version: Version, samples: Sequence[RemoteSample], most: int) -> bool:
    """Offer the first `most` pictures of the page, each once, with the parameters stated for it."""
    shown = _shown(samples, most)
    held = set(version.offers.filter(role=PICTURE).values_list("key", flat=True)) if shown else set()
    new = [_picture(version, key, sample) for key, sample in shown.items() if key not in held]
    # What the page showed before is not more than what it may show.
    new = new[: max(0, most - len(held))]
    OfferedFile.objects.bulk_create(new, ignore_conflicts=True)
    return bool(new)


def announced(offer: OfferedFile) -> dict[str, str]:
    """The digests that the upstream announces for the file, as registry.sources.announced reads them."""
    return read_hashes(offer.hashes)


def keep_availability(
    version: Version,
    state: str,
    reason: str = "",
    until: datetime | None = None,
    *,
    at: datetime | None = None,
) -> bool:
    """Note what the upstream answers for the version now; whether that is something else than before.

    A change of state, or of the time until which it holds, is dated and kept for good; files, claims,
    pictures and sheets are left as they are. `at`: when it was answered, now unless given.
    """
    reason = line(reason, 300)
    same = (version.availability, version.availability_until) == (state, until)
    if same and (version.availability_reason == reason or state == Availability.PRESENT):
        return False
    if not same:
        moment = at or timezone.now()
        AvailabilityChange.objects.create(
            version=version,
            before=version.availability,
            after=state,
            reason=reason,
            until=until,
            at=moment,
        )
        if version.availability != state:
            version.availability_since = moment
    version.availability = state
    version.availability_reason = reason
    version.availability_until = until
    fields = ["availability", "availability_since", "availability_until", "availability_reason", "updated"]
    version.save(update_fields=fields)
    return True


def note_refusal(version: Version, error: UpstreamError) -> bool:
    """Note what a refusal says about the version's state upstream, if it says anything; whether it did."""
    state = STATES.get(error.code)
    if state is None:
        return False
    until = error.until if isinstance(error, EarlyAccess) else None
    if keep_availability(version, state, error.message, until):
        note_change(version, "version_updated")
    return True


def note_absence(source: str, adapter_key: str, error: UpstreamError, version_key: str = "") -> list[Version]:
    """Note the refusal with every stored version of that adapter (or the one named); those it was noted with.

    Of a version named alone the adapter's key may be empty.

    For whoever asked for a page that was here before and is refused now. Nothing that was stored is touched.
    """
    if error.code not in STATES:
        return []
    if not (adapter_key or version_key):
        return []
    found = Version.objects.filter(adapter__source=source)
    if adapter_key:
        found = found.filter(adapter__source_key=adapter_key)
    if version_key:
        found = found.filter(source_key=version_key)
    return [version for version in found.order_by("pk") if note_refusal(version, error)]


def recalled() -> QuerySet[Version]:
    """Versions with files stored here whose upstream took them back, archived, gated or lost them."""
    held = Q(files__state__in=[FileState.STORED, FileState.QUARANTINED])
    return Version.objects.filter(held, availability__in=RECALLED).distinct()


def without_bytes() -> Q:
    """Versions that stand with their claims alone: files are offered upstream, and none is here."""
    here = File.objects.filter(version=OuterRef("pk"))
    offered = OfferedFile.objects.filter(version=OuterRef("pk")).exclude(role=PICTURE)
    return ~Exists(here) & Exists(offered)


def _offer(version: Version, facts: dict[str, Any], now: datetime) -> OfferedFile:
    return OfferedFile(version=version, seen=now, **facts)


def _shown(samples: Sequence[RemoteSample], most: int) -> dict[str, RemoteSample]:
    return {f"picture {sample.url}"[:500]: sample for sample in samples[:most]}


def _picture(version: Version, key: str, sample: RemoteSample) -> OfferedFile:
    return OfferedFile(
        version=version,
        key=key,
        name=_last(sample.url),
        url=line(sample.url, 2000),
        role=PICTURE,
        triage={"parameters": json_value(sample.parameters)},
    )


def _facts(file: RemoteFile) -> dict[str, Any]:
    hashes = {line(name, 40): line(value, 200) for name, value in file.hashes}
    if file.sha256 and not any(name.lower() == "sha256" for name in hashes):
        hashes["SHA256"] = line(file.sha256, 200)
    return {
        "key": line(file.key, 500),
        "name": line(file.name, 300) or "unnamed",
        "url": line(file.url, 2000),
        "size": _believable(file.size),
        "about": _believable(file.about),
        "hashes": json_value(hashes),
        "role": line(file.role, 60) or WEIGHTS,
        "primary": file.primary,
        "requires": line(file.requires, 20),
        "format": line(file.format, 40),
    }


def _believable(size: int | None) -> int | None:
    """The size, unless it is one that no file has and no column holds."""
    return size if size is not None and 0 <= size < 10**18 else None


def _other_bytes(offer: OfferedFile, facts: Mapping[str, Any]) -> bool:
    """Whether the new facts may stand for other bytes than those that the offer was decided by."""
    before, after = announced(offer), read_hashes(facts["hashes"])
    shared = before.keys() & after.keys()
    if offer.blob_id and after.get("sha256"):
        return after["sha256"].lower() != offer.blob_id and before.get("sha256") != after["sha256"]
    if any(before[kind] != after[kind] for kind in shared):
        return True
    if offer.size is not None and facts["size"] is not None and offer.size != facts["size"]:
        return True
    if offer.state == OfferState.STORED:
        return False
    # What could not be had may be had by now.
    return bool(offer.requires != facts["requires"] or offer.url != facts["url"])


def _offer_anew(offer: OfferedFile) -> None:
    offer.state, offer.code, offer.reason = OfferState.OFFERED, "", ""
    offer.triage, offer.saved = {}, 0


def _last(url: str) -> str:
    return line(url.partition("?")[0].rstrip("/").rpartition("/")[2], 300) or "picture"
