"""Check, Review, AuditEvent and Change: gate results, decisions, and the two append-only logs."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models.adapters import Version


class CheckOutcome(models.TextChoices):
    """Result of one gate. `todo` = not looked at yet, which never counts as passed."""

    OK = "ok", _("OK")
    WARN = "warn", _("Warning")
    TODO = "todo", _("To do")
    FAIL = "fail", _("Failed")


class Check(models.Model):
    """One gate of a version's vetting with its reason and evidence. Written by any app below catalog."""

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="checks")
    code = models.CharField(max_length=60)
    outcome = models.CharField(max_length=8, choices=CheckOutcome.choices, default=CheckOutcome.TODO)
    summary = models.CharField(max_length=500, blank=True)
    evidence = models.JSONField(default=dict, blank=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["version", "code"], name="check_once_per_version"),
            models.CheckConstraint(
                condition=models.Q(outcome__in=CheckOutcome.values), name="check_outcome_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.outcome}"


class ReviewAction(models.TextChoices):
    """What a reviewer decided."""

    APPROVE = "approve", _("Approve")
    REJECT = "reject", _("Reject")
    WITHDRAW = "withdraw", _("Withdraw")
    REOPEN = "reopen", _("Reopen")


class Review(models.Model):
    """A reviewer's decision with its reason and the checks as they stood then."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="reviews")
    action = models.CharField(max_length=10, choices=ReviewAction.choices)
    reason = models.TextField(blank=True)
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews")
    checks = models.JSONField(default=list)
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(action__in=ReviewAction.values), name="review_action_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(action__in=[ReviewAction.REJECT, ReviewAction.WITHDRAW])
                | ~models.Q(reason=""),
                name="review_refusal_has_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} version {self.version_id}"


class AuditEvent(models.Model):
    """Who did what, when. A trigger in the database refuses UPDATE, DELETE and TRUNCATE."""

    at = models.DateTimeField(default=timezone.now, editable=False)
    actor = models.CharField(max_length=150, help_text="user name, or system")
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=200, help_text="kind:id")
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["subject", "-id"], name="audit_subject")]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"


class Change(models.Model):
    """Ordered log of what changed; sheets, search and recall consume it by id."""

    kind = models.CharField(max_length=40)
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="changes")
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} version {self.version_id}"
