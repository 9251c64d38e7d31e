"""TermsRule: what a house policy, a host, a service, a tool or a third party says, one row per revision."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models.provenance import Snapshot


class RuleKind(models.TextChoices):
    """Whose rule it is. A question's fact `host` names a host or a service, its fact `tool` a tool."""

    POLICY = "policy", _("House policy")
    HOST = "host", _("Host")
    SERVICE = "service", _("Service")
    TOOL = "tool", _("Tool")
    OVERLAY = "overlay", _("Guideline of a third party")


class TermsRule(models.Model):
    """One revision of one rule. A row is never changed: whoever edits a rule makes its next revision.

    `acts`: act -> `{"status": ..., "conditions": [...]}`; an act that is left out is not addressed. A rule
    whose terms nobody has read (`read` is false) leaves every act open.
    """

    kind = models.CharField(_("kind"), max_length=10, choices=RuleKind.choices)
    name = models.SlugField(
        _("name"), max_length=100, help_text=_("What the fact host or tool says, in lower case.")
    )
    aliases = models.JSONField(
        _("other names"), default=list, blank=True, help_text=_("Other spellings, as a list.")
    )
    title = models.CharField(_("title"), max_length=300)
    revision = models.PositiveIntegerField(_("revision"), default=1, editable=False)
    current = models.BooleanField(_("current"), default=True, editable=False)
    active = models.BooleanField(
        _("active"), default=True, help_text=_("Without it the rule is kept on file and binds nobody.")
    )
    read = models.BooleanField(
        _("terms were read"),
        default=False,
        help_text=_("Until somebody has read them, every act stays unknown."),
    )
    acts = models.JSONField(
        _("acts"),
        default=dict,
        blank=True,
        help_text=_(
            'Act to status and conditions: {"sell_adapter": {"status": "forbidden", "conditions": []}}'
        ),
    )
    holds_disputed = models.BooleanField(
        _("hold what is disputed"),
        default=False,
        help_text=_("Policy only: an answer that rests on a disputed clause counts as unknown."),
    )
    applies_to = models.JSONField(
        _("applies to"),
        default=dict,
        blank=True,
        help_text=_(
            "Nothing means everything; else lists under base_models, licenses or tags, of which one must fit."
        ),
    )
    clause = models.CharField(_("clause"), max_length=300, blank=True)
    next_step = models.CharField(
        _("next step"), max_length=300, blank=True, help_text=_("What to do when the rule stands in the way.")
    )
    source = models.URLField(_("source"), max_length=1000, blank=True)
    snapshot = models.ForeignKey(
        Snapshot,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="rules",
        verbose_name=_("snapshot"),
    )
    sha256 = models.CharField(max_length=64, editable=False)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["kind", "name", "-revision"]
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        constraints = [
            models.UniqueConstraint(fields=["kind", "name", "revision"], name="rule_revision_unique"),
            models.UniqueConstraint(
                fields=["kind", "name"],
                condition=models.Q(current=True),
                name="rule_one_current_revision",
            ),
            models.CheckConstraint(condition=models.Q(kind__in=RuleKind.values), name="rule_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.name} revision {self.revision}"
