"""Ranges, conditions and headers of a download, by RFC 9110, RFC 6266 and RFC 9530."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from django.test import RequestFactory
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from catalog import access
from catalog.downloads import BLOCK, ByteRange, entity_tag, parse_range, record, send_blob
from catalog.errors import BackendUnusable, PreconditionFailed, RangeNotSatisfiable
from catalog.models import AccessToken, Download
from registry.models import Blob, File
from registry.storage import BlobMissing, blob_storage, store_bytes
from tests.catalog import build

BYTES = bytes(range(256)) * 4


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=0-", ByteRange(0, 1000)),
        ("bytes=999-", ByteRange(999, 1000)),
        ("bytes=500-600", ByteRange(500, 601)),
        ("bytes=500-99999", ByteRange(500, 1000)),
        ("bytes=500-" + "9" * 5000, ByteRange(500, 1000)),
        ("bytes=-1", ByteRange(999, 1000)),
        ("bytes=-1000", ByteRange(0, 1000)),
        ("bytes=-99999", ByteRange(0, 1000)),
        ("Bytes = 1 - 2", ByteRange(1, 3)),
        ("bytes=2-1", None),
        ("bytes=0-1,5-6", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=+1-2", None),
        ("bytes=١-٢", None),
        ("items=0-1", None),
        ("0-1", None),
        ("", None),
    ],
)
def test_a_range_header_is_read_as_the_standard_says(header: str, expected: Any) -> None:
    assert parse_range(header, 1000) == expected


@pytest.mark.parametrize(
    "header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=" + "9" * 5000 + "-"]
)
def test_a_range_past_the_end_is_refused_with_the_length(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse_range(header, 1000)
    assert caught.value.headers["Content-Range"] == "bytes */1000"


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 80), st.integers(0, 80) | st.none())
def test_a_range_gives_the_bytes_that_slicing_gives(size: int, first: int, last: int | None) -> None:
    data = bytes(range(size))
    header = f"bytes={first}-{'' if last is None else last}"
    expected = data[first:] if last is None else data[first : last + 1]
    try:
        part = parse_range(header, size)
    except RangeNotSatisfiable:
        assert expected == b""
    else:
        if part is None:
            assert last is not None and last < first
        else:
            assert data[part.start : part.stop] == expected != b""
            assert part.length == len(expected)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 80))
def test_a_suffix_gives_the_last_bytes(size: int, length: int) -> None:
    data = bytes(range(size))
    try:
        part = parse_range(f"bytes=-{length}", size)
    except RangeNotSatisfiable:
        assert not data or not length
    else:
        assert part is not None
        assert data[part.start : part.stop] == data[-length:]


@settings(deadline=None)
@given(st.text(max_size=30) | st.from_regex(r"bytes=[0-9,\- ]*", fullmatch=True), st.integers(0, 2**60))
def test_no_header_breaks_the_reader(header: str, size: int) -> None:
    try:
        part = parse_range(header, size)
    except RangeNotSatisfiable:
        return
    assert part is None or 0 <= part.start < part.stop <= size


# --- Responses --------------------------------------------------------------------------------------------


@pytest.fixture
def blob(db: None) -> Blob:
    return store_bytes(BYTES)


def fetch(blob: Blob, method: str = "GET", **headers: str) -> Any:
    request = RequestFactory().generic(
        method, "/x", headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    return send_blob(request, blob, name="ink.safetensors")


def body(response: Any) -> bytes:
    """All of it; the response is not closed, which would close the test's connection to the database too."""
    return b"".join(response) if response.streaming else response.content


database = pytest.mark.database


@database
def test_the_whole_file_comes_with_length_tag_and_digest(blob: Blob) -> None:
    response = fetch(blob)
    assert (response.status_code, body(response)) == (200, BYTES)
    assert response["Content-Length"] == "1024"
    assert response["ETag"] == f'"{hashlib.sha256(BYTES).hexdigest()}"'
    assert response["Accept-Ranges"] == "bytes"
    digest = base64.b64encode(hashlib.sha256(BYTES).digest()).decode()
    assert response["Repr-Digest"] == f"sha-256=:{digest}:"
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Disposition"] == 'attachment; filename="ink.safetensors"'


@database
def test_a_part_comes_with_its_place_and_the_digest_of_the_whole(blob: Blob) -> None:
    response = fetch(blob, Range="bytes=256-511")
    assert (response.status_code, body(response)) == (206, BYTES[256:512])
    assert response["Content-Range"] == "bytes 256-511/1024"
    assert response["Content-Length"] == "256"
    assert response["Repr-Digest"] == fetch(blob, method="HEAD")["Repr-Digest"]


@database
def test_head_says_what_get_would_send_and_ignores_ranges(blob: Blob) -> None:
    response = fetch(blob, method="HEAD", Range="bytes=0-1")
    assert (response.status_code, body(response)) == (200, b"")
    assert response["Content-Length"] == "1024"
    assert response["ETag"] == entity_tag(blob.sha256)


