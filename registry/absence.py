"""What a refusal or a good answer of an upstream says about the versions kept here; nothing is erased."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.db import transaction

from registry.errors import KuraError
from registry.ledger import note_change
from registry.messages import gettext_noop
from registry.models import Adapter, Availability, OfferedFile, OfferState, TermsClaim, UpstreamItem, Version
from registry.offers import STATES, keep_availability, note_absence, note_refusal
from registry.sources.listing import Listing
from registry.sources.upstream_errors import UpstreamError
from registry.upstream_checks import assess_upstream

LOST: Final = (Availability.NOT_FOUND, Availability.GONE, Availability.TAKEN_DOWN)
NOT_WITH_ADAPTER: Final = gettext_noop("Its adapter is still there and lists it no longer.")


def note_refused(errors: Iterable[KuraError]) -> list[Version]:
    """Note each refusal that says of what it is with the versions kept here; those it was noted with.

    Each of these errors is told, too, that what is kept stays. Errors that say nothing about what is kept,
    such as those of a network, change nothing.
    """
    noted: list[Version] = []
    for error in errors:
        if isinstance(error, UpstreamError) and error.subject is not None:
            found = _note(error)
            noted += found
            if found:
                error.message += f" Versions of it that stay here, marked: {len(found)}."
    return noted


def note_refused_file(version: Version, error: UpstreamError) -> None:
    """Note what the refusal of a file says about its version's state, and the check that follows from it.

    A file that is not found may be a storage that fails for a moment; the version's page decides that.
    """
    if error.code != "not_found_upstream" and version.availability == Availability.PRESENT:
        with transaction.atomic():
            if note_refusal(version, error):
                assess_upstream(version)


def note_answered(offer: OfferedFile, refused: str) -> bool:
    """A file could be had that was refused with the code `refused` before; whether its version is back.

    Only where the refusal of files was what its state came from: a page that says so itself is asked again.
    """
    version = Version.objects.get(pk=offer.version_id)
    if not refused or offer.requires or STATES.get(refused) != version.availability:
        return False
    if version.offers.filter(state=OfferState.FAILED, code=refused).exists():
        return False
    with transaction.atomic():
        keep_availability(version, Availability.PRESENT)
        assess_upstream(version)
        note_change(version, "version_updated")
    return True


@transaction.atomic
def note_absent(source: str, adapter_key: str, error: UpstreamError, version_key: str = "") -> list[Version]:
    """Note the refusal of an adapter, or of one version, with what is kept of it; those it says that of.

    As registry.offers.note_absence, with the checks that follow.
    """
    found = note_absence(source, adapter_key, error, version_key)
    for version in found:
        assess_upstream(version)
    _read_again(found)
    return found


def missing_versions(adapter: Adapter | None, listing: Listing) -> list[Version]:
    """Versions known here that are not in the listing; none where it is empty, which some are by mistake.

    A version that the upstream is known to have lost already is not missed anew.
    """
    if adapter is None or not (listing.versions or listing.whole):
        return []
    listed = {version.source_key for version in listing.versions} | listing.beside
    rows = adapter.versions.exclude(source_key__in=listed).exclude(availability__in=LOST)
    if listing.apart:
        elsewhere = TermsClaim.objects.filter(snapshot__url__regex=listing.apart)
        rows = rows.exclude(pk__in=elsewhere.filter(version__adapter=adapter).values("version"))
    return list(rows)


@transaction.atomic
def miss(versions: Iterable[Version], reason: str = NOT_WITH_ADAPTER) -> list[Version]:
    """Note of versions that they are no longer listed, unless a worse state is known; those it was new for.

    Listed again, a version is present again: both are dated.
    """
    missed = [
        version
        for version in versions
        if version.availability not in LOST and keep_availability(version, Availability.NOT_FOUND, reason)
    ]
    for version in missed:
        assess_upstream(version)
        note_change(version, "version_updated")
    _read_again(missed)
    return missed


def _note(error: UpstreamError) -> list[Version]:
    assert error.subject is not None
    subject = error.subject
    return note_absent(subject.source, subject.adapter, error, subject.version)


def _read_again(versions: Iterable[Version]) -> None:
    """Have what is listed again read again, though it says the same as before it was missed."""
    adapters = {version.adapter_id for version in versions}
    if adapters:
        UpstreamItem.objects.filter(adapter__in=adapters).exclude(fingerprint="").update(fingerprint="")
