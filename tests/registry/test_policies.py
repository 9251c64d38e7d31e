"""Rules beside the licenses: which of them bind a question, and what they do to its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry import verdicts
from registry.licensing import ACTS
from registry.licensing.errors import BadFact
from registry.licensing.verdict import OUTCOMES
from registry.models import AuditEvent, BaseModel, TermsRule, VerdictChange, Version
from registry.policies import BadRule, save_rule, spelled
from registry.recheck import follow
from tests.factories import AdapterFactory, ClaimFactory, VersionFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("seeded")]

SELL = "generate_and_sell_images"
FORBID = {"status": "forbidden", "conditions": []}


@pytest.fixture
def version() -> Version:
    """Under MIT on the demo's base, which is CC0: free for everything but a notice."""
    return licensed("MIT")


def licensed(license_id: str, **fields: Any) -> Version:
    made = VersionFactory.create(base_declared=BaseModel.objects.get(slug="kura-toybox"), **fields)
    ClaimFactory.create(version=made, value=license_id)
    verdicts.settle(made)
    return made


def rule(kind: str, name: str, **values: Any) -> TermsRule:
    return save_rule(kind, name, actor="mika", **{"title": name, "clause": "1", "read": True} | values)


def outcome(version: Version, act: str = SELL, **facts: Any) -> str:
    return verdicts.verdict_for(version, act, facts).outcome


def test_a_house_policy_binds_every_question_it_speaks_on(version: Version) -> None:
    assert outcome(version) == "allowed"
    rule("policy", "no-selling", acts={SELL: FORBID}, next_step="Ask the board.")
    verdict = verdicts.verdict_for(version, SELL, {})
    assert (verdict.outcome, verdict.deciding) == ("forbidden", ("policy",))
    assert verdict.next_steps == ("Ask the board.",)
    assert outcome(version, "use_privately") == "allowed"


def test_a_policy_can_only_tighten(version: Version) -> None:
    strict = licensed("CC-BY-NC-4.0")
    rule("policy", "all-is-well", acts={act: {"status": "allowed"} for act in ACTS})
    assert outcome(strict) == "forbidden"
    assert outcome(version) == "allowed"


def test_what_is_disputed_counts_as_unknown_where_the_house_asks_legal(version: Version) -> None:
    disputed = licensed("CC-BY-4.0")
    act = "generate_and_share_images"
    before = verdicts.verdict_for(disputed, act, {})
    assert before.outcome == "conditional"
    assert any(entry.disputed for entry in before.ledger)
    rule("policy", "disputed", holds_disputed=True)
    after = verdicts.verdict_for(disputed, act, {})
    assert (after.outcome, after.deciding) == ("unknown", ("policy",))
    assert any("counsel" in step.lower() for step in after.next_steps)
    assert outcome(version, act) == "allowed"
    # A choice of licenses is free to take the one nobody disputes.
    assert outcome(licensed("CC-BY-4.0 OR MIT"), act) == "allowed"


def test_a_refusal_stays_a_refusal_under_such_a_policy() -> None:
    disputed = licensed("CC-BY-NC-4.0")
    rule("policy", "disputed", holds_disputed=True)
    assert outcome(disputed) == "forbidden"


@pytest.mark.parametrize("tool", ["a1111", "Forge", "ComfyUI"])
def test_common_tools_do_not_touch_the_pictures(version: Version, tool: str) -> None:
    assert outcome(version, tool=tool) == "allowed"


@pytest.mark.parametrize("facts", [{"host": "NovelAI"}, {"host": "some new site"}, {"tool": "a new program"}])
def test_where_nobody_has_read_the_terms_nothing_is_known(version: Version, facts: dict[str, Any]) -> None:
    verdict = verdicts.verdict_for(version, SELL, facts)
    assert verdict.outcome == "unknown"
    assert "Paste or link its terms." in verdict.next_steps


