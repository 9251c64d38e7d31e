"""Inspection: what the weights themselves say, by one edition of the reader."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from registry.models.files import Blob


class Inspection(models.Model):
    """The inspect contract's object for one blob, with the columns that are searched beside it."""

    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="inspections")
    reader = models.CharField(max_length=20, help_text="edition of the reader")
    data = models.JSONField()
    valid = models.BooleanField()
    kind = models.CharField(max_length=30)
    algorithm = models.CharField(max_length=20, blank=True)
    dialect = models.CharField(max_length=40, blank=True)
    family = models.CharField(max_length=40, default="unknown")
    rank_max = models.PositiveIntegerField(null=True, blank=True)
    modules = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created", "-id"]
        constraints = [models.UniqueConstraint(fields=["blob", "reader"], name="inspection_once_per_reader")]

    def __str__(self) -> str:
        return f"inspection of {self.blob_id[:12]}"
