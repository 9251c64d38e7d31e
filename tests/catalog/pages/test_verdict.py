"""A verdict explained: ledger with evidence, steps to take, what would change it, and a record."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.html import escape

from catalog.pages.reading.what_if import WhatIf, what_if
from registry.basis import current_basis
from registry.licensing import ACTS, LICENSES, AdapterTerms, Question, Verdict, decide
from registry.licensing.replies import RecordedReply
from registry.models import TermsProfile, Version
from tests.catalog.pages.rows import CLOSED_FLAGS, OPEN_FLAGS, make_adapter, make_base
from tests.catalog.pages.test_licenses import house_license

pytestmark = pytest.mark.database

STABILITY = "stability-ai-community-2024"


def ask(client: Client, version: Version, act: str = "generate_and_sell_images", **more: str) -> str:
    """The page of one question, blanks made one."""
    response = client.get("/verdict/", {"version": str(version.pk), "act": act, **more})
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def digest(page: str) -> str:
    """The verdict's digest as the record shows it."""
    found = re.search(r"Digest of this verdict</dt><dd><code class=\"break\">sha256 ([0-9a-f]{64})", page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("act", ACTS)
def test_the_page_gives_the_answer_the_api_gives(client: Client, version: Version, act: str) -> None:
    said = client.get("/api/v1/verdicts/", {"version": version.pk, "act": act}).json()
    page = ask(client, version, act)
    assert f'class="verdict-box section is-{said["outcome"]}' in page
    assert page.count('<th scope="row">') >= len(said["ledger"])


def test_every_layer_cites_clause_source_revision_and_evidence(client: Client, db: None) -> None:
    version = make_adapter("One", license_id=STABILITY, sheet=False)
    page = ask(client, version, "run_as_paid_service")
    snapshot = version.claims.get().snapshot
    assert snapshot is not None
    assert f'href="/evidence/{snapshot.pk}/"' in page
    assert snapshot.sha256[:12] in page
    assert f'href="/licenses/{STABILITY}/#act-run_as_paid_service"' in page
    assert LICENSES[STABILITY].sha256[:12] in page
    assert "III, IV.a" in page


def test_a_house_license_is_named_with_the_revision_that_was_used(client: Client, db: None) -> None:
    house_license()
    page = ask(client, make_adapter("One", license_id="studio-ink-1", sheet=False))
    assert "Studio Ink" in page
    assert "house license · revision 2" in page


def test_what_decides_is_said(client: Client, db: None) -> None:
    version = make_adapter("One", flags=CLOSED_FLAGS, sheet=False)
    assert 'Decided by: <span class="strong">Adapter</span>.' in ask(client, version)


def test_it_is_no_legal_advice_and_says_so(client: Client, version: Version) -> None:
    assert "not legal advice" in ask(client, version).partition("What to do next")[0]


def test_both_readings_stand_side_by_side(client: Client, db: None) -> None:
    version = make_adapter("One", base="flux-1-dev", flags=OPEN_FLAGS, sheet=False)
    cell = LICENSES["flux-1-dev-nc-1.1.1"].summary["generate_and_sell_images"]
    page = ask(client, version)
    assert escape(cell.reading) in page
    assert escape(cell.other_reading) in page


# --- What to do -------------------------------------------------------------------------------------------


def test_whoever_may_review_is_led_to_the_question_to_the_author(desk: Client, reviewer: User) -> None:
    version = make_adapter("One", flags=CLOSED_FLAGS, sheet=False)
    link = f'href="/review/{version.pk}/#question"'
    assert link in ask(desk, version)
    assert link not in ask(Client(), version)


def test_registering_is_a_link_and_having_registered_a_changed_question(client: Client, db: None) -> None:
    version = make_adapter("One", license_id=STABILITY, sheet=False)
    page = ask(client, version, "run_as_paid_service")
    assert f'href="{LICENSES[STABILITY].url}"' in page
    after = ask(client, version, "run_as_paid_service", facts='{"registered": true}')
    assert "Registration required" in page
    assert "Registration required" not in after.partition("What would change")[0]


def test_a_refusal_of_the_base_offers_another_base_with_its_answer(client: Client, db: None) -> None:
    version = make_adapter("One", base="flux-1-dev", flags=OPEN_FLAGS, sheet=False)
    make_base("flux-1-schnell")
    page = ask(client, version, "run_as_paid_service")
    assert "base=flux-1-schnell" in page
    other = ask(client, version, "run_as_paid_service", base="flux-1-schnell")
    assert 'class="verdict-box section is-allowed"' in other
    assert "Asked for another base" in other


def test_a_refusal_leads_to_adapters_that_pass(client: Client, db: None) -> None:
    version = make_adapter("One", flags=CLOSED_FLAGS, sheet=False)
    wanted = (
        "/browse/?act=generate_and_sell_images&amp;outcome=allowed&amp;outcome=conditional&amp;base=sdxl-1-0"
    )
    assert wanted in ask(client, version)


# --- What would change the answer -------------------------------------------------------------------------


def supposed(question: Question, facts: dict[str, Any]) -> tuple[WhatIf, Any]:
    """What would change a question, and how it is decided."""

    def decided(stated: Any) -> Verdict:
        return decide(Question(question.act, question.base_license, question.adapters, facts=dict(stated)))

    return what_if(decided, facts, question.act, LICENSES, lambda stated: json.dumps(dict(stated))), decided


@pytest.mark.parametrize("license_id", LICENSES)
@pytest.mark.parametrize("act", ["generate_and_sell_images", "run_as_paid_service", "redistribute_adapter"])
def test_every_line_is_what_the_engine_answers_under_that_fact(license_id: str, act: str) -> None:
    question = Question(act, license_id, [AdapterTerms(license="MIT")])
    found, decided = supposed(question, {})
    for line in found.lines:
        for each in line.answers:
            again = decided(each.facts)
            assert (each.verdict.outcome, each.verdict.conditions) == (again.outcome, again.conditions)
            assert set(each.facts) == {line.fact}


def test_both_sides_of_a_revenue_limit_are_told() -> None:
    found, _ = supposed(Question("sell_adapter", STABILITY, [AdapterTerms(license="MIT")]), {})
    line = next(line for line in found.lines if line.fact == "annual_revenue_usd")
    assert [(each.text, each.verdict.outcome) for each in line.answers] == [
        ("If yearly revenue is below US$1,000,000", "conditional"),
        ("If yearly revenue is US$1,000,000 or more", "forbidden"),
    ]


def test_a_stated_fact_is_shown_only_where_another_value_would_change_something() -> None:
    question = Question("sell_adapter", STABILITY, [AdapterTerms(license="MIT")])
    found, _ = supposed(question, {"annual_revenue_usd": 5_000_000})
    line = next(line for line in found.lines if line.fact == "annual_revenue_usd")
    assert [each.text for each in line.answers] == ["If yearly revenue is below US$1,000,000"]
    assert line.stated == 5_000_000


def test_two_limits_of_one_fact_are_both_tried() -> None:
    terms = [
        AdapterTerms(license="MIT", extra=[{"sell_adapter": ("conditional", ["revenue_below_usd:500"])}])
    ]
    found, _ = supposed(Question("sell_adapter", STABILITY, terms), {})
    line = next(line for line in found.lines if line.fact == "annual_revenue_usd")
    assert {each.facts["annual_revenue_usd"] for each in line.answers} == {499, 500, 999_999, 1_000_000}


def test_a_place_outside_is_outside_of_every_list() -> None:
    found, _ = supposed(
        Question(
            "generate_and_share_images", "tencent-hunyuan-community-2024-12", [AdapterTerms(license="MIT")]
        ),
        {},
    )
    line = next(line for line in found.lines if line.fact == "territory")
    assert [each.verdict.outcome for each in line.answers][-1] == "forbidden"
    assert line.answers[0].verdict.outcome != "forbidden"


def test_a_host_that_is_exempt_and_a_paid_license_are_thought_of() -> None:
    exempt = next(
        (row.id, act) for row in LICENSES.values() for act, cell in row.summary.items() if cell.host_exempt
    )
    found, _ = supposed(Question(exempt[1], exempt[0], [AdapterTerms(license="MIT")]), {})
    assert {"host", "base_commercial_license"} <= {line.fact for line in found.lines}


def test_places_and_media_of_the_authors_permission_are_tried(client: Client, db: None) -> None:
    version = make_adapter("One", flags=CLOSED_FLAGS, sheet=False)
    reply = RecordedReply.checked(grants=["sell_adapter"], territories=["JP"], media=["web"]).as_terms()
    assert version.terms_profile is not None
    terms = {**version.terms_profile.terms, "author_replies": [reply]}
    version.terms_profile = TermsProfile.objects.create(digest="f" * 64, terms=terms)
    version.save()
    page = ask(client, version, "sell_adapter")
    assert "is-forbidden" in page.partition("What to do next")[0]
    best = re.search(r'<a href="([^"]+)">If all of these turn out well', page)
    assert best is not None
    after = " ".join(client.get(best[1].replace("&amp;", "&")).content.decode().split())
    assert "is-forbidden" not in after.partition("What to do next")[0]
    assert "Medium: web, print or video: web" in after


def test_what_another_layer_refuses_is_said_to_make_no_difference(client: Client, db: None) -> None:
    version = make_adapter("One", base="flux-1-dev", flags=CLOSED_FLAGS, sheet=False)
    assert "makes no difference while something else decides" in ask(client, version)


def test_a_line_leads_to_the_question_asked_that_way(client: Client, db: None) -> None:
    version = make_adapter("One", license_id=STABILITY, sheet=False)
    page = ask(client, version, "sell_adapter")
    link = re.search(r'<a href="([^"]+)">If yearly revenue is US\$1,000,000 or more', page)
    assert link is not None
    assert "is-forbidden" in client.get(link[1].replace("&amp;", "&")).content.decode()


# --- The record -------------------------------------------------------------------------------------------


def test_the_digest_is_the_same_until_something_changes(client: Client, version: Version) -> None:
    first = digest(ask(client, version))
    assert digest(ask(client, version)) == first
    assert digest(ask(client, version, facts='{"territory": "JP"}')) != first
    assert digest(ask(client, version, "sell_adapter")) != first
    house_license()
    assert digest(ask(client, version)) != first


def test_the_digest_does_not_depend_on_the_readers_language(client: Client, version: Version) -> None:
    first = digest(ask(client, version))
    client.cookies["django_language"] = "ja"
    assert first in ask(client, version)
    client.cookies["django_language"] = "en"
    assert first in ask(client, version)


def test_the_record_names_files_facts_release_and_date(client: Client, version: Version) -> None:
    page = ask(client, version, facts='{"annual_revenue_usd": 500000, "commercial": true}')
    assert f"sha256 {version.files.get().blob_id}" in page
    assert "Yearly revenue of the whole group in USD: 500,000" in page
    assert "The use has a commercial purpose: yes" in page
    assert "<dt>Kura</dt><dd>0." in page
    assert f"sha256 {current_basis().digest}" in page


def test_the_adapter_page_leads_here_with_its_facts(client: Client, version: Version) -> None:
    page = client.get(
        f"/adapters/{version.adapter_id}/", {"act": "sell_adapter", "fact-territory": "JP"}
    ).content.decode()
    assert f"/verdict/?version={version.pk}&amp;act=sell_adapter&amp;fact-territory=JP" in page
    assert "Country or territory (ISO 3166, EU or UK): JP" in ask(
        client, version, "sell_adapter", **{"fact-territory": "JP"}
    )


# --- Questions that cannot be answered --------------------------------------------------------------------


def test_an_act_that_does_not_exist_is_never_answered_as_another(client: Client, version: Version) -> None:
    response = client.get("/verdict/", {"version": version.pk, "act": "sell_everything"})
    page = response.content.decode()
    assert response.status_code == 400
    assert all(act in page for act in ACTS)


@pytest.mark.parametrize(
    "facts",
    [
        "[" * 3000,
        '{"host": "\\ud800"}',
        '{"tool": "\\ud800"}',
        "{",
        "[]",
        '{"annual_revenue_usd": "much"}',
        '{"territory": "Atlantis"}',
        '{"mau": NaN}',
        "5",
    ],
)
def test_facts_that_cannot_be_read_are_refused(client: Client, version: Version, facts: str) -> None:
    response = client.get("/verdict/", {"version": version.pk, "act": "sell_adapter", "facts": facts})
    assert response.status_code == 400
    assert "This question cannot be answered" in response.content.decode()


def test_the_tool_is_a_fact_of_the_address_too(client: Client, version: Version) -> None:
    page = ask(client, version, facts='{"tool": "my own program"}')
    assert "were not used" not in page
    assert "terms of this program or service have not been read" in page


def test_a_fact_that_does_not_exist_is_named(client: Client, version: Version) -> None:
    assert "were not used: shoe_size" in ask(client, version, facts='{"shoe_size": 43}')


def test_a_field_that_cannot_be_read_is_told_beside_it(client: Client, version: Version) -> None:
    assert "Write an ISO country code" in ask(client, version, **{"fact-territory": "Atlantis"})


def test_a_base_that_does_not_exist_is_refused(client: Client, version: Version) -> None:
    assert client.get("/verdict/", {"version": version.pk, "base": "nonsense"}).status_code == 400


@pytest.mark.parametrize("number", ["", "abc", "0", "9" * 30, "-1", "²"])
def test_a_version_that_does_not_exist_is_not_found(client: Client, db: None, number: str) -> None:
    assert client.get("/verdict/", {"version": number}).status_code == 404


def test_a_version_without_a_profile_is_answered_all_the_same(client: Client, version: Version) -> None:
    before = ask(client, version)
    Version.objects.filter(pk=version.pk).update(terms_profile=None)
    assert digest(ask(client, version)) == digest(before)
