"""The Job: one row for each piece of work that must happen, whatever becomes of messages and workers."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class JobQueue(models.TextChoices):
    """Which workers may take it: CPU work never waits behind rendering."""

    CPU = "cpu", _("CPU")
    GPU = "gpu", _("GPU")


class JobState(models.TextChoices):
    """Where the work stands; the last three are final. A paused job waits for a person, not for a worker."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELED = "canceled", _("Canceled")


OVER = (JobState.DONE, JobState.FAILED, JobState.CANCELED)


class Job(models.Model):
    """Work to do, being done, or done. A message to a worker only says: look here."""

    kind = models.CharField(max_length=64, help_text=_("Name of the handler, e.g. inference.render."))
    key = models.CharField(max_length=255, help_text=_("What the work is about; one job per kind and key."))
    queue = models.CharField(max_length=8, choices=JobQueue.choices, default=JobQueue.CPU)
    state = models.CharField(max_length=8, choices=JobState.choices, default=JobState.QUEUED)
    priority = models.SmallIntegerField(default=0, help_text=_("Smaller goes first."))
    family = models.CharField(max_length=64, blank=True, help_text=_("Base model family."))
    base = models.CharField(
        max_length=100, blank=True, help_text=_("Slug of the base model; a worker keeps it loaded.")
    )
    payload = models.JSONField(default=dict, blank=True)

    attempt = models.PositiveSmallIntegerField(default=0, help_text=_("How often the work was started."))
    max_attempts = models.PositiveSmallIntegerField(default=3)
    not_before = models.DateTimeField(null=True, blank=True, help_text=_("No attempt before then."))
    worker = models.CharField(max_length=128, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    heartbeat = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)
    pause_requested = models.BooleanField(default=False)

    error_code = models.CharField(max_length=64, blank=True)
    error_message = models.TextField(blank=True)
    progress_done = models.PositiveBigIntegerField(default=0)
    progress_total = models.PositiveBigIntegerField(default=0, help_text=_("0 while not known."))

    created = models.DateTimeField(auto_now_add=True)
    started = models.DateTimeField(null=True, blank=True, help_text=_("Start of the latest attempt."))
    finished = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "key"], name="job_once_per_kind_and_key"),
            models.CheckConstraint(condition=Q(state__in=JobState.values), name="job_state_known"),
            models.CheckConstraint(condition=Q(queue__in=JobQueue.values), name="job_queue_known"),
            models.CheckConstraint(condition=Q(max_attempts__gte=1), name="job_max_attempts_positive"),
            models.CheckConstraint(
                condition=Q(progress_total=0) | Q(progress_done__lte=F("progress_total")),
                name="job_progress_within_total",
            ),
            models.CheckConstraint(
                condition=(
                    Q(state=JobState.RUNNING, lease_until__isnull=False, started__isnull=False)
                    & ~Q(worker="")
                    | ~Q(state=JobState.RUNNING) & Q(lease_until__isnull=True, worker="")
                ),
                name="job_running_has_worker_and_lease",
            ),
            models.CheckConstraint(
                condition=(
                    Q(state__in=OVER, finished__isnull=False) | ~Q(state__in=OVER) & Q(finished__isnull=True)
                ),
                name="job_finished_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state=JobState.FAILED) | ~Q(error_code=""), name="job_failed_has_code"
            ),
        ]
        indexes = [
            models.Index(
                fields=["queue", "priority", "created"],
                condition=Q(state=JobState.QUEUED),
                name="job_waiting",
            ),
            models.Index(fields=["lease_until"], condition=Q(state=JobState.RUNNING), name="job_leases"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key} ({self.state})"

    @property
    def is_over(self) -> bool:
        """Done, failed or canceled: nothing will happen any more unless it is asked for again."""
        return self.state in OVER
