"""Asks an upstream for single adapters: whether they are still there, what they say now, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.utils import timezone

from registry.ledger import note_change
from registry.messages import gettext_noop
from registry.models import Availability, Subscription, SubscriptionKind, SyncRun, UpstreamItem, Version
from registry.offers import STATES, keep_availability, note_absence
from registry.sources.listing import Listing
from registry.sources.upstream_errors import UpstreamError
from registry.sync.clients import client_of
from registry.sync.keeping import Kept, keep, missing_versions, read, remember

UNLISTED: Final = "unlisted"
"""Doubt: a list that held the adapter once holds it no longer."""
# Asked for one by one after each run; the rest waits for the next one.
MOST_ASKED: Final = 200
NOT_WITH_ADAPTER: Final = gettext_noop("Its adapter is still there and lists it no longer.")


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
        with transaction.atomic():
            absent = note_absence(item.source, item.key, error)
            # Should it be listed again, it is read again, whatever it says then.
            item.fingerprint = ""
            _settle(item)
        return Asked(None, absent)
    with transaction.atomic():
        if listing is None:
            _settle(item)
            return Asked(None, [])
        kept = keep(listing, actor=actor)
        absent = [each for each in missing_versions(kept.adapter, listing) if _miss(each)]
        remember(item, listing, adapter=kept.adapter, run=None, kept=bool(kept.versions), alone=True)
    return Asked(kept, absent)


def doubtful(subscription: Subscription, run: SyncRun) -> list[UpstreamItem]:
    """Adapters to be asked for after a complete run: not listed any more, or listed without a known version.

    A search is no list of what there is, so an adapter that it shows no longer is nothing to wonder about.
    """
    rows = UpstreamItem.objects.filter(subscription=subscription).exclude(adapter=None)
    if subscription.kind != SubscriptionKind.QUERY:
        rows.exclude(run=run).filter(doubt="").update(doubt=UNLISTED)
    return list(rows.exclude(doubt="").select_related("adapter").order_by("read", "pk")[:MOST_ASKED])


def _listing(item: UpstreamItem) -> Listing | None:
    pages = client_of(item.source).pages
    for page in pages(SubscriptionKind.ADAPTER, item.key, None):
        for failure in page.failures:
            raise failure.error
        for listing in page.listings:
            if listing.source_key == item.key:
                return read(listing)
    return None


def _settle(item: UpstreamItem) -> None:
    item.read, item.doubt = timezone.now(), ""
    item.save(update_fields=["read", "doubt", "fingerprint"])


def _miss(version: Version) -> bool:
    """Note that a version is no longer listed with its adapter, unless a worse state is known already."""
    if version.availability in (Availability.NOT_FOUND, Availability.GONE, Availability.TAKEN_DOWN):
        return False
    changed = keep_availability(version, Availability.NOT_FOUND, NOT_WITH_ADAPTER)
    if changed:
        note_change(version, "version_updated")
    return changed
