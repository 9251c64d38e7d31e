"""Browse: filters in the address, chips, cards and table, more, empty and broken searches."""

from __future__ import annotations

import pytest
from django.test import Client

from registry.models import Version
from tests.catalog.pages.rows import CLOSED_FLAGS, OPEN_FLAGS, make_adapter

pytestmark = pytest.mark.database

SELL = "generate_and_sell_images"


def names(response: object) -> list[str]:
    return [card.adapter.name for card in response.context["cards"]]  # type: ignore[attr-defined]


def test_a_base_filters_the_cards(client: Client, version: Version) -> None:
    make_adapter("Other", base="sd-1-5", flags=OPEN_FLAGS)
    assert names(client.get("/browse/", {"base": "sd-1-5"})) == ["Other"]


def test_a_verdict_filters_the_cards(client: Client, version: Version) -> None:
    make_adapter("Closed", flags=CLOSED_FLAGS)
    assert names(client.get("/browse/", {"act": SELL, "outcome": "forbidden"})) == ["Closed"]


def test_each_card_shows_its_verdict_by_word_and_shape(client: Client, version: Version) -> None:
    page = client.get("/browse/", {"act": SELL}).content.decode()
    assert "is-allowed" in page
    assert "icons.svg#allowed" in page
    assert "<span>Allowed</span>" in page


def test_a_card_carries_base_and_strong_picture_of_one_row(client: Client, version: Version) -> None:
    pair = client.get("/browse/").context["cards"][0].pair
    assert pair.base.row == pair.strong.row
    assert (pair.base.role, pair.strong.weight) == ("base", 0.8)


def test_a_pasted_hash_finds_its_adapter(client: Client, version: Version) -> None:
    make_adapter("Other")
    sha256 = version.files.get().blob_id
    assert names(client.get("/browse/", {"q": sha256})) == ["Ink Lines"]


def test_every_active_filter_is_a_chip_that_leads_away_from_it(client: Client, version: Version) -> None:
    page = client.get("/browse/", {"act": SELL, "base": "sdxl-1-0", "q": "ink"})
    chips = {chip.text: chip.params for chip in page.context["chips"]}
    assert list(chips) == ["“ink”", "SDXL 1.0"]
    assert chips["SDXL 1.0"] == f"q=ink&act={SELL}"


def test_without_a_question_every_card_tells_whether_images_may_be_sold(
    client: Client, version: Version
) -> None:
    page = client.get("/browse/")
    assert page.context["query"].act == SELL
    assert [card.outcome for card in page.context["cards"]] != [None]


def test_facts_of_the_form_reach_the_verdict(client: Client, db: None) -> None:
    make_adapter("Community", base="sd-3-5-large", license_id="CC0-1.0")
    small = client.get("/browse/", {"act": SELL, "fact-annual_revenue_usd": "1000"}).context["found"]
    large = client.get("/browse/", {"act": SELL, "fact-annual_revenue_usd": "9000000"}).context["found"]
    assert small.outcome_counts["forbidden"] == 0
    assert large.outcome_counts["forbidden"] == 1


def test_facts_are_kept_in_the_shared_address(client: Client, version: Version) -> None:
    response = client.get("/browse/", {"act": SELL, "fact-territory": "jp"}, headers={"HX-Request": "true"})
    assert "territory" in response.headers["HX-Push-Url"]
    assert "JP" in response.headers["HX-Push-Url"]


def test_the_table_shows_the_same_adapters(client: Client, version: Version) -> None:
    page = client.get("/browse/", {"view": "table"})
    assert names(page) == ["Ink Lines"]
    assert '<table class="list">' in page.content.decode()


def test_more_continues_where_the_page_ended(client: Client, db: None) -> None:
    for number in range(5):
        make_adapter(f"Number {number}", sheet=False)
    first = client.get("/browse/", {"limit": "3"})
    rest = client.get(first.context["next"], headers={"HX-Request": "true"})
    assert len(names(first)) == 3
    assert sorted(names(first) + names(rest)) == [f"Number {number}" for number in range(5)]
    assert "<html" not in rest.content.decode()


def test_an_empty_storehouse_shows_the_command_that_fills_it(client: Client, db: None) -> None:
    assert "manage.py ingest" in client.get("/browse/").content.decode()


def test_a_search_without_results_says_how_to_go_on(client: Client, version: Version) -> None:
    assert "No adapter matches all of this" in client.get("/browse/", {"q": "zebra"}).content.decode()


def test_a_broken_address_is_explained_not_a_crash(client: Client, version: Version) -> None:
    page = client.get("/browse/", {"outcome": "perhaps"})
    assert page.status_code == 200
    assert "This search cannot be answered" in page.content.decode()


def test_names_from_outside_are_escaped(client: Client, db: None) -> None:
    make_adapter("<script>alert(1)</script>")
    assert "<script>alert" not in client.get("/browse/").content.decode()
