"""Writes many new adapters at once, without bytes: by the rules of save_version, in a few queries for all.

A first sync of a large catalog is made of these. Whatever is not plainly new goes through save_version.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import prefetch_related_objects
from django.utils import timezone

from registry import checks
from registry.bases import find_base
from registry.basis import Basis, current_basis
from registry.history import enter
from registry.ledger import note_changes
from registry.models import (
    Adapter,
    AuditEvent,
    Availability,
    BaseModel,
    Creator,
    Snapshot,
    TermsClaim,
    TermsProfile,
    Version,
)
from registry.offers import keep_availability, keep_new
from registry.policies import named_by_tags
from registry.review_items import keep_new_items
from registry.sources.evidence import read_value
from registry.sources.listing import ListedVersion, Listing, RawDocument
from registry.sources.renames import identify_new
from registry.sources.save import facts_of, values_of
from registry.sources.text import json_value
from registry.terms import base_terms, canonical
from registry.upstream_checks import assess_new_upstream
from registry.verdicts import profile_of


@dataclass(slots=True)
class _New:
    """A version on its way in. `base`: what its declared base stands for."""

    listing: Listing
    listed: ListedVersion
    row: Version
    base: BaseModel | None
    claims: list[TermsClaim] = field(default_factory=list)


def is_plain(listing: Listing) -> bool:
    """Whether `save_new` can take the listing in, if its adapter is not known: ids, no bytes, no two
    statements of one kind from one document.
    """
    if not listing.source_key or not listing.versions:
        return False
    keys = [version.source_key for version in listing.versions]
    if None in keys or len(set(keys)) < len(keys):
        return False
    for version in listing.versions:
        told = [(claim.kind, claim.standing, claim.document) for claim in version.claims]
        if version.files or version.samples or len(set(told)) < len(told):
            return False
    return True


@transaction.atomic
def save_new(listings: Sequence[Listing], *, actor: str) -> dict[str, list[Version]]:
    """Make the adapters of one source, each `is_plain` and unknown so far; source_key -> its versions.

    All of them or none: raises django.db.Error and ValueError for what no row can hold, IntegrityError too
    where somebody else has made one of the adapters meanwhile.
    """
    adapters = _adapters(listings)
    bases = _bases(listings)
    new = [
        _New(listing, listed, _version(adapters[listing.source_key or ""], listed, base), base)
        for listing in listings
        for listed in listing.versions
        for base in [bases[listed.declared_base, listed.base_host]]
    ]
    Version.objects.bulk_create([each.row for each in new])
    _claims(new, _snapshots(new))
    offers = keep_new(
        ((each.row, each.listed.remote, each.listed.remote_samples) for each in new),
        settings.SAMPLES_PER_VERSION,
    )
    for each in new:
        if each.listed.availability != Availability.PRESENT:
            listed = each.listed
            keep_availability(
                each.row, listed.availability, listed.availability_reason, listed.availability_until
            )
    basis = current_basis()
    for profile, members in sorted(_profiles(new, basis).items(), key=lambda pair: pair[0].pk):
        enter([each.row for each in members], profile, basis)
    keep_new_items([(each.row, each.claims) for each in new])
    checks.assess_new([(each.row, each.claims) for each in new])
    assess_new_upstream(offers)
    AuditEvent.objects.bulk_create(
        AuditEvent(
            actor=actor[:150],
            action="ingest",
            subject=f"version:{each.row.pk}",
            data={"source": each.listing.source, "created": True},
        )
        for each in new
    )
    note_changes([each.row for each in new], "version_added")
    made: dict[str, list[Version]] = defaultdict(list)
    for each in new:
        made[each.listing.source_key or ""].append(each.row)
    return dict(made)


def _adapters(listings: Sequence[Listing]) -> dict[str, Adapter]:
    wanted = {(each.source, each.creator): each.creator_url for each in listings if each.creator}
    Creator.objects.bulk_create(
        [Creator(source=source, name=name, url=url) for (source, name), url in wanted.items()],
        ignore_conflicts=True,
    )
    names = {name for _, name in wanted}
    creators = {(row.source, row.name): row for row in Creator.objects.filter(name__in=names)}
    rows = [
        Adapter(
            source=listing.source,
            source_key=listing.source_key or "",
            **values_of(listing, creators.get((listing.source, listing.creator))),
        )
        for listing in listings
    ]
    made = {row.source_key: row for row in Adapter.objects.bulk_create(rows)}
    identify_new((made[each.source_key or ""], each.identity) for each in listings)
    return made


def _bases(listings: Sequence[Listing]) -> dict[tuple[str, str], BaseModel | None]:
    """What the declared names stand for, each looked up once, with what its license is told from."""
    named = {(each.declared_base, each.base_host) for listing in listings for each in listing.versions}
    found = {(name, host): find_base(name, host) for name, host in named}
    rows: dict[int, BaseModel] = {}
    for base in found.values():
        if base is not None:
            rows.setdefault(base.pk, base)
    prefetch_related_objects(list(rows.values()), "aliases", "license", "parent__aliases", "parent__parent")
    return {name: rows[base.pk] if base is not None else None for name, base in found.items()}


def _version(adapter: Adapter, listed: ListedVersion, base: BaseModel | None) -> Version:
    facts = {name: value for name, value in facts_of(listed, []).items() if value}
    values: dict[str, Any] = {"name": listed.name} | facts
    return Version(adapter=adapter, source_key=listed.source_key or "", base_declared=base, **values)


def _snapshots(new: Sequence[_New]) -> dict[RawDocument, Snapshot]:
    """The rows of all documents, those that stand already among them."""
    documents = {document: None for each in new for document in each.listed.documents}
    keys = {document: (document.url, hashlib.sha256(document.body).hexdigest()) for document in documents}
    Snapshot.objects.bulk_create(
        [
            Snapshot(
                url=url,
                sha256=sha256,
                body=document.body,
                media_type=document.media_type,
                etag=document.etag,
                fetched=document.fetched or timezone.now(),
            )
            for document, (url, sha256) in keys.items()
        ],
        ignore_conflicts=True,
    )
    rows = Snapshot.objects.filter(
        url__in={url for url, _ in keys.values()}, sha256__in={sha256 for _, sha256 in keys.values()}
    )
    held = {(row.url, row.sha256): row for row in rows.defer("body")}
    return {document: held[key] for document, key in keys.items()}


def _claims(new: Sequence[_New], snapshots: dict[RawDocument, Snapshot]) -> None:
    values: dict[tuple[str, str, str], Any] = {}
    for each in new:
        host = each.listed.base_host
        for claim in each.listed.claims:
            known = (claim.kind, host, canonical(json_value(claim.value)))
            if known not in values:
                values[known] = read_value(claim, host)
            each.claims.append(
                TermsClaim(
                    version=each.row,
                    kind=claim.kind,
                    standing=claim.standing,
                    value=values[known],
                    wording=claim.wording,
                    unread=list(claim.unread),
                    hints=json_value(claim.hints),
                    snapshot=snapshots.get(claim.document) if claim.document else None,
                )
            )
    TermsClaim.objects.bulk_create([claim for each in new for claim in each.claims])


def _profiles(new: Sequence[_New], basis: Basis) -> dict[TermsProfile, list[_New]]:
    """The profiles: terms are worked out once for all versions that state the same on the same base.

    What was worked out for earlier versions is remembered by all that it follows from, read anew for these.
    """
    alike: dict[tuple[str, str], list[_New]] = defaultdict(list)
    for each in new:
        overlays = named_by_tags([*each.listing.tags, *each.row.trigger_words], basis.rules)
        alike[basis.digest, canonical(list(_stated(each, overlays)))].append(each)
    # A profile is its terms and never changes; but a transaction that was undone may have taken it along.
    digests = {_worked_out[key] for key in alike if key in _worked_out}
    rows = {row.digest: row for row in TermsProfile.objects.filter(digest__in=digests)}
    found: dict[TermsProfile, list[_New]] = defaultdict(list)
    for key, members in alike.items():
        profile = rows.get(_worked_out.get(key, "")) or profile_of(members[0].row)
        if len(_worked_out) >= _MOST_REMEMBERED:
            _worked_out.clear()
        _worked_out[key] = profile.digest
        found[profile] += members
    return found


def _stated(new: _New, overlays: list[str]) -> Iterator[Any]:
    """All that the terms of a version without files, questions and decisions follow from."""
    yield base_terms(new.base)
    yield overlays
    for claim in new.claims:
        yield [claim.kind, claim.standing, claim.value, claim.wording, claim.unread, claim.hints]


_MOST_REMEMBERED: Final = 20_000
_worked_out: dict[tuple[str, str], str] = {}
"""By basis and by what is stated -> the digest of the profile that it makes."""
