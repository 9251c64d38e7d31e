"""The shapes of the programming interface: one serializer per noun, as docs/api.md shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.api.hands import HandsSerializer, hands_of
from catalog.search.query import OUTCOMES
from inference.models import Sheet, SheetCell
from registry.former_names import formerly
from registry.models import (
    Adapter,
    BaseModel,
    BaseModelAlias,
    Blob,
    Check,
    File,
    License,
    Review,
    Version,
    Vetting,
)


class FileOfVersion(serializers.ModelSerializer[File]):
    """A file in the Version contract."""

    sha256 = serializers.CharField(source="blob_id")
    size = serializers.IntegerField(source="blob.size")
    download_url = serializers.SerializerMethodField()

    class Meta:
        model = File
        fields = ["sha256", "name", "size", "download_url"]

    def get_download_url(self, file: File) -> str:
        """Where the bytes are, for callers with a token."""
        return absolute(self.context, reverse("api:file-content", args=[file.blob_id]))


class BaseReadings(serializers.Serializer[Version]):
    """Three values, not one: as declared by the author, read from the weights, decided by a reviewer."""

    declared = serializers.SerializerMethodField()
    detected = serializers.CharField(
        source="detected_family", help_text="family; `unknown` where the bytes tell none"
    )
    decided = serializers.SerializerMethodField()

    def get_declared(self, version: Version) -> str | None:
        """As the author wrote it."""
        return version.declared_base or None

    def get_decided(self, version: Version) -> str | None:
        """Slug of the base model that a reviewer settled."""
        return version.base_decided.slug if version.base_decided else None


class VersionSerializer(serializers.ModelSerializer[Version]):
    """The Version contract."""

    adapter = serializers.IntegerField(source="adapter_id")
    base = BaseReadings(source="*")
    vetting = serializers.ChoiceField(choices=Vetting.choices)
    files = FileOfVersion(many=True)
    sheet = serializers.SerializerMethodField(help_text="id of the newest finished sheet")

    class Meta:
        model = Version
        fields = ["id", "adapter", "name", "base", "vetting", "files", "sheet"]

    def get_sheet(self, version: Version) -> int | None:
        """Annotated by the view, so that a list costs no query for each row."""
        found: int | None = getattr(version, "sheet_id", None)
        return found


class AdapterHead(serializers.ModelSerializer[Adapter]):
    """What every adapter shows."""

    creator = serializers.SerializerMethodField()
    formerly = serializers.SerializerMethodField(help_text="its earlier names upstream, the newest first")

    class Meta:
        model = Adapter
        fields = ["id", "name", "formerly", "creator", "source", "source_url", "tags", "created", "updated"]

    def get_creator(self, adapter: Adapter) -> str | None:
        """Name of the person or account that published it."""
        return adapter.creator.name if adapter.creator else None

    def get_formerly(self, adapter: Adapter) -> list[str]:
        """With the account that it was under: `account/name`. Search finds it by these, too."""
        return formerly(adapter)


class AdapterHit(AdapterHead):
    """An adapter in a search: with its newest version that matches, and the verdict if one was asked for."""

    version = VersionSerializer()
    base = serializers.CharField(help_text="in words; empty = unknown")
    outcome = serializers.ChoiceField(choices=OUTCOMES, allow_null=True)
    conditions = serializers.ListField(child=serializers.CharField())

    class Meta(AdapterHead.Meta):
        fields = [*AdapterHead.Meta.fields, "version", "base", "outcome", "conditions"]


class AdapterDetail(AdapterHead):
    """One adapter with its newest versions."""

    versions = VersionSerializer(many=True, source="newest_versions")

    class Meta(AdapterHead.Meta):
        fields = [*AdapterHead.Meta.fields, "description", "versions"]


class FacetValueSerializer(serializers.Serializer[Any]):
    """One value of a facet; count = adapters the search gives when it is chosen alone in its facet."""

    value = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    count = serializers.IntegerField()
    selected = serializers.BooleanField()


class FacetSerializer(serializers.Serializer[Any]):
    """One way to narrow a search."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    values = FacetValueSerializer(many=True)
    more = serializers.IntegerField()


