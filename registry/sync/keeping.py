"""Keeps what an upstream says of one adapter: its versions, and by what it is known again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db import Error as DatabaseError
from django.db import OperationalError, transaction
from django.utils import timezone

from registry.models import Adapter, SyncRun, UpstreamItem, Version
from registry.sources.listing import Listing
from registry.sources.pages import Unread
from registry.sources.save import save_version
from registry.sources.save_new import save_new
from registry.sync.errors import ListingRefused

ACTOR: Final = "sync"
"""Who the audit log names."""
VERSION_MISSING: Final = "version_missing"
"""Doubt: a version that is known here was not in the list; some lists leave versions out."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a listing: its adapter, and the versions that are new or say something new."""

    adapter: Adapter | None
    versions: list[Version] = field(default_factory=list)


def read(listing: Listing | Unread) -> Listing:
    """The listing, checked for what keeping it needs. Raises ListingRefused and what reading it raises."""
    found = listing.read() if isinstance(listing, Unread) else listing
    if not found.source_key or any(not version.source_key for version in found.versions):
        # Without an id of the upstream's own it could not be told apart the next time.
        raise ListingRefused(f"{found.source} gives {found.name!r} without an id.")
    return found


def keep(listing: Listing, *, actor: str) -> Kept:
    """Save every version of the listing, or none. Raises ListingRefused for what no row can hold.

    A list that is empty by mistake erases nothing: neither versions nor their adapter.
    """
    try:
        with transaction.atomic():
            saved = [save_version(listing, version, [], actor=actor) for version in listing.versions]
    except OperationalError:
        raise
    except (DatabaseError, ValueError) as error:
        # A text with a zero byte, a number out of range: it is this item's alone.
        told = str(error).partition("\n")[0][:300]
        raise ListingRefused(f"{listing.source} {listing.source_key}: {told}") from error
    changed = [each.version for each in saved if each.changed]
    return Kept(saved[0].version.adapter if saved else None, changed)


def keep_all_new(listings: Sequence[Listing], *, actor: str, run: SyncRun) -> int | None:
    """Save and remember adapters of one source that are all new, in one transaction; how many versions.

    None where that cannot be, for whatever reason: then each has to be kept by itself.
    """
    keys = [listing.source_key for listing in listings]
    if Adapter.objects.filter(source=listings[0].source, source_key__in=keys).exists():
        return None
    try:
        with transaction.atomic():
            made = save_new(listings, actor=actor)
            _remember_new(listings, made, run)
    except OperationalError:
        raise
    except (DatabaseError, ValueError):
        return None
    return sum(len(versions) for versions in made.values())


def _remember_new(listings: Sequence[Listing], made: Mapping[str, Sequence[Version]], run: SyncRun) -> None:
    """`remember` for adapters that were just made, of which nothing is remembered yet."""
    now = timezone.now()
    UpstreamItem.objects.bulk_create(
        UpstreamItem(
            source=listing.source,
            key=listing.source_key or "",
            adapter=made[listing.source_key or ""][0].adapter,
            fingerprint=listing.fingerprint[:64],
            seen=now,
            kept=now,
            read=now,
            run=run,
            subscription=run.subscription,
        )
        for listing in listings
    )


def remember(
    item: UpstreamItem | None,
    listing: Listing | Unread,
    *,
    adapter: Adapter | None,
    run: SyncRun | None,
    kept: bool,
    doubt: str = "",
    alone: bool = False,
) -> UpstreamItem:
    """Note that the upstream showed the adapter, and by what it is known again.

    `kept`: it said something new; `alone`: it was asked for by itself. Where it could not be kept the
    fingerprint must stay what it was, so that it is tried again: then call `failed`.
    """
    now = timezone.now()
    item = item or _item(listing)
    if not (alone and item.fingerprint and item.subscription_id):
        # A list may leave out what the adapter's own page shows; it is the list that is read again and again.
        item.fingerprint = listing.fingerprint[:64]
    item.seen, item.doubt = now, doubt
    item.adapter = adapter or item.adapter
    item.kept = now if kept else item.kept
    if alone:
        item.read = now
    if run is not None:
        item.run, item.subscription = run, run.subscription
    item.save()
    return item


def failed(item: UpstreamItem | None, listing: Listing | Unread, run: SyncRun) -> None:
    """Note that the run met the adapter and could not keep it; nothing else that is known of it changes."""
    item = item or _item(listing)
    item.run = run
    item.save(update_fields=["run"])


def _item(listing: Listing | Unread) -> UpstreamItem:
    # Another subscription may list the same adapter at the same time.
    item, _ = UpstreamItem.objects.get_or_create(source=listing.source, key=listing.source_key or "")
    return item


def missing_versions(adapter: Adapter | None, listing: Listing) -> list[Version]:
    """Versions known here that are not in the listing; none where it is empty, which some are by mistake."""
    if adapter is None or not listing.versions:
        return []
    listed = {version.source_key for version in listing.versions}
    return list(adapter.versions.exclude(source_key__in=listed))


def items_by_key(source: str, keys: Iterable[str]) -> dict[str, UpstreamItem]:
    """What is remembered of these adapters, in one query."""
    rows = UpstreamItem.objects.filter(source=source, key__in=set(keys))
    return {item.key: item for item in rows}
