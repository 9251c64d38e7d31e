"""What a version's upstream offers and answers, on its page, in the list of recalls and for programs."""

from __future__ import annotations

import pytest
from django.test import Client

from registry.models import OfferedFile, Version
from registry.offers import keep_availability
from tests.catalog.pages.rows import make_adapter, make_file

pytestmark = pytest.mark.database


def offer(version: Version, key: str = "1", **facts: object) -> OfferedFile:
    given: dict[str, object] = {"key": key, "name": f"{key}.safetensors", "url": "https://example.test/1"}
    return OfferedFile.objects.create(version=version, **(given | facts))


@pytest.fixture
def gone(db: None) -> Version:
    version = make_adapter("Withdrawn ink")
    make_file(version, "ink.safetensors")
    keep_availability(version, "gone", "It says 410.")
    return version


def page_of(client: Client, version: Version) -> str:
    return client.get(f"/adapters/{version.adapter_id}/").content.decode()


def test_the_page_shows_the_state_upstream_with_its_date_and_reason(client: Client, gone: Version) -> None:
    page = page_of(client, gone)
    assert "Gone upstream" in page and "It says 410." in page
    assert "What was taken in before stays here" in page


def test_the_page_says_what_was_passed_by_why_and_how_much_that_saved(client: Client, db: None) -> None:
    version = make_adapter("Ink")
    offer(version, "1", state="passed_by", code="too_large", reason="It has 9 bytes.", saved=5 * 2**20)
    offer(version, "2", state="failed", code="not_safetensors", reason="A web page came.")
    page = page_of(client, version)
    assert "It has 9 bytes." in page and "too_large" in page
    assert page.count("5.0\xa0MB") >= 2
    assert "A web page came." in page and "not_safetensors" in page


def test_a_version_that_never_had_an_upstream_has_no_such_part(client: Client, db: None) -> None:
    assert 'id="upstream"' not in page_of(client, make_adapter("Ink"))


def test_the_author_s_pictures_are_no_offered_files(client: Client, db: None) -> None:
    version = make_adapter("Ink")
    offer(version, "picture x", role="picture")
    assert 'id="upstream"' not in page_of(client, version)


def test_the_recall_list_names_what_is_stored_and_was_taken_back(client: Client, gone: Version) -> None:
    make_file(make_adapter("Still there"), "other.safetensors")
    without_bytes = make_adapter("Never fetched")
    without_bytes.files.all().delete()
    keep_availability(without_bytes, "gone", "404")
    page = client.get("/recalls/").content.decode()
    assert "Withdrawn ink" in page and "It says 410." in page
    assert "Still there" not in page and "Never fetched" not in page


def test_the_recall_list_can_be_narrowed_to_one_state(client: Client, gone: Version) -> None:
    assert "Withdrawn ink" in client.get("/recalls/?state=gone").content.decode()
    assert "Withdrawn ink" not in client.get("/recalls/?state=archived").content.decode()


@pytest.mark.parametrize("query", ["state=present", "state=nonsense", "after=x", "after=-1"])
def test_a_recall_list_that_does_not_exist_is_not_found(client: Client, db: None, query: str) -> None:
    assert client.get(f"/recalls/?{query}").status_code == 404


def test_a_program_gets_the_state_the_offers_and_the_recall_list(client: Client, gone: Version) -> None:
    offer(
        gone,
        "1",
        state="passed_by",
        code="too_large",
        reason="It has 9 bytes.",
        saved=9,
        hashes={"SHA256": "A" * 64},
    )
    other = make_adapter("Still there")
    told = client.get(f"/api/v1/versions/{gone.pk}/upstream/").json()
    assert (told["state"], told["reason"], told["until"], told["saved"]) == ("gone", "It says 410.", None, 9)
    assert told["since"] == told["changes"][0]["at"]
    assert [(each["before"], each["after"]) for each in told["changes"]] == [("present", "gone")]
    (line,) = told["offers"]
    assert (line["state"], line["code"], line["saved"], line["sha256"], line["announced"]) == (
        "passed_by",
        "too_large",
        9,
        None,
        "a" * 64,
    )
    found = client.get("/api/v1/versions/?recalled=true").json()["results"]
    assert [each["id"] for each in found] == [gone.pk]
    rest = client.get("/api/v1/versions/?recalled=false").json()["results"]
    assert [each["id"] for each in rest] == [other.pk]
    narrowed = client.get("/api/v1/versions/?availability=gone").json()["results"]
    assert [each["id"] for each in narrowed] == [gone.pk]
