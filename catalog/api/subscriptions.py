"""subscriptions/, sync-runs/: what is followed upstream, by reviewers, and what came of each run."""

from __future__ import annotations

from typing import Any

from django.db.models import Max
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import DestroyModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.lists import ListViewSet
from catalog.api.permissions import ReviewersWrite
from registry.models import Source, Subscription, SubscriptionKind, SyncRun
from registry.sync import subscriptions
from registry.sync.report import run_report, runs


class SubscriptionSerializer(serializers.ModelSerializer[Subscription]):
    """Something upstream that is looked at again and again."""

    last_run = serializers.SerializerMethodField(help_text="id of the newest run; null before the first")

    class Meta:
        model = Subscription
        fields = [
            "id", "source", "kind", "target", "title", "active", "fetch", "policy", "every_minutes", "due",
            "created_by", "created", "last_run",
        ]  # fmt: skip

    @extend_schema_field(OpenApiTypes.INT)
    def get_last_run(self, row: Subscription) -> int | None:
        """Its newest run."""
        if hasattr(row, "newest"):
            newest: int | None = row.newest
            return newest
        last = runs(row).first()
        return last.pk if last else None


class SubscriptionAsked(serializers.Serializer[Any]):
    """What is to be followed; asked for again, its settings are changed."""

    # The framework has an attribute of this name, too; on a serializer nothing reads it.
    source = serializers.ChoiceField(choices=Source.choices)  # type: ignore[assignment]
    kind = serializers.ChoiceField(choices=SubscriptionKind.choices)
    target = serializers.CharField(max_length=500)
    title = serializers.CharField(required=False, default="", allow_blank=True, max_length=300)
    every_minutes = serializers.IntegerField(required=False, default=subscriptions.DAY, min_value=1)
    fetch = serializers.BooleanField(required=False, default=True)
    policy = serializers.DictField(required=False, default=dict)


class StartedSerializer(serializers.Serializer[Any]):
    """The job that runs it."""

    job = serializers.IntegerField()


class Subscriptions(RetrieveModelMixin, DestroyModelMixin, ListViewSet):
    """What is followed. Deleting one forgets its reports; nothing that it brought is deleted."""

    permission_classes = [ReviewersWrite]
    queryset = Subscription.objects.annotate(newest=Max("runs"))
    serializer_class = SubscriptionSerializer
    filterset_fields = ["source", "kind", "active"]

    @extend_schema(request=SubscriptionAsked, responses={201: SubscriptionSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Follow something upstream."""
        asked = SubscriptionAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        row = subscriptions.subscribe(**asked.validated_data, actor=request.user.get_username())
        return Response(SubscriptionSerializer(row).data, status=201)

    @extend_schema(request=None, responses=SubscriptionSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Do not follow it until it is resumed."""
        row = self.get_object()
        subscriptions.pause(row, actor=request.user.get_username())
        return Response(SubscriptionSerializer(row).data)

    @extend_schema(request=None, responses=SubscriptionSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Follow it again, from where it stopped."""
        row = self.get_object()
        subscriptions.resume(row, actor=request.user.get_username())
        return Response(SubscriptionSerializer(row).data)

    @extend_schema(request=None, responses={202: StartedSerializer})
    @action(detail=True, methods=["post"])
    def run(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let a worker run it now."""
        return Response({"job": subscriptions.request_sync(self.get_object()).pk}, status=202)

    def perform_destroy(self, instance: Subscription) -> None:
        """Forget it, with an entry in the audit log."""
        subscriptions.unsubscribe(instance, actor=self.request.user.get_username())


class LeftOutSerializer(serializers.Serializer[Any]):
    """One thing that was left out, and why."""

    what = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    next_step = serializers.CharField()


class RunErrorSerializer(serializers.Serializer[Any]):
    """Why the run stands still or was given up."""

    code = serializers.CharField()
    message = serializers.CharField()


class RunSerializer(serializers.ModelSerializer[SyncRun]):
    """A run in numbers: adapters listed, fetched, skipped, failed and why."""

    error = serializers.SerializerMethodField()

    class Meta:
        model = SyncRun
        fields = [
            "id", "subscription", "state", "started", "finished", "attempts", "pages", "total", "listed",
            "fetched", "skipped", "failed", "repeated", "versions", "reasons", "notes", "error",
        ]  # fmt: skip

    @extend_schema_field(RunErrorSerializer(allow_null=True))
    def get_error(self, run: SyncRun) -> dict[str, str] | None:
        """Why it stands still or was given up."""
        return {"code": run.error_code, "message": run.error_message} if run.error_code else None


class RunReportSerializer(RunSerializer):
    """The same with what was left out one by one, and what became of the files that are offered."""

    problems = LeftOutSerializer(many=True)
    more_problems = serializers.IntegerField()
    files = serializers.DictField(child=serializers.IntegerField())
    bytes_saved = serializers.IntegerField()
    bytes_read = serializers.IntegerField()

    class Meta(RunSerializer.Meta):
        fields = [
            *RunSerializer.Meta.fields, "problems", "more_problems", "files", "bytes_saved", "bytes_read",
        ]  # fmt: skip

    def to_representation(self, instance: SyncRun) -> dict[str, Any]:
        """The report of the run."""
        return run_report(instance).as_dict()


class SyncRuns(RetrieveModelMixin, ListViewSet):
    """What runs did, the newest first."""

    permission_classes = [ReviewersWrite]
    queryset = SyncRun.objects.select_related("subscription")
    serializer_class = RunSerializer
    filterset_fields = ["subscription", "state"]

    @extend_schema(responses=RunReportSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The whole report of one run."""
        return Response(RunReportSerializer(self.get_object()).data)
