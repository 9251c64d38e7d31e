"""The planner's page: a stack in an address, what stands in its way, and texts to take along."""

from __future__ import annotations

import io
import json
import zipfile
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from registry.models import Version
from tests.catalog.pages.rows import CLOSED_FLAGS, OPEN_FLAGS, make_adapter

pytestmark = pytest.mark.database
SELL = "generate_and_sell_images"
# What the page may ask of the database, without and with a search; neither grows with the stack.
LIMIT, LIMIT_SEARCHING = 26, 50


@pytest.fixture
def ink(db: None) -> Version:
    return make_adapter("Ink Lines", flags={**OPEN_FLAGS, "allowNoCredit": False}, sheet=False)


@pytest.fixture
def gold(db: None) -> Version:
    return make_adapter("Gold Leaf", flags=CLOSED_FLAGS, sheet=False)


def address(*versions: Version, more: str = "") -> str:
    return f"/plan/?act={SELL}" + "".join(f"&adapter={version.pk}" for version in versions) + more


def shown(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200, response.content.decode()
    return response.content.decode()


def test_an_empty_plan_says_what_to_do(client: Client, db: None) -> None:
    text = shown(client, "/plan/")
    assert "Nothing is in the stack yet" in text
    assert "Browse adapters" in text


def test_the_whole_stack_has_one_verdict_and_the_one_in_the_way_can_be_left_out(
    client: Client, ink: Version, gold: Version
) -> None:
    text = shown(client, address(ink, gold, more=f"&weight-{ink.pk}=0.8"))
    assert "is-forbidden" in text
    assert "What would make it pass" in text
    assert f"adapter={ink.pk}&amp;weight-{ink.pk}=0.8&amp;act={SELL}" in text
    without = shown(client, address(ink))
    assert "What would make it pass" not in without
    assert "Give credit" in without


def test_an_alternative_is_offered_with_the_reason_and_one_click_puts_it_in(
    client: Client, ink: Version, gold: Version
) -> None:
    better = make_adapter("Gilt", flags=OPEN_FLAGS, sheet=False)
    text = shown(client, address(ink, gold))
    assert "Instead of Gold Leaf v1.0" in text
    assert "Shares tags:" in text
    assert f"adapter={ink.pk}&amp;adapter={better.pk}&amp;act={SELL}" in text


def test_the_credit_follows_the_reader_or_the_language_asked_for(client: Client, ink: Version) -> None:
    assert "Made with the following models:" in shown(client, address(ink))
    assert "使用したモデル:" in shown(client, address(ink, more="&language=ja"))


def test_the_downloads_are_those_of_the_address(client: Client, ink: Version) -> None:
    query = address(ink).partition("?")[2]
    notice, bom = client.get(f"/plan/notice/?{query}"), client.get(f"/plan/bom/?{query}")
    assert notice["Content-Type"] == "application/zip"
    assert "NOTICE.txt" in zipfile.ZipFile(io.BytesIO(notice.content)).namelist()
    assert json.loads(bom.content)["bomFormat"] == "CycloneDX"
    assert client.get("/plan/bom/?adapter=999999")["Location"].startswith("/plan/?adapter=999999")


def test_add_puts_an_adapter_into_the_last_plan(client: Client, ink: Version, gold: Version) -> None:
    shown(client, address(ink, more=f"&weight-{ink.pk}=0.6"))
    added = client.get(f"/plan/?add={gold.pk}")
    assert added.status_code == 302
    given = parse_qs(urlsplit(added["Location"]).query)
    assert given["adapter"] == [str(ink.pk), str(gold.pk)]
    assert given[f"weight-{ink.pk}"] == ["0.6"]
    assert "Go on with your last plan" in shown(client, "/plan/")


def test_drop_leads_to_the_address_without_it(client: Client, ink: Version, gold: Version) -> None:
    response = client.get(address(ink, gold, more=f"&drop={gold.pk}"))
    assert parse_qs(urlsplit(response["Location"]).query)["adapter"] == [str(ink.pk)]


def test_facts_change_the_answer_and_those_without_a_field_are_kept(client: Client, ink: Version) -> None:
    text = shown(
        client, address(ink, more="&facts=%7B%22registered%22%3Atrue%2C%22territory%22%3A%22JP%22%7D")
    )
    assert 'name="facts" value="{&quot;registered&quot;:true}"' in text
    assert 'value="JP"' in text


@pytest.mark.parametrize(
    ("query", "code", "told"),
    [
        ("adapter=999999", "version_not_found", "Ink Lines"),
        ("adapter=ink", "bad_query", "adapter"),
        ("base=sdxl-1&adapter={pk}", "unknown_base", "sdxl-1-0"),
        ("act=sell&adapter={pk}", "unknown_act", SELL),
        ("facts=%7B%22revenue%22%3A1%7D&adapter={pk}", "unknown_fact", "annual_revenue_usd"),
        ("facts=%7B&adapter={pk}", "bad_query", "facts"),
        ("adapter={pk}&weight-{pk}=much", "bad_query", "much"),
        ("adapter={pk}&weight-{pk}=1e999", "bad_stack", "inf"),
        ("adapter={pk}&weight-{pk}=NaN", "bad_stack", "nan"),
        ("add=ink", "bad_query", "add"),
        ("language=fr&adapter={pk}", "bad_query", "en, ja"),
        ("base=%00&adapter={pk}", "bad_query", "base"),
    ],
)
def test_what_cannot_be_read_says_what_is_known(
    client: Client, ink: Version, query: str, code: str, told: str
) -> None:
    response = client.get(f"/plan/?{query.format(pk=ink.pk)}")
    text = response.content.decode()
    assert response.status_code == 400
    assert "This plan cannot be read" in text
    assert f"<code>{code}</code>" in text
    assert told in text


def test_a_search_offers_what_is_not_in_the_stack_yet(client: Client, ink: Version, gold: Version) -> None:
    text = client.get(
        address(ink, more="&q=Leaf"), headers={"HX-Request": "true", "HX-Target": "plan-found"}
    ).content.decode()
    assert "<html" not in text
    assert f"adapter={ink.pk}&amp;adapter={gold.pk}" in text
    assert "Nothing found" in shown(client, address(ink, more="&q=Ink+Lines"))


def test_a_larger_stack_asks_no_more_of_the_database(client: Client, ink: Version, gold: Version) -> None:
    def count(address: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            shown(client, address)
        return len(asked)

    count(address(ink, gold))
    few, searching = count(address(ink, gold)), count(address(ink, gold, more="&q=gold"))
    more = [make_adapter(f"More {n}", flags=[OPEN_FLAGS, CLOSED_FLAGS][n % 2], sheet=False) for n in range(6)]
    count(address(ink, gold, *more))
    # Two more adapters are in the way, each looked after with two queries; then the number is capped.
    assert count(address(ink, gold, *more)) <= few + 4 <= LIMIT
    assert count(address(ink, gold, *more, more="&q=gold")) <= searching + 4 <= LIMIT_SEARCHING


def test_names_of_adapters_stay_text(client: Client, ink: Version) -> None:
    ink.adapter.name = "<script>alert(1)</script>"
    ink.adapter.save()
    assert "<script>alert" not in shown(client, address(ink))


def test_cards_and_adapter_pages_lead_to_the_plan(client: Client, ink: Version) -> None:
    link = f"/plan/?add={ink.pk}"
    assert link in shown(client, "/browse/")
    assert link in shown(client, f"/adapters/{ink.adapter_id}/")
