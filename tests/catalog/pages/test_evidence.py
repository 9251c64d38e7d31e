"""Evidence is shown as the text it is: nothing hidden, nothing run, and nothing that was never public."""

from __future__ import annotations

import hashlib

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from catalog.pages.reading.snapshots import as_hex, as_text
from registry.models import ClaimKind, Snapshot, TermsClaim, Version

pytestmark = pytest.mark.database


def keep(
    version: Version | None, body: bytes, kind: str = ClaimKind.LICENSE, url: str = "file:a.md"
) -> Snapshot:
    """A snapshot, and a claim that rests on it unless there is no version."""
    digest = hashlib.sha256(body).hexdigest()
    snapshot = Snapshot.objects.create(url=url, body=body, sha256=digest, media_type="text/html")
    if version is not None:
        TermsClaim.objects.create(version=version, kind=kind, value="MIT", wording="mit", snapshot=snapshot)
    return snapshot


def test_markup_is_shown_and_not_drawn(client: Client, version: Version) -> None:
    snapshot = keep(version, b"<script>alert(1)</script><img src=https://example.com/x.png>")
    response = client.get(f"/evidence/{snapshot.pk}/")
    page = response.content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<img" not in page
    assert response.headers["Content-Type"].startswith("text/html")
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]


def test_address_date_and_digest_stand_beside_the_bytes(client: Client, version: Version) -> None:
    snapshot = keep(version, b"license: mit", url="https://huggingface.co/a/b/raw/main/README.md")
    page = client.get(f"/evidence/{snapshot.pk}/").content.decode()
    assert snapshot.sha256 in page
    assert 'href="https://huggingface.co/a/b/raw/main/README.md"' in page
    assert "the stored bytes still have it" in page
    assert str(version) in page


def test_bytes_that_are_not_those_of_the_digest_are_noticed(client: Client, version: Version) -> None:
    # No row can be changed; a copy of the database that was damaged can hold such a one.
    damaged = Snapshot.objects.create(url="file:b.md", body=b"license: cc0", sha256="0" * 64)
    TermsClaim.objects.create(version=version, kind=ClaimKind.LICENSE, value="MIT", snapshot=damaged)
    page = client.get(f"/evidence/{damaged.pk}/").content.decode()
    assert "the stored bytes are not these any more" in page


def test_bytes_that_are_no_text_are_shown_in_hexadecimal(client: Client, version: Version) -> None:
    snapshot = keep(version, b"\x89PNG\r\n\x1a\n\0\xff")
    page = client.get(f"/evidence/{snapshot.pk}/").content.decode()
    assert "00000000  89 50 4e 47 0d 0a 1a 0a 00 ff" in page


def test_a_long_text_is_cut_and_says_so(client: Client, version: Version) -> None:
    snapshot = keep(version, b"a" * 300_000)
    response = client.get(f"/evidence/{snapshot.pk}/")
    assert "Only the beginning is shown" in response.content.decode()
    assert len(response.content) < 230_000


@pytest.mark.parametrize("kind", [ClaimKind.RIGHTS, None])
def test_what_was_never_public_is_for_reviewers(
    client: Client, desk: Client, version: Version, kind: str | None
) -> None:
    snapshot = keep(version if kind else None, b"Dear Sir, I agree.", kind or "", url="mail:1")
    response = Client().get(f"/evidence/{snapshot.pk}/")
    page = response.content.decode()
    assert response.status_code == 403
    assert snapshot.sha256 in page
    assert "Dear Sir" not in page
    assert "mail:1" not in page
    assert "Dear Sir" in desk.get(f"/evidence/{snapshot.pk}/").content.decode()


def test_evidence_that_does_not_exist_is_not_found(client: Client, db: None) -> None:
    assert client.get("/evidence/999/").status_code == 404
    assert client.get(f"/evidence/{10**30}/").status_code == 404


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",))))
def test_nothing_in_a_text_stays_invisible(text: str) -> None:
    shown = as_text(text.encode())
    if shown is None:
        assert "\0" in text
    else:
        assert not set(shown) & {chr(code) for code in (*range(9), *range(11, 32), *range(0x202A, 0x202F))}
        # What cannot play a trick is shown as it is.
        if text.isascii() and text.isprintable():
            assert shown == text


@given(st.binary(max_size=200))
def test_the_hexadecimal_view_tells_every_byte(body: bytes) -> None:
    read = b"".join(bytes.fromhex(line[10:57]) for line in as_hex(body).splitlines())
    assert read == body
