"""License, TermsClaim and TermsProfile: what the rules say, who said so, and the deduplicated sum."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models.adapters import Version
from registry.models.provenance import Snapshot


class License(models.Model):
    """One revision of one license row, as loaded from registry/licensing/data or written by an admin."""

    license_id = models.CharField(max_length=100)
    revision = models.PositiveIntegerField(default=1)
    name = models.CharField(max_length=300)
    url = models.URLField(max_length=1000, blank=True)
    data = models.JSONField(default=dict)
    sha256 = models.CharField(max_length=64)
    current = models.BooleanField(default=True)
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["license_id", "-revision"]
        constraints = [
            models.UniqueConstraint(fields=["license_id", "revision"], name="license_revision_unique"),
            models.UniqueConstraint(
                fields=["license_id"], condition=models.Q(current=True), name="license_one_current_revision"
            ),
        ]

    def __str__(self) -> str:
        return self.license_id


class ClaimKind(models.TextChoices):
    """What a claim is about."""

    LICENSE = "license", _("License of the adapter")
    CIVITAI_FLAGS = "civitai_flags", _("Civitai permission flags")
    BASE = "base", _("Base model")
    RIGHTS = "rights", _("Rights in the material")
    TEXT_TERMS = "text_terms", _("Terms in the author's own words")
    SERVICE_TERMS = "service_terms", _("Terms of a service")
    CONCLUSION = "conclusion", _("A reviewer's conclusion")
    PEER_VETTING = "peer_vetting", _("Vetting by another Kura")


class Standing(models.TextChoices):
    """Whose word it is: the author's, the bytes', a reviewer's. A sync never overwrites a decision."""

    DECLARED = "declared", _("Declared")
    DETECTED = "detected", _("Detected")
    DECIDED = "decided", _("Decided")


class TermsClaim(models.Model):
    """One statement about a version's terms, with the snapshot it was read from."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="claims")
    kind = models.CharField(max_length=20, choices=ClaimKind.choices)
    standing = models.CharField(max_length=10, choices=Standing.choices, default=Standing.DECLARED)
    value = models.JSONField(
        null=True, help_text="normalized reading: a license id, flags, a base name; null = not recognized"
    )
    wording = models.TextField(blank=True, help_text="as written at the source")
    unread = models.JSONField(default=list, blank=True, help_text="parts of it that were not understood")
    hints = models.JSONField(default=dict, blank=True, help_text="weak evidence, which binds nobody")
    snapshot = models.ForeignKey(
        Snapshot, on_delete=models.PROTECT, null=True, blank=True, related_name="claims"
    )
    superseded = models.BooleanField(default=False)
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["version", "kind", "superseded"], name="claim_current")]
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=ClaimKind.values), name="claim_kind_known"),
            models.CheckConstraint(
                condition=models.Q(standing__in=Standing.values), name="claim_standing_known"
            ),
            # One reading of one source at a time; a newer reading supersedes, it never overwrites.
            models.UniqueConstraint(
                fields=["version", "kind", "standing", "snapshot"],
                condition=models.Q(superseded=False),
                nulls_distinct=False,
                name="claim_once_per_source",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of version {self.version_id}"


class TermsProfile(models.Model):
    """Canonical, deduplicated terms of many versions; registry.verdicts.terms_of gives their shape.

    Few profiles exist, so a search decides each once and then filters by profile id.
    """

    digest = models.CharField(max_length=64, unique=True)
    terms = models.JSONField()
    created = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.digest[:12]
