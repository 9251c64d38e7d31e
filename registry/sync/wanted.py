"""Has the files fetched that a run found offered, as far as triage lets them through by their records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.db.models import Exists, OuterRef

from registry.intake import request
from registry.models import OfferedFile, OfferState, SyncRun, Version
from registry.offers import PICTURE
from registry.sync.keeping import ACTOR

_AT_ONCE: Final = 100


def request_offered(run: SyncRun) -> int:
    """Decide on every file that the run's adapters offer and that is undecided; how many will be fetched.

    Rows tell what is left to decide, so a run that was killed between keeping and deciding forgets nothing.
    """
    subscription = run.subscription
    if not subscription.fetch:
        return 0
    jobs = 0
    for version in _undecided(run):
        jobs += len(request(version, changes=subscription.policy, actor=ACTOR))
    return jobs


def _undecided(run: SyncRun) -> Iterator[Version]:
    offered = OfferedFile.objects.filter(version=OuterRef("pk"), state=OfferState.OFFERED)
    undecided = offered.exclude(role=PICTURE)
    last = 0
    while True:
        rows = (
            Version.objects.filter(Exists(undecided), pk__gt=last, adapter__upstream_item__run=run)
            .select_related("adapter", "terms_profile", "base_declared", "base_decided")
            .order_by("pk")[:_AT_ONCE]
        )
        batch = list(rows)
        if not batch:
            return
        yield from batch
        last = batch[-1].pk
