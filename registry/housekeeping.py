"""Tidies up once a day: jobs that were over long ago, their progress, and what was left half-fetched.

Only what no other row tells by is forgotten. What a job made stands for itself: claims with their evidence,
offered files with the reason why they failed, the audit log, sheets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from registry import half_fetched, jobs, storage
from registry.analysis import ANALYZE_JOB
from registry.intake import FETCH_JOB
from registry.models import Job, Transfer
from registry.models.jobs import OVER, JobState
from registry.recheck import RECHECK_JOB
from registry.sync.subscriptions import SYNC_JOB
from registry.sync.terms_reread import REREAD_JOB

HOUSEKEEPING_JOB: Final = "registry.housekeeping"
_KEY: Final = "all"
_EVERY: Final = timedelta(days=1)
# Rows that are deleted by one transaction.
_AT_ONCE: Final = 500
# Nothing is read from these once they are over: their results, and why they failed, are rows of their own.
# Jobs of sheets are not among them, nor any that another release knows.
_FORGOTTEN: Final = (FETCH_JOB, "registry.ingest", SYNC_JOB, REREAD_JOB, RECHECK_JOB, HOUSEKEEPING_JOB)


@dataclass(slots=True)
class Tidied:
    """How many rows and files were deleted."""

    jobs: int = 0
    transfers: int = 0
    files: int = 0

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def request_housekeeping(now: datetime | None = None) -> Job | None:
    """Let a worker tidy up where nobody has for a day; called again and again by the scheduler."""
    found = Job.objects.filter(kind=HOUSEKEEPING_JOB, key=_KEY).first()
    over = found is None or (
        found.finished is not None and found.finished <= (now or timezone.now()) - _EVERY
    )
    return jobs.enqueue(HOUSEKEEPING_JOB, _KEY, again=True) if over else None


def tidy(*, now: datetime | None = None, pause: Callable[[], None] = lambda: None) -> Tidied:
    """Delete what is too old to be of use. Cut off, it has deleted that much. `pause` may raise."""
    done = Tidied(files=storage.remove_abandoned() + half_fetched.remove_abandoned())
    if not settings.JOB_HISTORY_DAYS:
        return done
    before = (now or timezone.now()) - timedelta(days=settings.JOB_HISTORY_DAYS)
    while found := _forget_some(before):
        done.jobs += found.jobs
        done.transfers += found.transfers
        pause()
    # Of downloads by hand, which had no job. One that still runs after so long was killed.
    done.transfers += Transfer.objects.filter(job=None, updated__lt=before).delete()[0]
    return done


@transaction.atomic
def _forget_some(before: datetime) -> Tidied | None:
    """Some jobs that ended before then, with their progress; None where there are none.

    They are held meanwhile: whoever asks for one of them anew waits, and makes another. What is held by
    somebody else is left for another day.
    """
    rows = Job.objects.filter(_forgettable(), state__in=OVER, finished__lt=before).order_by("pk")
    held = list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True)[:_AT_ONCE])
    if not held:
        return None
    transfers, _ = Transfer.objects.filter(job__in=held).delete()
    deleted, _ = Job.objects.filter(pk__in=held).delete()
    return Tidied(jobs=deleted, transfers=transfers)


def _forgettable() -> Q:
    # That a version could not be measured is told by its job alone (registry/analysis.py), and a job that
    # somebody canceled would be asked for again.
    return Q(kind__in=_FORGOTTEN) | Q(kind=ANALYZE_JOB, state=JobState.DONE)