@database
@pytest.mark.django_db
def test_a_large_file_leaves_in_blocks_of_one_mebibyte() -> None:
    blob = store_bytes(b"x" * (2 * BLOCK + 5))
    assert [len(block) for block in fetch(blob)] == [BLOCK, BLOCK, 5]
    assert [len(block) for block in fetch(blob, Range=f"bytes=1-{BLOCK + 1}")] == [BLOCK, 1]


@database
def test_a_client_that_is_gone_before_the_first_byte_leaves_no_file_open(blob: Blob) -> None:
    response = fetch(blob)
    blocks = response._iterator
    blocks.close()
    assert b"".join(blocks) == b""


@database
@pytest.mark.parametrize("known", ['"{tag}"', 'W/"{tag}"', '"other", "{tag}"', "*"])
def test_a_client_that_has_the_bytes_gets_304(blob: Blob, known: str) -> None:
    response = fetch(blob, If_None_Match=known.format(tag=blob.sha256), Range="bytes=0-1")
    assert (response.status_code, body(response)) == (304, b"")
    assert response["ETag"] == entity_tag(blob.sha256)


@database
def test_a_client_that_has_other_bytes_gets_these(blob: Blob) -> None:
    response = fetch(blob, If_None_Match='"other"')
    assert (response.status_code, body(response)) == (200, BYTES)


@database
def test_if_match_with_another_tag_fails(blob: Blob) -> None:
    assert body(fetch(blob, If_Match=entity_tag(blob.sha256))) == BYTES
    with pytest.raises(PreconditionFailed):
        fetch(blob, If_Match='"other"')


@database
@pytest.mark.parametrize(
    ("validator", "status"),
    [
        ('"{tag}"', 206),
        ('W/"{tag}"', 200),
        ('"other"', 200),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 200),
        ("", 200),
    ],
)
def test_a_download_is_resumed_only_when_it_is_the_same_file(blob: Blob, validator: str, status: int) -> None:
    response = fetch(blob, Range="bytes=1000-", If_Range=validator.format(tag=blob.sha256))
    assert response.status_code == status
    assert body(response) == (BYTES[1000:] if status == 206 else BYTES)


@database
def test_several_ranges_give_the_whole_file(blob: Blob) -> None:
    response = fetch(blob, Range="bytes=0-1,4-5")
    assert (response.status_code, body(response)) == (200, BYTES)


@database
@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("水彩.safetensors", "attachment; filename*=utf-8''%E6%B0%B4%E5%BD%A9.safetensors"),
        ('a "b".safetensors', 'attachment; filename="a \\"b\\".safetensors"'),
        ("../../etc/passwd", 'attachment; filename=".._.._etc_passwd"'),
        ("a\r\nSet-Cookie: x=1", 'attachment; filename="a__Set-Cookie: x=1"'),
        ("", 'attachment; filename="file"'),
    ],
)
def test_a_file_name_cannot_break_out_of_its_header(blob: Blob, name: str, header: str) -> None:
    response = send_blob(RequestFactory().head("/x"), blob, name=name)
    assert response["Content-Disposition"] == header


@database
def test_bytes_that_are_gone_from_the_storage_are_said_to_be_missing(blob: Blob) -> None:
    blob_storage().delete(f"{blob.sha256[:2]}/{blob.sha256[2:4]}/{blob.sha256}")
    for method in ("GET", "HEAD"):
        with pytest.raises(BlobMissing):
            fetch(blob, method=method)


@database
def test_nginx_is_told_where_the_bytes_are(blob: Blob, settings: Settings) -> None:
    settings.DOWNLOAD_BACKEND = "xaccel"
    settings.XACCEL_PREFIX = "/protected/"
    response = fetch(blob, Range="bytes=0-1")
    assert response.content == b""
    assert response["X-Accel-Redirect"] == f"/protected/{blob.sha256[:2]}/{blob.sha256[2:4]}/{blob.sha256}"
    assert response["X-Linked-ETag"] == entity_tag(blob.sha256)
    assert "ETag" not in response


@database
def test_a_folder_cannot_sign_addresses(blob: Blob, settings: Settings) -> None:
    settings.DOWNLOAD_BACKEND = "redirect"
    with pytest.raises(BackendUnusable):
        fetch(blob)


# --- The ledger -------------------------------------------------------------------------------------------


@database
def test_the_ledger_has_one_row_for_each_download_not_for_each_part(blob: Blob) -> None:
    version = build.version("Ink", blob=blob)
    file = File.objects.select_related("blob").get(version=version)
    token, _secret = access.create(build.user("ada"), "laptop")
    other, _secret = access.create(build.user("grace"), "laptop")

    def note(range_header: str, by: AccessToken = token) -> bool:
        headers = {"Range": range_header} if range_header else {}
        return record(RequestFactory().get("/x", headers=headers), file, by)

    assert note("bytes=0-99") is True
    assert [note(f"bytes={start}-{start + 99}") for start in range(100, 1000, 100)] == [False] * 9
    assert note("") is True
    assert note("bytes=500-", other) is True
    assert note("bytes=600-", other) is False
    assert [(row.user, row.range) for row in Download.objects.order_by("pk")] == [
        ("ada", "0-99"),
        ("ada", ""),
        ("grace", "500-1023"),
    ]
