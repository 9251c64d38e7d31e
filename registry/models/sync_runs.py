"""SyncRun and SyncProblem: one pass over a subscription, from where it stopped, and what did not work."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models.subscriptions import Subscription


class RunState(models.TextChoices):
    """Where a run stands. A stopped one goes on from its cursor; the last two are final."""

    RUNNING = "running", _("Running")
    STOPPED = "stopped", _("Stopped, goes on later")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


class SyncRun(models.Model):
    """One pass over all that a subscription lists.

    The cursor and the counts are written in the transaction that keeps what they speak of, so a killed run
    goes on without losing or repeating anything. `listed` counts adapters, each once: fetched (new or
    changed, and kept), skipped (nothing new) or failed. `repeated`: listed once more within the run.
    `reasons`: code -> count for what was skipped and what failed.
    """

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="runs")
    state = models.CharField(max_length=8, choices=RunState.choices, default=RunState.RUNNING)
    cursor = models.TextField(blank=True, help_text="where the next page begins; empty = the start")
    began = models.TextField(
        blank=True, help_text="the place in a log of changes that the run began at; empty = the whole list"
    )
    complete = models.BooleanField(default=False, help_text="every page has been kept")
    pages = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True, blank=True, help_text="as the upstream announces it")
    listed = models.PositiveIntegerField(default=0)
    fetched = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    repeated = models.PositiveIntegerField(default=0)
    versions = models.PositiveIntegerField(default=0, help_text="new or changed versions")
    attempts = models.PositiveIntegerField(default=1, help_text="how often it was started or went on")
    stalls = models.PositiveIntegerField(default=0, help_text="tries since the last page that was kept")
    reasons = models.JSONField(default=dict, blank=True)
    notes = models.JSONField(default=list, blank=True)
    error_code = models.CharField(max_length=64, blank=True)
    error_message = models.TextField(blank=True)
    started = models.DateTimeField(default=timezone.now, editable=False)
    finished = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["subscription"],
                condition=Q(state__in=[RunState.RUNNING, RunState.STOPPED]),
                name="sync_run_one_open",
            ),
            models.CheckConstraint(condition=Q(state__in=RunState.values), name="sync_run_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=[RunState.DONE, RunState.FAILED], finished__isnull=False)
                | Q(state__in=[RunState.RUNNING, RunState.STOPPED], finished__isnull=True),
                name="sync_run_finished_has_time",
            ),
            models.CheckConstraint(
                condition=Q(listed=models.F("fetched") + models.F("skipped") + models.F("failed")),
                name="sync_run_counts_add_up",
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.subscription}"


class SyncProblem(models.Model):
    """One thing that a run left out, and why. At most registry.sync.tally.MOST_PROBLEMS of a run are kept."""

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="problems")
    what = models.CharField(max_length=500, help_text="the adapter's id or address")
    code = models.CharField(max_length=64)
    message = models.TextField(blank=True)
    next_step = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.what}: {self.code}"
