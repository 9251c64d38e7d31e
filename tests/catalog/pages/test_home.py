"""Home: the question, how the answers fall, what was vetted last."""

from __future__ import annotations

import pytest
from django.test import Client

from registry.models import Version, Vetting
from tests.catalog.pages.rows import CLOSED_FLAGS, OPEN_FLAGS, make_adapter

pytestmark = pytest.mark.database


def test_an_empty_storehouse_says_what_to_do(client: Client, db: None) -> None:
    page = client.get("/").content.decode()
    assert "Nothing is vetted yet" in page
    assert "Browse everything" in page


def test_the_tally_counts_adapters_by_outcome(client: Client, version: Version) -> None:
    make_adapter("Closed", flags=CLOSED_FLAGS)
    make_adapter("Silent")
    page = client.get("/", {"act": "generate_and_sell_images"})
    counts = {each["outcome"]: each["count"] for each in page.context["tally"]}
    assert counts == {"allowed": 1, "conditional": 0, "unknown": 1, "forbidden": 1}


def test_a_tile_leads_to_the_adapters_it_counts(client: Client, version: Version) -> None:
    tile = client.get("/").context["tally"][0]
    found = client.get("/browse/?" + tile["params"])
    assert found.context["found"].count == tile["count"] == 1


def test_the_base_narrows_the_tally(client: Client, version: Version) -> None:
    make_adapter("Other", base="sd-1-5", flags=OPEN_FLAGS)
    tally = client.get("/", {"base": "sd-1-5"}).context["tally"]
    assert [each["count"] for each in tally] == [1, 0, 0, 0]


def test_a_base_that_does_not_exist_counts_as_any(client: Client, version: Version) -> None:
    assert client.get("/", {"base": "nonsense"}).context["base"] == ""


def test_only_vetted_adapters_are_shown_as_recently_vetted(client: Client, version: Version) -> None:
    make_adapter("Still Waiting", vetting=Vetting.WAITING)
    cards = client.get("/").context["cards"]
    assert [card.adapter.name for card in cards] == ["Ink Lines"]


def test_htmx_gets_the_tally_alone(client: Client, version: Version) -> None:
    page = client.get("/", headers={"HX-Request": "true"}).content.decode()
    assert 'id="answer"' in page
    assert "<html" not in page
