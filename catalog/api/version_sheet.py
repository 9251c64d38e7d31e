"""versions/ID/sheet/: the sheet that speaks for a version, or why it can have none."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from inference.models import SheetState
from inference.refusals import why_no_sheet
from inference.services import speaking_sheet
from registry.errors import error_class
from registry.models import Version

NOT_PLANNED, IMPOSSIBLE = "not_planned", "impossible"


class FindingSerializer(serializers.Serializer[Any]):
    """One thing that a sheet, or its planning, tells. `threshold` is the limit that the numbers passed."""

    code = serializers.CharField()
    severity = serializers.ChoiceField(choices=["info", "warning", "error"])
    message = serializers.CharField()
    numbers = serializers.DictField(child=serializers.FloatField())
    threshold = serializers.FloatField(allow_null=True)
    where = serializers.CharField(
        default="", allow_blank=True, help_text="the column that it tells of, as it is headed on the sheet"
    )


class VersionSheetSerializer(serializers.Serializer[Any]):
    """Whether the version has a sheet. `code`, `message` and `next_step` tell why it has none."""

    id = serializers.IntegerField(allow_null=True, help_text="null where none was planned")
    state = serializers.ChoiceField(choices=[*SheetState.values, NOT_PLANNED, IMPOSSIBLE])
    code = serializers.CharField(allow_blank=True)
    message = serializers.CharField(allow_blank=True)
    next_step = serializers.CharField(allow_blank=True)
    findings = FindingSerializer(many=True)


def sheet_of(version: Version) -> dict[str, Any]:
    """The answer about one version: its finished sheet, else its newest, else why there can be none."""
    sheet = speaking_sheet(version)
    if sheet is not None:
        found = error_class(sheet.code) if sheet.code else None
        return {
            "id": sheet.pk,
            "state": sheet.state,
            "code": sheet.code,
            "message": sheet.message,
            "next_step": found.next_step if found else "",
            "findings": sheet.findings,
        }
    refused = why_no_sheet(version)
    if refused is None:
        return {"id": None, "state": NOT_PLANNED, "code": "", "message": "", "next_step": "", "findings": []}
    return {
        "id": None,
        "state": IMPOSSIBLE,
        **refused.error.as_dict(),
        "findings": [finding.as_dict() for finding in refused.findings],
    }
