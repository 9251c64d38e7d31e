"""Work that happens later: a Job row first, then a message that wakes a worker, and what the worker does.

The row is the truth. Messages may be lost or doubled: a lost one is sent again by the reaper, a doubled one
finds nothing to claim. A worker holds a lease that it renews; when the worker dies the job goes to another
one. Handlers must be idempotent: after a crash the work is done again, from where their own rows say it got.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Now
from django.utils.module_loading import autodiscover_modules
from kombu.exceptions import KombuError

from registry.errors import KuraError
from registry.leases import LeaseKeeper, is_gone, worker_name
from registry.models.jobs import Job, JobQueue, JobState
from registry.warm_base import WarmBase

logger = logging.getLogger(__name__)

WORK = "registry.work"
Stopping = Callable[[], bool]
# Pause before attempt 2, 3, ...: long enough for a network to come back, short enough for a person to wait.
FIRST_PAUSE, LONGEST_PAUSE = 10, 600


class JobStopped(Exception):
    """Not an error: the work was asked to stop and will go on later, or was canceled."""


class UnknownJobKind(KuraError):
    """No installed app handles this kind of job."""

    code = "unknown_job_kind"
    next_step = "The job was written by a newer release; update this worker."


class WorkerLost(KuraError):
    """Every worker that took the job died."""

    code = "worker_lost"
    next_step = "Look for lack of memory in the worker's log, then start the job again."


# --- Asking for work ----------------------------------------------------------------------------------------


def enqueue(
    kind: str,
    key: str,
    *,
    payload: dict[str, Any] | None = None,
    queue: str = JobQueue.CPU,
    priority: int = 0,
    family: str = "",
    base: str = "",
    max_attempts: int = 3,
    again: bool = False,
) -> Job:
    """The job for this kind and key, written now and started when the transaction commits.

    Asking twice gives one job: one that waits only becomes more urgent, one that runs or is paused goes on
    or stays paused, one that is over stays so unless `again` is set, which starts it anew with this payload.
    """
    values = {
        "payload": payload or {},
        "queue": JobQueue(queue),
        "priority": priority,
        "family": family,
        "base": base,
        "max_attempts": max_attempts,
    }
    with transaction.atomic():
        job, made = _get_or_make(kind, key, values)
        if not made:
            if again and job.is_over:
                _start_anew(job, values)
            elif job.state == JobState.QUEUED and priority < job.priority:
                job.priority = priority
                job.save(update_fields=["priority"])
        if job.state == JobState.QUEUED:
            transaction.on_commit(lambda: wake(job.queue))
    return job


def _get_or_make(kind: str, key: str, values: dict[str, Any]) -> tuple[Job, bool]:
    """The job, locked until the transaction ends, and whether it was made now."""
    while True:
        job, made = Job.objects.get_or_create(kind=kind, key=key, defaults=values)
        held = job if made else Job.objects.select_for_update().filter(pk=job.pk).first()
        if held is not None:
            return held, made
        # It was over long ago and is forgotten since (registry/housekeeping.py); others may make it anew.


def wake(queue: str, *, expires: int | None = None) -> None:
    """Tell one worker of the queue to look. A broker that is away only costs time: the reaper repeats it."""
    try:
        current_app.send_task(WORK, kwargs={"queue": str(queue)}, queue=str(queue), expires=expires)
    except (KombuError, OSError):
        logger.warning("No worker could be told of work in queue %s; the reaper will.", queue, exc_info=True)


def _start_anew(job: Job, values: dict[str, Any]) -> None:
    fresh: dict[str, Any] = {
        "state": JobState.QUEUED,
        "attempt": 0,
        "not_before": None,
        "cancel_requested": False,
        "pause_requested": False,
        "error_code": "",
        "error_message": "",
        "progress_done": 0,
        "progress_total": 0,
        "started": None,
        "finished": None,
    }
    for name, value in (values | fresh).items():
        setattr(job, name, value)
    job.save()


# --- Handlers -----------------------------------------------------------------------------------------------

Run = Callable[["JobContext"], None]
Failed = Callable[[Job], None]


@dataclass(frozen=True)
class Handler:
    """What does the work of one kind, and what is told when all attempts have failed."""

    run: Run
    failed: Failed | None


_handlers: dict[str, Handler] = {}


def handler(kind: str, *, failed: Failed | None = None) -> Callable[[Run], Run]:
    """Register a function for jobs of this kind; it lives in an app's tasks.py and takes a JobContext."""

    def register(run: Run) -> Run:
        if kind in _handlers:
            raise ValueError(f"Two handlers for jobs of kind {kind!r}.")
        _handlers[kind] = Handler(run, failed)
        return run

    return register