class FacetsSerializer(serializers.Serializer[Any]):
    """All facets of a search, exact and disjunctive."""

    count = serializers.IntegerField()
    facets = FacetSerializer(many=True)
    outcome_counts = serializers.DictField(child=serializers.IntegerField())


class CheckSerializer(serializers.ModelSerializer[Check]):
    """One gate of the vetting."""

    class Meta:
        model = Check
        fields = ["code", "outcome", "summary", "updated"]


class BlobSerializer(serializers.ModelSerializer[Blob]):
    """Stored bytes, their digests, and the versions that have them."""

    names = serializers.SerializerMethodField()
    download_url = serializers.SerializerMethodField()

    class Meta:
        model = Blob
        fields = [
            "sha256", "size", "blake3", "crc32", "autov1", "autov2", "autov3", "container", "names",
            "download_url",
        ]  # fmt: skip

    def get_names(self, blob: Blob) -> list[dict[str, int | str]]:
        """Which versions hold these bytes, under which name, in which state."""
        return [
            {"version": file.version_id, "name": file.name, "state": file.state} for file in blob.files.all()
        ]

    def get_download_url(self, blob: Blob) -> str:
        """Where the bytes are, for callers with a token."""
        return absolute(self.context, reverse("api:file-content", args=[blob.sha256]))


class FileRow(FileOfVersion):
    """A file in the list of all files."""

    version = serializers.IntegerField(source="version_id")

    class Meta(FileOfVersion.Meta):
        fields = ["version", "sha256", "name", "size", "state", "download_url"]


class LicenseHead(serializers.ModelSerializer[License]):
    """A license in the list."""

    id = serializers.CharField(source="license_id")

    class Meta:
        model = License
        fields = ["id", "name", "url", "revision"]


class LicenseDetail(LicenseHead):
    """A license with what it says per act, clause by clause."""

    data = serializers.JSONField()  # type: ignore[assignment]

    class Meta(LicenseHead.Meta):
        fields = [*LicenseHead.Meta.fields, "sha256", "data"]


class AliasSerializer(serializers.ModelSerializer[BaseModelAlias]):
    """A name an upstream uses for a base model."""

    class Meta:
        model = BaseModelAlias
        fields = ["host", "name"]


class BaseModelSerializer(serializers.ModelSerializer[BaseModel]):
    """A family or a checkpoint of one."""

    parent = serializers.SlugRelatedField[BaseModel](slug_field="slug", read_only=True)  # type: ignore[assignment]
    license = serializers.SlugRelatedField[License](slug_field="license_id", read_only=True)
    renderable = serializers.SerializerMethodField()
    aliases = AliasSerializer(many=True)

    class Meta:
        model = BaseModel
        fields = ["slug", "name", "family", "parent", "license", "renderable", "aliases"]

    def get_renderable(self, base: BaseModel) -> bool:
        """Whether sheets can be made on it here."""
        return bool(base.weights)


class CellSerializer(serializers.ModelSerializer[SheetCell]):
    """A picture in its place on a sheet. `row` counts prompt x seed, `column` the base and the weights."""

    key = serializers.CharField(source="cell_id")
    inputs = serializers.JSONField(source="cell.inputs")
    image_url = serializers.SerializerMethodField()

    class Meta:
        model = SheetCell
        fields = ["row", "column", "role", "key", "inputs", "metrics", "image_url"]

    def get_image_url(self, place: SheetCell) -> str:
        """The picture alone."""
        return absolute(self.context, reverse("images:cell", args=[place.cell_id]))


