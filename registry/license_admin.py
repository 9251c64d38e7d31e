"""Admin of licenses: house licenses are written here, each edit a revision; built-in ones are data files."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import URLField
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.utils.translation import gettext as now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from registry.house_licenses import as_toml, blank, read_text, save
from registry.ledger import audit
from registry.licensing.errors import BadTable
from registry.licensing.schema import License as Row
from registry.licensing.schema import license_from_row
from registry.licensing.table import LICENSES
from registry.licensing.vocabulary import ACTS
from registry.models import License
from registry.recheck import follow
from registry.seed import new_revision


def is_house(license: License | None) -> bool:
    """Whether what the license says is written here, and not in a data file."""
    return license is None or license.license_id not in LICENSES


def acts_table(row: Row) -> SafeString:
    """Every act with status, conditions and clause, as a table for the admin."""
    cells = [
        {
            "act": now(ACTS[act].label),
            "cell": cell,
            "conditions": [(str(condition), now(condition.kind.label)) for condition in cell.conditions],
        }
        for act, cell in row.summary.items()
    ]
    return SafeString(render_to_string("admin/registry/license/_acts.html", {"cells": cells}))


class HouseLicenseForm(forms.ModelForm):  # type: ignore[type-arg]
    """The whole license as one text; says what is wrong at which place."""

    text = forms.CharField(
        label=_("What it says"),
        widget=forms.Textarea(attrs={"rows": 40, "cols": 110, "spellcheck": "false"}),
        help_text=_(
            "TOML or JSON, as in registry/licensing/data. Every act needs a status; docs/licenses.md lists "
            "acts, conditions and facts."
        ),
        max_length=200_000,
    )
    row: Row | None = None

    class Meta:
        model = License
        fields: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["text"].initial = as_toml(self.instance.data) if self.instance.pk else blank()

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"]
        self.row, found = read_text(text, self.instance if self.instance.pk else None)
        if found:
            raise forms.ValidationError([f"{where}: {what}" if where else what for where, what in found])
        return text


class CorrectionForm(forms.ModelForm):  # type: ignore[type-arg]
    """Name and link of a built-in license."""

    url = forms.URLField(label=_("url"), required=False, max_length=1000, assume_scheme="https")

    class Meta:
        model = License
        fields = ("name", "url")


@admin.register(License)
class LicenseAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A revision is never changed: what is saved becomes the next one, and what was decided by it says so."""

    formfield_overrides = {URLField: {"assume_scheme": "https"}}
    list_display = ["license_id", "revision", "name", "current", "created"]
    list_filter = ["current"]
    search_fields = ["license_id", "name"]
    readonly_fields = ["license_id", "revision", "sha256", "current", "created", "acts"]
    change_form_template = "admin/registry/license/change_form.html"

    @admin.display(description=_("What it says, act by act"))
    def acts(self, license: License) -> str:
        try:
            named = {"id": license.license_id, "name": license.name, **license.data}
            return acts_table(license_from_row(named, license.sha256))
        except BadTable as error:
            return error.message

    def get_form(
        self, request: HttpRequest, obj: License | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if not self.has_change_permission(request, obj):
            return super().get_form(request, obj, change, **kwargs)
        kwargs["form"] = HouseLicenseForm if is_house(obj) else CorrectionForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: License | None = None) -> list[Any]:
        if obj is None:
            return [(None, {"fields": ["text"]})]
        shown = ["license_id", "revision", "current", "created", "sha256"]
        if not self.has_change_permission(request, obj):
            return [(None, {"fields": [*shown, "name", "url", "acts"]})]
        editable = ["text"] if is_house(obj) else ["name", "url"]
        return [(None, {"fields": [*shown, *editable]}), (_("As it stands"), {"fields": ["acts"]})]

    def has_delete_permission(self, request: HttpRequest, obj: License | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: License | None = None) -> bool:
        return (obj is None or obj.current) and super().has_change_permission(request, obj)

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: License, form: Any, change: bool) -> None:
        user = request.user.get_username()
        if is_house(obj if change else None):
            obj.pk = save(form.row, user).pk
            obj.license_id, obj.name = form.row.id, form.row.name
            follow()
        elif form.changed_data:
            before = License.objects.select_for_update().get(pk=obj.pk)
            made = new_revision(
                before, before.license_id, name=obj.name, url=obj.url, data=before.data, sha256=before.sha256
            )
            audit(
                user, "edit", f"license:{before.license_id}", revision=made.revision, fields=form.changed_data
            )

    # --- Preview --------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.preview)
        return [path("preview/", view, name="registry_license_preview"), *super().get_urls()]

    @method_decorator(require_POST)
    def preview(self, request: HttpRequest) -> HttpResponse:
        """What a text says on every act, or what is wrong with it; nothing is saved."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        given = request.POST.get("license", "")
        edited = License.objects.filter(pk=given, current=True).first() if given.isdigit() else None
        row, found = read_text(request.POST.get("text", ""), edited)
        context = {
            **self.admin_site.each_context(request),
            "title": row.name if row else _("Not a license yet"),
            "acts": acts_table(row) if row else None,
            "problems": found,
        }
        return TemplateResponse(request, "admin/registry/license/preview.html", context)
