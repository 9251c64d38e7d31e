"""What the upstream offers for a version and how it answered: for the adapter's page and the recall list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from registry.models import AvailabilityChange, OfferedFile, OfferState, Version
from registry.offers import PICTURE, recalled

MOST = 50


@dataclass(frozen=True)
class ShownUpstream:
    """The offers with what became of each, the bytes that triage spared, and the changes of state by date."""

    offers: Sequence[OfferedFile]
    saved: int
    changes: Sequence[AvailabilityChange]

    @property
    def waiting(self) -> int:
        """How many files have yet to be fetched."""
        return sum(offer.state in (OfferState.OFFERED, OfferState.WAITING) for offer in self.offers)

    def __bool__(self) -> bool:
        return bool(self.offers or self.changes)


def read_upstream(version: Version) -> ShownUpstream:
    """What the page shows of the version's upstream, in one query, or two where its state ever changed."""
    offers = list(version.offers.exclude(role=PICTURE).order_by("-primary", "pk")[:MOST])
    saved = sum(offer.saved for offer in offers if offer.state == OfferState.PASSED_BY)
    # A version whose state never changed has no such rows.
    changes = list(version.availability_changes.all()[:MOST]) if version.availability_since else []
    return ShownUpstream(offers, saved, changes)


@dataclass(frozen=True)
class Recalls:
    """One page of the recall list, the newest change first; `after` leads to the next."""

    versions: list[Version]
    after: str


def read_recalls(state: str = "", after: int | None = None) -> Recalls:
    """Versions stored here whose upstream took them back; `state` narrows it to one. Two queries."""
    found = recalled().select_related("adapter__creator")
    if state:
        found = found.filter(availability=state)
    if after is not None:
        found = found.filter(pk__lt=after)
    rows = list(found.order_by("-pk")[: MOST + 1])
    return Recalls(rows[:MOST], str(rows[MOST - 1].pk) if len(rows) > MOST else "")
