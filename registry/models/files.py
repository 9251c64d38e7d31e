"""Blob, File and Sample: bytes by SHA256, the name a version gives them, and sample pictures."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models.adapters import Version

sha256_hex = RegexValidator(r"\A[0-9a-f]{64}\Z", "64 lower-case hexadecimal digits")


class Blob(models.Model):
    """Stored bytes, addressed by the SHA256 computed here. Digests are spelled as Civitai writes them."""

    sha256 = models.CharField(max_length=64, primary_key=True, validators=[sha256_hex])
    size = models.BigIntegerField()
    blake3 = models.CharField(max_length=64, blank=True)
    crc32 = models.CharField(max_length=8, blank=True)
    autov1 = models.CharField(max_length=8, blank=True)
    autov2 = models.CharField(max_length=10, blank=True)
    autov3 = models.CharField(max_length=12, blank=True)
    container = models.CharField(max_length=20, default="unknown")
    stored = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["autov2"], name="blob_autov2"),
            models.Index(fields=["autov3"], name="blob_autov3"),
            models.Index(fields=["blake3"], name="blob_blake3"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(sha256__regex=r"^[0-9a-f]{64}$"), name="blob_sha256_hex"
            ),
            models.CheckConstraint(condition=models.Q(size__gte=0), name="blob_size_not_negative"),
        ]

    def __str__(self) -> str:
        return self.sha256


class FileState(models.TextChoices):
    """What may happen with a file's bytes. Pickles stay in quarantine: they are stored, never loaded."""

    STORED = "stored", _("Stored")
    QUARANTINED = "quarantined", _("Quarantined")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class File(models.Model):
    """A blob under the name a version gives it."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="files")
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="files")
    name = models.CharField(max_length=300)
    state = models.CharField(max_length=16, choices=FileState.choices, default=FileState.STORED)
    reason = models.CharField(max_length=300, blank=True, help_text="why the file is not simply stored")
    announced = models.CharField(
        max_length=64, blank=True, help_text="SHA256 as the source announces it; never an identity"
    )
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["version", "blob"], name="file_once_per_version"),
            models.CheckConstraint(condition=models.Q(state__in=FileState.values), name="file_state_known"),
            models.CheckConstraint(
                condition=models.Q(state=FileState.STORED) | ~models.Q(reason=""),
                name="file_kept_back_has_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Sample(models.Model):
    """A picture the author showed for a version, with the parameters stated for it."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="samples")
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="samples")
    parameters = models.JSONField(default=dict, blank=True)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["version", "blob"], name="sample_once_per_version")]

    def __str__(self) -> str:
        return f"sample {self.position} of version {self.version_id}"
