"""Django's admin: base models can be edited; of what came from upstream only what is set by hand."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.postgres.fields import ArrayField
from django.db import transaction
from django.db.models import Field, Model, URLField
from django.forms import CharField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from registry.edits import EDITABLE
from registry.edits import change as set_by_hand
from registry.ledger import audit
from registry.license_admin import LicenseAdmin
from registry.lines_field import LinesField
from registry.models import (
    Adapter,
    AuditEvent,
    BaseModel,
    BaseModelAlias,
    Check,
    Creator,
    File,
    Inspection,
    Job,
    Review,
    Snapshot,
    Subscription,
    SyncRun,
    TermsClaim,
    TermsNotice,
    VerdictChange,
    Version,
)
from registry.recheck import follow
from registry.rules_admin import TermsRuleAdmin

__all__ = ["LicenseAdmin", "TermsRuleAdmin"]

# Django 5 would guess http for an address without a scheme and warns about it.
HTTPS: dict[type[Field[Any, Any]], dict[str, Any]] = {URLField: {"assume_scheme": "https"}}


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Shows rows that only the application writes."""

    formfield_overrides = HTTPS

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyInline(admin.TabularInline):  # type: ignore[type-arg]
    """Rows of a parent, to look at."""

    extra = 0
    can_delete = False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        # Also the times that Django sets, which a form cannot hold.
        return list(self.fields or [])

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class AliasInline(admin.TabularInline):  # type: ignore[type-arg]
    model = BaseModelAlias
    extra = 1


@admin.register(BaseModel)
class BaseModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "family", "parent", "license", "weights", "weights_dtype"]
    list_filter = ["family"]
    search_fields = ["name", "slug", "aliases__name"]
    list_select_related = ["parent", "license"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [AliasInline]

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: BaseModel, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        action = "edit" if change else "add"
        user = request.user.get_username()
        audit(user, action, f"base_model:{obj.pk}", fields=form.changed_data)
        if change and {"license", "family"} & set(form.changed_data):
            # The terms of every version on this base follow its license.
            follow(bases=[obj.pk])


class FileInline(ReadOnlyInline):
    model = File
    fields = ["name", "blob", "state", "reason"]


class CheckInline(ReadOnlyInline):
    model = Check
    fields = ["code", "outcome", "summary", "updated"]


class ClaimInline(ReadOnlyInline):
    model = TermsClaim
    fields = ["kind", "standing", "value", "wording", "snapshot", "superseded", "created"]


class ReviewInline(ReadOnlyInline):
    model = Review
    fields = ["created", "reviewer", "action", "reason"]


class VersionInline(ReadOnlyInline):
    model = Version
    fields = ["name", "declared_base", "detected_family", "vetting", "created"]
    show_change_link = True


class ByHand(ReadOnly):
    """Rows of a source: only the fields of registry/edits.py can be set, and only by way of it."""

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return admin.ModelAdmin.has_change_permission(self, request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        editable = EDITABLE[self.model]  # type: ignore[index]
        return [field.name for field in self.model._meta.fields if field.name not in editable]

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, ArrayField):
            longest = db_field.base_field.max_length or 300
            label = f"{db_field.verbose_name.capitalize()}"
            return LinesField(longest=longest, required=False, label=label, help_text=_("One on each line."))
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(field, CharField):
            # A text with blanks at its ends would look changed.
            field.strip = False
        return field

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        row: Any = self.model._default_manager.get(pk=obj.pk)
        given = {name: form.cleaned_data[name] for name in form.changed_data}
        # A browser ends lines in its own way, so that a text of several lines looks changed.
        told = {
            name: value.replace("\r\n", "\n") if isinstance(value, str) else value
            for name, value in given.items()
        }
        values = {name: value for name, value in told.items() if value != getattr(row, name)}
        if values:
            set_by_hand(row, request.user.get_username(), values)


@admin.register(Version)
class VersionAdmin(ByHand):
    list_display = ["adapter", "name", "detected_family", "vetting", "created"]
    list_filter = ["vetting", "detected_family", "availability"]
    search_fields = ["adapter__name", "name", "files__blob__sha256"]
    list_select_related = ["adapter"]
    inlines = [FileInline, CheckInline, ClaimInline, ReviewInline]


@admin.register(Adapter)
class AdapterAdmin(ByHand):
    list_display = ["name", "creator", "source", "source_key", "created"]
    list_filter = ["source"]
    search_fields = ["name", "creator__name", "source_key"]
    list_select_related = ["creator"]
    inlines = [VersionInline]


@admin.register(Creator)
class CreatorAdmin(ReadOnly):
    list_display = ["name", "source", "url"]
    search_fields = ["name"]


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnly):
    list_display = ["url", "sha256", "fetched"]
    search_fields = ["url", "sha256"]
    fields = ["url", "sha256", "media_type", "etag", "fetched", "content"]
    readonly_fields = ["content"]

    @admin.display(description=_("Content"))
    def content(self, snapshot: Snapshot) -> str:
        return bytes(snapshot.body)[:20_000].decode("utf-8", errors="replace")


@admin.register(Inspection)
class InspectionAdmin(ReadOnly):
    list_display = ["blob", "family", "algorithm", "dialect", "rank_max", "modules", "valid"]
    list_filter = ["family", "algorithm", "valid"]
    search_fields = ["blob__sha256"]


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly):
    list_display = ["at", "actor", "action", "subject"]
    list_filter = ["action"]
    search_fields = ["actor", "subject"]


@admin.register(VerdictChange)
class VerdictChangeAdmin(ReadOnly):
    list_display = ["version", "act", "before", "after", "direction", "event"]
    list_filter = ["direction", "act", "event__cause"]
    list_select_related = ["version__adapter", "event"]
    search_fields = ["version__adapter__name"]


@admin.register(TermsNotice)
class TermsNoticeAdmin(ReadOnly):
    list_display = ["version", "event", "created", "delivered"]
    list_select_related = ["version__adapter", "event"]
    search_fields = ["version__adapter__name"]


@admin.register(Job)
class JobAdmin(ReadOnly):
    list_display = ["kind", "key", "queue", "state", "attempt", "worker", "created", "finished"]
    list_filter = ["state", "queue", "kind"]
    search_fields = ["key", "error_code"]


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnly):
    list_display = ["source", "kind", "target", "active", "fetch", "every_minutes", "due"]
    list_filter = ["source", "kind", "active"]
    search_fields = ["target", "title"]


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnly):
    list_display = ["subscription", "state", "listed", "fetched", "skipped", "failed", "started", "finished"]
    list_filter = ["state"]
    list_select_related = ["subscription"]
