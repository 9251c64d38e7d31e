"""Transfer: how far the bytes of one file have come, for whoever waits for them."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models.jobs import Job
from registry.models.offers import OfferedFile

# A transfer that has told nothing for so long is not moving, whatever its last speed was.
QUIET = timedelta(seconds=15)


class TransferState(models.TextChoices):
    """Where it stands; a stopped one goes on from the bytes that it has."""

    RUNNING = "running", _("Running")
    STOPPED = "stopped", _("Stopped")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


class Transfer(models.Model):
    """One row for each file on its way, kept as history; fetched again, the same row starts over.

    `done` and `total` in bytes, `total` empty while nobody knows; `speed` in bytes a second.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, null=True, blank=True, related_name="transfers")
    offer = models.ForeignKey(
        OfferedFile, on_delete=models.CASCADE, null=True, blank=True, related_name="transfers"
    )
    name = models.CharField(max_length=300)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(null=True, blank=True)
    speed = models.BigIntegerField(default=0)
    state = models.CharField(max_length=8, choices=TransferState.choices, default=TransferState.RUNNING)
    code = models.CharField(max_length=64, blank=True, help_text="why it failed")
    started = models.DateTimeField(default=timezone.now, help_text="start of the latest attempt")
    updated = models.DateTimeField(default=timezone.now, help_text="when it last told how far it is")

    class Meta:
        ordering = ["-updated", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["offer"], condition=Q(offer__isnull=False), name="transfer_once_per_offer"
            ),
            models.UniqueConstraint(
                fields=["job", "name"], condition=Q(offer__isnull=True), name="transfer_once_per_job_and_name"
            ),
            models.CheckConstraint(condition=Q(state__in=TransferState.values), name="transfer_state_known"),
            models.CheckConstraint(
                condition=Q(done__gte=0, speed__gte=0) & (Q(total__isnull=True) | Q(done__lte=F("total"))),
                name="transfer_within_total",
            ),
        ]
        indexes = [
            models.Index(fields=["-updated"], condition=Q(state="running"), name="transfer_running"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"

    @property
    def percent(self) -> int | None:
        """0 to 100, rounded down so that 100 means all of it; None while the total is not known."""
        return self.done * 100 // self.total if self.total else None

    @property
    def moving(self) -> bool:
        """Whether it runs and has told so lately."""
        return self.state == TransferState.RUNNING and timezone.now() - self.updated < QUIET

    @property
    def remaining(self) -> timedelta | None:
        """Time left at the present speed; None while it does not move or the total is not known."""
        if not self.total or not self.speed or not self.moving:
            return None
        return timedelta(seconds=(self.total - self.done) / self.speed)
