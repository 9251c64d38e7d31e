"""What a person may do with work that was asked for: pause, resume, cancel, move up, try again."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Min, QuerySet
from django.db.models.functions import Now

from registry import jobs
from registry.models.jobs import Job, JobState

# Jobs that are tried again in one go; more are left for the next press, so that no request runs for minutes.
MOST_RETRIED = 1000
# The smallest number that the column holds.
MOST_URGENT = -32768


def pause(job: Job) -> None:
    """Hold a waiting job back at once; ask a running one to stop at its next safe point."""
    if not _in(job, JobState.QUEUED).update(state=JobState.PAUSED):
        _in(job, JobState.RUNNING).update(pause_requested=True)


def resume(job: Job) -> None:
    """Let a paused job wait for a worker again; one that has not stopped yet simply goes on."""
    with transaction.atomic():
        if _in(job, JobState.PAUSED).update(state=JobState.QUEUED, not_before=None):
            transaction.on_commit(lambda: jobs.wake(job.queue))
        else:
            _in(job, JobState.RUNNING).update(pause_requested=False)


def cancel(job: Job) -> None:
    """Cancel a waiting or paused job at once; ask a running one to stop at its next safe point."""
    over: dict[str, Any] = {"state": JobState.CANCELED, "finished": Now()}
    if not _in(job, JobState.QUEUED, JobState.PAUSED).update(**over):
        _in(job, JobState.RUNNING).update(cancel_requested=True)


def move_to_top(job: Job) -> None:
    """Let a waiting or paused job go before every other one that waits for the same workers."""
    waiting = Job.objects.filter(queue=job.queue, state=JobState.QUEUED).exclude(pk=job.pk)
    first = waiting.aggregate(first=Min("priority"))["first"]
    if first is not None:
        _in(job, JobState.QUEUED, JobState.PAUSED).filter(priority__gte=first).update(
            priority=max(first - 1, MOST_URGENT)
        )


def retry(job: Job) -> None:
    """Start a failed or canceled job anew as it was asked for; any other is left as it is."""
    with transaction.atomic():
        held = _in(job, JobState.FAILED, JobState.CANCELED).select_for_update().first()
        if held is not None:
            jobs.enqueue(
                held.kind,
                held.key,
                payload=held.payload,
                queue=held.queue,
                priority=held.priority,
                family=held.family,
                max_attempts=held.max_attempts,
                again=True,
            )


def retry_failed() -> int:
    """Start the failed jobs anew, the latest first; how many there were, at most MOST_RETRIED."""
    failed = list(Job.objects.filter(state=JobState.FAILED).order_by("-finished", "-pk")[:MOST_RETRIED])
    for job in failed:
        retry(job)
    return len(failed)


def _in(job: Job, *states: JobState) -> QuerySet[Job]:
    return Job.objects.filter(pk=job.pk, state__in=states)
