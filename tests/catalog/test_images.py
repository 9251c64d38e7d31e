"""Pictures: only pictures, kept by browsers for ever, and closed where a login is required."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from catalog import access
from inference.models import Cell, Sheet
from registry.models import Sample
from registry.storage import blob_storage, store_bytes
from tests.catalog import build

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def cell() -> Cell:
    return Cell.objects.create(key="c" * 64, inputs={}, image=build.picture())


def test_a_cell_a_sheet_and_a_sample_are_pictures(client: Client, cell: Cell) -> None:
    version = build.version("Ink", sheet_on=build.base("toybox"))
    sample = Sample.objects.create(version=version, blob=build.picture("blue"))
    for name, key in (("cell", cell.key), ("sheet", version.sheets.get().pk), ("sample", sample.pk)):
        response = client.get(reverse(f"images:{name}", args=[key]))
        assert response.status_code == 200, name
        assert b"".join(response).startswith(b"\x89PNG")
        assert response["Content-Type"] == "image/png"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response["Content-Disposition"].startswith("inline")
        assert "sandbox" in response["Content-Security-Policy"]


def test_a_browser_that_has_it_gets_304(client: Client, cell: Cell) -> None:
    address = reverse("images:cell", args=[cell.key])
    first = client.get(address)
    assert b"".join(first)
    assert client.get(address, headers={"If-None-Match": first["ETag"]}).status_code == 304
    head = client.head(address)
    assert head["Content-Length"] == first["Content-Length"]


@pytest.mark.parametrize("data", [b"<svg onload=alert(1)>", b"<html><script>", b"", b"RIFF....WAVE"])
def test_what_is_no_picture_is_not_sent(client: Client, data: bytes) -> None:
    sample = Sample.objects.create(version=build.version("Ink"), blob=store_bytes(data))
    assert client.get(reverse("images:sample", args=[sample.pk])).status_code == 404


def test_what_does_not_exist_is_404(client: Client, cell: Cell) -> None:
    version = build.version("Ink")
    unfinished = Sheet.objects.create(
        version=version,
        blob=version.files.get().blob,
        base=build.base("toybox"),
        recipe="standard",
        recipe_digest="0",
    )
    assert client.get(reverse("images:cell", args=["d" * 64])).status_code == 404
    assert client.get(reverse("images:sheet", args=[unfinished.pk])).status_code == 404
    assert client.get(reverse("images:sample", args=[1])).status_code == 404
    sha256 = cell.image.sha256
    blob_storage().delete(f"{sha256[:2]}/{sha256[2:4]}/{sha256}")
    assert client.get(reverse("images:cell", args=[cell.key])).status_code == 404


def test_a_site_that_requires_a_login_sends_strangers_to_it(
    client: Client, cell: Cell, settings: Settings
) -> None:
    settings.REQUIRE_LOGIN = True
    address = reverse("images:cell", args=[cell.key])
    response = client.get(address)
    assert response.status_code == 302
    client.force_login(build.user())
    response = client.get(address)
    assert b"".join(response)
    assert response["Cache-Control"].startswith("private")


def test_a_token_of_the_interface_opens_pictures_where_a_login_is_required(
    client: Client, cell: Cell, settings: Settings
) -> None:
    settings.REQUIRE_LOGIN = True
    address = reverse("images:cell", args=[cell.key])
    token, secret = access.create(build.user(), "another Kura")
    bearer = {"Authorization": f"Bearer {secret}"}
    response = client.get(address, headers=bearer)
    assert b"".join(response).startswith(b"\x89PNG")
    assert response["Cache-Control"].startswith("private")
    access.revoke(token)
    for bad in (bearer, {"Authorization": "Bearer kura_unknown"}):
        refused = client.get(address, headers=bad)
        assert refused.status_code == 401
        assert refused["WWW-Authenticate"] == 'Bearer realm="kura", error="invalid_token"'
        assert refused.json()["code"] in {"token_revoked", "token_unknown"}
