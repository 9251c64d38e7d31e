"""What the weights of a version tell: statistics and scorecard, difference to another version, kin."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework import serializers

from registry.analysis import Measured, measured, measured_diff
from registry.checks import latest_inspection
from registry.main_files import main_file, main_files
from registry.models import File, Relation, Version
from registry.version_diff import diff_terms, moment
from registry.weights.scorecard import scorecard
from registry.weights.versions import diff_metadata

STATES = ("done", "failed", "running", "queued", "missing", "no_file")


class MeasuredSerializer(serializers.Serializer[Any]):
    """Numbers, or why there are none. `missing`: nobody has asked a worker for them."""

    state = serializers.ChoiceField(choices=STATES)
    edition = serializers.CharField(allow_null=True, help_text="edition of the numbers")
    computed = serializers.DateTimeField(allow_null=True)
    code = serializers.CharField(allow_null=True, help_text="why it failed")
    message = serializers.CharField(allow_null=True)
    numbers = serializers.DictField(allow_null=True)


class WeightsSerializer(serializers.Serializer[Any]):
    """One version's main file: what its weights tell, and how it was trained."""

    sha256 = serializers.CharField(allow_null=True, help_text="the main file; null = none is stored")
    statistics = MeasuredSerializer()
    scorecard = serializers.DictField(help_text="lines with value, usual range, standing and why")
    training = serializers.DictField(allow_null=True, help_text="what the file states of its training")


class DiffSerializer(serializers.Serializer[Any]):
    """What changed from the version published (or taken in) first to the other."""

    old = serializers.IntegerField()
    new = serializers.IntegerField()
    weights = MeasuredSerializer()
    metadata = serializers.DictField(allow_null=True)
    terms = serializers.DictField(help_text="acts that became looser or tighter, and the claims behind it")


class KinSerializer(serializers.Serializer[Any]):
    """One version of another adapter that shares weights."""

    version = serializers.IntegerField(source="version.pk")
    adapter = serializers.IntegerField(source="version.adapter_id")
    name = serializers.CharField(source="version")
    relation = serializers.ChoiceField(choices=Relation.choices)
    cosine = serializers.FloatField()
    share = serializers.FloatField(help_text="of the energy of this version's change")


def weights_of(version: Version) -> dict[str, Any]:
    """The shape of WeightsSerializer."""
    file = main_file(version)
    data = _reading(file)
    training = data.get("training")
    published = version.adapter.versions.exclude(published=None).values_list("published", flat=True)
    card = scorecard(
        training,
        family=version.detected_family,
        rank=data.get("rank"),
        today=timezone.localdate(),
        published=[each.date() for each in published[:500] if each is not None],
    )
    return {
        "sha256": file.blob_id if file else None,
        "statistics": _shown(measured(version, file.blob_id) if file else Measured("no_file")),
        "scorecard": card.as_dict(),
        "training": training,
    }


def diff_of(one: Version, other: Version) -> dict[str, Any]:
    """The shape of DiffSerializer; nothing is assumed about who asks."""
    old, new = sorted((one, other), key=moment)
    files = main_files((old, new))
    before, after = (files.get(each.pk) for each in (old, new))
    found = Measured("no_file")
    if before and after:
        found = measured_diff(old, new, before.blob_id, after.blob_id)
    read = [_reading(file) for file in (before, after)]
    return {
        "old": old.pk,
        "new": new.pk,
        "weights": _shown(found),
        "metadata": diff_metadata(*read).as_dict() if all(read) else None,
        "terms": diff_terms(old, new).as_dict(),
    }


def _reading(file: File | None) -> dict[str, Any]:
    if file is None:
        return {}
    row = latest_inspection(file.blob_id)
    data: dict[str, Any] = row.data if row else {}
    return data


def _shown(found: Measured) -> dict[str, Any]:
    row = found.row
    return {
        "state": found.state,
        "edition": row.edition if row else None,
        "computed": row.created if row else None,
        "code": found.code or None,
        "message": found.message or None,
        "numbers": found.data,
    }
