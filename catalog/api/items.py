"""versions/{id}/items/: the recorded items of a review, concluded and opened again by reviewers."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.permissions import ReviewersWrite
from registry.conclusions import Evidence, conclude, reopen
from registry.licensing.items import ITEMS
from registry.models import ItemState, ReviewItem, Version
from registry.review_items import items_of, keep_items

_PARAMETERS: Final = [
    OpenApiParameter("pk", OpenApiTypes.INT, OpenApiParameter.PATH, description="Id of the version."),
]
_KEY: Final = OpenApiParameter(
    "key", OpenApiTypes.STR, OpenApiParameter.PATH, enum=list(ITEMS), description="The item."
)


class CitedSerializer(serializers.Serializer[Any]):
    """The exact bytes that a value was read from."""

    snapshot = serializers.IntegerField(source="pk")
    url = serializers.CharField()
    sha256 = serializers.CharField()
    fetched = serializers.DateTimeField()


class ItemSerializer(serializers.Serializer[Any]):
    """One recorded item: what is stated, what holds, from which evidence, since when and by whom."""

    item = serializers.CharField(source="key")
    act = serializers.SerializerMethodField(help_text="the act it settles; null where it is about none")
    state = serializers.ChoiceField(choices=ItemState.choices)
    stated = serializers.DictField(help_text="what the sources say")
    value = serializers.DictField(help_text="what holds: the conclusion, the answer, or what is stated")
    evidence = CitedSerializer(allow_null=True)
    question = serializers.IntegerField(source="question_id", allow_null=True)
    reason = serializers.CharField()
    who = serializers.CharField()
    since = serializers.DateTimeField()

    def get_act(self, row: ReviewItem) -> str | None:
        """The act it settles."""
        item = ITEMS.get(row.key)
        return item.act or None if item else None


class EvidenceAsked(serializers.Serializer[Any]):
    """A snapshot that belongs to the version, or words that are kept now."""

    snapshot = serializers.IntegerField(required=False, min_value=1, max_value=2**62)
    text = serializers.CharField(required=False, default="", allow_blank=True)
    url = serializers.CharField(required=False, default="", allow_blank=True)


class ConclusionAsked(serializers.Serializer[Any]):
    """What a reviewer concludes. Shapes of the value: act `{status, conditions}`, credit `{required, wording,
    links, where}`, base `{base}`, right `{state, ...}`."""

    value = serializers.DictField()
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=2000)
    evidence = EvidenceAsked()


class ReopeningAsked(serializers.Serializer[Any]):
    """Why an item is opened again."""

    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=2000)


class Items(APIView):
    """All recorded items of one version, in the order of the review."""

    permission_classes = [ReviewersWrite]

    @extend_schema(
        operation_id="versions_items_list", parameters=_PARAMETERS, responses=ItemSerializer(many=True)
    )
    def get(self, request: Request, pk: int) -> Response:
        """Each item with state, value, evidence and date."""
        version = get_object_or_404(Version, pk=pk)
        rows = items_of(version)
        if len(rows) < len(ITEMS):
            rows = keep_items(version)
        return Response(ItemSerializer(rows, many=True).data)


class Conclusions(APIView):
    """The conclusion on one item."""

    permission_classes = [ReviewersWrite]

    @extend_schema(
        operation_id="versions_items_conclude",
        parameters=[*_PARAMETERS, _KEY],
        request=ConclusionAsked,
        responses=ItemSerializer,
    )
    def post(self, request: Request, pk: int, key: str) -> Response:
        """Settle the item with a reason and evidence; the verdict follows at once."""
        asked = ConclusionAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        version = get_object_or_404(Version, pk=pk)
        evidence = Evidence(**given["evidence"])
        row = conclude(version, key, given["value"], given["reason"], evidence, request.user.get_username())
        return Response(ItemSerializer(row).data)


class Reopenings(APIView):
    """Taking a conclusion back."""

    permission_classes = [ReviewersWrite]

    @extend_schema(
        operation_id="versions_items_reopen",
        parameters=[*_PARAMETERS, _KEY],
        request=ReopeningAsked,
        responses=ItemSerializer,
    )
    def post(self, request: Request, pk: int, key: str) -> Response:
        """What sources and the author say holds again."""
        asked = ReopeningAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        version = get_object_or_404(Version, pk=pk)
        row = reopen(version, key, asked.validated_data["reason"], request.user.get_username())
        return Response(ItemSerializer(row).data)
