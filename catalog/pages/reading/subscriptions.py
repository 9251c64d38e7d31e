"""What the subscriptions page shows: each with its last run, and the reports of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from catalog.pages.sync_words import KIND_ORDER
from registry.models import Job, JobState, RunState, Source, Subscription, SubscriptionKind, SyncRun
from registry.sync.clients import CLIENTS
from registry.sync.report import RunReport, run_report, runs
from registry.sync.subscriptions import SYNC_JOB

MOST: Final = 200
MOST_RUNS: Final = 30
_BUSY: Final = (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class Followed:
    """A subscription, its last run, and whether a worker has it or will take it."""

    subscription: Subscription
    last: SyncRun | None
    job: Job | None

    @property
    def busy(self) -> bool:
        return self.job is not None and self.job.state in _BUSY

    @property
    def stage(self) -> str:
        """A code of sync_words.STAGES."""
        if self.job is not None and self.job.state == JobState.RUNNING:
            return "running"
        if self.job is not None and self.job.state == JobState.QUEUED:
            return "queued"
        if not self.subscription.active:
            return "paused"
        if self.last is None:
            return "new"
        return str(RunState(self.last.state))

    @property
    def overdue(self) -> bool:
        return self.subscription.active and self.subscription.due <= timezone.now()


@dataclass(frozen=True, slots=True)
class SubscriptionPage:
    """One subscription with its runs, one of them told in full."""

    followed: Followed
    runs: list[SyncRun]
    report: RunReport | None


def read_subscriptions() -> tuple[list[Followed], int]:
    """The first MOST subscriptions, those that are active first, and how many there are; four queries."""
    last = SyncRun.objects.filter(subscription=OuterRef("pk")).order_by("-started", "-pk").values("pk")[:1]
    rows = list(
        Subscription.objects.annotate(last_run=Subquery(last)).order_by("-active", "source", "target", "pk")[
            :MOST
        ]
    )
    found = SyncRun.objects.in_bulk([row.last_run for row in rows if row.last_run])
    held = _jobs(rows)
    followed = [Followed(row, found.get(row.last_run), held.get(row.pk)) for row in rows]
    return followed, Subscription.objects.count() if len(rows) == MOST else len(rows)


def read_subscription(subscription: Subscription, run: int | None) -> SubscriptionPage | None:
    """The subscription with its latest run in full, or with `run`; None where it has no such run."""
    found = list(runs(subscription)[:MOST_RUNS])
    told = found[0] if found else None
    if run is not None:
        told = runs(subscription).filter(pk=run).first()
        if told is None:
            return None
    followed = Followed(subscription, found[0] if found else None, _jobs([subscription]).get(subscription.pk))
    return SubscriptionPage(followed, found, run_report(told) if told else None)


def choices() -> Mapping[str, list[tuple[str, str]]]:
    """Upstream's name -> what of it can be followed, as (`source:kind`, word).

    Folders are left out: a path on this machine is no business of whoever has a browser alone.
    """
    return {
        str(Source(source).label): [
            (f"{source}:{kind}", str(SubscriptionKind(kind).label))
            for kind in sorted(client.kinds, key=lambda kind: KIND_ORDER.index(SubscriptionKind(kind)))
        ]
        for source, client in CLIENTS.items()
    }


def _jobs(rows: Sequence[Subscription]) -> dict[int, Job]:
    """Subscription id -> its job, if it ever had one."""
    keys = {f"subscription:{row.pk}": row.pk for row in rows}
    return {keys[job.key]: job for job in Job.objects.filter(kind=SYNC_JOB, key__in=keys)}
