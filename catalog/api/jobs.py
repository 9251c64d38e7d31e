"""jobs/: what is to be done, being done and done, how far each file is, and the way to pause or stop it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.lists import ListViewSet
from catalog.api.permissions import ReviewersWrite
from registry import job_control
from registry.errors import error_class
from registry.models import Job, Transfer


class TransferSerializer(serializers.ModelSerializer[Transfer]):
    """How far one file is: bytes, bytes a second, and seconds left where that can be told."""

    seconds_left = serializers.SerializerMethodField()

    class Meta:
        model = Transfer
        fields = ["name", "state", "done", "total", "speed", "seconds_left", "code", "started", "updated"]

    @extend_schema_field(OpenApiTypes.INT)
    def get_seconds_left(self, transfer: Transfer) -> int | None:
        """At the present speed; null while it does not move or its size is not known."""
        left = transfer.remaining
        return None if left is None else round(left.total_seconds())


class JobSerializer(serializers.ModelSerializer[Job]):
    """A piece of work and how far it is, with the files that it fetches."""

    next_step = serializers.SerializerMethodField(help_text="what to do about the error; empty without one")
    who_to_ask = serializers.SerializerMethodField(help_text="who can change it; empty = the caller")
    transfers = TransferSerializer(many=True, read_only=True)

    class Meta:
        model = Job
        fields = [
            "id", "kind", "key", "queue", "state", "priority", "attempt", "max_attempts", "progress_done",
            "progress_total", "pause_requested", "cancel_requested", "error_code", "error_message",
            "next_step", "who_to_ask", "created", "started", "finished", "transfers",
        ]  # fmt: skip

    def get_next_step(self, job: Job) -> str:
        """From the class of the error."""
        found = error_class(job.error_code) if job.error_code else None
        return found.next_step if found else ""

    def get_who_to_ask(self, job: Job) -> str:
        """From the class of the error."""
        found = error_class(job.error_code) if job.error_code else None
        return found.who_to_ask if found else ""


class Retried(serializers.Serializer[Any]):
    """How many jobs were started anew."""

    retried = serializers.IntegerField()


class Jobs(RetrieveModelMixin, ListViewSet):
    """Work to do, being done, or done; for known callers, since keys can name local paths.

    A running job pauses or stops at its next safe point: until then `pause_requested` or `cancel_requested`
    is true. What does not fit the job's state changes nothing; the answer always shows the job as it is.
    """

    permission_classes = [ReviewersWrite]
    queryset = Job.objects.prefetch_related("transfers")
    serializer_class = JobSerializer
    filterset_fields = ["kind", "state", "queue"]

    @extend_schema(request=None, responses=JobSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Hold the job back until it is resumed; bytes that have come are kept."""
        return self._do(job_control.pause)

    @extend_schema(request=None, responses=JobSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let a paused job go on."""
        return self._do(job_control.resume)

    @extend_schema(request=None, responses=JobSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give the job up."""
        return self._do(job_control.cancel)

    @extend_schema(request=None, responses=JobSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Start a failed or canceled job anew, as it was asked for."""
        return self._do(job_control.retry)

    @extend_schema(request=None, responses=Retried)
    @action(detail=False, methods=["post"], url_path="retry-failed")
    def retry_failed(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Start the failed jobs anew, the latest first, at most 1,000 in one call."""
        return Response({"retried": job_control.retry_failed()})

    def _do(self, act: Callable[[Job], None]) -> Response:
        act(self.get_object())
        return Response(self.get_serializer(self.get_object()).data)
