"""Has the files fetched that a run found offered, as far as triage lets them through by their records."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from registry.absence import LOST
from registry.intake import request
from registry.models import OfferedFile, OfferState, SyncRun, Version
from registry.offers import PICTURE
from registry.sync.keeping import ACTOR

_AT_ONCE: Final = 100


def request_offered(run: SyncRun, listed: Mapping[str, Collection[str]] | None = None) -> int:
    """Decide on every file that is offered and undecided; how many will be fetched.

    Of the adapters with these keys (source -> keys), else of all that the subscription brought. Rows tell
    what is left to decide, so a run that was killed between keeping and deciding forgets nothing.
    """
    subscription = run.subscription
    if not subscription.fetch:
        return 0
    met = Version.objects.filter(adapter__upstream_item__subscription=subscription)
    if listed is not None:
        chosen = Q()
        for source, keys in listed.items():
            chosen |= Q(adapter__source=source, adapter__source_key__in=list(keys))
        if not chosen:
            return 0
        met = met.filter(chosen)
    jobs = 0
    for version in _undecided(met.exclude(availability__in=LOST)):
        jobs += len(request(version, changes=subscription.policy, actor=ACTOR))
    return jobs


def _undecided(versions: QuerySet[Version]) -> Iterator[Version]:
    offered = OfferedFile.objects.filter(version=OuterRef("pk"), state=OfferState.OFFERED)
    undecided = offered.exclude(role=PICTURE)
    last = 0
    while True:
        rows = (
            versions.filter(Exists(undecided), pk__gt=last)
            .select_related("adapter", "terms_profile", "base_declared", "base_decided")
            .order_by("pk")[:_AT_ONCE]
        )
        batch = list(rows)
        if not batch:
            return
        yield from batch
        last = batch[-1].pk