class SheetHead(serializers.ModelSerializer[Sheet]):
    """A comparison sheet in the list."""

    version = serializers.IntegerField(source="version_id")
    base = serializers.SlugRelatedField[BaseModel](slug_field="slug", read_only=True)
    sha256 = serializers.CharField(source="blob_id", help_text="the adapter file it shows")
    image_url = serializers.SerializerMethodField()

    class Meta:
        model = Sheet
        fields = [
            "id", "version", "sha256", "base", "recipe", "recipe_digest", "state", "code", "message",
            "image_url", "created", "finished",
        ]  # fmt: skip

    def get_image_url(self, sheet: Sheet) -> str | None:
        """The whole sheet with its labels; null until it is done."""
        return absolute(self.context, reverse("images:sheet", args=[sheet.pk])) if sheet.image_id else None


class SheetDetail(SheetHead):
    """A sheet with its cells, metrics, findings and manifest."""

    cells = CellSerializer(many=True, source="places")
    metrics = serializers.JSONField()
    findings = serializers.JSONField()
    hands = serializers.SerializerMethodField()
    manifest = serializers.JSONField()
    fallbacks = serializers.JSONField(help_text="what was done when memory did not suffice, step by step")
    reproduction = serializers.JSONField(help_text="how its pictures compared when they were rendered again")

    class Meta(SheetHead.Meta):
        fields = [
            *SheetHead.Meta.fields, "cells_total", "seconds", "base_digest", "metrics", "findings", "hands",
            "manifest", "fallbacks", "reproduction", "cells",
        ]  # fmt: skip

    @extend_schema_field(HandsSerializer(allow_null=True))
    def get_hands(self, sheet: Sheet) -> dict[str, Any] | None:
        """What a reviewer has to look at closely; null where there is nothing to judge."""
        return hands_of(sheet, lambda path: absolute(self.context, path))


class ReviewSerializer(serializers.ModelSerializer[Review]):
    """A reviewer's decision with its reason and the checks as they stood then."""

    version = serializers.IntegerField(source="version_id")
    reviewer = serializers.CharField(source="reviewer.username")
    checks = serializers.JSONField()

    class Meta:
        model = Review
        fields = ["id", "version", "action", "reason", "reviewer", "checks", "created"]


class ReviewAsked(serializers.Serializer[Any]):
    """What a reviewer sends."""

    version = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    action = serializers.ChoiceField(choices=["approve", "reject"])
    reason = serializers.CharField(max_length=4000, required=False, allow_blank=True, default="")


class ReasonSerializer(serializers.Serializer[Any]):
    """Why a verdict is what it is."""

    code = serializers.CharField()
    layer = serializers.CharField()
    clause = serializers.CharField(allow_null=True)
    evidence = serializers.JSONField(allow_null=True)
    next_step = serializers.CharField(allow_null=True)


class VerdictSerializer(serializers.Serializer[Any]):
    """The decide contract's object."""

    id = serializers.CharField(allow_null=True)
    outcome = serializers.ChoiceField(choices=OUTCOMES)
    conditions = serializers.ListField(child=serializers.CharField())
    standing = serializers.ListField(child=serializers.CharField())
    deciding = serializers.ListField(child=serializers.CharField())
    reasons = ReasonSerializer(many=True)
    ledger = serializers.ListField(child=serializers.DictField())
    ignored = serializers.ListField(child=serializers.CharField())


class OutcomeSerializer(serializers.Serializer[Any]):
    """An outcome with its conditions."""

    outcome = serializers.ChoiceField(choices=OUTCOMES)
    conditions = serializers.ListField(child=serializers.CharField())


class ProblemSerializer(serializers.Serializer[Any]):
    """A failure (RFC 9457): what went wrong, its stable code, and what to do next."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    next_step = serializers.CharField()


def absolute(context: Mapping[str, Any], path: str) -> str:
    """The absolute address of a path of this site, as the caller reached it."""
    request = context.get("request")
    return request.build_absolute_uri(path) if request is not None else path
