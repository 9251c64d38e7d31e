"""Analysis and VersionDiff: what the numbers of the weights tell, by one edition of the statistics."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models.files import Blob


class AnalysisState(models.TextChoices):
    """How an analysis ended. There is no row while it has not been tried."""

    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


class _Computed(models.Model):
    """What was read from stored bytes, or the code of why it could not be."""

    edition = models.CharField(max_length=20, help_text="edition of the statistics")
    state = models.CharField(max_length=8, choices=AnalysisState.choices)
    data = models.JSONField(default=dict, blank=True)
    code = models.CharField(max_length=60, blank=True)
    message = models.TextField(blank=True)
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True


class Analysis(_Computed):
    """The statistics of one blob's weights: `registry.weights.statistics.Statistics.as_dict`."""

    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="analyses")

    class Meta:
        ordering = ["-created", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["blob", "edition"], name="analysis_once_per_edition"),
            models.CheckConstraint(
                condition=models.Q(state__in=AnalysisState.values), name="analysis_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(state=AnalysisState.DONE) | ~models.Q(code=""),
                name="analysis_failed_has_code",
            ),
        ]

    def __str__(self) -> str:
        return f"analysis of {self.blob_id[:12]}"


class VersionDiff(_Computed):
    """How the weights of two blobs differ: `registry.weights.versions`; about bytes, whoever has them."""

    old = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    new = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-created", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["old", "new", "edition"], name="version_diff_once_per_edition"),
            models.CheckConstraint(
                condition=~models.Q(old=models.F("new")), name="version_diff_of_two_blobs"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=AnalysisState.values), name="version_diff_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(state=AnalysisState.DONE) | ~models.Q(code=""),
                name="version_diff_failed_has_code",
            ),
        ]

    def __str__(self) -> str:
        return f"difference of {self.old_id[:12]} and {self.new_id[:12]}"
