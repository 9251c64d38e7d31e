"""What the jobs page and its tray show: work with its subject, its files and what to do about a failure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db.models import Case, Count, Prefetch, Q, QuerySet, Sum, Value, When
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator

from catalog.pages.job_words import INGEST_JOB, kind
from inference.models import Sheet
from inference.quarantine import CONVERT_JOB
from inference.services import RENDER_JOB
from registry.analysis import ANALYZE_JOB
from registry.errors import KuraError, error_class
from registry.intake import FETCH_JOB
from registry.models import Blob, Job, JobState, OfferedFile, Subscription, Transfer, TransferState, Version
from registry.models.transfers import QUIET
from registry.sync.subscriptions import SYNC_JOB

ACTIVE = (JobState.RUNNING, JobState.QUEUED, JobState.PAUSED)
MOST_ACTIVE: Final = 50
MOST_FAILED: Final = 25
IN_TRAY: Final = 4
IN_HISTORY: Final = 40
# Files of one job that are shown with a bar; the rest are counted.
MOST_FILES: Final = 5


@dataclass(frozen=True, slots=True)
class JobLine:
    """One job. `subject`: what it is about, `address`: the page of that, empty where there is none.

    `error`: the class of what it failed with, None where nothing failed or no release knows it any more.
    """

    job: Job
    kind: str
    subject: str
    address: str
    files: list[Transfer]
    files_done: int
    size: int
    error: type[KuraError] | None

    @property
    def next_step(self) -> str:
        """What to do about the failure, from its class; pages translate it."""
        return self.error.next_step if self.error else ""

    @property
    def who_to_ask(self) -> str:
        """Who can change it, where that is somebody else; pages translate it."""
        return self.error.who_to_ask if self.error else ""

    @property
    def stage(self) -> str:
        """A code of job_words.STAGES."""
        job = self.job
        if job.state == JobState.RUNNING:
            return "canceling" if job.cancel_requested else "pausing" if job.pause_requested else "running"
        return "again" if job.state == JobState.QUEUED and job.not_before else str(job.state)

    @property
    def percent(self) -> int | None:
        """Of the job's own steps; None while nobody knows how many there are."""
        job = self.job
        # A fetch counts the bytes of its file, which has a bar of its own.
        counts = job.progress_total and job.kind != FETCH_JOB
        return job.progress_done * 100 // job.progress_total if counts else None

    @property
    def took(self) -> timedelta | None:
        """How long the last attempt took."""
        job = self.job
        return job.finished - job.started if job.finished and job.started else None


@dataclass(frozen=True, slots=True)
class JobCounts:
    """How many jobs there are in each state that matters to a person."""

    running: int
    waiting: int
    paused: int
    failed: int

    @property
    def active(self) -> int:
        return self.running + self.waiting + self.paused


@dataclass(frozen=True, slots=True)
class JobsPage:
    """Everything on the page. `elsewhere`: files that a command fetches, which no worker knows of."""

    counts: JobCounts
    active: list[JobLine]
    failed: list[JobLine]
    history: list[JobLine]
    elsewhere: list[Transfer]
    page: int
    more: bool

    @property
    def more_active(self) -> int:
        return max(self.counts.active - len(self.active), 0)

    @property
    def more_failed(self) -> int:
        return max(self.counts.failed - len(self.failed), 0)


def read_jobs(page: int = 1) -> JobsPage:
    """Active and failed jobs, and one page of those that are over; a fixed number of queries."""
    active = list(_active()[:MOST_ACTIVE])
    failed = list(
        _whole(Job.objects.filter(state=JobState.FAILED)).order_by("-finished", "-pk")[:MOST_FAILED]
    )
    over = _whole(Job.objects.filter(state__in=[JobState.DONE, JobState.CANCELED]))
    start = (page - 1) * IN_HISTORY
    history = list(over.order_by("-finished", "-pk")[start : start + IN_HISTORY + 1])
    more = len(history) > IN_HISTORY
    lines = _lines([*active, *failed, *history[:IN_HISTORY]])
    ends = len(active), len(active) + len(failed)
    return JobsPage(
        _counts(),
        lines[: ends[0]],
        lines[ends[0] : ends[1]],
        lines[ends[1] :],
        _elsewhere(),
        page,
        more,
    )


def read_tray() -> JobsPage:
    """The few jobs that the tray shows."""
    return JobsPage(_counts(), _lines(list(_active()[:IN_TRAY])), [], [], _elsewhere(), 1, False)


