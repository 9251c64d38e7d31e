"""ReviewItem: one recorded item of a version's review, with what is stated, what holds, evidence and date."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models.adapters import Version
from registry.models.author_questions import AuthorQuestion
from registry.models.provenance import Snapshot
from registry.models.terms import TermsClaim


class ItemState(models.TextChoices):
    """How far an item has come, from nothing known to settled."""

    UNREAD = "unread", _("Nothing found")
    STATED = "stated", _("Stated")
    ASKED = "asked", _("Asked")
    ANSWERED = "answered", _("Answered")
    CONCLUDED = "concluded", _("Concluded")


class ReviewItem(models.Model):
    """One row per version and item. Sources only ever write `stated`; what a reviewer concluded stays.

    `value` is what holds: the conclusion, else the author's answer, else what is stated. Shapes by kind of
    item: act `{status, conditions, clause}`; credit `{required, wording, links, where}`; base `{declared,
    detected, agreement, base, license}`; right `{state, ...}`.
    """

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="items")
    key = models.CharField(max_length=20)
    state = models.CharField(max_length=10, choices=ItemState.choices, default=ItemState.UNREAD)
    stated = models.JSONField(default=dict, blank=True)
    value = models.JSONField(default=dict, blank=True)
    claim = models.ForeignKey(
        TermsClaim, on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        help_text="the conclusion",
    )  # fmt: skip
    question = models.ForeignKey(
        AuthorQuestion, on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        help_text="the last question that asks about it",
    )  # fmt: skip
    evidence = models.ForeignKey(
        Snapshot, on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        help_text="the bytes that the value was read from",
    )  # fmt: skip
    reason = models.TextField(blank=True)
    who = models.CharField(max_length=150, blank=True, help_text="who concluded or recorded it")
    since = models.DateTimeField(default=timezone.now, help_text="when it came to stand so")

    class Meta:
        ordering = ["version_id", "id"]
        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="item_once_per_version"),
            models.CheckConstraint(condition=models.Q(state__in=ItemState.values), name="item_state_known"),
            models.CheckConstraint(
                condition=~models.Q(state=ItemState.CONCLUDED)
                | (models.Q(claim__isnull=False) & ~models.Q(reason="") & ~models.Q(who="")),
                name="item_conclusion_has_reason_and_name",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} of version {self.version_id}: {self.state}"
