"""Keeps what an upstream says of one adapter: its versions, and by what it is known again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from registry.errors import KuraError
from registry.models import Adapter, SyncRun, UpstreamItem, Version
from registry.sources.listing import Listing
from registry.sources.pages import Unread
from registry.sources.save import save_version
from registry.sources.save_new import save_new
from registry.sources.text import line
from registry.sync.errors import ListingRefused

ACTOR: Final = "sync"
"""Who the audit log names."""
VERSION_MISSING: Final = "version_missing"
"""Doubt: a version that is known here was not in the list; some lists leave versions out."""
UNREAD: Final = "unread"
"""Doubt: listed, and the upstream failed to tell more of it for the moment."""
REFUSED: Final = "refused"
"""Doubt: listed, and what is said of it could not be kept."""
NOT_KEPT: Final = (UNREAD, REFUSED)
# PostgreSQL chose this transaction to end a deadlock, or two could not have gone one after the other.
_TRY_AGAIN: Final = frozenset({"40P01", "40001"})
_MOST_TRIES: Final = 5

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a listing: its adapter, and the versions that are new or say something new."""

    adapter: Adapter | None
    versions: list[Version] = field(default_factory=list)


def settled(work: Callable[[], T]) -> T:
    """What `work` gives, which is one whole transaction; done again where a deadlock with others undid it."""
    for _ in range(_MOST_TRIES - 1):
        try:
            return work()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") not in _TRY_AGAIN:
                raise
    return work()


def check_key(listing: Listing | Unread) -> None:
    """Raise ListingRefused where the adapter has no id, or one that no row can hold as it is."""
    key = listing.source_key or ""
    if not key or key != line(key, 500):
        # Without an id of the upstream's own it could not be told apart the next time.
        raise ListingRefused(f"{listing.source} gives an adapter without a usable id.")


def read(listing: Listing | Unread) -> Listing:
    """The listing, checked for what keeping it needs. Raises ListingRefused and what reading it raises.

    An answer that a reader was not made for is this adapter's alone: it must not end the list.
    """
    check_key(listing)
    try:
        found = listing.read() if isinstance(listing, Unread) else listing
    except (KuraError, OperationalError, InterfaceError):
        raise
    except Exception as error:
        logger.exception("%s %s could not be read.", listing.source, listing.source_key)
        told = f"{listing.source} {listing.source_key}: {type(error).__name__} while it was read."
        raise ListingRefused(told) from error
    if any(not version.source_key for version in found.versions):
        raise ListingRefused(f"{found.source} gives a version of {found.source_key} without an id.")
    return found


def keep(listing: Listing, *, actor: str) -> Kept:
    """Save every version of the listing, or none. Raises ListingRefused for what no row can hold.

    A list that is empty by mistake erases nothing: neither versions nor their adapter.
    """
    try:
        with transaction.atomic():
            saved = [save_version(listing, version, [], actor=actor) for version in listing.versions]
    except (KuraError, OperationalError, InterfaceError):
        raise
    except Exception as error:
        # A text with a zero byte, a number out of range: it is this item's alone.
        if not isinstance(error, DatabaseError | ValueError):
            logger.exception("%s %s could not be kept.", listing.source, listing.source_key)
        told = line(str(error).partition("\n")[0], 300) or type(error).__name__
        raise ListingRefused(f"{listing.source} {listing.source_key}: {told}") from error
    changed = [each.version for each in saved if each.changed]
    if saved:
        return Kept(saved[0].version.adapter, changed)
    known = Adapter.objects.filter(source=listing.source, source_key=listing.source_key or "")
    return Kept(known.first())


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
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        # By itself each tells what is the matter with it.
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


def failed(item: UpstreamItem | None, listing: Listing | Unread, run: SyncRun, doubt: str) -> None:
    """Note that the run met the adapter and could not keep it; nothing else that is known of it changes."""
    item = item or _item(listing)
    item.run, item.subscription, item.doubt = run, run.subscription, doubt
    item.save(update_fields=["run", "subscription", "doubt"])


def _item(listing: Listing | Unread) -> UpstreamItem:
    # Another subscription may list the same adapter at the same time.
    item, _ = UpstreamItem.objects.get_or_create(source=listing.source, key=listing.source_key or "")
    return item


class Known(NamedTuple):
    """What decides whether an adapter has to be kept again. Of a list almost all are as they were, and a row
    made an object costs as much as all else that is done with it.
    """

    pk: int
    fingerprint: str
    doubt: str
    run_id: int | None


def known_by_key(source: str, keys: Iterable[str]) -> dict[str, Known]:
    """What is remembered of these adapters, in one query."""
    rows = UpstreamItem.objects.filter(source=source, key__in=set(keys))
    return {key: Known(*told) for key, *told in rows.values_list("key", *Known._fields)}
