"""changes/, versions/{id}/export/ and claims/, snapshots/{id}/: what another Kura reads here."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from django.db.models import Exists, Max, OuterRef
from django.http import Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from catalog.api.parameters import known_only
from catalog.errors import BadQuery
from catalog.exports import claims_told, export_of, open_snapshots, snapshot_told
from catalog.search.query import read_limit
from registry.models import Change, ClaimKind, Snapshot, Standing, Version, Vetting
from registry.peers import identity, paths_of

LIMIT: Final = 50
LIMIT_MAX: Final = 200
_CURSOR: Final = re.compile(r"(?P<kura>[0-9a-f-]{1,40})\.(?P<place>[0-9]{1,18}(\.[0-9a-f]{8})?)", re.ASCII)


class ChangedVersionSerializer(serializers.Serializer[Any]):
    """A version of a changed adapter: where it stands, its newest change, and the Kuras it came through."""

    id = serializers.IntegerField()
    vetting = serializers.ChoiceField(choices=Vetting.choices)
    change = serializers.IntegerField()
    path = serializers.ListField(child=serializers.CharField())


class ChangeSerializer(serializers.Serializer[Any]):
    """An adapter at its newest change."""

    change = serializers.IntegerField()
    adapter = serializers.IntegerField()
    kind = serializers.CharField()
    at = serializers.DateTimeField()
    versions = ChangedVersionSerializer(many=True)


class ChangesSerializer(serializers.Serializer[Any]):
    """A page of changes. Keep `cursor` and ask with it again, whether or not there is a next page now.

    `restarted`: the cursor that was sent is of another Kura or of a time that is gone here (a backup was put
    back), so the list begins anew.
    """

    kura = serializers.UUIDField()
    results = ChangeSerializer(many=True)
    next = serializers.URLField(allow_null=True)
    cursor = serializers.CharField()
    restarted = serializers.BooleanField()


class SnapshotSerializer(serializers.Serializer[Any]):
    """The exact bytes that were read: where, when, and their SHA256."""

    id = serializers.IntegerField()
    url = serializers.CharField()
    sha256 = serializers.CharField()
    media_type = serializers.CharField()
    fetched = serializers.DateTimeField()


class ClaimSerializer(serializers.Serializer[Any]):
    """One statement of a source about a version's terms; `snapshot` is null where its bytes are not open."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=ClaimKind.choices)
    standing = serializers.ChoiceField(choices=Standing.choices)
    value = serializers.JSONField()
    wording = serializers.CharField()
    unread = serializers.ListField(child=serializers.CharField())
    hints = serializers.DictField()
    superseded = serializers.BooleanField()
    created = serializers.DateTimeField()
    snapshot = SnapshotSerializer(allow_null=True)


_AFTER: Final = OpenApiParameter(
    "after", OpenApiTypes.STR, description="The `cursor` of the last page that was kept."
)
_LIMIT: Final = OpenApiParameter(
    "limit", OpenApiTypes.INT, default=LIMIT, description=f"How many adapters at most, up to {LIMIT_MAX}."
)
_ADAPTER: Final = OpenApiParameter("adapter", OpenApiTypes.INT, description="This adapter alone.")
_SOURCE: Final = OpenApiParameter(
    "source", OpenApiTypes.STR, description="Only what was read at this address."
)
_PK: Final = OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH)


class Changes(APIView):
    """What has changed since a cursor: each adapter once, at its newest change, the oldest change first."""

    @extend_schema(
        operation_id="changes_list", parameters=[_AFTER, _LIMIT, _ADAPTER], responses=ChangesSerializer
    )
    def get(self, request: Request) -> Response:
        """One page; an adapter that changes while pages are read comes again on a later one."""
        known_only(request, {"after", "limit", "adapter"})
        limit = read_limit(request.query_params.get("limit", ""), default=LIMIT, most=LIMIT_MAX)
        own = identity()
        start, restarted = _start(request.query_params.get("after", ""), own)
        newer = Change.objects.filter(version__adapter=OuterRef("version__adapter"), pk__gt=OuterRef("pk"))
        after = int(start.partition(".")[0])
        changes = Change.objects.filter(~Exists(newer), pk__gt=after).select_related("version")
        if adapter := request.query_params.get("adapter", ""):
            changes = changes.filter(version__adapter=_id("adapter", adapter))
        rows = list(changes.order_by("pk")[: limit + 1])
        more, rows = len(rows) > limit, rows[:limit]
        cursor = f"{own}.{_place(rows[-1]) if rows else start}"
        following = replace_query_param(request.build_absolute_uri(), "after", cursor) if more else None
        told = {"kura": own, "results": _told(rows), "next": following, "cursor": cursor}
        return Response(told | {"restarted": restarted})


