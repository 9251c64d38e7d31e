"""plans/: a base with several adapters decided as one, what would make it pass, what has to be written."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.permissions import AskUnlessLoginRequired
from catalog.api.serializers import OutcomeSerializer, VerdictSerializer
from catalog.release import release
from registry.licensing.outputs.credit import MEDIA
from registry.licensing.outputs.phrases import LANGUAGES
from registry.stack_outputs import Outputs
from registry.stack_report import report
from registry.stacks import Stack, Wanted, read_stack

CYCLONEDX = "application/vnd.cyclonedx+json"
_MOST_NAMED = 64


class WantedSerializer(serializers.Serializer[Any]):
    """One adapter of the stack."""

    version = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    weight = serializers.FloatField(allow_null=True, default=None, help_text="the strength it is used at")


class StackAsked(serializers.Serializer[Any]):
    """A stack and the question about it."""

    base = serializers.CharField(
        allow_null=True, allow_blank=True, default=None, max_length=300,
        help_text="slug or name; left out: the base all adapters agree on",
    )  # fmt: skip
    adapters = serializers.ListField(child=WantedSerializer(), max_length=_MOST_NAMED)
    act = serializers.CharField(max_length=60, help_text="e.g. generate_and_sell_images")
    facts = serializers.DictField(default=dict, help_text="your facts; nothing is assumed for others")


class CreditAsked(StackAsked):
    """A stack and where it is to be credited."""

    medium = serializers.CharField(default="web", max_length=20, help_text=", ".join(MEDIA))
    language = serializers.CharField(default="en", max_length=20, help_text=", ".join(LANGUAGES))


class BaseOfStack(serializers.Serializer[Any]):
    """The base of the stack."""

    slug = serializers.CharField()
    name = serializers.CharField()


class AdapterOfStack(serializers.Serializer[Any]):
    """One adapter as the ledger numbers it."""

    number = serializers.IntegerField(help_text="`adapter:N` in the ledger")
    version = serializers.IntegerField()
    adapter = serializers.IntegerField()
    name = serializers.CharField()
    weight = serializers.FloatField(allow_null=True)
    made_for_another_family = serializers.BooleanField()


class ContributionSerializer(serializers.Serializer[Any]):
    """What one adapter brings, and the verdict without it."""

    version = serializers.IntegerField()
    brings = serializers.ListField(child=serializers.CharField())
    only_here = serializers.ListField(
        child=serializers.CharField(), help_text="conditions nothing else brings"
    )
    decides = serializers.BooleanField()
    without = OutcomeSerializer()


class ClashSerializer(serializers.Serializer[Any]):
    """Two parts that do not go together; `first` is null for the base."""

    code = serializers.CharField()
    first = serializers.IntegerField(allow_null=True)
    second = serializers.IntegerField()


class OtherBaseSerializer(OutcomeSerializer):
    """A base on which the stack passes."""

    slug = serializers.CharField()
    name = serializers.CharField()


class AlternativeSerializer(OutcomeSerializer):
    """A version that could stand in for one in the way."""

    replaces = serializers.IntegerField()
    version = serializers.IntegerField()
    adapter = serializers.IntegerField()
    name = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField(), help_text="shared with the one it replaces")
    same_kind = serializers.BooleanField()
    vetted = serializers.BooleanField()
    sheet = serializers.BooleanField()


class PlanSerializer(serializers.Serializer[Any]):
    """The verdict for a stack, and what could be changed about it."""

    base = BaseOfStack(allow_null=True)
    act = serializers.CharField()
    facts = serializers.DictField()
    adapters = AdapterOfStack(many=True)
    passes = serializers.BooleanField()
    verdict = VerdictSerializer()
    base_alone = OutcomeSerializer()
    contributions = ContributionSerializer(many=True)
    removals = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="smallest sets of versions without which it passes",
    )
    removals_complete = serializers.BooleanField()
    clashes = ClashSerializer(many=True)
    other_bases = OtherBaseSerializer(many=True)
    alternatives = AlternativeSerializer(many=True)


class MissingSerializer(serializers.Serializer[Any]):
    """Something a credited part lacks for a whole credit."""

    layer = serializers.CharField()
    what = serializers.ChoiceField(choices=["creator", "url", "creator_url"])


class CreditSerializer(serializers.Serializer[Any]):
    """A credit ready to paste."""

    medium = serializers.ChoiceField(choices=MEDIA)
    language = serializers.ChoiceField(choices=LANGUAGES)
    required = serializers.BooleanField()  # type: ignore[assignment]
    text = serializers.CharField()
    markdown = serializers.CharField()
    html = serializers.CharField()
    description = serializers.CharField(help_text="what goes with a video")
    duties_met = serializers.ListField(child=serializers.CharField())
    duties_left = serializers.ListField(child=serializers.CharField())
    missing = MissingSerializer(many=True)


class _Asking(APIView):
    """A question about a stack; it is posted since it does not fit an address, and it changes nothing."""

    permission_classes = [AskUnlessLoginRequired]

    def asked(self, request: Request, kind: type[StackAsked] = StackAsked) -> tuple[Stack, dict[str, Any]]:
        """The stack, and the rest of the body. Raises an error with a code for what does not exist."""
        body = kind(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        wanted = [Wanted(each["version"], each["weight"]) for each in given["adapters"]]
        return read_stack(given["base"], wanted, given["act"], given["facts"]), given


class Plans(_Asking):
    """Whether a stack passes, and what would make it pass."""

    @extend_schema(operation_id="plans_create", request=StackAsked, responses=PlanSerializer)
    def post(self, request: Request) -> Response:
        """The verdict, each adapter's part in it, removals, clashes, other bases and alternatives."""
        stack, _ = self.asked(request)
        return Response(report(stack, stack.plan()))


class Credits(_Asking):
    """The credit for a stack."""

    @extend_schema(operation_id="plans_credit", request=CreditAsked, responses=CreditSerializer)
    def post(self, request: Request) -> Response:
        """Plain text for the medium, Markdown and HTML, and which duties it meets."""
        stack, given = self.asked(request, CreditAsked)
        credit = Outputs(stack, stack.decide()).credit(given["medium"], given["language"])
        return Response(credit.as_dict())


class Notices(_Asking):
    """The NOTICE bundle for a stack."""

    @extend_schema(
        operation_id="plans_notice",
        request=StackAsked,
        responses={(200, "application/zip"): OpenApiResponse(OpenApiTypes.BINARY, "the bundle")},
    )
    def post(self, request: Request) -> HttpResponse:
        """A zip: license copies, notices, changes, users' terms, credits, verdict, digests."""
        stack, _ = self.asked(request)
        return download(Outputs(stack, stack.decide()).notice().data, "application/zip", "notice.zip")


class Boms(_Asking):
    """The bill of materials of a stack."""

    @extend_schema(
        operation_id="plans_bom",
        request=StackAsked,
        responses={(200, CYCLONEDX): OpenApiResponse(OpenApiTypes.OBJECT, "CycloneDX 1.6 as JSON")},
    )
    def post(self, request: Request) -> HttpResponse:
        """CycloneDX 1.6 with a machine-learning-model for every part."""
        stack, _ = self.asked(request)
        text = Outputs(stack, stack.decide()).bom(timezone.now(), release())
        return download(text.encode(), f"{CYCLONEDX}; version=1.6", "bom.cdx.json")


def download(data: bytes, media_type: str, name: str) -> HttpResponse:
    """Bytes that a browser saves under a name."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return HttpResponse(data, content_type=media_type, headers=headers)
