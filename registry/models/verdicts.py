"""What verdicts rested on and how they changed: basis, outcomes, events, changes and notices.

The outcomes of every act under no facts are kept once per terms profile. When the terms of a version or the
rules they are read by change, the difference becomes dated rows that are never changed again.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models.adapters import Version
from registry.models.terms import TermsProfile


class TermsBasis(models.Model):
    """The licenses and rules that decisions rested on at one time, by revision and digest.

    `licenses`: license id -> `[revision, sha256]`; `rules`: `kind:name` -> `[revision, sha256]`.
    """

    digest = models.CharField(max_length=64, unique=True)
    licenses = models.JSONField()
    rules = models.JSONField()
    created = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.digest[:12]


class ProfileOutcomes(models.Model):
    """How a profile was decided last, act by act under no facts: act -> `[outcome, [condition]]`."""

    profile = models.OneToOneField(
        TermsProfile, on_delete=models.CASCADE, primary_key=True, related_name="decided"
    )
    basis = models.ForeignKey(TermsBasis, on_delete=models.PROTECT, related_name="decided")
    outcomes = models.JSONField()

    def __str__(self) -> str:
        return f"profile {self.profile_id} by {self.basis_id}"


class TermsCause(models.TextChoices):
    """What made the verdicts change; where several things did, the first of this list."""

    REPLY = "reply", _("The author's reply")
    CLAIM = "claim", _("Statements about the adapter")
    RIGHTS = "rights", _("Rights in the material")
    BASE = "base", _("The base model")
    LICENSE = "license", _("A license was read anew")
    RULE = "rule", _("A policy or someone's terms")
    ENGINE = "engine", _("A newer release reads the terms differently")


class TermsEvent(models.Model):
    """One change of terms: of one version (`version` is set), or of all versions that shared a profile then.

    `why`: `[{kind, id, before, after}]`; `evidence`: `{before: [citation], after: [citation]}`, a citation
    being `{layer, claim, snapshot, url, sha256, at}`. The snapshots stay readable.
    """

    at = models.DateTimeField(default=timezone.now, editable=False)
    cause = models.CharField(max_length=10, choices=TermsCause.choices)
    version = models.ForeignKey(
        Version, on_delete=models.PROTECT, null=True, blank=True, related_name="terms_events"
    )
    profile_before = models.ForeignKey(TermsProfile, on_delete=models.PROTECT, related_name="+")
    profile_after = models.ForeignKey(TermsProfile, on_delete=models.PROTECT, related_name="+")
    basis_before = models.ForeignKey(TermsBasis, on_delete=models.PROTECT, related_name="+")
    basis_after = models.ForeignKey(TermsBasis, on_delete=models.PROTECT, related_name="+")
    why = models.JSONField(default=list)
    evidence = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(cause__in=TermsCause.values), name="terms_cause_known"),
        ]

    def __str__(self) -> str:
        return f"{self.cause} {self.at:%Y-%m-%d}"


class Direction(models.TextChoices):
    """Which way a verdict went. Lost: it was an answer and is unknown now."""

    LOOSER = "looser", _("Looser")
    TIGHTER = "tighter", _("Tighter")
    LOST = "unknown", _("No longer known")
    OTHER = "other", _("Other conditions")


class VerdictChange(models.Model):
    """How one act's verdict for one version changed, under no facts."""

    event = models.ForeignKey(TermsEvent, on_delete=models.PROTECT, related_name="changes")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="verdict_changes")
    act = models.CharField(max_length=60)
    before = models.CharField(max_length=12)
    after = models.CharField(max_length=12)
    conditions_before = models.JSONField(default=list)
    conditions_after = models.JSONField(default=list)
    direction = models.CharField(max_length=8, choices=Direction.choices)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["version", "-id"], name="verdict_change_of_version")]
        constraints = [
            models.UniqueConstraint(fields=["event", "version", "act"], name="verdict_change_once_per_event"),
            models.CheckConstraint(
                condition=models.Q(direction__in=Direction.values), name="verdict_change_direction_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.act} of version {self.version_id}: {self.before} to {self.after}"


class TermsNotice(models.Model):
    """That whoever has a version must be told of tighter terms; one a version and event, whoever is told."""

    event = models.ForeignKey(TermsEvent, on_delete=models.PROTECT, related_name="notices")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="terms_notices")
    created = models.DateTimeField(default=timezone.now, editable=False)
    delivered = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["id"], condition=models.Q(delivered__isnull=True), name="terms_notice_waiting"
            )
        ]
        constraints = [
            models.UniqueConstraint(fields=["event", "version"], name="terms_notice_once_per_event"),
        ]

    def __str__(self) -> str:
        return f"notice of version {self.version_id}"
