"""Pictures by address: cells, sheets and the authors' samples, as bytes that never change.

Where a login is required, a person's session opens them, or the bearer token of a program: another Kura
fetches the samples of what it takes over.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.views.decorators.http import require_safe
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from catalog.api.authentication import BearerAuthentication
from catalog.api.problems import MEDIA_TYPE, exception_handler
from catalog.downloads import send_blob
from inference.models import Cell, Sheet
from registry.models import Blob, Sample
from registry.storage import BlobMissing, open_blob

FOR_A_YEAR = "max-age=31536000, immutable"
# What a picture begins with. Anything else is not sent from here, whatever it claims to be: no SVG, no HTML.
_SIGNATURES: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"ftypavif", 4, "image/avif"),
)


@require_safe
def cell(request: HttpRequest, key: str) -> HttpResponseBase:
    """One cell of a sheet, by its key."""
    return _picture(
        request, get_object_or_404(Cell.objects.select_related("image"), pk=key).image, f"{key}.png"
    )


@require_safe
def sheet(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A whole sheet with its labels."""
    found = get_object_or_404(Sheet.objects.select_related("image"), pk=pk)
    if found.image is None:
        raise Http404
    return _picture(request, found.image, f"sheet-{pk}.png")


@require_safe
def sample(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A picture the author showed."""
    return _picture(
        request, get_object_or_404(Sample.objects.select_related("blob"), pk=pk).blob, f"sample-{pk}"
    )


def _picture(request: HttpRequest, blob: Blob, name: str) -> HttpResponseBase:
    try:
        known = (
            request.user.is_authenticated or BearerAuthentication().authenticate(Request(request)) is not None
        )
    except AuthenticationFailed as error:
        return _refused(error)
    if settings.REQUIRE_LOGIN and not known:
        return redirect_to_login(request.get_full_path())
    media_type = _media_type(blob)
    if media_type is None:
        raise Http404
    shared = "private" if settings.REQUIRE_LOGIN else "public"
    response = send_blob(
        request,
        blob,
        name=name,
        media_type=media_type,
        attachment=False,
        cache_control=f"{shared}, {FOR_A_YEAR}",
        # Small, cached for ever and never resumed: sent whole, from here.
        backend="internal",
        ranges=False,
    )
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _refused(error: AuthenticationFailed) -> HttpResponseBase:
    """A token that is no good, answered as the interface does."""
    told = exception_handler(error, {})
    if told is None:
        raise error
    headers = {"WWW-Authenticate": told["WWW-Authenticate"], "Cache-Control": "no-store"}
    return JsonResponse(told.data, status=told.status_code, content_type=MEDIA_TYPE, headers=headers)


def _media_type(blob: Blob) -> str | None:
    try:
        with open_blob(blob) as file:
            head = file.read(16)
    except BlobMissing:
        return None
    return next((kind for sign, at, kind in _SIGNATURES if head[at : at + len(sign)] == sign), None)


app_name = "images"
urlpatterns = [
    path("cells/<str:key>.png", cell, name="cell"),
    path("sheets/<int:pk>.png", sheet, name="sheet"),
    path("samples/<int:pk>", sample, name="sample"),
]