@pytest.mark.parametrize("host", ["own", "Local", "self hosted", "on_premises"])
def test_own_machines_have_no_terms_of_their_own(version: Version, host: str) -> None:
    assert outcome(version, host=host) == "allowed"


def test_terms_that_were_read_take_the_place_of_unread_ones(version: Version) -> None:
    rule("service", "novelai", acts={"sell_adapter": FORBID}, source="https://novelai.net/terms")
    assert outcome(version, host="NovelAI") == "allowed"
    verdict = verdicts.verdict_for(version, "sell_adapter", {"host": "NovelAI"})
    assert verdict.outcome == "forbidden"
    entry = next(entry for entry in verdict.ledger if entry.layer == "host")
    assert entry.clause == "1"
    assert "https://novelai.net/terms" in (entry.source or "")


def test_a_host_is_known_by_every_spelling_of_its_names(version: Version) -> None:
    rule("service", "tensor-art", aliases=["Tensor.Art", "TA"])
    for name in ("tensor.art", "TENSOR ART", "ta", "tensor_art"):
        assert outcome(version, host=name) == "allowed"


def test_a_service_on_file_whose_terms_were_not_read_is_unknown(version: Version) -> None:
    rule("service", "dream-house", read=False, clause="")
    assert outcome(version, host="dream-house") == "unknown"


def test_a_rule_binds_only_what_it_is_about(version: Version) -> None:
    other = licensed("CC0-1.0")
    rule("policy", "no-mit", acts={SELL: FORBID}, applies_to={"licenses": ["mit"]})
    assert outcome(version) == "forbidden"
    assert outcome(other) == "allowed"
    rule("policy", "no-mit", acts={SELL: FORBID}, applies_to={"base_models": ["toybox"]})
    assert outcome(other) == "forbidden"


def test_a_rule_about_a_license_reaches_parts_and_both_spellings() -> None:
    encoder = VersionFactory.create(
        base_declared=BaseModel.objects.get(aliases__host="civitai", aliases__name="HiDream"),
        detected_family="hidream",
    )
    ClaimFactory.create(version=encoder, value="MIT")
    spelled_out = licensed("LicenseRef-pony-license-v7 AND CC0-1.0")
    assert outcome(encoder) == "conditional"
    for name in ("llama3.1", "LicenseRef-Pony-License-v7"):
        rule("policy", spelled(name), acts={SELL: FORBID}, applies_to={"licenses": [name]})
    assert outcome(encoder) == "forbidden"
    assert outcome(spelled_out) == "forbidden"
    assert outcome(licensed("MIT")) == "allowed"


def test_a_guideline_reaches_the_adapters_of_its_tags(version: Version) -> None:
    fan_art = licensed("MIT", adapter=AdapterFactory.create(tags=["Kumo-San", "style"]))
    rule("overlay", "kumo-guideline", acts={SELL: FORBID}, applies_to={"tags": ["kumo-san"]})
    follow(tags=["kumo-san"])
    fan_art.refresh_from_db()
    assert outcome(fan_art) == "forbidden"
    assert outcome(version) == "allowed"
    assert VerdictChange.objects.get(version=fan_art).direction == "tighter"
    rule("overlay", "kumo-guideline", acts={SELL: FORBID}, applies_to={"tags": ["kumo-san"]}, active=False)
    follow(tags=["kumo-san"])
    fan_art.refresh_from_db()
    assert outcome(fan_art) == "allowed"


