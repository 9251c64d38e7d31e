"""AccessToken and Download: who may fetch bytes by API, and the ledger of what was fetched."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from registry.models import File


class AccessToken(models.Model):
    """A bearer token. Only its SHA256 is kept; `hint` shows the first characters to its owner."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="access_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=12)
    scopes = ArrayField(models.CharField(max_length=30), default=list)
    created = models.DateTimeField(default=timezone.now, editable=False)
    expires = models.DateTimeField(null=True, blank=True)
    revoked = models.DateTimeField(null=True, blank=True)
    last_used = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created", "-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"


class Download(models.Model):
    """One hand-out of a file: to whom, when, and from which byte on when it was not the whole."""

    file = models.ForeignKey(File, on_delete=models.PROTECT, related_name="downloads")
    token = models.ForeignKey(AccessToken, on_delete=models.SET_NULL, null=True, related_name="downloads")
    user = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now, editable=False)
    range = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["file", "-at"], name="download_file_newest")]

    def __str__(self) -> str:
        return f"{self.user} fetched file {self.file_id}"
