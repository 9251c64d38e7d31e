"""Writes what an upstream means for vetting: its state there, and whether the bytes are here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from registry.checks import Result, keep_each
from registry.models import (
    Availability,
    Check,
    CheckOutcome,
    File,
    FileState,
    OfferedFile,
    OfferState,
    Version,
)
from registry.offers import PICTURE, RECALLED

STATE: Final = "upstream_state"
BYTES: Final = "bytes_stored"


def assess_upstream(version: Version) -> None:
    """Keep what the upstream says and what was fetched as checks; none for a version that never had one."""
    files = list(version.files.exclude(state=FileState.WITHDRAWN))
    offers = list(version.offers.exclude(role=PICTURE))
    held = {
        (version.pk, check.code): check
        for check in Check.objects.filter(version=version, code__in=[STATE, BYTES])
    }
    results = [
        result
        for result in _results(version, files, offers)
        if result.outcome != CheckOutcome.OK or offers or (version.pk, result.code) in held
    ]
    keep_each([(version, result) for result in results], held)


def assess_new_upstream(versions: Iterable[tuple[Version, Sequence[OfferedFile]]]) -> None:
    """The same for versions that were just made, with what they are offered and no file; in one query."""
    results = [
        (version, result)
        for version, offers in versions
        for result in _results(version, (), offers)
        if result.outcome != CheckOutcome.OK or offers
    ]
    keep_each(results, {})


def _results(version: Version, files: Sequence[File], offers: Sequence[OfferedFile]) -> Iterator[Result]:
    yield from _state(version, offers)
    yield from _bytes(files, offers)


def _state(version: Version, offers: Sequence[OfferedFile]) -> Iterator[Result]:
    state = version.availability
    evidence: dict[str, Any] = {"state": state}
    if state == Availability.PRESENT:
        yield Result(STATE, CheckOutcome.OK, "The upstream still offers it.", evidence)
        return
    since = version.availability_since
    evidence |= {"since": since.isoformat() if since else None, "reason": version.availability_reason}
    if version.availability_until:
        evidence["until"] = version.availability_until.isoformat()
    told = f" {version.availability_reason}" if version.availability_reason else ""
    dated = f" since {since:%Y-%m-%d}" if since else ""
    outcome = CheckOutcome.WARN if state in RECALLED else CheckOutcome.OK
    yield Result(STATE, outcome, f"{Availability(state).label}{dated}.{told}", evidence)


def _bytes(files: Sequence[File], offers: Sequence[OfferedFile]) -> Iterator[Result]:
    missing = [offer for offer in offers if offer.state != OfferState.STORED]
    evidence = {offer.name: offer.code or offer.state for offer in missing if offer.code != "role_not_wanted"}
    if not files:
        why = "; ".join(f"{offer.name}: {offer.reason or offer.get_state_display()}" for offer in missing)
        text = f"No bytes are stored yet, only what the source says. {why}".strip()
        yield Result(BYTES, CheckOutcome.TODO, text, evidence)
        return
    failed = [offer for offer in missing if offer.state == OfferState.FAILED]
    if failed:
        told = "; ".join(f"{offer.name}: {offer.code}" for offer in failed)
        yield Result(BYTES, CheckOutcome.WARN, f"Not all offered files could be had: {told}.", evidence)
        return
    yield Result(BYTES, CheckOutcome.OK, "The bytes of the version are stored.", evidence)