def _counts() -> JobCounts:
    rows = (
        Job.objects.filter(state__in=[*ACTIVE, JobState.FAILED]).values("state").annotate(count=Count("pk"))
    )
    found = {row["state"]: row["count"] for row in rows.order_by()}
    return JobCounts(*(found.get(state, 0) for state in (*ACTIVE, JobState.FAILED)))


def _active() -> QuerySet[Job]:
    """Running ones first, then those that wait in the order in which they are taken, then paused ones."""
    place = Case(
        When(state=JobState.RUNNING, then=Value(0)),
        When(state=JobState.QUEUED, then=Value(1)),
        default=Value(2),
    )
    return _whole(Job.objects.filter(state__in=ACTIVE)).order_by(place, "priority", "created", "pk")


def _whole(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """Jobs with the files that are shown."""
    unfinished = Transfer.objects.exclude(state=TransferState.DONE).order_by("-updated", "-pk")
    return jobs.prefetch_related(
        Prefetch("transfers", queryset=unfinished[:MOST_FILES], to_attr="shown_files")
    )


def _elsewhere() -> list[Transfer]:
    lately = timezone.now() - QUIET
    found = Transfer.objects.filter(job=None, state=TransferState.RUNNING, updated__gte=lately)
    return list(found.order_by("-updated", "-pk")[:MOST_FILES])


def _lines(jobs: Sequence[Any]) -> list[JobLine]:
    subjects, totals = _subjects(jobs), _totals(jobs)
    return [
        JobLine(
            job,
            kind(job.kind),
            *subjects[job.pk],
            job.shown_files,
            *totals.get(job.pk, (0, 0)),
            error_class(job.error_code) if job.error_code else None,
        )
        for job in jobs
    ]


def _totals(jobs: Sequence[Job]) -> dict[int, tuple[int, int]]:
    """Job id -> files that are done, and bytes of all of them."""
    rows = (
        Transfer.objects.filter(job__in=[job.pk for job in jobs])
        .order_by()
        .values("job")
        .annotate(files=Count("pk", filter=Q(state=TransferState.DONE)), size=Sum("done"))
    )
    return {row["job"]: (row["files"], row["size"]) for row in rows}


# --- What a job is about ------------------------------------------------------------------------------------


def _subjects(jobs: Sequence[Job]) -> dict[int, tuple[str, str]]:
    """Job id -> name and address of its subject; one query for each kind of thing, however many jobs."""
    offers = _by_id(OfferedFile.objects.select_related("version"), jobs, FETCH_JOB, _offer_of)
    follows = _by_id(Subscription.objects.all(), jobs, SYNC_JOB, lambda job: job.payload.get("subscription"))
    versions = _by_id(
        Version.objects.select_related("adapter"), jobs, ANALYZE_JOB, lambda job: job.payload.get("version")
    )
    sheets = _by_id(
        Sheet.objects.select_related("version__adapter"),
        jobs,
        RENDER_JOB,
        lambda job: job.payload.get("sheet"),
    )
    blobs = _by_id(Blob.objects.all(), jobs, CONVERT_JOB, lambda job: job.payload.get("blob"))
    found: dict[int, tuple[str, str]] = {}
    for job in jobs:
        name, address = "", ""
        if offer := offers.get(job.pk):
            name, address = offer.name, _version_address(offer.version)
        elif follow := follows.get(job.pk):
            name, address = str(follow), reverse("pages:subscription", args=[follow.pk])
        elif version := versions.get(job.pk):
            name, address = str(version), _version_address(version)
        elif sheet := sheets.get(job.pk):
            name, address = str(sheet.version), reverse("pages:sheet", args=[sheet.pk])
        elif blob := blobs.get(job.pk):
            name = blob.sha256[:12]
        elif job.kind == INGEST_JOB:
            name = str(job.payload.get("source", ""))
        found[job.pk] = (Truncator(name or job.key).chars(200), address)
    return found


def _by_id(rows: QuerySet[Any], jobs: Iterable[Job], job_kind: str, id_of: Any) -> dict[int, Any]:
    """Job id -> the row that jobs of this kind are about; no query where there are none."""
    wanted = {job.pk: id_of(job) for job in jobs if job.kind == job_kind}
    keys = {key for key in wanted.values() if isinstance(key, int | str)}
    found = rows.in_bulk(keys) if keys else {}
    return {job: found[key] for job, key in wanted.items() if key in found}


def _offer_of(job: Job) -> int | None:
    """A fetch has the key `offer:ID`."""
    _, _, number = job.key.partition(":")
    return int(number) if number.isdecimal() and len(number) < 19 else None


def _version_address(version: Version) -> str:
    return f"{reverse('pages:adapter', args=[version.adapter_id])}?version={version.pk}"