def handler_of(kind: str) -> Handler:
    """The handler of the kind, looked for in the tasks.py of every app."""
    if kind not in _handlers:
        autodiscover_modules("tasks")
    try:
        return _handlers[kind]
    except KeyError:
        raise UnknownJobKind(f"No handler for jobs of kind {kind!r}.") from None


@dataclass
class JobContext:
    """What a handler sees of its job: payload, progress, and whether to stop at the next safe point."""

    job: Job
    keeper: LeaseKeeper
    stopping: Stopping
    _written: float = field(default=0.0, init=False)

    @property
    def payload(self) -> dict[str, Any]:
        return dict(self.job.payload)

    def progress(self, done: int, total: int) -> None:
        """Tell how far the work is; written at most once a second, and at the end."""
        now = time.monotonic()
        if done < total and now - self._written < 1:
            return
        self._written = now
        _held(self.job).update(progress_done=min(done, total), progress_total=total)

    def should_stop(self) -> bool:
        """Whether the worker is shutting down, the job was canceled or paused, or another worker has it."""
        if self.stopping() or self.keeper.lost.is_set():
            return True
        return not _held(self.job).filter(cancel_requested=False, pause_requested=False).exists()

    def check(self) -> None:
        """Raise JobStopped when the work should stop; call it between two steps that must not be cut."""
        if self.should_stop():
            raise JobStopped


_current: ContextVar[JobContext | None] = ContextVar("current_job", default=None)


def current() -> JobContext | None:
    """The job that is being done here, for what works alone as well as within one; None outside of jobs.

    Other threads do not see it.
    """
    return _current.get()


# --- Doing work ---------------------------------------------------------------------------------------------


def claim(queue: str, worker: str, loaded: str = "") -> Job | None:
    """Take the next job of the queue for this worker, or None.

    Urgent ones first, then those of the very base that the worker has `loaded` (its slug), then the oldest.
    Rows that another worker is just taking are passed over, so no job is taken twice.
    """
    warm = Q(base=loaded) & ~Q(base="")
    with transaction.atomic():
        job = (
            _due()
            .filter(queue=queue)
            .annotate(cold=Case(When(warm, then=Value(0)), default=Value(1)))
            .order_by("priority", "cold", "created", "pk")
            .select_for_update(skip_locked=True)
            .first()
        )
        if job is None:
            return None
        Job.objects.filter(pk=job.pk).update(
            state=JobState.RUNNING,
            worker=worker,
            attempt=F("attempt") + 1,
            started=Now(),
            heartbeat=Now(),
            lease_until=Now() + _lease(),
            not_before=None,
        )
        job.refresh_from_db()
    return job


def run_next(queue: str, *, loaded: str = "", stopping: Stopping = lambda: False) -> Job | None:
    """Claim one job, do it, and record how it went; None when there is nothing to do."""
    job = claim(queue, worker_name(), loaded)
    if job is not None:
        run(job, stopping)
    return job


def work(queue: str, stopping: Stopping = lambda: False) -> int:
    """Do jobs until the queue is empty or `stopping()`; the number of jobs taken."""
    taken, warm = 0, WarmBase()
    while not stopping():
        job = run_next(queue, loaded=warm.loaded, stopping=stopping)
        if job is None:
            break
        taken += 1
        warm.did(job)
    return taken


