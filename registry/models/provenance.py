"""Snapshot: the exact bytes an upstream gave, kept before they are interpreted."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from registry.models.files import sha256_hex


class Snapshot(models.Model):
    """Raw bytes with URL, time and hash. A verdict cites it; a better parser can replay it."""

    url = models.CharField(max_length=2000, help_text="where it was read; file:NAME for a sidecar")
    sha256 = models.CharField(max_length=64, validators=[sha256_hex])
    body = models.BinaryField()
    media_type = models.CharField(max_length=100, blank=True)
    etag = models.CharField(max_length=300, blank=True)
    fetched = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-fetched", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["url", "sha256"], name="snapshot_once_per_content"),
            models.CheckConstraint(
                condition=models.Q(sha256__regex=r"^[0-9a-f]{64}$"), name="snapshot_sha256_hex"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.url} at {self.fetched:%Y-%m-%d}"
