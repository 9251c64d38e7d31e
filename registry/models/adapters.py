"""Creator, Adapter and Version: what exists, under which name, and what was said about it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Source(models.TextChoices):
    """The kind of upstream a row came from."""

    CIVITAI = "civitai", _("Civitai")
    HUGGINGFACE = "huggingface", _("Hugging Face Hub")
    FOLDER = "folder", _("Folder")
    KURA = "kura", _("Another Kura")


class Vetting(models.TextChoices):
    """Where a version stands in review. Only `approved` lets bytes leave by the API."""

    WAITING = "waiting", _("In review")
    APPROVED = "approved", _("Vetted")
    REJECTED = "rejected", _("Rejected")
    QUARANTINED = "quarantined", _("Quarantined")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class Availability(models.TextChoices):
    """What the upstream answered last; absence there never erases anything here."""

    PRESENT = "present", _("Present upstream")
    EARLY_ACCESS = "early_access", _("Early access upstream")
    GATED = "gated", _("Gated upstream")
    ARCHIVED = "archived", _("Archived upstream")
    TAKEN_DOWN = "taken_down", _("Taken down upstream")
    NOT_FOUND = "not_found", _("Not found upstream")
    GONE = "gone", _("Gone upstream")


class Creator(models.Model):
    """A person or account that published adapters on one upstream."""

    source = models.CharField(max_length=16, choices=Source.choices)
    name = models.CharField(max_length=200)
    url = models.URLField(max_length=500, blank=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "name"], name="creator_source_name_unique"),
            models.CheckConstraint(condition=models.Q(source__in=Source.values), name="creator_source_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Adapter(models.Model):
    """One adapter as its upstream presents it: a page with versions. Identity is (source, source_key)."""

    creator = models.ForeignKey(
        Creator, on_delete=models.PROTECT, null=True, blank=True, related_name="adapters"
    )
    source = models.CharField(max_length=16, choices=Source.choices)
    source_key = models.CharField(max_length=500)
    source_url = models.URLField(max_length=1000, blank=True)
    name = models.CharField(max_length=300)
    description = models.TextField(blank=True)
    tags = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    edited = ArrayField(
        models.CharField(max_length=40),
        default=list,
        blank=True,
        help_text="fields that a person has set here",
    )
    stated = models.JSONField(
        default=dict, blank=True, help_text="what the source says of the fields that a person has set"
    )
    created = models.DateTimeField(default=timezone.now, editable=False)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created", "-id"]
        indexes = [
            models.Index(fields=["-created", "-id"], name="adapter_newest"),
            GinIndex(fields=["tags"], name="adapter_tags_gin"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["source", "source_key"], name="adapter_source_key_unique"),
            models.CheckConstraint(condition=~models.Q(name=""), name="adapter_has_name"),
            models.CheckConstraint(condition=models.Q(source__in=Source.values), name="adapter_source_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Version(models.Model):
    """One version of an adapter. Base and terms are kept three times: declared, detected, decided."""

    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="versions")
    source_key = models.CharField(max_length=500)
    name = models.CharField(max_length=200)
    notes = models.TextField(blank=True)
    trigger_words = ArrayField(models.CharField(max_length=300), default=list, blank=True)

    declared_base = models.CharField(max_length=300, blank=True, help_text="as the author wrote it")
    base_declared = models.ForeignKey(
        "registry.BaseModel", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    detected_family = models.CharField(max_length=40, default="unknown", help_text="read from the weights")
    base_decided = models.ForeignKey(
        "registry.BaseModel", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    terms_profile = models.ForeignKey(
        "registry.TermsProfile", on_delete=models.PROTECT, null=True, blank=True, related_name="versions"
    )
    vetting = models.CharField(max_length=16, choices=Vetting.choices, default=Vetting.WAITING)
    vetted_at = models.DateTimeField(null=True, blank=True)
    availability = models.CharField(max_length=16, choices=Availability.choices, default=Availability.PRESENT)
    availability_since = models.DateTimeField(null=True, blank=True)
    availability_until = models.DateTimeField(
        null=True, blank=True, help_text="when the upstream says it opens"
    )
    availability_reason = models.CharField(max_length=300, blank=True)
    settings = models.JSONField(
        default=dict, blank=True, help_text="recommended settings, each with its evidence"
    )
    page = models.JSONField(
        default=dict, blank=True, help_text="how complete the upstream's page is, line by line"
    )
    published = models.DateTimeField(null=True, blank=True)
    edited = ArrayField(
        models.CharField(max_length=40),
        default=list,
        blank=True,
        help_text="fields that a person has set here",
    )
    stated = models.JSONField(
        default=dict, blank=True, help_text="what the source says of the fields that a person has set"
    )
    created = models.DateTimeField(default=timezone.now, editable=False)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created", "-id"]
        indexes = [
            models.Index(fields=["vetting", "created", "id"], name="version_review_queue"),
            models.Index(fields=["detected_family", "-created", "-id"], name="version_family_newest"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["adapter", "source_key"], name="version_source_key_unique"),
            models.CheckConstraint(
                condition=models.Q(vetting__in=Vetting.values), name="version_vetting_known"
            ),
            models.CheckConstraint(
                condition=models.Q(availability__in=Availability.values), name="version_availability_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(vetting=Vetting.APPROVED) | models.Q(vetted_at__isnull=False),
                name="version_approved_has_date",
            ),
            models.CheckConstraint(
                condition=models.Q(availability=Availability.PRESENT)
                | models.Q(availability_since__isnull=False),
                name="version_absence_has_date",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.adapter.name} {self.name}".strip()
