"""sheets/: comparison sheets to read, what one would cost, and asking for one."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import RetrieveModelMixin
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from catalog.api.jobs import JobSerializer
from catalog.api.lists import ListViewSet
from catalog.api.parameters import known_only
from catalog.api.permissions import ReadUnlessLoginRequired, ReviewersOnly
from catalog.api.serializers import SheetDetail, SheetHead
from inference.cost import cost_of
from inference.exports import FORMATS, export, facts_of
from inference.models import Sheet, SheetCell
from inference.recipes import plan_from_dict
from inference.services import STANDARD, find_base, request_comparison, request_sheet
from inference.shown import Other, find_version, read_others

_HIGHEST_ID = 2**62


class OtherAsked(serializers.Serializer[Any]):
    """Another adapter on the sheet; role and weight are what is known of it where they are left out."""

    version = serializers.IntegerField(min_value=1, max_value=_HIGHEST_ID)
    role = serializers.CharField(required=False, default="", allow_blank=True, max_length=40)
    weight = serializers.FloatField(required=False, default=0.0, min_value=0, max_value=2)


class SheetAsked(serializers.Serializer[Any]):
    """A sheet that somebody wants."""

    version = serializers.IntegerField(min_value=1, max_value=_HIGHEST_ID)
    recipe = serializers.CharField(default=STANDARD, max_length=60)
    base = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=200, help_text="slug or name; else its own"
    )
    others = OtherAsked(many=True, required=False, default=list)


class CostAsked(serializers.Serializer[Any]):
    """The same as parameters of an address."""

    version = serializers.IntegerField(min_value=1, max_value=_HIGHEST_ID)
    recipe = serializers.CharField(default=STANDARD, max_length=60)
    base = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    others = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=200,
        help_text="VERSION[:ROLE[:WEIGHT]], separated by commas",
    )  # fmt: skip


class ExportAsked(serializers.Serializer[Any]):
    """What a cell is exported as: AUTOMATIC1111's parameters, a ComfyUI workflow, a diffusers script."""

    to = serializers.ChoiceField(choices=FORMATS, default=FORMATS[0])


class CostSerializer(serializers.Serializer[Any]):
    """What a sheet costs: pictures, those not there yet, and about how long they take here."""

    cells = serializers.IntegerField()
    new_cells = serializers.IntegerField()
    seconds = serializers.FloatField(allow_null=True, help_text="null where nothing was rendered here yet")
    measured = serializers.BooleanField(help_text="false where seconds of another layout were scaled")


class Sheets(RetrieveModelMixin, ListViewSet):
    """Comparison sheets; the detail has every cell with its picture, metrics and findings."""

    queryset = Sheet.objects.select_related("base")
    serializer_class = SheetHead
    filterset_fields = ["version", "state", "recipe"]

    def get_permissions(self) -> list[BasePermission]:
        """Readers read; only reviewers set workers to work."""
        return [ReviewersOnly()] if self.action in {"create", "compare"} else [ReadUnlessLoginRequired()]

    def get_queryset(self):  # type: ignore[no-untyped-def]
        """One sheet comes with its cells; a list does not need them."""
        found = super().get_queryset()
        return found.prefetch_related("places__cell") if self.action == "retrieve" else found

    def get_serializer_class(self) -> type[BaseSerializer[Sheet]]:
        """One sheet shows its cells; a list does not."""
        return SheetDetail if self.action == "retrieve" else SheetHead

    @extend_schema(request=SheetAsked, responses={202: SheetHead})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask for a sheet: the one that is there, or a new one that a worker renders next."""
        asked = SheetAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        others = [
            Other(find_version(each["version"]), each["role"], each["weight"]) for each in wanted["others"]
        ]
        sheet = request_sheet(
            version=find_version(wanted["version"]),
            recipe=wanted["recipe"],
            base=find_base(wanted["base"]) if wanted["base"] else None,
            others=others,
        )
        return Response(SheetHead(sheet, context=self.get_serializer_context()).data, status=202)

    @extend_schema(request=None, responses={202: JobSerializer})
    @action(detail=True, methods=["post"])
    def compare(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Have the sheet's pictures rendered again and compared; what comes of it is its `reproduction`."""
        return Response(JobSerializer(request_comparison(self.get_object())).data, status=202)

    @extend_schema(parameters=[CostAsked], responses=CostSerializer, filters=False)
    @action(detail=False, pagination_class=None)
    def cost(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What a sheet would cost now; nothing is asked for."""
        known_only(request, set(CostAsked().fields))
        asked = CostAsked(data=request.query_params)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        cost = cost_of(
            find_version(wanted["version"]),
            wanted["recipe"],
            find_base(wanted["base"]) if wanted["base"] else None,
            read_others(wanted["others"]),
        )
        return Response(CostSerializer(cost.as_dict()).data)

    @extend_schema(
        parameters=[
            OpenApiParameter("row", OpenApiTypes.INT, OpenApiParameter.PATH),
            OpenApiParameter("column", OpenApiTypes.INT, OpenApiParameter.PATH),
            ExportAsked,
        ],
        responses={(200, "text/plain"): OpenApiTypes.STR},
        filters=False,
    )
    @action(
        detail=True,
        pagination_class=None,
        url_path=r"cells/(?P<row>\d{1,6})/(?P<column>\d{1,6})",
        url_name="cell-export",
    )
    def cell(self, request: Request, pk: str, row: str, column: str) -> HttpResponse:
        """What makes one cell again in another program, as text."""
        known_only(request, set(ExportAsked().fields))
        asked = ExportAsked(data=request.query_params)
        asked.is_valid(raise_exception=True)
        sheet: Sheet = self.get_object()
        place = get_object_or_404(SheetCell, sheet=sheet, row=int(row), column=int(column))
        facts = facts_of(sheet, plan_from_dict(sheet.plan))[place.row, place.column]
        kind = asked.validated_data["to"]
        names = {"a1111": "txt", "comfyui": "json", "diffusers": "py"}
        answer = HttpResponse(export(facts, kind), content_type="text/plain; charset=utf-8")
        name = f"sheet-{sheet.pk}-{row}-{column}.{names[kind]}"
        answer["Content-Disposition"] = f'inline; filename="{name}"'
        return answer
