"""Subscription and IgnoredUpdate: what of an upstream is followed, and which of its news nobody wants."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models.adapters import Source, Version


class SubscriptionKind(models.TextChoices):
    """What of an upstream is followed. Which kinds an upstream has is told by registry/sync/clients.py."""

    ADAPTER = "adapter", _("One adapter")
    CREATOR = "creator", _("A creator")
    TAG = "tag", _("A tag")
    QUERY = "query", _("A search")
    COLLECTION = "collection", _("A collection")
    REPO = "repo", _("A repository")
    FOLDER = "folder", _("A folder")
    CATALOG = "catalog", _("The whole catalog")


class Subscription(models.Model):
    """Something upstream that is looked at again and again; its runs tell what came of it.

    `fetch`: whether bytes are wanted, of the files that triage lets through; else what is said about the
    adapters is kept alone. `policy`: fields of registry.triage.TriagePolicy, on top of the settings'.
    """

    source = models.CharField(max_length=16, choices=Source.choices)
    kind = models.CharField(max_length=16, choices=SubscriptionKind.choices)
    target = models.CharField(max_length=500, help_text="name, id, words or address, as a person writes it")
    title = models.CharField(max_length=300, blank=True)
    active = models.BooleanField(default=True)
    fetch = models.BooleanField(default=True, help_text="fetch the files that triage lets through")
    policy = models.JSONField(
        default=dict, blank=True, help_text="what is fetched, where that differs from the house's policy"
    )
    every_minutes = models.PositiveIntegerField(default=1440, help_text="between two runs")
    due = models.DateTimeField(default=timezone.now, help_text="when the next run may start")
    resume = models.TextField(
        blank=True, help_text="where the next run begins in a log of changes; empty = with the whole list"
    )
    created_by = models.CharField(max_length=150, blank=True)
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["due"], condition=models.Q(active=True), name="subscription_due"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["source", "kind", "target"], name="subscription_once"),
            models.CheckConstraint(
                condition=models.Q(source__in=Source.values), name="subscription_source_known"
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=SubscriptionKind.values), name="subscription_kind_known"
            ),
            models.CheckConstraint(condition=~models.Q(target=""), name="subscription_has_target"),
            models.CheckConstraint(
                condition=models.Q(every_minutes__gte=1), name="subscription_interval_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.title or f"{self.source}:{self.kind}:{self.target}"


class IgnoredUpdate(models.Model):
    """A version that is not wanted: it is never told as an update again, until somebody takes it back."""

    version = models.OneToOneField(Version, on_delete=models.CASCADE, related_name="ignored_update")
    reason = models.CharField(max_length=300, blank=True)
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"version {self.version_id}, ignored by {self.by}"
