"""What all processes share about an upstream's host: its budget, requests under way, refusals it gave."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class HostBudget(models.Model):
    """How often one host may be asked; the fields are those of registry/sources/transport/budget_rules.py.

    Times are seconds since 1970 by the database's clock, so that machines whose clocks differ agree.
    """

    key = models.CharField(max_length=300, primary_key=True, help_text=_("Host, port, and api or files."))
    allowance = models.PositiveSmallIntegerField(help_text=_("Requests at a time."))
    tokens = models.FloatField(help_text=_("Requests that may go at once, as of refilled."))
    refilled = models.FloatField()
    eased = models.FloatField(default=0)
    blocked_until = models.FloatField(default=0)
    strikes = models.PositiveIntegerField(default=0, help_text=_("Refusals in a row."))
    quota = models.BigIntegerField(null=True, blank=True)
    quota_window = models.FloatField(null=True, blank=True, help_text=_("Seconds."))
    quota_left = models.BigIntegerField(null=True, blank=True)
    quota_until = models.FloatField(default=0)

    def __str__(self) -> str:
        return self.key


class HostSlot(models.Model):
    """A request under way. One whose process has died, or whose time is up, counts no longer."""

    budget = models.ForeignKey(HostBudget, on_delete=models.CASCADE, related_name="slots")
    worker = models.CharField(max_length=128)
    asked = models.FloatField()
    until = models.FloatField()

    def __str__(self) -> str:
        return f"{self.budget_id} by {self.worker}"


class RememberedRefusal(models.Model):
    """That an address was refused (not found, gone, gated, early access), and until when to believe it."""

    key = models.CharField(
        max_length=64, primary_key=True, help_text=_("SHA256 of method, address and token.")
    )
    address = models.TextField(help_text=_("Without secrets."))
    code = models.CharField(max_length=64)
    message = models.TextField()
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    asked = models.DateTimeField()
    expires = models.DateTimeField(db_index=True)
    opens = models.DateTimeField(null=True, blank=True, help_text=_("When early access ends, where told."))

    def __str__(self) -> str:
        return f"{self.code} {self.address}"
