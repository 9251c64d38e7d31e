"""ScannedPath: what a file's stat was when its bytes were stored, so that unchanged files need no reading."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from registry.models.files import Blob, sha256_hex


class ScannedPath(models.Model):
    """A path on this machine and the blob its bytes are, while inode, size and time stay what they were."""

    key = models.CharField(
        max_length=64, primary_key=True, validators=[sha256_hex], help_text="SHA256 of the resolved path"
    )
    path = models.TextField(help_text="the resolved path, for people; not always exact, names may be no text")
    inode = models.CharField(max_length=20, help_text="up to 64 bits without a sign")
    size = models.BigIntegerField(help_text="bytes")
    mtime_ns = models.BigIntegerField(help_text="nanoseconds since 1970")
    blob = models.ForeignKey(Blob, on_delete=models.CASCADE, related_name="scanned_paths")
    scanned = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        indexes = [models.Index(fields=["inode", "size", "mtime_ns"], name="scannedpath_stat")]

    def __str__(self) -> str:
        return self.path