def test_an_edit_is_a_new_revision_and_the_old_one_stays(version: Version) -> None:
    rule("policy", "no-selling", acts={SELL: FORBID})
    rule("policy", "no-selling", acts={})
    assert rule("policy", "no-selling", acts={}).revision == 2
    rows = TermsRule.objects.filter(name="no-selling").order_by("revision")
    assert [(row.revision, row.current, bool(row.acts)) for row in rows] == [
        (1, False, True),
        (2, True, False),
    ]
    assert outcome(version) == "allowed"
    actions = AuditEvent.objects.filter(subject="rule:policy:no-selling").order_by("id")
    assert list(actions.values_list("actor", "action")) == [("mika", "add_rule"), ("mika", "edit_rule")]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"acts": {"fly": FORBID}}, "There is no act 'fly'"),
        ({"acts": {SELL: {"status": "maybe"}}}, "there is no status 'maybe'"),
        ({"acts": {SELL: {"status": "conditional", "conditions": ["cake"]}}}, "There is no condition 'cake'"),
        ({"acts": {SELL: "forbidden"}}, "must be an object"),
        ({"acts": [1]}, "acts must be an object"),
        ({"acts": {SELL: FORBID}, "clause": ""}, "Name the clause"),
        ({"acts": {SELL: FORBID}, "read": False}, "not read"),
        ({"holds_disputed": True}, "Only a house policy"),
        ({"applies_to": {"moods": ["blue"]}}, "There is no scope moods"),
        ({"aliases": "x"}, "aliases must be a list"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_what_is_known(values: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRule, match=told):
        rule("service", "dream-house", **values)
    assert not TermsRule.objects.exists()


def test_a_tool_must_be_named_in_words(version: Version) -> None:
    with pytest.raises(BadFact):
        verdicts.verdict_for(version, SELL, {"tool": 7})


CELLS = st.sampled_from(
    [
        FORBID,
        {"status": "allowed"},
        {"status": "silent"},
        {"status": "conditional", "conditions": ["attribution"]},
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(cells=st.dictionaries(st.sampled_from(sorted(ACTS)), CELLS, max_size=4), holds=st.booleans())
def test_no_policy_ever_loosens_an_answer(version: Version, cells: dict[str, Any], holds: bool) -> None:
    before = {act: OUTCOMES.index(verdicts.verdict_for(version, act, {}).outcome) for act in ACTS}
    rule("policy", "house", acts=cells, holds_disputed=holds)
    after = {act: OUTCOMES.index(verdicts.verdict_for(version, act, {}).outcome) for act in ACTS}
    rule("policy", "house")
    assert all(after[act] >= before[act] for act in ACTS)


@given(st.text(max_size=20))
def test_a_spelling_is_its_own_spelling(name: str) -> None:
    assert spelled(spelled(name)) == spelled(name)


@pytest.fixture
def site(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("mika"))
    return client


def form(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "policy",
        "name": "no-selling",
        "aliases": "[]",
        "title": "No selling",
        "active": "on",
        "acts": json.dumps({SELL: {"status": "forbidden"}}),
        "clause": "House rule 3",
        "applies_to": "{}",
        "next_step": "",
        "source": "",
        "snapshot": "",
    } | changes


def test_a_policy_written_in_the_admin_is_followed_at_once(site: Client, version: Version) -> None:
    answer = site.post(reverse("admin:registry_termsrule_add"), form())
    assert answer.status_code == 302, answer.content.decode()
    assert outcome(version) == "forbidden"
    change = VerdictChange.objects.select_related("event").get(version=version)
    assert (change.act, change.after, change.event.cause) == (SELL, "forbidden", "rule")
    assert change.event.why[0]["id"] == "policy:no-selling"
    row = TermsRule.objects.get()
    address = reverse("admin:registry_termsrule_change", args=[row.pk])
    assert site.post(address, form(acts="{}", title="Selling is fine")).status_code == 302
    assert outcome(version) == "allowed"
    assert TermsRule.objects.get(current=True).revision == 2
    assert site.post(address, form()).status_code == 403
    assert site.post(reverse("admin:registry_termsrule_delete", args=[row.pk])).status_code == 403


def test_the_admin_says_at_the_field_what_is_wrong(site: Client) -> None:
    answer = site.post(reverse("admin:registry_termsrule_add"), form(acts='{"fly": {"status": "forbidden"}}'))
    assert answer.status_code == 200
    assert "There is no act &#x27;fly&#x27;" in answer.content.decode()
    assert not TermsRule.objects.exists()
