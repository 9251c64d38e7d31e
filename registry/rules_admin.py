"""Admin of rules: policies, hosts, services, tools and guidelines are written here, each edit a revision."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from registry.models import TermsRule
from registry.policies import problems, save_rule
from registry.recheck import follow

_FIELDS = (
    "kind", "name", "aliases", "title", "active", "read", "acts", "holds_disputed", "applies_to", "clause",
    "next_step", "source", "snapshot",
)  # fmt: skip


class TermsRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """Says at each field what is wrong with it."""

    # Django 5 would guess http for an address without a scheme and warns about it.
    source = forms.URLField(label=_("source"), required=False, max_length=1000, assume_scheme="https")

    class Meta:
        model = TermsRule
        fields = _FIELDS

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        own = {name: getattr(self.instance, name) for name in ("kind", "name") if name not in self.fields}
        for field, text in problems({**own, **cleaned}).items():
            self.add_error(field if field in self.fields else None, text)
        return cleaned

    def validate_constraints(self) -> None:
        """One current revision a rule: the row that is edited gives way to the next one when it is saved."""


@admin.register(TermsRule)
class TermsRuleAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """What was written once stays: a rule is not deleted but made inactive."""

    form = TermsRuleForm
    list_display = ["kind", "name", "title", "revision", "current", "active", "read", "created"]
    list_filter = ["kind", "current", "active", "read"]
    search_fields = ["name", "title", "clause"]
    raw_id_fields = ["snapshot"]
    fieldsets = [
        (None, {"fields": ["kind", "name", "aliases", "title", "active"]}),
        (_("What it says"), {"fields": ["read", "acts", "holds_disputed", "clause", "next_step"]}),
        (_("What it is about, and where it was read"), {"fields": ["applies_to", "source", "snapshot"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: TermsRule | None = None) -> list[str]:
        return ["kind", "name"] if obj else []

    def has_change_permission(self, request: HttpRequest, obj: TermsRule | None = None) -> bool:
        return (obj is None or obj.current) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: TermsRule | None = None) -> bool:
        return False

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: TermsRule, form: Any, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in _FIELDS if name in form.cleaned_data}
        values |= {name: values.get(name) or empty for name, empty in (("aliases", []), ("acts", {}))}
        values["applies_to"] = values.get("applies_to") or {}
        kind, name = values.pop("kind", obj.kind), values.pop("name", obj.name)
        before = TermsRule.objects.filter(kind=kind, name=name, current=True).first()
        made = save_rule(kind, name, actor=request.user.get_username(), **values)
        obj.pk = made.pk
        scopes = [rule.applies_to.get("tags", []) for rule in (before, made) if rule]
        follow(tags=sorted({tag for tags in scopes for tag in tags}))
