"""verdicts/: what may be done with a version, with the reasons; and how its verdicts have changed."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.parameters import known_only
from catalog.api.schema import ACT, FACTS
from catalog.api.serializers import OutcomeSerializer, VerdictSerializer
from catalog.errors import BadQuery
from catalog.search import SearchQuery
from registry.models import Direction, TermsCause, VerdictChange, Version
from registry.next_steps import with_steps
from registry.verdicts import verdict_for

PARAMETERS = {"version", "act", "facts"}


class Verdicts(APIView):
    """The decision for one version, one act and the caller's facts."""

    @extend_schema(
        operation_id="verdicts_retrieve",
        parameters=[OpenApiParameter("version", OpenApiTypes.INT, required=True), ACT, FACTS],
        responses=VerdictSerializer,
    )
    def get(self, request: Request) -> Response:
        """Outcome, conditions, reasons with clauses and next steps, and the ledger they were read from."""
        known_only(request, PARAMETERS)
        question = SearchQuery.from_params(
            {name: request.query_params.getlist(name) for name in ("act", "facts")}
        )
        if not question.act:
            raise BadQuery("act", "is missing")
        raw = request.query_params.get("version", "")
        if not (raw.isascii() and raw.isdigit() and len(raw) < 19):
            raise BadQuery("version", "must be the id of a version")
        versions = Version.objects.select_related("adapter", "terms_profile", "base_declared", "base_decided")
        version = get_object_or_404(versions, pk=int(raw))
        verdict = verdict_for(version, question.act, question.facts)
        return Response(with_steps(version, verdict, question.act, question.facts).as_dict())


class CitationSerializer(serializers.Serializer[Any]):
    """A statement that terms were read from, with the snapshot of the exact bytes."""

    layer = serializers.CharField()
    claim = serializers.IntegerField()
    kind = serializers.CharField()
    standing = serializers.CharField()
    snapshot = serializers.IntegerField(allow_null=True)
    url = serializers.CharField(allow_null=True)
    sha256 = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField()


class WhySerializer(serializers.Serializer[Any]):
    """One thing that differs: a statement, the base, a license or a rule, with both sides."""

    kind = serializers.CharField()
    id = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class EvidenceSerializer(serializers.Serializer[Any]):
    """What was read before and after."""

    before = CitationSerializer(many=True)
    after = CitationSerializer(many=True)


class VerdictChangeSerializer(serializers.Serializer[Any]):
    """How one act's verdict changed, under no facts: when, which way, why, and where that was read."""

    id = serializers.IntegerField()
    event = serializers.IntegerField(source="event_id")
    at = serializers.DateTimeField(source="event.at")
    act = serializers.CharField()
    direction = serializers.ChoiceField(choices=Direction.values)
    before = serializers.SerializerMethodField()
    after = serializers.SerializerMethodField()
    cause = serializers.ChoiceField(source="event.cause", choices=TermsCause.values)
    why = WhySerializer(many=True, source="event.why")
    evidence = serializers.SerializerMethodField()

    @extend_schema_field(OutcomeSerializer)
    def get_before(self, change: VerdictChange) -> dict[str, Any]:
        return {"outcome": change.before, "conditions": change.conditions_before}

    @extend_schema_field(OutcomeSerializer)
    def get_after(self, change: VerdictChange) -> dict[str, Any]:
        return {"outcome": change.after, "conditions": change.conditions_after}

    @extend_schema_field(EvidenceSerializer)
    def get_evidence(self, change: VerdictChange) -> dict[str, Any]:
        return {side: change.event.evidence.get(side, []) for side in ("before", "after")}
