"""UpstreamIdentity: by what an upstream knows an adapter whatever it is called, and what it was called."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from registry.models.adapters import Adapter, Source


class UpstreamIdentity(models.Model):
    """The id that stays when an adapter is renamed upstream; `former`: its earlier keys, oldest first.

    An adapter's `source_key` is the name it has now. When each name was left is in the audit log
    (`upstream_renamed`).
    """

    adapter = models.OneToOneField(Adapter, on_delete=models.CASCADE, related_name="upstream_identity")
    source = models.CharField(max_length=16, choices=Source.choices)
    identity = models.CharField(max_length=100)
    former = ArrayField(models.CharField(max_length=500), default=list, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "identity"], name="upstream_identity_once"),
            models.CheckConstraint(condition=~models.Q(identity=""), name="upstream_identity_stated"),
            models.CheckConstraint(
                condition=models.Q(source__in=Source.values), name="upstream_identity_source_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}:{self.identity}"