class Export(APIView):
    """All that another Kura takes over of one version."""

    @extend_schema(
        operation_id="versions_export",
        parameters=[_PK],
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, pk: int) -> Response:
        """Facts, files with digests, claims with evidence, and this Kura's own vetting (docs/ingest.md)."""
        known_only(request, set())
        return Response(export_of(_version(pk)))


class Claims(APIView):
    """What sources state about a version's terms, replaced statements included."""

    @extend_schema(
        operation_id="versions_claims", parameters=[_PK, _SOURCE], responses=ClaimSerializer(many=True)
    )
    def get(self, request: Request, pk: int) -> Response:
        """In the order in which they were read."""
        known_only(request, {"source"})
        claims = _version(pk).claims.select_related("snapshot").defer("snapshot__body").order_by("id")
        if source := request.query_params.get("source", ""):
            claims = claims.filter(snapshot__url=source)
        return Response(claims_told(claims))


class Snapshots(APIView):
    """A piece of evidence, without its bytes."""

    @extend_schema(operation_id="snapshots_retrieve", parameters=[_PK], responses=SnapshotSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Where it was read, when, and its SHA256."""
        return Response(snapshot_told(_open_snapshot(pk)))


class SnapshotContent(APIView):
    """The bytes of a piece of evidence, exactly as they were read."""

    @extend_schema(
        operation_id="snapshots_content",
        parameters=[_PK],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, pk: int) -> HttpResponse:
        """Never as a page: whatever the bytes are, no browser runs them from here."""
        snapshot = _open_snapshot(pk)
        return HttpResponse(
            bytes(snapshot.body),
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Disposition": "attachment",
                "X-Content-Type-Options": "nosniff",
                "ETag": f'"{snapshot.sha256}"',
            },
        )


def _start(cursor: str, own: str) -> tuple[str, bool]:
    """The place of the last change that the caller knows, and whether it has to begin anew. Raises BadQuery.

    A backup that was put back gives ids out a second time: the caller knows a change only if it is the very
    one that has its id now.
    """
    if not cursor:
        return "0", False
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise BadQuery("after", "is not the `cursor` of a page of this list")
    place = found["place"]
    if found["kura"] != own:
        return "0", True
    if place == "0":
        return "0", False
    change = Change.objects.filter(pk=int(place.partition(".")[0])).first()
    return (place, False) if change is not None and _place(change) == place else ("0", True)


def _place(change: Change) -> str:
    """A change's id with a digest of what it is."""
    told = f"{change.pk} {change.version_id} {change.kind} {change.at.isoformat()}"
    return f"{change.pk}.{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def _id(name: str, raw: str) -> int:
    if not (raw.isascii() and raw.isdigit() and len(raw) < 19):
        raise BadQuery(name, "must be an id")
    return int(raw)


def _told(rows: list[Change]) -> list[dict[str, Any]]:
    """Three queries however many rows."""
    adapters = [row.version.adapter_id for row in rows]
    versions = list(
        Version.objects.filter(adapter__in=adapters)
        .annotate(change=Max("changes__id"))
        .order_by("id")
        .values_list("adapter_id", "id", "vetting", "change")
    )
    paths = paths_of(version for _, version, _, _ in versions)
    found: dict[int, list[dict[str, Any]]] = {}
    for adapter, version, vetting, change in versions:
        told = {"id": version, "vetting": vetting, "change": change or 0, "path": paths[version]}
        found.setdefault(adapter, []).append(told)
    return [
        {
            "change": row.pk,
            "adapter": row.version.adapter_id,
            "kind": row.kind,
            "at": row.at.isoformat(),
            "versions": found.get(row.version.adapter_id, []),
        }
        for row in rows
    ]


def _version(pk: int) -> Version:
    return get_object_or_404(
        Version.objects.select_related("adapter__creator", "base_decided").filter(pk__lt=2**63), pk=pk
    )


def _open_snapshot(pk: int) -> Snapshot:
    """Closed evidence is answered like none at all: that it exists is nobody's business."""
    if pk >= 2**63 or pk not in open_snapshots([pk]):
        raise Http404
    return get_object_or_404(Snapshot, pk=pk)
