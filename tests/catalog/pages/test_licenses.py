"""Licenses explained: found by what they say, act by act, with both readings, revisions, side by side."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from catalog.pages.reading.explain_license import act_lines, changes, siblings
from registry.licensing import LICENSES, Question, decide
from registry.licensing.schema import row_of
from registry.models import License as Row
from registry.models import Version
from tests.catalog.pages.rows import OPEN_FLAGS, make_adapter, make_base

pytestmark = pytest.mark.database


def house_license(license_id: str = "studio-ink-1", **changes: Any) -> Row:
    """A house license that grants what CC BY does."""
    data = {**row_of(LICENSES["CC-BY-4.0"]), "id": license_id, "name": "Studio Ink", **changes}
    return Row.objects.create(
        license_id=license_id, revision=2, name="Studio Ink", data=data, sha256="c" * 64
    )


def names(page: str) -> set[str]:
    """Ids of the licenses a list links to."""
    return set(re.findall(r'<th scope="row"><a href="/licenses/([^/]+)/', page))


def shown(client: Client, address: str) -> str:
    return client.get(address).content.decode()


# --- The list ---------------------------------------------------------------------------------------------


def test_a_license_is_found_by_part_of_its_name_whatever_the_case_and_width(client: Client, db: None) -> None:
    assert names(shown(client, "/licenses/?q=openRAIL")) >= {"creativeml-openrail-m", "bigscience-openrail-m"}
    assert names(shown(client, "/licenses/?q=ＣＣ０")) == {"CC0-1.0"}


@pytest.mark.parametrize("answer", ["allowed", "conditional", "forbidden", "silent"])
def test_the_filter_by_an_act_agrees_with_the_engine(client: Client, db: None, answer: str) -> None:
    found = names(shown(client, f"/licenses/?act=run_as_paid_service&answer={answer}"))
    outcome = "unknown" if answer == "silent" else answer
    expected = {
        name
        for name in LICENSES
        if decide(Question("run_as_paid_service", base_license=name)).outcome == outcome
    }
    assert found == expected


def test_the_answers_are_counted_without_the_filter_on_them(client: Client, db: None) -> None:
    page = shown(client, "/licenses/?act=sell_adapter&answer=allowed")
    counts = [int(each) for each in re.findall(r'<span class="tick__count">(\d+)</span>', page)]
    assert sum(counts) == len(LICENSES)


def test_a_search_without_a_hit_says_what_to_do(client: Client, db: None) -> None:
    assert "No license fits all of this" in shown(client, "/licenses/?q=nosuchlicense")


def test_house_licenses_are_in_the_list_and_marked(client: Client, db: None) -> None:
    house_license()
    assert names(shown(client, "/licenses/?only=house")) == {"studio-ink-1"}
    assert "house license" in shown(client, "/licenses/?q=studio")


# --- One license ------------------------------------------------------------------------------------------


def test_gates_are_told_with_their_numbers(client: Client, db: None) -> None:
    page = shown(client, "/licenses/stability-ai-community-2024/")
    assert "less than US$1,000,000 in the last twelve months" in page
    assert "“Powered by Stability AI”" in page


@pytest.mark.parametrize(
    "license_id", [row.id for row in LICENSES.values() if any(c.disputed for c in row.summary.values())]
)
def test_a_disputed_clause_shows_both_readings_and_which_one_counts(
    client: Client, db: None, license_id: str
) -> None:
    page = shown(client, f"/licenses/{license_id}/")
    disputed = [cell for cell in LICENSES[license_id].summary.values() if cell.disputed]
    assert page.count("Used here: the stricter reading") == len(disputed)
    assert page.count("The other reading") == len(disputed)


def test_a_clause_leads_to_the_text_it_stands_in(client: Client, db: None) -> None:
    page = shown(client, "/licenses/flux-1-dev-nc-1.1.1/")
    assert "https://github.com/black-forest-labs/flux/blob/474dc42/model_licenses/LICENSE-FLUX1-dev" in page


def test_it_says_whether_a_lora_is_a_derivative(client: Client, db: None) -> None:
    assert "names adapters of low rank" in shown(client, "/licenses/stability-ai-community-2024/")
    assert "Arguable" in shown(client, "/licenses/Apache-2.0/")


def test_bases_under_it_and_the_catalogs_versions_are_named(client: Client, db: None) -> None:
    make_adapter("One", flags=OPEN_FLAGS, sheet=False)
    make_adapter("Two", license_id="CC-BY-4.0", sheet=False)
    make_adapter("Three", license_id="(MIT OR CC-BY-4.0) AND CC0-1.0", sheet=False)
    make_adapter("Four", license_id="CC-BY-NC-4.0", sheet=False)
    assert "2 versions state it; 0 have a base under it" in shown(client, "/licenses/CC-BY-4.0/")
    page = shown(client, "/licenses/creativeml-openrail-plusplus-m/")
    assert "SDXL 1.0" in page
    assert "0 versions state it; 4 have a base under it" in page


def test_a_base_that_an_administrator_added_is_named(client: Client, db: None) -> None:
    row, base = house_license(), make_base("sdxl-1-0")
    base.license, base.name = row, "Studio Base"
    base.save()
    assert "Studio Base" in shown(client, "/licenses/studio-ink-1/")


def test_a_house_license_has_a_page_with_its_revision(client: Client, db: None) -> None:
    house_license()
    assert "house license, revision 2" in shown(client, "/licenses/studio-ink-1/")


def test_a_revision_tells_which_acts_it_changed(client: Client, db: None) -> None:
    before = house_license(revision=2)
    Row.objects.filter(pk=before.pk).update(current=False)
    acts = {**before.data["acts"], "sell_adapter": {"status": "forbidden", "clause": "2"}}
    data = {**before.data, "acts": acts}
    Row.objects.create(
        license_id=before.license_id, revision=3, name="Studio Ink", data=data, sha256="d" * 64
    )
    page = shown(client, "/licenses/studio-ink-1/")
    assert "Revision 3" in page
    assert "Sell the adapter: With conditions → Not allowed" in " ".join(page.split())
    assert "is-way-tighter" in page


def test_a_revision_that_cannot_be_read_is_no_reason_to_break(client: Client, db: None) -> None:
    house_license()
    Row.objects.create(
        license_id="studio-ink-1", revision=1, name="old", data={"acts": 5}, sha256="e" * 64, current=False
    )
    assert "Revision 1" in shown(client, "/licenses/studio-ink-1/")


def test_texts_of_a_house_license_are_shown_and_never_run(client: Client, db: None) -> None:
    house_license(
        notes=["<script>alert(1)</script>"], url="javascript:alert(2)", sources=["javascript:alert(3)"]
    )
    page = shown(client, "/licenses/studio-ink-1/")
    assert "&lt;script&gt;alert(1)" in page
    assert 'href="javascript:' not in page


def test_other_versions_of_a_text_are_found_by_its_id() -> None:
    found = {each.license.id for each in siblings(LICENSES["flux-1-dev-nc-1.1.1"], LICENSES)}
    assert found == {"flux-1-dev-nc-1.0", "flux-1-dev-nc-1.1"}
    assert siblings(LICENSES["MIT"], LICENSES) == []


# --- Two licenses -----------------------------------------------------------------------------------------

rows = st.sampled_from(list(LICENSES.values()))


@given(rows, rows)
def test_comparing_the_other_way_round_turns_every_word_round(one: Any, other: Any) -> None:
    turned = {"looser": "tighter", "tighter": "looser", "other": "other"}
    forth = {change.act.id: change.way for change in changes(one, other)}
    back = {change.act.id: change.way for change in changes(other, one)}
    assert forth == {act: turned[way] for act, way in back.items()}


@given(rows)
def test_a_license_is_no_different_from_itself(row: Any) -> None:
    assert changes(row, row) == []
    assert len(act_lines(row)) == 13


def test_two_licenses_stand_side_by_side(client: Client, db: None) -> None:
    page = shown(client, "/licenses/compare/?a=MIT&b=CC-BY-NC-4.0")
    assert page.count('<tr class="is-different">') == len(changes(LICENSES["MIT"], LICENSES["CC-BY-NC-4.0"]))
    assert "MIT License" in page
    assert client.get("/licenses/compare", {"a": "MIT", "b": "MIT"}).status_code == 301


def test_only_what_differs_can_be_asked_for(client: Client, db: None) -> None:
    assert "They agree on every act." in shown(client, "/licenses/compare/?a=MIT&b=MIT&differ=1")


def test_nothing_chosen_yet_is_a_state_of_its_own(client: Client, db: None) -> None:
    assert "Choose two licenses" in shown(client, "/licenses/compare/")


def test_a_license_that_does_not_exist_is_not_compared(client: Client, version: Version) -> None:
    assert client.get("/licenses/compare/?a=MIT&b=nonsense").status_code == 404
