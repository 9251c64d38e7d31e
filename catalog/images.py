"""Pictures by address: cells, sheets and the authors' samples, as bytes that never change.

Where a login is required, a person's session opens them, or the bearer token of a program: another Kura
fetches the samples of what it takes over.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from catalog.api.authentication import BearerAuthentication
from catalog.api.problems import MEDIA_TYPE, exception_handler
from catalog.crops import EDITION, enlarged
from catalog.downloads import send_blob
from catalog.errors import PreconditionFailed
from inference.models import Cell, Sheet
from registry.models import Blob, Sample
from registry.storage import BlobMissing, open_blob

FOR_A_YEAR = "max-age=31536000, immutable"
_POLICY = "default-src 'none'; sandbox"
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
def crop(request: HttpRequest, key: str, left: int, top: int, right: int, bottom: int) -> HttpResponseBase:
    """A part of a cell, enlarged."""
    refused = _closed(request)
    if refused is not None:
        return refused
    image = get_object_or_404(Cell.objects.select_related("image"), pk=key).image
    tag = f'"{image.sha256}-{left}-{top}-{right}-{bottom}-{EDITION}"'
    # A box is its picture's for ever, so whoever has its tag has it whole.
    answer = get_conditional_response(request, etag=tag)
    if answer is not None and answer.status_code == 412:
        return _refused(PreconditionFailed("If-Match names another picture than this one."))
    if answer is None:
        data = enlarged(image, (left, top, right, bottom))
        if data is None:
            raise Http404
        answer = HttpResponse(data, content_type="image/webp")
    answer["ETag"] = tag
    answer["Cache-Control"] = _cache_control()
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = _POLICY
    return answer


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


def _closed(request: HttpRequest) -> HttpResponseBase | None:
    """Why the caller gets no picture, as the answer; None where it may have it."""
    try:
        known = (
            request.user.is_authenticated or BearerAuthentication().authenticate(Request(request)) is not None
        )
    except AuthenticationFailed as error:
        return _refused(error)
    if settings.REQUIRE_LOGIN and not known:
        return redirect_to_login(request.get_full_path())
    return None


def _cache_control() -> str:
    return f"{'private' if settings.REQUIRE_LOGIN else 'public'}, {FOR_A_YEAR}"


def _picture(request: HttpRequest, blob: Blob, name: str) -> HttpResponseBase:
    refused = _closed(request)
    if refused is not None:
        return refused
    media_type = _media_type(blob)
    if media_type is None:
        raise Http404
    try:
        response = send_blob(
            request,
            blob,
            name=name,
            media_type=media_type,
            attachment=False,
            cache_control=_cache_control(),
            # Small, cached for ever and never resumed: sent whole, from here.
            backend="internal",
            ranges=False,
        )
    except PreconditionFailed as error:
        return _refused(error)
    response["Content-Security-Policy"] = _POLICY
    return response


def _refused(error: AuthenticationFailed | PreconditionFailed) -> HttpResponseBase:
    """What is wrong with the request, a token that is no good say, answered as the interface does."""
    told = exception_handler(error, {})
    if told is None:
        raise error
    asks = {name: told[name] for name in ("WWW-Authenticate",) if name in told}
    headers = {**asks, "Cache-Control": "no-store"}
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
    path("cells/<slug:key>.png", cell, name="cell"),
    path("cells/<slug:key>/<int:left>,<int:top>,<int:right>,<int:bottom>.webp", crop, name="crop"),
    path("sheets/<int:pk>.png", sheet, name="sheet"),
    path("samples/<int:pk>", sample, name="sample"),
]
