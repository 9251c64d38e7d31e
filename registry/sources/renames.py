"""Follows adapters that an upstream renamed: one adapter stays here, which notes what it was called.

The id that the upstream keeps through a rename decides, never the name: under a name that was given up
somebody else may publish something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from django.db import transaction

from registry.ledger import audit, note_change
from registry.messages import gettext_noop
from registry.models import Adapter, Availability, UpstreamIdentity, UpstreamItem
from registry.offers import keep_availability

ACTOR: Final = "sync"
NAME_TAKEN: Final = gettext_noop("Another adapter has its name upstream now.")
_KEY_MAX: Final = 500


def strangers(source: str, told: Mapping[str, str]) -> dict[str, str]:
    """Of these (key -> identity) those whose identity or key is known here with another one. One query."""
    rows = UpstreamIdentity.objects.filter(source=source).values_list("adapter__source_key", "identity")
    known = set(rows.filter(identity__in=set(told.values())))
    known |= set(rows.filter(adapter__source_key__in=set(told)))
    return {
        key: identity
        for key, identity in told.items()
        if any((each == identity) != (name == key) for name, each in known if name == key or each == identity)
    }


@transaction.atomic
def follow(source: str, key: str, identity: str, *, actor: str = ACTOR) -> bool:
    """Give the adapter with this identity this key, whoever had it before; whether anything moved.

    An adapter that has the key with another identity is another one: it stays, under a key that nobody has,
    until it is met again by its identity. Without an identity nothing is known, and nothing moves.
    """
    if not identity:
        return False
    moved = False
    there = Adapter.objects.select_for_update().filter(source=source, source_key=key).first()
    own = (
        Adapter.objects.select_for_update(of=["self"])
        .filter(upstream_identity__source=source, upstream_identity__identity=identity)
        .first()
    )
    if there is not None and there != own:
        its = UpstreamIdentity.objects.filter(adapter=there).first()
        if its is not None:
            _displace(there, its, actor)
            moved = True
        elif own is not None:
            # Kept twice from before its identity was known; which one to keep is not for a sync to say.
            return moved
    if own is not None and own.source_key != key:
        _rename(own, key, actor)
        moved = True
    return moved


def identify(adapter: Adapter, identity: str) -> None:
    """Note by what the upstream knows the adapter, unless that is noted, or another adapter's."""
    if identity and not UpstreamIdentity.objects.filter(adapter=adapter).exists():
        UpstreamIdentity.objects.bulk_create(
            [UpstreamIdentity(adapter=adapter, source=adapter.source, identity=identity)],
            ignore_conflicts=True,
        )


def identify_new(adapters: Iterable[tuple[Adapter, str]]) -> None:
    """`identify` for adapters that were just made, in one query. Raises IntegrityError for a known one."""
    UpstreamIdentity.objects.bulk_create(
        UpstreamIdentity(adapter=adapter, source=adapter.source, identity=identity)
        for adapter, identity in adapters
        if identity
    )


def _displace(adapter: Adapter, its: UpstreamIdentity, actor: str) -> None:
    """Free the key of an adapter whose name somebody else has now; what is kept of it stays as it is."""
    mark = f"#{its.identity}"
    key = adapter.source_key[: _KEY_MAX - len(mark)] + mark
    UpstreamItem.objects.filter(adapter=adapter).delete()
    _rename(adapter, key, actor)
    for version in adapter.versions.order_by("pk"):
        if keep_availability(version, Availability.NOT_FOUND, NAME_TAKEN):
            note_change(version, "version_updated")


def _rename(adapter: Adapter, key: str, actor: str) -> None:
    before, adapter.source_key = adapter.source_key, key
    adapter.save(update_fields=["source_key", "updated"])
    known = UpstreamIdentity.objects.get(adapter=adapter)
    known.former = [each for each in known.former if each not in (before, key)] + [before]
    known.save(update_fields=["former"])
    # A row that the new name left behind when it could not be kept.
    UpstreamItem.objects.filter(source=adapter.source, key=key).exclude(adapter=adapter).delete()
    # Whatever it was known by, it is read once more.
    UpstreamItem.objects.filter(adapter=adapter).update(key=key, fingerprint="", doubt="")
    audit(actor, "upstream_renamed", f"adapter:{adapter.pk}", before=before[:500], after=key)
