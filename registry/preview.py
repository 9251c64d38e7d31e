"""What taking a source in would bring: its listing read and triage asked, nothing fetched, nothing kept.

The listing is saved and triage decides in a transaction that is rolled back, so a preview cannot differ from
what an ingest would do before it reads the files' headers.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import transaction

from registry.models import Adapter, OfferedFile, OfferState, Version
from registry.offers import PICTURE
from registry.sources import names_upstream, read_source
from registry.sources.errors import SourceNotSupported
from registry.sources.listing import Listing
from registry.sources.rescans import Memory, current_edition
from registry.sources.save import save_version
from registry.sources.transport.policy import without_secrets
from registry.sources.walk import Failure
from registry.triage import Decision, by_record, house_policy
from registry.verdicts import verdict_for

# More than a person reads; whoever takes in a whole catalog subscribes to it.
MOST_ADAPTERS: Final = 5
MOST_VERSIONS: Final = 30
_HEX = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s#]+", re.IGNORECASE)
_HOST = re.compile(r"(www\.)?(civitai\.(com|red|green)|huggingface\.co|hf\.co)/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PreviewedFile:
    """A file that is offered. `about`: the size is the upstream's rounded one."""

    name: str
    size: int | None
    about: bool
    stored: bool
    decision: Decision


@dataclass(frozen=True, slots=True)
class PreviewedVersion:
    """A version: the base as declared, act -> outcome of the acts asked for, and its files."""

    name: str
    base: str
    availability: str
    known: bool
    outcomes: tuple[tuple[str, str], ...]
    files: tuple[PreviewedFile, ...]


@dataclass(frozen=True, slots=True)
class PreviewedAdapter:
    """An adapter with the versions that would be taken in, at most MOST_VERSIONS of them."""

    name: str
    creator: str
    url: str
    known: int | None
    versions: tuple[PreviewedVersion, ...]
    more_versions: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What SOURCE would bring. `more`: there are further adapters, which were not read."""

    source: str
    adapters: tuple[PreviewedAdapter, ...]
    failures: tuple[Failure, ...]
    more: bool

    @property
    def files(self) -> Iterator[PreviewedFile]:
        return (file for each in self.adapters for version in each.versions for file in version.files)

    @property
    def to_fetch(self) -> int:
        """Files that would be fetched, unless their headers tell otherwise."""
        return sum(file.decision.fetch and not file.stored for file in self.files)

    @property
    def bytes_to_fetch(self) -> int:
        return sum(file.size or 0 for file in self.files if file.decision.fetch and not file.stored)

    @property
    def bytes_saved(self) -> int:
        """Bytes that triage spares."""
        return sum(file.decision.saved for file in self.files)


def address_of(text: str) -> str:
    """What a person pasted, as the SOURCE of an upstream. Raises SourceNotSupported for anything else.

    A path is never accepted here: whoever has a browser alone has no business in this machine's folders.
    """
    source = text.strip()
    if _HEX.fullmatch(source):
        source = f"sha256:{source.lower()}"
    elif _HOST.match(source):
        source = f"https://{source}"
    if not names_upstream(source) or any(ord(each) < 32 for each in source):
        raise SourceNotSupported(
            "That is no address of an upstream.",
            next_step="Paste the address of a page on Civitai or the Hub, an AIR (urn:air:...), or a SHA256.",
        )
    # It is kept with the job and shown there; a token in it would be, too.
    return _ADDRESS.sub(lambda found: without_secrets(found[0]), source)


def preview(source: str, acts: Sequence[str] = ()) -> Preview:
    """What `source` (see `address_of`) would bring, with the outcome of `acts` for each version.

    Raises KuraError when the source cannot be read at all.
    """
    findings = read_source(source, Memory(current_edition("preview")))
    # All of it is read before the transaction begins: no row is locked while an upstream thinks.
    listings = list(itertools.islice(findings.listings, MOST_ADAPTERS + 1))
    with transaction.atomic():
        adapters = tuple(_adapter(listing, acts) for listing in listings[:MOST_ADAPTERS])
        transaction.set_rollback(True)
    return Preview(source, adapters, tuple(findings.failures), len(listings) > MOST_ADAPTERS)


def _adapter(listing: Listing, acts: Sequence[str]) -> PreviewedAdapter:
    """Saves the listing's versions; the caller rolls back."""
    known = Adapter.objects.filter(source=listing.source, source_key=listing.source_key or "").first()
    held = set(known.versions.values_list("source_key", flat=True)) if known else set()
    return PreviewedAdapter(
        name=listing.name,
        creator=listing.creator,
        url=listing.source_url,
        known=known.pk if known else None,
        versions=tuple(
            _version(
                save_version(listing, listed, [], actor="preview").version, listed.source_key in held, acts
            )
            for listed in listing.versions[:MOST_VERSIONS]
        ),
        more_versions=max(len(listing.versions) - MOST_VERSIONS, 0),
    )


def _version(version: Version, known: bool, acts: Sequence[str]) -> PreviewedVersion:
    policy = house_policy()
    base = version.base_decided or version.base_declared
    return PreviewedVersion(
        name=version.name,
        base=base.name if base else version.declared_base,
        availability=version.availability,
        known=known,
        outcomes=tuple((act, str(verdict_for(version, act, {}).outcome)) for act in acts),
        files=tuple(
            _file(offer, by_record(offer, version, policy))
            for offer in version.offers.exclude(role=PICTURE).order_by("-primary", "id")
        ),
    )


def _file(offer: OfferedFile, decision: Decision) -> PreviewedFile:
    return PreviewedFile(
        name=offer.name,
        size=offer.size if offer.size is not None else offer.about,
        about=offer.size is None,
        stored=offer.state == OfferState.STORED,
        decision=decision,
    )
