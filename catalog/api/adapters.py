"""adapters/ and versions/: searching the catalog, and one adapter or version with its facts."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from django_filters.rest_framework import BooleanFilter, CharFilter, FilterSet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.viewsets import ViewSet

from catalog.api.edits import (
    AdapterChanges,
    EditedFieldSerializer,
    EditorsWrite,
    VersionChanges,
    apply_changes,
    edits_of,
)
from catalog.api.lists import ListViewSet, whole_versions
from catalog.api.recommended import RecommendedSerializer, recommended_of
from catalog.api.schema import SEARCH_PARAMETERS
from catalog.api.serializers import (
    AdapterDetail,
    AdapterHit,
    CheckSerializer,
    FacetsSerializer,
    VersionSerializer,
)
from catalog.api.upstream import UpstreamSerializer, upstream_of
from catalog.api.verdicts import VerdictChangeSerializer
from catalog.api.version_sheet import VersionSheetSerializer, sheet_of
from catalog.api.weights import DiffSerializer, KinSerializer, WeightsSerializer, diff_of, weights_of
from catalog.errors import BadQuery
from catalog.search import SearchHit, SearchQuery, search
from registry.lineage import kin_of
from registry.models import Adapter, Check, VerdictChange, Version
from registry.offers import recalled
from registry.version_diff import version_before

# An adapter shows so many of its newest versions; versions/?adapter=ID lists all.
VERSIONS_SHOWN = 100

AGAINST = OpenApiParameter(
    "against", OpenApiTypes.INT, description="Another version of the adapter; else the one before this one."
)

_page = inline_serializer(
    "AdapterPage",
    {
        "results": AdapterHit(many=True),
        "next": serializers.URLField(allow_null=True),
        "count": serializers.IntegerField(allow_null=True),
    },
)


class Adapters(ViewSet):
    """What the catalog holds."""

    permission_classes = [EditorsWrite]
    queryset = Adapter.objects.select_related("creator", "upstream_identity")

    @extend_schema(operation_id="adapters_list", parameters=SEARCH_PARAMETERS, responses=_page)
    def list(self, request: Request) -> Response:
        """Adapters that match, each with its newest matching version and, for an act, the verdict."""
        page = search(SearchQuery.from_params(request.query_params, strict=True))
        following = (
            replace_query_param(request.build_absolute_uri(), "after", page.next) if page.next else None
        )
        context = {"request": request}
        results = AdapterHit([_hit(hit) for hit in page.hits], many=True, context=context).data
        return Response({"results": results, "next": following, "count": page.count})

    @extend_schema(parameters=SEARCH_PARAMETERS, responses=FacetsSerializer)
    @action(detail=False)
    def facets(self, request: Request) -> Response:
        """The facets of the same search: every value with the number of adapters it would leave."""
        page = search(SearchQuery.from_params(request.query_params, strict=True))
        return Response(FacetsSerializer(page).data)

    @extend_schema(responses=AdapterDetail)
    def retrieve(self, request: Request, pk: int) -> Response:
        """One adapter with its newest versions."""
        newest = whole_versions().order_by("-created", "-id")[:VERSIONS_SHOWN]
        adapters = self.queryset.prefetch_related(
            Prefetch("versions", queryset=newest, to_attr="newest_versions")
        )
        adapter = get_object_or_404(adapters, pk=pk)
        return Response(AdapterDetail(adapter, context={"request": request}).data)

    @extend_schema(request=AdapterChanges, responses=EditedFieldSerializer(many=True))
    def partial_update(self, request: Request, pk: int) -> Response:
        """Set fields by hand, which no later reading of the source changes, or give them back to it."""
        adapter = get_object_or_404(Adapter, pk=pk)
        apply_changes(request, adapter)
        return Response(EditedFieldSerializer(edits_of(get_object_or_404(Adapter, pk=pk)), many=True).data)

    @extend_schema(responses=EditedFieldSerializer(many=True))
    @action(detail=True)
    def edits(self, request: Request, pk: int) -> Response:
        """The fields that a person may set, which of them are, and what the source says of those."""
        return Response(EditedFieldSerializer(edits_of(get_object_or_404(Adapter, pk=pk)), many=True).data)


class VersionFilters(FilterSet):  # type: ignore[misc]
    """How the list of versions is narrowed."""

    sha256 = CharFilter(field_name="files__blob", help_text="Versions that hold these bytes.")
    recalled = BooleanFilter(
        method="only_recalled",
        help_text="Versions stored here that their upstream took back, archived, gated or no longer finds.",
    )

    class Meta:
        model = Version
        fields = ["adapter", "vetting", "detected_family", "availability"]

    def only_recalled(self, versions: QuerySet[Version], name: str, value: bool) -> QuerySet[Version]:
        """The recall list, or everything else."""
        listed = recalled().values("pk")
        return versions.filter(pk__in=listed) if value else versions.exclude(pk__in=listed)


class Versions(RetrieveModelMixin, ListViewSet):
    """Versions of adapters, in the Version contract's shape."""

    permission_classes = [EditorsWrite]
    serializer_class = VersionSerializer
    filterset_class = VersionFilters
    queryset = whole_versions()

    @extend_schema(request=VersionChanges, responses=EditedFieldSerializer(many=True))
    def partial_update(self, request: Request, pk: int) -> Response:
        """Set fields by hand, which no later reading of the source changes, or give them back to it."""
        apply_changes(request, get_object_or_404(Version, pk=pk))
        return Response(EditedFieldSerializer(edits_of(_edited(pk)), many=True).data)

    @extend_schema(responses=EditedFieldSerializer(many=True), filters=False)
    @action(detail=True, pagination_class=None)
    def edits(self, request: Request, pk: int) -> Response:
        """The fields that a person may set, which of them are, and what the source says of those."""
        return Response(EditedFieldSerializer(edits_of(_edited(pk)), many=True).data)

    @extend_schema(responses=RecommendedSerializer, filters=False)
    @action(detail=True, pagination_class=None)
    def recommended(self, request: Request, pk: int) -> Response:
        """What to set when the version is used, and who says so; how complete its upstream's page is."""
        return Response(RecommendedSerializer(recommended_of(get_object_or_404(Version, pk=pk))).data)

    @extend_schema(responses=CheckSerializer(many=True), filters=False)
    @action(detail=True, pagination_class=None)
    def checks(self, request: Request, pk: int) -> Response:
        """The gates of the version's vetting, each with its outcome and reason."""
        version = get_object_or_404(whole_versions(), pk=pk)
        return Response(CheckSerializer(Check.objects.filter(version=version), many=True).data)

    @extend_schema(responses=VersionSheetSerializer, filters=False)
    @action(detail=True, pagination_class=None)
    def sheet(self, request: Request, pk: int) -> Response:
        """The sheet that speaks for the version with what it tells, or why there can be none."""
        version = get_object_or_404(whole_versions(), pk=pk)
        return Response(VersionSheetSerializer(sheet_of(version)).data)

    @extend_schema(responses=WeightsSerializer, filters=False)
    @action(detail=True, pagination_class=None)
    def weights(self, request: Request, pk: int) -> Response:
        """Where the version's change sits and how large it is, and its training beside the usual ranges."""
        version = get_object_or_404(Version.objects.select_related("adapter"), pk=pk)
        return Response(WeightsSerializer(weights_of(version)).data)

    @extend_schema(responses=DiffSerializer, parameters=[AGAINST], filters=False)
    @action(detail=True, pagination_class=None)
    def diff(self, request: Request, pk: int) -> Response:
        """What changed between this version and another one of its adapter: weights, metadata and terms."""
        version = get_object_or_404(Version.objects.select_related("adapter", "terms_profile"), pk=pk)
        return Response(DiffSerializer(diff_of(version, _against(request, version))).data)

    @extend_schema(responses=UpstreamSerializer, filters=False)
    @action(detail=True, pagination_class=None)
    def upstream(self, request: Request, pk: int) -> Response:
        """How the upstream answers for the version, since when, and what became of each file it offers."""
        return Response(UpstreamSerializer(upstream_of(get_object_or_404(Version, pk=pk))).data)

    @extend_schema(responses=VerdictChangeSerializer(many=True), filters=False)
    @action(detail=True, url_path="verdict-history")
    def verdict_history(self, request: Request, pk: int) -> Response:
        """How the version's verdicts have changed, act by act, the newest first, with why and evidence."""
        version = get_object_or_404(Version, pk=pk)
        changes = VerdictChange.objects.filter(version=version).select_related("event")
        page = self.paginate_queryset(changes)
        return self.get_paginated_response(VerdictChangeSerializer(page, many=True).data)

    @extend_schema(responses=KinSerializer(many=True), filters=False)
    @action(detail=True, pagination_class=None)
    def similar(self, request: Request, pk: int) -> Response:
        """Versions of other adapters that share weights with this one, the closest first."""
        return Response(KinSerializer(kin_of(get_object_or_404(Version, pk=pk)), many=True).data)


def _edited(pk: int) -> Version:
    found: Version = get_object_or_404(Version.objects.select_related("base_decided"), pk=pk)
    return found


def _against(request: Request, version: Version) -> Version:
    """The other version: the one named, else the one before. Raises BadQuery where there is none."""
    raw = request.query_params.get("against", "")
    if not raw:
        before = version_before(version)
        if before is None:
            raise BadQuery("against", "is missing, and no earlier version is for the same family")
        return before
    if not (raw.isascii() and raw.isdigit() and len(raw) < 19) or int(raw) == version.pk:
        raise BadQuery("against", "must be the id of another version")
    siblings = version.adapter.versions.select_related("terms_profile")
    other = siblings.filter(pk=int(raw)).first()
    if other is None:
        raise BadQuery("against", "is no version of the same adapter")
    return other


def _hit(hit: SearchHit) -> Any:
    """The serializer reads attributes: the hit's own ones are laid over the adapter's."""
    adapter: Any = hit.adapter
    adapter.version = hit.version
    adapter.version.sheet_id = hit.sheet.pk if hit.sheet else None
    adapter.base = hit.base_label
    adapter.outcome = hit.outcome
    adapter.conditions = hit.conditions
    return adapter
