"""Asks an upstream for single adapters: whether they are still there, what they say now, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from registry.absence import LOST, miss, missing_versions, note_absent
from registry.messages import gettext_noop
from registry.models import (
    Subscription,
    SubscriptionKind,
    SyncRun,
    UpstreamIdentity,
    UpstreamItem,
    Version,
)
from registry.offers import STATES
from registry.sources.listing import Listing
from registry.sources.renames import follow, identify
from registry.sources.upstream_errors import UpstreamError
from registry.sync.clients import client_of
from registry.sync.keeping import (
    NOT_KEPT,
    UNREAD,
    VERSION_MISSING,
    Kept,
    keep,
    read,
    remember,
    settled,
)

UNLISTED: Final = "unlisted"
"""Doubt: a list that held the adapter once holds it no longer."""
# Asked for one by one after each run; the rest waits for the next one.
MOST_ASKED: Final = 200
MOVED: Final = gettext_noop("It has another name upstream now, and is kept here under that one, too.")


@dataclass(frozen=True, slots=True)
class Asked:
    """What an upstream answered about one adapter. `absent`: versions whose state it changed."""

    kept: Kept | None
    absent: list[Version]


def ask(item: UpstreamItem, *, actor: str) -> Asked:
    """Ask for this adapter alone, and keep what is said now: terms, versions, or that it is not there.

    Nothing that was stored is touched. Raises UpstreamError where the answer tells nothing about the adapter,
    and ListingRefused.
    """
    try:
        listing = _listing(item)
    except UpstreamError as error:
        if error.code not in STATES:
            raise
        return settled(partial(_absent, item, error))
    return settled(partial(_keep, item.pk, listing, actor))


@transaction.atomic
def _absent(item: UpstreamItem, error: UpstreamError) -> Asked:
    absent = note_absent(item.source, item.key, error)
    # Should it be listed again, it is read again, whatever it says then.
    item.fingerprint = ""
    _settle(item)
    return Asked(None, absent)


@transaction.atomic
def _keep(item_id: int, listing: Listing | None, actor: str) -> Asked:
    # As it stands now: while the upstream was asked, a run may have listed it anew.
    item = UpstreamItem.objects.select_for_update().filter(pk=item_id).first()
    if item is None:
        return Asked(None, [])
    if listing is None:
        _settle(item)
        return Asked(None, [])
    if listing.source_key != item.key and not _follow(item, listing):
        item.fingerprint = ""
        _settle(item)
        versions = Version.objects.filter(adapter=item.adapter).exclude(availability__in=LOST)
        return Asked(None, miss(versions.order_by("pk"), MOVED))
    kept = keep(listing, actor=actor)
    absent = miss(missing_versions(kept.adapter, listing))
    # By its key: the name may have gone to another adapter, and a row of its own stands for that one.
    item = UpstreamItem.objects.filter(source=listing.source, key=listing.source_key or "").first()
    remember(item, listing, adapter=kept.adapter, run=None, kept=bool(kept.versions), alone=True)
    return Asked(kept, absent)


def _follow(item: UpstreamItem, listing: Listing) -> bool:
    """Whether the upstream led from the adapter's name to its new one, which it has here from now on.

    Not where another adapter has that name here already: then the one that was asked for is there no longer.
    """
    if item.adapter is None:
        return False
    identify(item.adapter, listing.identity)
    mine = UpstreamIdentity.objects.filter(adapter=item.adapter, identity=listing.identity)
    if not mine.exists():
        return False
    follow(listing.source, listing.source_key or "", listing.identity)
    item.adapter.refresh_from_db(fields=["source_key"])
    return item.adapter.source_key == listing.source_key


def doubtful(subscription: Subscription, run: SyncRun) -> list[UpstreamItem]:
    """Adapters to be asked for after a complete run: not listed any more, listed without a known version, or
    listed and not to be had for a moment.

    A search is no list of what there is, so an adapter that it shows no longer is nothing to wonder about;
    nor is one that a log of changes leaves out. What a log listed once, and could not be kept, it may never
    list again.
    """
    rows = UpstreamItem.objects.filter(subscription=subscription)
    known = rows.exclude(adapter=None)
    if subscription.kind != SubscriptionKind.QUERY and not run.began:
        known.exclude(run=run).filter(doubt="").update(doubt=UNLISTED)
    wanted = Q(doubt__in=(UNLISTED, VERSION_MISSING), adapter__isnull=False) | Q(doubt=UNREAD, run=run)
    if subscription.resume:
        wanted |= Q(doubt__in=NOT_KEPT) & ~Q(run=run)
    return list(rows.filter(wanted).select_related("adapter").order_by("read", "pk")[:MOST_ASKED])


def _listing(item: UpstreamItem) -> Listing | None:
    """The adapter as its upstream shows it alone; under another name, if it leads there."""
    pages = client_of(item.source).pages
    elsewhere: Listing | None = None
    for page in pages(SubscriptionKind.ADAPTER, item.key, None):
        for failure in page.failures:
            raise failure.error
        for listing in page.listings:
            if listing.source_key == item.key:
                return read(listing)
            if listing.identity:
                elsewhere = read(listing)
    return elsewhere


def _settle(item: UpstreamItem) -> None:
    item.read, item.doubt = timezone.now(), ""
    item.save(update_fields=["read", "doubt", "fingerprint"])
