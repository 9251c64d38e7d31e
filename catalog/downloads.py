"""Hands out a blob's bytes: whole, by range, or not again, by the rules of RFC 9110, and keeps the ledger."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import IO

from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header

from catalog.errors import BackendUnusable, PreconditionFailed, RangeNotSatisfiable
from catalog.models import AccessToken, Download
from registry.models import Blob, File
from registry.storage import blob_name, blob_storage, open_blob

BLOCK = 1 << 20
# Parts of one file fetched by one token within this time are one download.
SAME_DOWNLOAD = timedelta(hours=24)
SIGNED_FOR_SECONDS = 900

_RANGE = re.compile(r"\A\s*bytes\s*=\s*(?:(\d+)\s*-\s*(\d*)|-\s*(\d+))\s*\Z", re.IGNORECASE | re.ASCII)
# A length has at most 19 digits; longer numbers mean "past every end" and must not cost anything to read.
_DIGITS = 19


@dataclass(frozen=True)
class ByteRange:
    """Bytes `start` to `stop`, `stop` not included."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


def parse_range(header: str, size: int) -> ByteRange | None:
    """One range of a Range header over `size` bytes; None when the header is to be ignored.

    RFC 9110, section 14.1.2: `bytes=a-b`, `bytes=a-` and `bytes=-n`. Another unit, bad syntax, a last byte
    before the first one, or several ranges are ignored (14.2 allows that): the whole file is sent. Raises
    RangeNotSatisfiable for a range that begins at or after the end, and for the last 0 bytes.
    """
    match = _RANGE.match(header)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        length = _number(suffix)
        if length == 0 or size == 0:
            raise RangeNotSatisfiable(size)
        return ByteRange(max(0, size - length), size)
    start = _number(first)
    if last and _number(last) < start:
        return None
    if start >= size:
        raise RangeNotSatisfiable(size)
    return ByteRange(start, min(size, _number(last) + 1) if last else size)


def entity_tag(sha256: str) -> str:
    """The strong entity tag of a blob: same tag, same bytes, for ever."""
    return f'"{sha256}"'


def wanted_range(request: HttpRequest, blob: Blob) -> ByteRange | None:
    """The range to send, None for all of it. Raises RangeNotSatisfiable.

    Ranges are defined for GET only (RFC 9110, 14.2). If-Range compares strongly (13.1.5): a weak tag, another
    tag or a date (there is no Last-Modified here) sends all of it, so that two files are never joined.
    """
    header = request.headers.get("Range", "")
    if request.method != "GET" or not header:
        return None
    validator = request.headers.get("If-Range")
    if validator is not None and validator.strip() != entity_tag(blob.sha256):
        return None
    return parse_range(header, blob.size)


def send_blob(
    request: HttpRequest,
    blob: Blob,
    *,
    name: str,
    media_type: str = "application/octet-stream",
    attachment: bool = True,
    cache_control: str = "private, no-cache",
    backend: str = "",
    ranges: bool = True,
) -> HttpResponseBase:
    """The response to a GET or HEAD of a blob's bytes.

    200 with all of them, 206 with a range, 304 when the client has them. Raises RangeNotSatisfiable (416),
    PreconditionFailed (412) and registry.storage.BlobMissing. `backend` is one of DOWNLOAD_BACKEND's values;
    without `ranges` the bytes are sent whole or not at all.
    """
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": _disposition(name, attachment),
        "Cache-Control": cache_control,
        # RFC 9530: the digest of the whole file, whatever part of it this response carries.
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(blob.sha256)).decode()}:",
        "X-Content-Type-Options": "nosniff",
    }
    backend = backend or settings.DOWNLOAD_BACKEND
    if backend == "xaccel":
        # nginx answers ranges by its own entity tag, so ours goes under another name. Of our other
        # headers it keeps type, disposition and cache control; docs/api.md shows how to keep more.
        headers["X-Accel-Redirect"] = settings.XACCEL_PREFIX + blob_name(blob.sha256)
        headers["X-Linked-ETag"] = entity_tag(blob.sha256)
        return HttpResponse(headers=headers)
    if backend == "redirect":
        return HttpResponseRedirect(_signed_address(blob, headers), headers={"Cache-Control": "no-store"})
    headers |= {"ETag": entity_tag(blob.sha256), "Accept-Ranges": "bytes"}
    known = get_conditional_response(request, etag=headers["ETag"], response=HttpResponse(headers=headers))
    if known is not None and known.status_code == 304:
        return known
    if known is not None and known.status_code == 412:
        raise PreconditionFailed("If-Match names another content than the one stored here.")
    part = wanted_range(request, blob) if ranges else None
    file = open_blob(blob)
    if request.method == "HEAD":
        file.close()
        return HttpResponse(headers=headers | {"Content-Length": str(blob.size)})
    if part is None:
        headers["Content-Length"] = str(blob.size)
        return StreamingHttpResponse(Blocks(file, ByteRange(0, blob.size)), headers=headers)
    headers["Content-Length"] = str(part.length)
    headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{blob.size}"
    return StreamingHttpResponse(Blocks(file, part), status=206, headers=headers)


def record(request: HttpRequest, file: File, token: AccessToken) -> bool:
    """Write a download into the ledger; returns whether a new row was needed.

    Every start from the first byte is a row. A part from further on is one only where that token has no row
    for the file yet: resuming and fetching in parts do not flood the ledger, and nothing leaves unrecorded.
    """
    part = wanted_range(request, file.blob)
    if part is not None and part.start > 0:
        since = timezone.now() - SAME_DOWNLOAD
        if Download.objects.filter(file=file, token=token, at__gte=since).exists():
            return False
    Download.objects.create(
        file=file,
        token=token,
        user=token.user.get_username(),
        range=f"{part.start}-{part.stop - 1}" if part else "",
    )
    return True


def _number(digits: str) -> int:
    return int(digits) if len(digits) <= _DIGITS else 10**_DIGITS


class Blocks:
    """The bytes of a range in blocks. A file shorter than its row ends the response early.

    Not a generator: closing one that never began would leave the file open when a client is gone at once.
    """

    def __init__(self, file: IO[bytes], part: ByteRange) -> None:
        self.file = file
        self.left = part.length
        file.seek(part.start)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block = self.file.read(min(BLOCK, self.left)) if self.left else b""
        if not block:
            self.close()
            raise StopIteration
        self.left -= len(block)
        return block

    def close(self) -> None:
        """Let go of the file; called by the server when the response is over, however it ended."""
        self.left = 0
        self.file.close()


def _disposition(name: str, attachment: bool) -> str:
    """RFC 6266, with `filename*` where needed; no control characters and no path in the name."""
    plain = re.sub(r"[\x00-\x1f\x7f/\\]", "_", name).encode("utf-8", "replace").decode() or "file"
    return content_disposition_header(attachment, plain) or "attachment"


def _signed_address(blob: Blob, headers: dict[str, str]) -> str:
    storage = blob_storage()
    if isinstance(storage, FileSystemStorage):
        raise BackendUnusable("DOWNLOAD_BACKEND is redirect, but blobs lie in a folder.")
    parameters = {
        "ResponseContentDisposition": headers["Content-Disposition"],
        "ResponseContentType": headers["Content-Type"],
    }
    # S3Storage.url takes more than Django's interface promises.
    signed: str = storage.url(  # type: ignore[call-arg]
        blob_name(blob.sha256), parameters=parameters, expire=SIGNED_FOR_SECONDS
    )
    return signed
