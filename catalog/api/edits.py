"""What people set by hand: the shapes of edits/ and of the call that sets or releases fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from catalog import access
from catalog.api.permissions import ReadUnlessLoginRequired
from catalog.models import AccessToken
from catalog.people import is_editor
from registry.edits import EDITABLE, NotEditable, change
from registry.models import Adapter, BaseModel, Version


class EditorsWrite(ReadUnlessLoginRequired):
    """Read as everywhere; reviewers and editors write, with a token that was made for reviewing."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """True for a reading call that is open to this caller, or an editor. Raises ScopeMissing."""
        if request.method in SAFE_METHODS:
            return super().has_permission(request, view)
        if not is_editor(request.user):
            return False
        if isinstance(request.auth, AccessToken):
            access.require_scope(request.auth, access.REVIEW)
        return True


class EditedFieldSerializer(serializers.Serializer[Any]):
    """One field that a person may set. `stated`: what its source said last, null where it is not edited."""

    field = serializers.CharField()
    value = serializers.JSONField(help_text="as it is shown")
    edited = serializers.BooleanField(help_text="set by hand; no reading of the source changes it")
    stated = serializers.JSONField(allow_null=True)


class _Changes(serializers.Serializer[Any]):
    release = serializers.ListField(
        child=serializers.CharField(max_length=40),
        required=False,
        help_text="fields to give back to their source, which then says what stands there",
    )


class AdapterChanges(_Changes):
    """What to set; what is not named stays."""

    name = serializers.CharField(max_length=300, required=False)
    description = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    tags = serializers.ListField(child=serializers.CharField(max_length=100), required=False, max_length=200)
    source_url = serializers.URLField(max_length=1000, required=False, allow_blank=True)


class VersionChanges(_Changes):
    """What to set; what is not named stays."""

    name = serializers.CharField(max_length=200, required=False)
    notes = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    trigger_words = serializers.ListField(
        child=serializers.CharField(max_length=300), required=False, max_length=200
    )
    declared_base = serializers.CharField(max_length=300, required=False, allow_blank=True)
    base_decided = serializers.SlugRelatedField[BaseModel](
        slug_field="slug",
        queryset=BaseModel.objects.all(),
        required=False,
        allow_null=True,
        help_text="slug of the base that holds here, or null",
    )


def apply_changes(request: Request, row: Adapter | Version) -> None:
    """Do what the body asks for. Raises NotEditable, ValidationError."""
    kind = AdapterChanges if isinstance(row, Adapter) else VersionChanges
    asked = kind(data=request.data)
    known = asked.fields.keys()
    if isinstance(request.data, Mapping) and (unknown := sorted(request.data.keys() - known)):
        raise NotEditable(f"{', '.join(map(str, unknown))[:200]} cannot be set by hand.")
    asked.is_valid(raise_exception=True)
    values: dict[str, Any] = dict(asked.validated_data)
    released = values.pop("release", [])
    change(row, request.user.get_username(), values, released)


def edits_of(row: Adapter | Version) -> list[dict[str, Any]]:
    """What EditedFieldSerializer shows, field by field; no query where the decided base is at hand."""
    fields: list[dict[str, Any]] = [
        {
            "field": name,
            "value": getattr(row, name),
            "edited": name in row.edited,
            "stated": row.stated.get(name) if name in row.edited else None,
        }
        for name in EDITABLE[type(row)]
    ]
    if isinstance(row, Version):
        decided = row.base_decided.slug if row.base_decided else None
        fields.append({"field": "base_decided", "value": decided, "edited": bool(decided), "stated": None})
    return fields