def run(job: Job, stopping: Stopping = lambda: False) -> None:
    """Do a claimed job and record how it went. Only an interrupt of the whole process is raised."""
    with LeaseKeeper(lambda: _renew(job), every=settings.JOB_LEASE_SECONDS / 3) as keeper:
        context = JobContext(job, keeper, stopping)
        outer = _current.set(context)
        try:
            handler_of(job.kind).run(context)
        except JobStopped:
            _put_back(job)
        except KuraError as error:
            logger.warning("Job %s %s failed: %s", job.kind, job.key, error)
            _failed(job, error.code, str(error.message), permanent=error.permanent)
        except Exception as error:
            logger.exception("Job %s %s failed.", job.kind, job.key)
            _failed(job, "internal_error", f"{type(error).__name__}: {error}", permanent=False)
        except BaseException:  # Ctrl-C, or the worker is told to end at once
            _put_back(job)
            raise
        else:
            _held(job).update(state=JobState.DONE, finished=Now(), error_code="", error_message="", **_NOBODY)
        finally:
            _current.reset(outer)
    job.refresh_from_db()


def reap() -> int:
    """Take the jobs of dead workers back, for others to do; how many there were."""
    taken = 0
    for job in Job.objects.filter(state=JobState.RUNNING):
        dead = _held(job) if is_gone(job.worker) else _held(job).filter(lease_until__lt=Now())
        if job.attempt >= job.max_attempts:
            error = WorkerLost(f"{job.attempt} workers died while doing this job.")
            if _record_failure(dead, error.code, error.message):
                _tell(job)
                taken += 1
        else:
            taken += dead.update(**_AS_ASKED, **_NOBODY)
    return taken


def waiting_queues() -> list[str]:
    """The queues with a job that could be started now."""
    return list(_due().order_by("queue").values_list("queue", flat=True).distinct())


# --- Rows ---------------------------------------------------------------------------------------------------

_NOBODY: dict[str, Any] = {
    "worker": "",
    "lease_until": None,
    "cancel_requested": False,
    "pause_requested": False,
}
# Where a job goes that is not over: as a person asked meanwhile, else back into its queue. The expressions
# see the row as it was before the update.
_AS_ASKED: dict[str, Any] = {
    "state": Case(
        When(cancel_requested=True, then=Value(JobState.CANCELED)),
        When(pause_requested=True, then=Value(JobState.PAUSED)),
        default=Value(JobState.QUEUED),
    ),
    "finished": Case(When(cancel_requested=True, then=Now()), default=None),
}


def _due() -> QuerySet[Job]:
    return Job.objects.filter(Q(not_before__isnull=True) | Q(not_before__lte=Now()), state=JobState.QUEUED)


def _held(job: Job) -> QuerySet[Job]:
    """The row, if this attempt still holds it; else nothing, so that a late result changes nothing."""
    return Job.objects.filter(pk=job.pk, state=JobState.RUNNING, worker=job.worker, attempt=job.attempt)


def _lease() -> timedelta:
    return timedelta(seconds=settings.JOB_LEASE_SECONDS)


def _renew(job: Job) -> bool:
    return bool(_held(job).update(lease_until=Now() + _lease(), heartbeat=Now()))


def _put_back(job: Job) -> None:
    """Stopped on request: canceled or paused if asked for, else waiting again; no try is counted."""
    _held(job).update(attempt=F("attempt") - 1, **_AS_ASKED, **_NOBODY)


def _failed(job: Job, code: str, message: str, *, permanent: bool) -> None:
    if permanent or job.attempt >= job.max_attempts:
        if _record_failure(_held(job), code, message):
            _tell(job)
        return
    pause = min(FIRST_PAUSE * 2 ** (job.attempt - 1), LONGEST_PAUSE)
    _held(job).update(
        not_before=Now() + timedelta(seconds=pause),
        error_code=code,
        error_message=message,
        **_AS_ASKED,
        **_NOBODY,
    )


def _record_failure(rows: QuerySet[Job], code: str, message: str) -> int:
    return rows.update(
        state=JobState.FAILED, finished=Now(), error_code=code, error_message=message, **_NOBODY
    )


def _tell(job: Job) -> None:
    """Tell the app whose job it was that nothing more will come of it."""
    job.refresh_from_db()
    try:
        told = handler_of(job.kind).failed
        if told:
            told(job)
    except Exception:
        logger.exception("The failure of job %s %s could not be passed on.", job.kind, job.key)
