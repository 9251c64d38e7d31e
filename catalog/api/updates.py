"""updates/, recalls/: newer versions of what is held here, and what its upstream took back."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.lists import ListViewSet
from catalog.api.parameters import known_only
from catalog.api.permissions import ReviewersWrite, SignedIn
from catalog.api.serializers import OutcomeSerializer
from registry.models import Availability, AvailabilityChange, Direction, Version
from registry.offers import recalled
from registry.sync.updates import heed, ignore, updates


class RightSerializer(serializers.Serializer[Any]):
    """An act that the offered version answers differently."""

    act = serializers.CharField()
    direction = serializers.ChoiceField(choices=Direction.values)
    before = OutcomeSerializer()
    after = OutcomeSerializer()


class UpdateSerializer(serializers.Serializer[Any]):
    """What is held and what is offered instead: difference in bytes, in rights, and ids to compare by."""

    adapter = serializers.IntegerField()
    adapter_name = serializers.CharField()
    base = serializers.CharField()
    held = serializers.IntegerField(help_text="id of the newest version that is held")
    held_name = serializers.CharField()
    offered = serializers.IntegerField(help_text="id of the version that is offered")
    offered_name = serializers.CharField()
    published = serializers.DateTimeField(allow_null=True)
    availability = serializers.ChoiceField(choices=Availability.choices)
    size_delta = serializers.IntegerField(allow_null=True, help_text="bytes more; null: not told upstream")
    about = serializers.BooleanField(help_text="the upstream rounds the size")
    rights = RightSerializer(many=True)
    compared = serializers.BooleanField(help_text="no difference in rights means that there is none")
    also = serializers.ListField(child=serializers.IntegerField())
    line = serializers.CharField()


class Updates(APIView):
    """Newer, for the same base, not ignored, and not held under another name."""

    permission_classes = [SignedIn]

    @extend_schema(operation_id="updates_list", responses=UpdateSerializer(many=True))
    def get(self, request: Request) -> Response:
        """All updates there are for what is held, by the adapter's name."""
        known_only(request, ())
        return Response([each.as_dict() for each in updates()])


class IgnoreAsked(serializers.Serializer[Any]):
    """Why the version is not wanted."""

    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=300)


class IgnoredSerializer(serializers.Serializer[Any]):
    """Whether the version is left out of the updates."""

    version = serializers.IntegerField()
    ignored = serializers.BooleanField()


class Ignored(APIView):
    """Versions that are never told as updates."""

    permission_classes = [ReviewersWrite]

    @extend_schema(operation_id="updates_ignore", request=IgnoreAsked, responses={200: IgnoredSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Never tell this version as an update."""
        asked = IgnoreAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        version = get_object_or_404(Version, pk=pk)
        ignore(version, actor=request.user.get_username(), reason=asked.validated_data["reason"])
        return Response({"version": pk, "ignored": True})

    @extend_schema(operation_id="updates_heed", request=None, responses={200: IgnoredSerializer})
    def delete(self, request: Request, pk: int) -> Response:
        """Tell it again."""
        heed(get_object_or_404(Version, pk=pk), actor=request.user.get_username())
        return Response({"version": pk, "ignored": False})


class AvailabilityChangeSerializer(serializers.ModelSerializer[AvailabilityChange]):
    """When the upstream's answer changed, from what to what, and why."""

    class Meta:
        model = AvailabilityChange
        fields = ["before", "after", "reason", "until", "at"]


class RecallSerializer(serializers.ModelSerializer[Version]):
    """A version with files here that its upstream took back, archived, gated or lost."""

    adapter_name = serializers.CharField(source="adapter.name")
    url = serializers.CharField(source="adapter.source_url")
    history = AvailabilityChangeSerializer(source="availability_changes", many=True)

    class Meta:
        model = Version
        fields = [
            "id", "name", "adapter", "adapter_name", "url", "vetting", "availability", "availability_since",
            "availability_reason", "history",
        ]  # fmt: skip


class Recalls(ListViewSet):
    """What is held here and no longer stands upstream as it did; nothing of it was deleted."""

    permission_classes = [SignedIn]
    queryset = recalled().select_related("adapter").prefetch_related("availability_changes")
    serializer_class = RecallSerializer
    filterset_fields = ["availability", "vetting"]
