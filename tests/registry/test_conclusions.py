"""Recorded items: made from claims, concluded with evidence, opened again, never lost to a sync."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry.conclusions import (
    BadConclusion,
    Evidence,
    EvidenceMissing,
    NotConcluded,
    UnknownItem,
    citable,
    conclude,
    reopen,
)
from registry.errors import KuraError
from registry.licensing.items import ITEMS
from registry.models import (
    AuditEvent,
    BaseModel,
    Check,
    CheckOutcome,
    ItemState,
    ReviewItem,
    Standing,
    VerdictChange,
    Version,
)
from registry.review_items import items_of, keep_items
from registry.verdicts import refresh, verdict_for
from registry.vetting import ReasonRequired
from tests.factories import (
    ALL_FLAGS,
    ClaimFactory,
    FileFactory,
    InspectionFactory,
    SnapshotFactory,
    VersionFactory,
)

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("seeded")]

SELL = "generate_and_sell_images"
NOTHING = {"allowNoCredit": False, "allowCommercialUse": [], "allowDerivatives": False}


@pytest.fixture
def version() -> Version:
    """On a CC0 base, with Civitai permissions of which none is for money."""
    base = BaseModel.objects.get(slug="kura-toybox")
    made = VersionFactory.create(base_declared=base)
    FileFactory.create(version=made)
    ClaimFactory.create(version=made, kind="civitai_flags", value=NOTHING)
    refresh([made])
    return made


def items(version: Version) -> dict[str, ReviewItem]:
    return {row.key: row for row in items_of(version)}


def evidence(version: Version) -> Evidence:
    return Evidence(snapshot=citable(version)[0].pk)


def settle(version: Version, key: str, **value: Any) -> ReviewItem:
    return conclude(version, key, value, "read the page", evidence(version), "mika")


def outcome(version: Version, act: str = SELL) -> str:
    return verdict_for(version, act, {}).outcome


class TestStated:
    def test_every_version_has_every_item_in_order(self, version: Version) -> None:
        assert [row.key for row in items_of(version)] == list(ITEMS)

    def test_what_the_flags_say_is_stated_with_its_snapshot(self, version: Version) -> None:
        row = items(version)["sell_images"]
        assert (row.state, row.value["status"]) == (ItemState.STATED, "forbidden")
        assert row.evidence == version.claims.get().snapshot

    def test_credit_names_the_author(self, version: Version) -> None:
        credit = items(version)["credit"]
        assert credit.value["required"] is True
        assert credit.value["wording"] == version.adapter.creator.name  # type: ignore[union-attr]

    def test_what_nobody_speaks_of_is_unread(self, version: Version) -> None:
        states = {key: row.state for key, row in items(version).items()}
        assert states["copyright"] == states["portrait"] == ItemState.UNREAD
        # Civitai's permissions have no line about passing the file on.
        assert states["redistribute"] == ItemState.UNREAD

    def test_a_bare_version_has_only_its_base_stated(self) -> None:
        bare = VersionFactory.create()
        keep_items(bare)
        assert {key for key, row in items(bare).items() if row.state != ItemState.UNREAD} == {"base"}

    def test_a_sign_of_a_person_is_stated_as_a_portrait_right(self, version: Version) -> None:
        ClaimFactory.create(
            version=version,
            kind="rights",
            value={"subject": "person", "state": "unknown"},
            wording="poi: true",
        )
        keep_items(version)
        assert items(version)["portrait"].value == {"state": "unknown", "signs": ["poi: true"]}
        assert items(version)["copyright"].state == ItemState.UNREAD

    def test_base_tells_whether_weights_and_words_agree(self, version: Version) -> None:
        assert items(version)["base"].value["agreement"] == "agree"
        version.detected_family = "sdxl"
        version.save()
        keep_items(version)
        assert items(version)["base"].value["agreement"] == "differ"

    def test_keeping_them_again_writes_nothing(
        self, version: Version, django_assert_max_num_queries: Any
    ) -> None:
        before = {row.pk: row.since for row in items_of(version)}
        with django_assert_max_num_queries(10) as asked:
            keep_items(version)
        assert not [q for q in asked.captured_queries if q["sql"].startswith(("UPDATE", "INSERT"))]
        assert {row.pk: row.since for row in items_of(version)} == before


class TestConcluding:
    def test_it_changes_the_verdict_and_says_who_why_and_from_what(self, version: Version) -> None:
        assert outcome(version) == "forbidden"
        cited = citable(version)[0]
        row = settle(version, "sell_images", status="allowed")
        assert outcome(version) == "allowed"
        assert (row.state, row.who, row.reason, row.evidence) == (
            ItemState.CONCLUDED, "mika", "read the page", cited,
        )  # fmt: skip
        verdict = verdict_for(version, SELL, {})
        assert "reviewer_concluded_yes" in {reason.code for reason in verdict.reasons}
        memo = version.claims.get(standing=Standing.DECIDED).snapshot
        assert memo is not None
        assert any(memo.sha256 in (reason.evidence or "") for reason in verdict.reasons)
        told = json.loads(bytes(memo.body))
        assert told["cites"] == {"url": cited.url, "sha256": cited.sha256}

    def test_it_is_audited_and_the_change_of_terms_is_kept(self, version: Version) -> None:
        settle(version, "sell_images", status="allowed")
        event = AuditEvent.objects.get(action="item.conclude")
        assert (event.actor, event.data["item"], event.data["reason"]) == (
            "mika",
            "sell_images",
            "read the page",
        )
        change = VerdictChange.objects.get(version=version, act=SELL)
        assert (change.before, change.after) == ("forbidden", "allowed")

    def test_a_newer_statement_of_the_source_does_not_overwrite_it(self, version: Version) -> None:
        settle(version, "sell_images", status="forbidden")
        version.claims.filter(kind="civitai_flags").update(superseded=True)
        ClaimFactory.create(version=version, kind="civitai_flags", value=ALL_FLAGS)
        refresh([version])
        row = items(version)["sell_images"]
        assert (row.state, row.value["status"], row.stated["status"]) == (
            ItemState.CONCLUDED, "forbidden", "allowed",
        )  # fmt: skip
        assert outcome(version) == "forbidden"
        assert outcome(version, "run_as_paid_service") == "allowed"

    def test_two_items_stand_side_by_side_on_one_snapshot(self, version: Version) -> None:
        settle(version, "sell_images", status="allowed")
        settle(version, "client_work", status="conditional", conditions=["attribution"])
        assert outcome(version) == "allowed"
        assert outcome(version, "use_in_advertising_or_client_work") == "conditional"

    def test_a_second_conclusion_replaces_the_first_and_both_stay_on_record(self, version: Version) -> None:
        settle(version, "sell_images", status="allowed")
        settle(version, "sell_images", status="silent")
        assert outcome(version) == "unknown"
        decided = version.claims.filter(standing=Standing.DECIDED)
        assert [claim.superseded for claim in decided] == [True, False]

    def test_words_can_be_the_evidence_and_are_kept(self, version: Version) -> None:
        given = Evidence(text="販売OKです", url="https://example.com/post/1")
        row = conclude(version, "sell_images", {"status": "allowed"}, "said so", given, "mika")
        assert row.evidence is not None
        row.evidence.refresh_from_db()
        assert bytes(row.evidence.body).decode() == "販売OKです"
        assert row.evidence.url == "https://example.com/post/1"

    def test_it_never_reaches_the_base(self, version: Version) -> None:
        version.base_declared = BaseModel.objects.get(slug="flux-1-dev")
        version.detected_family = "flux1"
        version.save()
        settle(version, "paid_service", status="allowed")
        assert outcome(version, "run_as_paid_service") == "forbidden"

    @pytest.mark.parametrize(("required", "conditions"), [(True, ("attribution",)), (False, ())])
    def test_credit_can_be_waived_or_asked_for(
        self, version: Version, required: bool, conditions: tuple[str, ...]
    ) -> None:
        settle(version, "credit", required=required)
        assert verdict_for(version, "generate_and_share_images", {}).conditions == conditions

    def test_a_waiver_does_not_reach_a_license_that_asks_for_credit(self, version: Version) -> None:
        ClaimFactory.create(version=version, value="CC-BY-4.0")
        settle(version, "credit", required=False)
        assert "attribution" in verdict_for(version, "generate_and_share_images", {}).conditions

    def test_rights_of_one_kind_leave_the_other_kind_open(self, version: Version) -> None:
        ClaimFactory.create(version=version, kind="rights", value={"subject": "person", "state": "unknown"})
        settle(version, "sell_images", status="allowed")
        settle(version, "copyright", state="cleared", trained_on="own drawings", owner="the author")
        assert outcome(version) == "unknown"
        settle(version, "portrait", state="cleared", person="no")
        assert outcome(version) == "allowed"
        settle(version, "copyright", state="refused")
        assert outcome(version) == "forbidden"

    def test_material_that_is_refused_is_no_passed_check(self, version: Version) -> None:
        settle(version, "portrait", state="refused")
        settle(version, "copyright", state="cleared")
        assert Check.objects.get(version=version, code="material_rights").outcome == CheckOutcome.WARN
        settle(version, "portrait", state="cleared")
        assert Check.objects.get(version=version, code="material_rights").outcome == CheckOutcome.OK

    def test_the_base_is_decided_and_opened_again(self, version: Version) -> None:
        row = settle(version, "base", base="flux-1-dev")
        assert row.value["base"] == "flux-1-dev"
        assert version.base_decided == BaseModel.objects.get(slug="flux-1-dev")
        assert outcome(version, "run_as_paid_service") != "allowed"
        reopen(version, "base", "wrong family", "mika")
        assert version.base_decided is None
        assert items(version)["base"].state == ItemState.STATED


class TestReopening:
    def test_what_is_stated_holds_again(self, version: Version) -> None:
        settle(version, "sell_images", status="allowed")
        row = reopen(version, "sell_images", "the post was deleted", "rin")
        assert (row.state, row.value["status"], row.who, row.reason) == (
            ItemState.STATED,
            "forbidden",
            "",
            "",
        )
        assert outcome(version) == "forbidden"
        assert AuditEvent.objects.get(action="item.reopen").data["reason"] == "the post was deleted"

    def test_what_nobody_concluded_cannot_be_opened(self, version: Version) -> None:
        with pytest.raises(NotConcluded):
            reopen(version, "sell_images", "a reason", "rin")


class TestNonsense:
    @pytest.mark.parametrize(
        ("key", "value", "error"),
        [
            ("fame", {"status": "allowed"}, UnknownItem),
            ("sell_images", {"status": "maybe"}, BadConclusion),
            ("sell_images", {}, BadConclusion),
            ("sell_images", {"status": "conditional"}, BadConclusion),
            ("sell_images", {"status": "forbidden", "conditions": ["attribution"]}, BadConclusion),
            ("sell_images", {"status": "conditional", "conditions": "attribution"}, BadConclusion),
            ("sell_images", {"status": "conditional", "conditions": ["be_nice"]}, KuraError),
            ("credit", {"required": "yes"}, BadConclusion),
            ("credit", {"required": False, "wording": "by mika"}, BadConclusion),
            ("credit", {"required": True, "links": ["javascript:alert(1)"]}, BadConclusion),
            ("credit", {"required": True, "where": ["radio"]}, BadConclusion),
            ("base", {"base": "no such base"}, BadConclusion),
            ("base", {}, BadConclusion),
            ("copyright", {"state": "fine"}, BadConclusion),
            ("copyright", {"state": "cleared", "owner": 7}, BadConclusion),
            ("portrait", {"state": "cleared", "term": "x" * 2001}, BadConclusion),
        ],
    )
    def test_a_value_the_item_cannot_have_changes_nothing(
        self, version: Version, key: str, value: dict[str, Any], error: type[KuraError]
    ) -> None:
        with pytest.raises(error) as raised:
            conclude(version, key, value, "a reason", evidence(version), "mika")
        assert raised.value.code
        assert not version.claims.filter(standing=Standing.DECIDED).exists()

    @pytest.mark.parametrize("reason", ["", "  ", "ok", " x "])
    def test_a_reason_of_three_characters_is_needed(self, version: Version, reason: str) -> None:
        with pytest.raises(ReasonRequired):
            conclude(version, "sell_images", {"status": "allowed"}, reason, evidence(version), "mika")

    def test_evidence_is_needed_and_must_be_about_the_version(self, version: Version) -> None:
        foreign = SnapshotFactory.create()
        for given in (
            Evidence(), Evidence(text="ok"), Evidence(snapshot=foreign.pk), Evidence(snapshot=0),
            Evidence(text="a post", url="ftp://example.com"), Evidence(text="x" * 20_001),
        ):  # fmt: skip
            with pytest.raises(EvidenceMissing):
                conclude(version, "sell_images", {"status": "allowed"}, "a reason", given, "mika")

    def test_a_conclusion_cannot_prove_another(self, version: Version) -> None:
        settle(version, "sell_images", status="allowed")
        memo = version.claims.get(standing=Standing.DECIDED).snapshot
        assert memo is not None
        assert memo.pk not in {each.pk for each in citable(version)}


def test_ingested_flags_become_items(version: Version) -> None:
    InspectionFactory.create(blob=version.files.get().blob)
    keep_items(version)
    assert items(version)["base"].value["license"] == "CC0-1.0"
