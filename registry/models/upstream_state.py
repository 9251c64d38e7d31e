"""UpstreamItem: what is remembered of an adapter upstream, so that an unchanged one costs one row."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from registry.models.adapters import Adapter, Source
from registry.models.subscriptions import Subscription
from registry.models.sync_runs import SyncRun


class UpstreamItem(models.Model):
    """An adapter as its upstream last showed it.

    `fingerprint` is a digest of all that was said of it (registry/sources/listing.py), empty while it has not
    been kept. `seen`: last listed or read; `kept`: when something new was last said; `read`: when it was
    last asked for by itself, for its terms and whether it is still there. `run`: the last run that met it.
    `doubt`: why it has to be asked for by itself, empty where it need not.
    """

    source = models.CharField(max_length=16, choices=Source.choices)
    key = models.CharField(max_length=500, help_text="the adapter's source_key")
    adapter = models.OneToOneField(
        Adapter, on_delete=models.CASCADE, null=True, blank=True, related_name="upstream_item"
    )
    fingerprint = models.CharField(max_length=64, blank=True)
    seen = models.DateTimeField(default=timezone.now)
    kept = models.DateTimeField(null=True, blank=True)
    read = models.DateTimeField(default=timezone.now)
    doubt = models.CharField(max_length=20, blank=True)
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="upstream_items",
        help_text="the subscription that listed it last",
    )
    run = models.ForeignKey(
        SyncRun, on_delete=models.SET_NULL, null=True, blank=True, related_name="upstream_items"
    )

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["read"], name="upstream_item_read")]
        constraints = [
            models.UniqueConstraint(fields=["source", "key"], name="upstream_item_once"),
            models.CheckConstraint(
                condition=models.Q(source__in=Source.values), name="upstream_item_source_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}:{self.key}"
