"""What a refusal or a good answer of an upstream says about the versions kept here; nothing is erased."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from registry.errors import KuraError
from registry.ledger import note_change
from registry.models import Availability, OfferedFile, OfferState, Version
from registry.offers import STATES, keep_availability, note_absence, note_refusal
from registry.sources.upstream_errors import UpstreamError
from registry.upstream_checks import assess_upstream


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
def _note(error: UpstreamError) -> list[Version]:
    assert error.subject is not None
    subject = error.subject
    found = note_absence(subject.source, subject.adapter, error, subject.version)
    for version in found:
        assess_upstream(version)
    return found
