"""OfferedFile and AvailabilityChange: what an upstream offers for a version, and since when it is missing."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models.adapters import Availability, Version
from registry.models.files import Blob


class OfferState(models.TextChoices):
    """What became of a file that an upstream offers."""

    OFFERED = "offered", _("Offered")
    WAITING = "waiting", _("Waiting to be fetched")
    STORED = "stored", _("Stored")
    PASSED_BY = "passed_by", _("Not fetched")
    FAILED = "failed", _("Failed")


class OfferedFile(models.Model):
    """A file of a version as its upstream describes it, and what triage and fetching made of it.

    `triage`: what its first bytes told before anything was fetched. `saved`: bytes that triage spared.
    """

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="offers")
    key = models.CharField(max_length=500, help_text="the upstream's own id of the file")
    name = models.CharField(max_length=300)
    url = models.CharField(max_length=2000, help_text="without any credential")
    size = models.BigIntegerField(null=True, blank=True, help_text="bytes, where the upstream tells them")
    about = models.BigIntegerField(null=True, blank=True, help_text="bytes as the upstream rounds them")
    hashes = models.JSONField(default=dict, blank=True, help_text="as announced; never an identity")
    role = models.CharField(max_length=60, default="weights")
    format = models.CharField(max_length=40, blank=True, help_text="as the upstream calls it")
    primary = models.BooleanField(default=False)
    requires = models.CharField(max_length=20, blank=True, help_text="login, purchase, early_access, gated")
    state = models.CharField(max_length=10, choices=OfferState.choices, default=OfferState.OFFERED)
    code = models.CharField(max_length=60, blank=True, help_text="why it was passed by or failed")
    reason = models.CharField(max_length=500, blank=True)
    triage = models.JSONField(default=dict, blank=True)
    read = models.BigIntegerField(default=0, help_text="bytes read for triage and fetching")
    saved = models.BigIntegerField(default=0, help_text="bytes that were not fetched thanks to triage")
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, null=True, blank=True, related_name="offers")
    seen = models.DateTimeField(default=timezone.now, help_text="when the upstream last listed it")
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["state", "id"], name="offer_state")]
        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="offer_once_per_version"),
            models.CheckConstraint(condition=models.Q(state__in=OfferState.values), name="offer_state_known"),
            models.CheckConstraint(
                condition=~models.Q(state=OfferState.STORED) | models.Q(blob__isnull=False),
                name="offer_stored_has_blob",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AvailabilityChange(models.Model):
    """One change of what the upstream answers for a version, with its date and reason; never deleted."""

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="availability_changes")
    before = models.CharField(max_length=16, choices=Availability.choices)
    after = models.CharField(max_length=16, choices=Availability.choices)
    reason = models.CharField(max_length=300, blank=True)
    until = models.DateTimeField(null=True, blank=True)
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(before__in=Availability.values, after__in=Availability.values),
                name="availability_change_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.before} -> {self.after} of version {self.version_id}"
