"""What all pages share: the policy, sign-in, theme, language, error pages, and licenses explained."""

from __future__ import annotations

import pytest
from django.template.loader import render_to_string
from django.test import Client
from pytest_django import Settings

from registry.licensing import LICENSES
from registry.models import Version

pytestmark = pytest.mark.database

PAGES = ["/", "/browse/", "/licenses/", "/licenses/CC-BY-4.0/"]


@pytest.mark.parametrize("address", PAGES)
def test_readers_need_no_account(client: Client, version: Version, address: str) -> None:
    assert client.get(address).status_code == 200


@pytest.mark.parametrize("address", [*PAGES, "/adapters/1/", "/sheets/1/", "/review/"])
def test_a_closed_site_asks_everyone_to_sign_in(
    client: Client, version: Version, settings: Settings, address: str
) -> None:
    settings.REQUIRE_LOGIN = True
    assert client.get(address).headers["Location"] == f"/accounts/login/?next={address}"


@pytest.mark.parametrize("address", [*PAGES, "/accounts/login/"])
def test_pages_forbid_foreign_code_and_have_none_inline(
    client: Client, version: Version, address: str
) -> None:
    response = client.get(address)
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    page = response.content.decode()
    assert " style=" not in page
    assert "<style" not in page
    assert "<script>" not in page
    assert "onclick" not in page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_is_remembered_without_script(client: Client, db: None, theme: str) -> None:
    client.post("/preferences/", {"theme": theme, "next": "/browse/"})
    assert f'data-theme="{theme}"' in client.get("/browse/").content.decode()


def test_a_theme_that_does_not_exist_changes_nothing(client: Client, db: None) -> None:
    client.post("/preferences/", {"theme": "'><script>"})
    assert 'data-theme="auto"' in client.get("/").content.decode()


@pytest.mark.parametrize("elsewhere", ["https://example.com/", "//example.com", "javascript:alert(1)", ""])
def test_preferences_never_lead_elsewhere(client: Client, db: None, elsewhere: str) -> None:
    assert client.post("/preferences/", {"theme": "dark", "next": elsewhere}).headers["Location"] == "/"


def test_a_language_is_remembered(client: Client, version: Version) -> None:
    client.post("/preferences/", {"language": "ja"})
    page = client.get("/").content.decode()
    assert '<html lang="ja"' in page
    assert "画像を販売する" in page
    assert "Ink Lines" in page


def test_the_browsers_language_is_the_first_guess(client: Client, db: None) -> None:
    assert "最近の審査済み" in client.get("/", headers={"accept-language": "ja,en;q=0.5"}).content.decode()


def test_what_does_not_exist_has_a_page_that_leads_back(client: Client, db: None) -> None:
    response = client.get("/nothing/")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_the_broken_page_needs_nothing_that_may_be_broken() -> None:
    assert "Something broke here" in render_to_string("500.html")


def test_every_license_can_be_explained(client: Client, db: None) -> None:
    for license_id in LICENSES:
        page = client.get(f"/licenses/{license_id}/").content.decode()
        assert page.count('<tr id="act-') == 13, license_id


def test_a_license_outside_the_table_is_not_found(client: Client, db: None) -> None:
    assert client.get("/licenses/no-such/").status_code == 404


def test_signing_in_leads_back_to_where_one_came_from(client: Client, reviewer: object) -> None:
    given = {"username": "reviewer", "password": "a long enough one", "next": "/review/"}
    assert client.post("/accounts/login/", given).headers["Location"] == "/review/"


def test_a_wrong_password_is_told_in_words(client: Client, reviewer: object) -> None:
    page = client.post("/accounts/login/", {"username": "reviewer", "password": "wrong"}).content.decode()
    assert 'role="alert"' in page
