"""verdicts/: what may be done with a version, with the reasons."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.schema import ACT, FACTS
from catalog.api.serializers import VerdictSerializer
from catalog.errors import BadQuery
from catalog.search import SearchQuery
from registry.models import Version
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
        """Outcome, conditions, reasons with their clauses, and the ledger they were read from."""
        for name in request.query_params:
            if name not in PARAMETERS:
                raise BadQuery(name, "no such parameter")
        question = SearchQuery.from_params(
            {name: request.query_params.getlist(name) for name in ("act", "facts")}
        )
        if not question.act:
            raise BadQuery("act", "is missing")
        raw = request.query_params.get("version", "")
        if not (raw.isascii() and raw.isdigit() and len(raw) < 19):
            raise BadQuery("version", "must be the id of a version")
        version = get_object_or_404(Version, pk=int(raw))
        return Response(verdict_for(version, question.act, question.facts).as_dict())
