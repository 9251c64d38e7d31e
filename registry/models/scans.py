"""ScannedPath: what a scanned file was and what was made of it, so that unchanged files need no reading."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from registry.models.adapters import Version
from registry.models.files import Blob, sha256_hex


class ScannedPath(models.Model):
    """A path on this machine and the blob its bytes are, while inode, size and time stay what they were.

    Several paths of one blob are its aliases: copies, hard links, symbolic links. A file that was refused has
    no blob and says why. `mark` and `state` are digests of all that the version was made of when it was last
    read here: files beside it, and rows; while both are the same, reading it again would change nothing.
    """

    key = models.CharField(
        max_length=64,
        primary_key=True,
        validators=[sha256_hex],
        help_text="SHA256 of the path, its folder resolved",
    )
    path = models.TextField(help_text="the path, for people; not always exact, names may be no text")
    inode = models.CharField(max_length=20, help_text="up to 64 bits without a sign")
    size = models.BigIntegerField(help_text="bytes")
    mtime_ns = models.BigIntegerField(help_text="nanoseconds since 1970")
    blob = models.ForeignKey(
        Blob, on_delete=models.CASCADE, null=True, blank=True, related_name="scanned_paths"
    )
    refusal = models.JSONField(null=True, blank=True, help_text="code and message of why it was not taken in")
    refused_by = models.CharField(
        max_length=64, blank=True, help_text="edition of the reader that refused it"
    )
    version = models.ForeignKey(
        Version, on_delete=models.SET_NULL, null=True, blank=True, related_name="scanned_paths"
    )
    listing = models.CharField(
        max_length=64, blank=True, help_text="digest of what it was put together with in one adapter"
    )
    asked = models.JSONField(default=list, blank=True, help_text="further files that were looked for")
    mark = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=64, blank=True)
    scanned = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        indexes = [models.Index(fields=["inode", "size", "mtime_ns"], name="scannedpath_stat")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(blob__isnull=False) | models.Q(refusal__isnull=False),
                name="scannedpath_blob_or_refusal",
            ),
        ]

    def __str__(self) -> str:
        return self.path
