"""Bytes leave for a token, of a vetted version, and in any range; every refusal says why."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from catalog import access
from catalog.models import Download
from registry.models import Blob, FileState, ScannedPath, Vetting
from registry.storage import blob_storage, store_bytes
from tests.catalog import build
from tests.catalog.api.conftest import Caller

pytestmark = [pytest.mark.database, pytest.mark.django_db]

BYTES = b"safetensors " * 100
# No right to use these files at all, not even in private.
NOT_FOR_US = {"base_license": "Apache-2.0", "license": "novelai-leak-2022"}


@pytest.fixture
def blob() -> Blob:
    return store_bytes(BYTES)


def content(blob: Blob) -> str:
    return f"files/{blob.sha256}/content"


def body(response: Any) -> bytes:
    return b"".join(response) if response.streaming else response.content


def problem(response: Any, status: int, code: str) -> None:
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    document = response.json()
    assert (document["status"], document["code"]) == (status, code)
    assert document["detail"]
    assert document["next_step"]


def test_a_vetted_file_comes_whole_and_the_ledger_knows(downloader: Caller, blob: Blob) -> None:
    version = build.version("Ink", blob=blob, vetting=Vetting.APPROVED, terms=build.APACHE)
    response = downloader.get(content(blob))
    assert (response.status_code, body(response)) == (200, BYTES)
    assert response["Content-Disposition"] == 'attachment; filename="adapter.safetensors"'
    row = Download.objects.get()
    assert row.token is not None
    assert (row.user, row.file.version, row.token.name) == ("downloader", version, "laptop")


def test_an_upper_case_address_is_the_same_file(downloader: Caller, blob: Blob) -> None:
    build.version("Ink", blob=blob, vetting=Vetting.APPROVED)
    assert body(downloader.get(f"files/{blob.sha256.upper()}/content")) == BYTES


def test_a_download_goes_on_where_it_broke_off(downloader: Caller, blob: Blob) -> None:
    build.version("Ink", blob=blob, vetting=Vetting.APPROVED)
    first = downloader.get(content(blob), Range="bytes=0-599")
    rest = downloader.get(content(blob), Range="bytes=600-", If_Range=first["ETag"])
    assert (first.status_code, rest.status_code) == (206, 206)
    assert body(first) + body(rest) == BYTES
    assert Download.objects.count() == 1


def test_a_range_past_the_end_is_416_with_the_length(downloader: Caller, blob: Blob) -> None:
    build.version("Ink", blob=blob, vetting=Vetting.APPROVED)
    response = downloader.get(content(blob), Range=f"bytes={len(BYTES)}-")
    problem(response, 416, "range_not_satisfiable")
    assert response["Content-Range"] == f"bytes */{len(BYTES)}"
    assert not Download.objects.exists()


def test_head_and_304_send_nothing_and_are_not_downloads(downloader: Caller, blob: Blob) -> None:
    build.version("Ink", blob=blob, vetting=Vetting.APPROVED)
    head = downloader.head(content(blob))
    assert (head.status_code, head["Content-Length"]) == (200, str(len(BYTES)))
    same = downloader.get(content(blob), If_None_Match=head["ETag"])
    assert (same.status_code, body(same)) == (304, b"")
    assert not Download.objects.exists()


def test_if_match_with_another_tag_is_412(downloader: Caller, blob: Blob) -> None:
    build.version("Ink", blob=blob, vetting=Vetting.APPROVED)
    problem(downloader.get(content(blob), If_Match='"other"'), 412, "precondition_failed")


def test_without_a_token_there_is_nothing(anybody: Caller, blob: Blob, client: Client) -> None:
    build.version("Ink", blob=blob, vetting=Vetting.APPROVED)
    for method in (anybody.get, anybody.head):
        response = method(content(blob))
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == 'Bearer realm="kura"'
    problem(anybody.get(content(blob)), 401, "token_missing")
    # A signed-in browser is no token: a link on a foreign page must not fetch bytes in somebody's name.
    client.force_login(build.user("grace"))
    assert client.get(f"/api/v1/{content(blob)}").status_code == 401


@pytest.mark.parametrize(
    "header", ["Bearer nonsense", "Bearer", "Bearer a b", "bearer \xff", "Bearer " + "x" * 9000]
)
def test_a_bad_token_is_401_even_where_reading_is_open(anybody: Caller, header: str) -> None:
    response = anybody.get("adapters/", Authorization=header)
    problem(response, 401, "token_unknown")
    assert 'error="invalid_token"' in response["WWW-Authenticate"]


def test_a_token_in_the_address_is_not_looked_at(downloader: Caller, anybody: Caller, blob: Blob) -> None:
    build.version("Ink", blob=blob, vetting=Vetting.APPROVED)
    assert anybody.get(content(blob), {"token": downloader.token}).status_code == 401


def test_a_revoked_token_says_so(downloader: Caller, blob: Blob) -> None:
    build.version("Ink", blob=blob, vetting=Vetting.APPROVED)
    access.revoke(access.find(downloader.token))
    problem(downloader.get(content(blob)), 401, "token_revoked")


def test_a_token_for_reviewing_does_not_download(reviewer: Caller, blob: Blob) -> None:
    build.version("Ink", blob=blob, vetting=Vetting.APPROVED)
    problem(reviewer.get(content(blob)), 403, "scope_missing")


@pytest.mark.parametrize(
    ("vetting", "code"),
    [
        (Vetting.WAITING, "unvetted"),
        (Vetting.REJECTED, "unvetted"),
        (Vetting.QUARANTINED, "quarantined"),
        (Vetting.WITHDRAWN, "withdrawn"),
    ],
)
def test_a_version_that_is_not_vetted_keeps_its_bytes(
    downloader: Caller, blob: Blob, vetting: str, code: str
) -> None:
    build.version("Ink", blob=blob, vetting=vetting, terms=build.APACHE)
    problem(downloader.get(content(blob)), 403, code)
    assert downloader.head(content(blob)).status_code == 403
    assert not Download.objects.exists()


def test_terms_that_forbid_the_act_block_the_download(
    downloader: Caller, blob: Blob, settings: Settings
) -> None:
    settings.DOWNLOAD_ACT = "redistribute_adapter"
    build.version("Ink", blob=blob, vetting=Vetting.APPROVED, terms=NOT_FOR_US)
    problem(downloader.get(content(blob)), 403, "license_blocked")


def test_bytes_of_several_versions_leave_through_the_vetted_one(downloader: Caller, blob: Blob) -> None:
    waiting = build.version("Copy", blob=blob, vetting=Vetting.WAITING)
    vetted = build.version("Ink", blob=blob, vetting=Vetting.APPROVED)
    assert body(downloader.get(content(blob))) == BYTES
    assert Download.objects.get().file.version == vetted
    problem(downloader.get(content(blob), {"version": str(waiting.pk)}), 403, "unvetted")
    assert downloader.get(content(blob), {"version": "0"}).status_code == 404
    problem(downloader.get(content(blob), {"version": "x"}), 400, "bad_query")


def test_bytes_locked_away_under_one_name_do_not_leave_under_another(downloader: Caller, blob: Blob) -> None:
    build.version("Ink", blob=blob, vetting=Vetting.APPROVED)
    bad = build.version("Copy", blob=blob)
    bad.files.update(state=FileState.QUARANTINED, reason="a pickle")
    problem(downloader.get(content(blob)), 403, "quarantined")


def test_what_is_not_there_is_404(downloader: Caller) -> None:
    problem(downloader.get(f"files/{'0' * 64}/content"), 404, "not_found")
    problem(downloader.get("files/xyz/content"), 404, "not_found")


def test_bytes_lost_from_the_storage_are_our_fault(downloader: Caller, blob: Blob) -> None:
    build.version("Ink", blob=blob, vetting=Vetting.APPROVED)
    blob_storage().delete(f"{blob.sha256[:2]}/{blob.sha256[2:4]}/{blob.sha256}")
    problem(downloader.get(content(blob)), 503, "blob_missing")
    assert not Download.objects.exists()


def test_a_client_that_accepts_only_bytes_still_gets_its_problem(anybody: Caller, blob: Blob) -> None:
    build.version("Ink", blob=blob)
    problem(anybody.get(content(blob), Accept="application/octet-stream"), 401, "token_missing")


def test_the_detail_shows_every_digest_and_who_holds_the_bytes(anybody: Caller, blob: Blob) -> None:
    version = build.version("Ink", blob=blob)
    found = anybody.get(f"files/{blob.sha256}/").json()
    assert found["blake3"] == blob.blake3
    assert found["names"] == [{"version": version.pk, "name": "adapter.safetensors", "state": "stored"}]
    assert found["download_url"] == f"http://testserver/api/v1/{content(blob)}"


def test_the_secret_is_in_no_log(downloader: Caller, blob: Blob, caplog: pytest.LogCaptureFixture) -> None:
    build.version("Ink", blob=blob, vetting=Vetting.APPROVED)
    with caplog.at_level("DEBUG"):
        body(downloader.get(content(blob)))
        downloader.get("nowhere")
    assert downloader.token not in caplog.text


def test_the_paths_of_a_file_are_told_to_known_callers_alone(anybody: Caller, downloader: Caller) -> None:
    blob = build.version("Ink").files.get().blob
    ScannedPath.objects.create(key="0" * 64, path="/srv/ink", inode="1", size=1, mtime_ns=1, blob=blob)
    assert anybody.get(f"files/{blob.sha256}/aliases/").status_code == 401
    told = downloader.get(f"files/{blob.sha256.upper()}/aliases/").json()
    assert [(each["path"], each["size"]) for each in told] == [("/srv/ink", 1)]
    assert downloader.get(f"files/{'0' * 64}/aliases/").status_code == 404
