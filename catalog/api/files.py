"""files/: stored bytes by SHA256, their digests, and the bytes themselves when vetting lets them go."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog import access, downloads
from catalog.api.authentication import BearerAuthentication
from catalog.api.lists import ListViewSet
from catalog.api.permissions import ReviewersWrite
from catalog.api.serializers import BlobSerializer, FileRow, ProblemSerializer
from catalog.errors import (
    BadQuery,
    DownloadRefused,
    LicenseBlocked,
    Quarantined,
    TokenMissing,
    Unvetted,
    Withdrawn,
)
from catalog.models import AccessToken
from registry.models import Blob, File, FileState, ScannedPath
from registry.vetting import may_fetch

MOST_ALIASES = 1000
_REFUSALS: dict[str, type[DownloadRefused]] = {
    kind.code: kind for kind in (Unvetted, LicenseBlocked, Quarantined, Withdrawn)
}
# Where the same bytes belong to several versions and none may be fetched, the gravest reason is given.
_GRAVITY = (Quarantined.code, Withdrawn.code, LicenseBlocked.code, Unvetted.code)


class Files(ListViewSet):
    """Files of versions."""

    serializer_class = FileRow
    queryset = File.objects.select_related("blob")
    filterset_fields = ["version", "state"]
    lookup_field = "sha256"
    lookup_value_regex = "[0-9a-fA-F]{64}"

    @extend_schema(responses=BlobSerializer, filters=False)
    def retrieve(self, request: Request, sha256: str) -> Response:
        """Stored bytes by their SHA256, with every digest and the versions that hold them."""
        blob = _blob(sha256)
        return Response(BlobSerializer(blob, context={"request": request}).data)


class PathSerializer(serializers.ModelSerializer[ScannedPath]):
    """A path on the machine that scanned it, under which the bytes are known: a copy, a hard link, a link."""

    class Meta:
        model = ScannedPath
        fields = ["path", "size", "scanned"]


class Aliases(APIView):
    """The paths under which stored bytes are known, for known callers: they name local folders."""

    permission_classes = [ReviewersWrite]

    @extend_schema(operation_id="files_aliases", responses=PathSerializer(many=True))
    def get(self, request: Request, sha256: str) -> Response:
        """The first thousand, in order of path."""
        rows = _blob(sha256).scanned_paths.order_by("path")[:MOST_ALIASES]
        return Response(PathSerializer(rows, many=True).data)


class Content(APIView):
    """The bytes of a file."""

    authentication_classes = [BearerAuthentication]
    # Asked for below in its own words: bytes need a token even where reading is open.
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="files_content",
        auth=[{"bearer": []}],  # type: ignore[list-item]  # emitted as it stands
        parameters=[
            OpenApiParameter(
                "version", OpenApiTypes.INT, description="The version meant, if several hold the bytes."
            ),
            OpenApiParameter(
                "Range", OpenApiTypes.STR, OpenApiParameter.HEADER, description="bytes=FIRST-LAST"
            ),
            OpenApiParameter("If-Range", OpenApiTypes.STR, OpenApiParameter.HEADER),
            OpenApiParameter("If-None-Match", OpenApiTypes.STR, OpenApiParameter.HEADER),
        ],
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            (206, "application/octet-stream"): OpenApiTypes.BINARY,
            304: OpenApiResponse(description="The client has these bytes."),
            (401, "application/problem+json"): ProblemSerializer,
            (403, "application/problem+json"): ProblemSerializer,
            (404, "application/problem+json"): ProblemSerializer,
            (416, "application/problem+json"): ProblemSerializer,
        },
    )
    def get(self, request: Request, sha256: str) -> Any:
        """All bytes or one range; only for a token with the scope download, and only if vetting allows."""
        return self._content(request, sha256)

    @extend_schema(exclude=True)
    def head(self, request: Request, sha256: str) -> Any:
        """The headers of the same without the bytes."""
        return self._content(request, sha256)

    def _content(self, request: Request, sha256: str) -> Any:
        token = request.auth
        if not isinstance(token, AccessToken):
            raise NotAuthenticated from TokenMissing("Bytes are given to a bearer token only.")
        access.require_scope(token, access.DOWNLOAD)
        file = _fetchable(_blob(sha256), request.query_params.get("version", ""))
        response = downloads.send_blob(request._request, file.blob, name=file.name)
        if request.method == "GET" and response.status_code in {200, 206, 302}:
            downloads.record(request._request, file, token)
        return response


def _blob(sha256: str) -> Blob:
    blob = Blob.objects.prefetch_related("files__version").filter(pk=sha256.lower()).first()
    if blob is None or not blob.files.all():
        raise Http404
    return blob


def _fetchable(blob: Blob, version: str) -> File:
    """The file of the blob that may leave. Raises Http404 or the DownloadRefused that vetting names."""
    files = list(blob.files.all())
    # Locking a file away or taking it back is about its bytes, whatever other name they also have here.
    barred = next((file for file in files if file.state != FileState.STORED), None)
    if version:
        if not (version.isascii() and version.isdigit()):
            raise BadQuery("version", "must be the id of a version")
        files = [file for file in files if str(file.version_id) == version]
    refused: dict[str, str] = {}
    for file in [barred] if barred and files else files:
        file.blob = blob
        decision = may_fetch(file)
        if decision.allowed:
            return file
        refused.setdefault(decision.code or Unvetted.code, decision.reason)
    for code in _GRAVITY:
        if code in refused:
            raise _REFUSALS[code](refused[code])
    raise Http404
