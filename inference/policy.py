"""Which sheets are made without anybody asking, how many at a time, and who goes first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from inference.errors import SheetRefused
from inference.models import Sheet
from inference.recipes import FAMILIES
from inference.refusals import tell_refusal
from inference.services import RENDER_JOB, STANDARD, request_sheet
from registry.main_files import MEASURABLE
from registry.models import BaseModel, File, Job, JobState, Version

WAITED_FOR, AUTOMATIC = 0, 100
"""Priorities of jobs (smaller goes first): somebody asked for the sheet, or nobody did."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SheetPolicy:
    """What the house wants of automatic sheets.

    `families`: none named means every family that has a recipe and a base with weights. `vetting`: the
    states a version may be in. `per_day`: at most so many in 24 hours, 0 for no limit. `queue`: none is added
    while so many sheets wait, so that a large import fills neither the queue nor the night.
    """

    automatic: bool
    families: tuple[str, ...]
    vetting: tuple[str, ...]
    per_day: int
    queue: int


def house_policy() -> SheetPolicy:
    """The policy in the settings."""
    return SheetPolicy(
        settings.SHEETS_AUTOMATIC,
        tuple(settings.SHEETS_FAMILIES),
        tuple(settings.SHEETS_VETTING),
        settings.SHEETS_PER_DAY,
        settings.SHEETS_QUEUE,
    )


def plan_missing_sheets(policy: SheetPolicy | None = None) -> list[Sheet]:
    """Ask for the standard sheet of the versions that the policy wants one of and that have none yet, the
    oldest first and as many as there is room for.

    Versions whose file was replaced count as having none: a sheet is bound to the file it shows. A file that
    is declared for a base with weights but belongs to another family gets its refusal, for reviewers to see.
    """
    policy = policy or house_policy()
    left = room(policy)
    sheets: list[Sheet] = []
    if left <= 0:
        return sheets
    for version in wanted(policy).order_by("pk").iterator(chunk_size=200):
        try:
            sheet = request_sheet(version=version, priority=AUTOMATIC)
        except SheetRefused:
            # Not enough for a row: what stands in the way is told, unless there is no file to show at all.
            tell_refusal(version)
            continue
        sheets.append(sheet)
        # A sheet that is refused or was there costs the workers nothing.
        left -= not sheet.is_over
        if left <= 0:
            break
    return sheets


def wanted(policy: SheetPolicy) -> QuerySet[Version]:
    """The versions that the policy wants a standard sheet of and that have none of their present file."""
    families = set(policy.families) & set(FAMILIES) if policy.families else set(FAMILIES)
    bases = BaseModel.objects.filter(family__in=families).exclude(weights="")
    named = Q(base_decided__in=bases) | Q(base_declared__in=bases)
    stored = File.objects.filter(MEASURABLE, version=OuterRef("pk"))
    shown = Sheet.objects.filter(version=OuterRef("pk"), recipe=STANDARD, blob__files__version=OuterRef("pk"))
    return Version.objects.filter(Exists(stored), ~Exists(shown), vetting__in=policy.vetting).filter(
        named | Q(detected_family__in=bases.values("family"))
    )


def room(policy: SheetPolicy) -> int:
    """How many automatic sheets may be added now: what queue and day leave, whichever is less."""
    if not policy.automatic:
        return 0
    jobs = Job.objects.filter(kind=RENDER_JOB)
    left = policy.queue - jobs.filter(state=JobState.QUEUED).count()
    if policy.per_day:
        today = jobs.filter(priority=AUTOMATIC, created__gte=timezone.now() - _DAY).count()
        left = min(left, policy.per_day - today)
    return left


def gives_way(job: Job) -> bool:
    """Whether a job that nobody waits for should stop between two batches, because somebody waits now.

    It goes back into the queue and later goes on with the batch after.
    """
    if job.priority < AUTOMATIC:
        return False
    due = Q(not_before__isnull=True) | Q(not_before__lte=timezone.now())
    urgent = Job.objects.filter(due, queue=job.queue, state=JobState.QUEUED, priority__lt=AUTOMATIC)
    return urgent.exists()
