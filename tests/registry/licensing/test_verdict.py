"""The rules of the algebra, one by one: gates, replies, time, rights, merges, upstream limits, overlays."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from registry.licensing import AdapterTerms, AuthorReply, BaseConflict, Component, Overlay
from registry.licensing.errors import (
    BadFact,
    ContradictoryTerms,
    UnknownAct,
    UnknownCondition,
    UnknownLicense,
)
from registry.licensing.question import CellTerms, Rights
from tests.registry.licensing.asking import OPEN_FLAGS, ask, codes


def test_an_open_stack_is_allowed_and_says_who_allows_it() -> None:
    verdict = ask("generate_and_sell_images", "MIT")
    assert verdict.outcome == "allowed"
    assert verdict.deciding == ("base", "adapter:1")
    assert codes(verdict) == ["granted", "granted"]


def test_behavioral_lists_stand_beside_an_allowed_verdict() -> None:
    verdict = ask("use_privately", "openrail", base="creativeml-openrail-m")
    assert verdict.outcome == "allowed"
    assert verdict.standing == ("use_based_restrictions", "use_latest_version")


def test_forbidden_beats_unknown_and_the_ledger_still_shows_both() -> None:
    verdict = ask("generate_and_sell_images", None, "CC-BY-NC-4.0")
    assert verdict.outcome == "forbidden"
    assert verdict.deciding == ("adapter:2",)
    assert [entry.status for entry in verdict.ledger] == ["allowed", "silent", "forbidden"]
    assert {"license_forbids", "no_terms_stated", "disputed_reading"} <= set(codes(verdict))


def test_the_ledger_names_the_row_and_revision_that_were_used() -> None:
    entry = ask("use_privately", "MIT").ledger[1]
    assert (entry.license, entry.revision) == ("MIT", 1)
    assert entry.sha256 is not None
    assert len(entry.sha256) == 64


class TestGates:
    act = "generate_and_sell_images"

    @pytest.mark.parametrize(
        ("revenue", "outcome"), [(999_999, "conditional"), (1_000_000, "forbidden"), (None, "conditional")]
    )
    def test_a_revenue_limit_is_strict_and_open_while_revenue_is_not_stated(
        self, revenue: int | None, outcome: str
    ) -> None:
        verdict = ask(self.act, base="stability-ai-community-2024", facts={"annual_revenue_usd": revenue})
        assert verdict.outcome == outcome
        if revenue is None:
            assert "revenue_below_usd:1000000" in verdict.conditions
            assert "gate_open" in codes(verdict)

    def test_the_smaller_of_two_limits_is_shown(self) -> None:
        verdict = ask(self.act, "krea-2-community", base="ltx-2-community")
        assert "revenue_below_usd:1000000" in verdict.conditions
        assert "revenue_below_usd:10000000" not in verdict.conditions

    def test_registration_is_curable_so_a_no_leaves_it_open(self) -> None:
        facts = {"mau": 10, "registered": False}
        assert ask(self.act, base="kolors-model-license", facts=facts).conditions == (
            "registration_required",
        )
        facts["registered"] = True
        assert ask(self.act, base="kolors-model-license", facts=facts).outcome == "allowed"

    @pytest.mark.parametrize(
        ("territory", "outcome"),
        [
            ("EU", "forbidden"), ("DE", "forbidden"), ("DEU", "forbidden"), ("de", "forbidden"),
            ("RE", "forbidden"), ("GB", "forbidden"), ("UK", "forbidden"), ("GB-SCT", "forbidden"),
            ("KR", "forbidden"), ("EL", "forbidden"),
            ("JP", "allowed"), ("US-CA", "allowed"), ("CH", "allowed"), ("NO", "allowed"),
        ],
    )  # fmt: skip
    def test_member_states_count_as_eu_and_gb_as_uk(self, territory: str, outcome: str) -> None:
        facts = {"territory": territory, "mau": 0}
        assert ask("use_privately", base="tencent-hunyuan-community-2024-12", facts=facts).outcome == outcome

    def test_only_a_part_of_the_eu_excluded_leaves_the_question_open(self) -> None:
        rule = Overlay("local", {"use_privately": ("conditional", ["territory_excludes:[DE]"])})
        assert ask("use_privately", overlays=[rule], facts={"territory": "EU"}).outcome == "conditional"

    def test_training_limits_are_gates_on_training_and_standing_elsewhere(self) -> None:
        base = "playground-v2-community"
        training = "train_other_models_on_outputs"
        assert ask(training, base=base).conditions == ("no_competing_model_training",)
        assert ask(training, base=base, facts={"trains_competing_model": False}).outcome == "allowed"
        flux = ask("generate_and_share_images", base="flux-1-dev-nc-1.0")
        assert flux.outcome == "allowed"
        assert flux.standing == ("no_competing_model_training",)

    def test_a_noncommercial_limit_fails_on_an_act_that_earns_whatever_is_claimed(self) -> None:
        facts = {"commercial": False}
        verdict = ask("use_internally_for_business", base="flux-1-dev-nc-1.1.1", facts=facts)
        assert verdict.outcome == "forbidden"
        assert "gate_failed" in codes(verdict)

    def test_host_lists_intersect_and_an_empty_rest_is_a_refusal(self) -> None:
        act = "run_as_paid_service"
        one = AdapterTerms("MIT", extra=[{act: ("conditional", ["host_only:[civitai,pixai]"])}])
        two = AdapterTerms("MIT", extra=[{act: ("conditional", ["host_only:[pixai,seaart]"])}])
        three = AdapterTerms("MIT", extra=[{act: ("conditional", ["host_only:[tensorart]"])}])
        assert ask(act, one, two).conditions == ("host_only:[pixai]",)
        refused = ask(act, one, two, three)
        assert refused.outcome == "forbidden"
        assert "hosts_exclude_each_other" in codes(refused)

    def test_a_host_the_license_exempts_is_allowed(self) -> None:
        act = "run_as_paid_service"
        assert ask(act, base="pony-license-v7", facts={"host": "Civitai"}).outcome == "allowed"
        assert ask(act, base="pony-license-v7", facts={"host": "own"}).outcome == "forbidden"
        assert ask(act, base="pony-license-v7").outcome == "forbidden"

    def test_a_paid_license_replaces_the_base_but_not_an_unknown_one(self) -> None:
        facts = {"base_commercial_licence": True}
        assert ask("run_as_paid_service", "MIT", base="flux-1-dev-nc-1.0", facts=facts).outcome == "allowed"
        assert ask("run_as_paid_service", "MIT", base=None, facts=facts).outcome == "unknown"


class TestCivitaiFlags:
    def test_flags_alone_imply_private_use_but_not_redistribution(self) -> None:
        adapter = AdapterTerms(civitai=OPEN_FLAGS)
        assert ask("use_privately", adapter, base_model="Pony").outcome == "allowed"
        verdict = ask("redistribute_adapter", adapter, base_model="Pony")
        assert verdict.outcome == "unknown"
        assert "flags_silent" in codes(verdict)

    def test_on_a_base_with_a_printed_text_the_base_license_fills_in(self) -> None:
        verdict = ask(
            "redistribute_adapter",
            AdapterTerms(civitai={**OPEN_FLAGS, "allowNoCredit": False}),
            base="creativeml-openrail-m",
            base_model="SD 1.5",
        )
        assert verdict.outcome == "conditional"
        assert "attribution" in verdict.conditions

    def test_flags_that_do_not_speak_still_ask_for_credit_beside_a_license(self) -> None:
        adapter = AdapterTerms("MIT", civitai={**OPEN_FLAGS, "allowNoCredit": False})
        assert ask("use_privately", adapter).conditions == ("attribution",)

    def test_flags_that_state_nothing_are_no_terms(self) -> None:
        for empty in ({}, {"allowCommercialUse": None}, {"poi": False}):
            assert ask("use_privately", AdapterTerms(civitai=empty)).outcome == "unknown"

    def test_the_preset_is_reported_as_weak_evidence(self) -> None:
        verdict = ask("generate_and_sell_images", AdapterTerms(civitai=OPEN_FLAGS))
        assert verdict.outcome == "allowed"
        assert "flags_are_default" in codes(verdict)


class TestAuthorReply:
    act = "generate_and_sell_images"

    def test_a_grant_replaces_the_silence_of_that_adapter(self) -> None:
        reply = AuthorReply(grants=[self.act], conditions=["attribution"], evidence="snapshot:4f2a")
        verdict = ask(self.act, AdapterTerms("none", author_reply=reply))
        assert verdict.outcome == "conditional"
        assert verdict.conditions == ("attribution",)
        assert verdict.deciding == ("evidence:1",)
        assert "replaced_by_author_reply" in codes(verdict)
        assert any(reason.evidence == "snapshot:4f2a" for reason in verdict.reasons)

    def test_a_grant_touches_neither_another_adapter_nor_the_base(self) -> None:
        granted = AdapterTerms("none", author_reply=AuthorReply(grants=[self.act]))
        assert ask(self.act, granted, "CC-BY-NC-4.0").outcome == "forbidden"
        assert ask(self.act, granted, base="sdxl-0.9-research").outcome == "forbidden"

    def test_a_grant_covers_only_the_acts_it_names(self) -> None:
        granted = AdapterTerms("none", author_reply=AuthorReply(grants=[self.act]))
        assert ask("run_as_paid_service", granted).outcome == "unknown"

    def test_a_refusal_beats_a_grant_and_a_license(self) -> None:
        reply = AuthorReply(grants=[self.act], refusals=[self.act])
        verdict = ask(self.act, AdapterTerms("MIT", author_reply=reply))
        assert verdict.outcome == "forbidden"
        assert "author_refused" in codes(verdict)

    @pytest.mark.parametrize("state", ["drafted", "sent", "reminded", "no_reply", "withdrawn"])
    def test_what_was_not_answered_grants_nothing(self, state: str) -> None:
        reply = AuthorReply(grants=[self.act], state=state)
        verdict = ask(self.act, AdapterTerms("none", author_reply=reply))
        assert verdict.outcome == "unknown"
        assert f"author_{state}" in codes(verdict)

    def test_a_grant_ends_with_its_term(self) -> None:
        adapter = AdapterTerms("none", author_reply=AuthorReply(grants=[self.act], expires=date(2026, 6, 30)))
        assert ask(self.act, adapter, today=date(2026, 6, 30)).outcome == "allowed"
        assert ask(self.act, adapter, today=date(2026, 7, 1)).outcome == "unknown"
        assert ask(self.act, adapter).outcome == "unknown"
        assert "author_expired" in codes(ask(self.act, adapter))


class TestTime:
    act = "generate_and_sell_images"

    def test_an_irrevocable_grant_holds_for_a_kept_copy(self) -> None:
        kept = AdapterTerms("creativeml-openrail-plusplus-m", license_now="CC-BY-NC-4.0", snapshot=True)
        assert ask(self.act, kept).conditions == ("keep_licence_snapshot",)

    @pytest.mark.parametrize(("then", "snapshot"), [("Apache-2.0", False), ("MIT", True)])
    def test_without_proof_or_promise_both_texts_are_read(self, then: str, snapshot: bool) -> None:
        verdict = ask(self.act, AdapterTerms(then, license_now="CC-BY-NC-4.0", snapshot=snapshot))
        assert verdict.outcome == "forbidden"
        assert "license_tightened" in codes(verdict)

    def test_a_looser_text_applies_at_once(self) -> None:
        verdict = ask(self.act, AdapterTerms("CC-BY-NC-4.0", license_now="MIT"))
        assert verdict.outcome == "allowed"
        assert "license_loosened" in codes(verdict)

    def test_the_same_status_with_fewer_duties_is_looser(self) -> None:
        changed = AdapterTerms("CC-BY-SA-4.0", license_now="CC-BY-4.0", snapshot=True)
        verdict = ask("redistribute_derivative", changed)
        assert "share_alike" not in verdict.conditions
        assert "license_loosened" in codes(verdict)

    def test_a_change_that_is_no_stricter_is_not_reported_as_one(self) -> None:
        verdict = ask(self.act, AdapterTerms("MIT", license_now="Apache-2.0"))
        assert verdict.outcome == "allowed"
        assert "license_tightened" not in codes(verdict)

    def test_a_text_nobody_read_is_not_looser(self) -> None:
        assert ask(self.act, AdapterTerms("CC-BY-NC-4.0", license_now="other")).outcome == "forbidden"

    def test_the_same_license_today_changes_nothing(self) -> None:
        assert ask(self.act, AdapterTerms("MIT", license_now="mit")).outcome == "allowed"


class TestRights:
    @pytest.mark.parametrize(
        ("rights", "act", "facts", "outcome"),
        [
            ("refused", "generate_and_share_images", {}, "forbidden"),
            ("refused", "use_privately", {}, "allowed"),
            ("uncleared", "generate_and_share_images", {}, "conditional"),
            ("uncleared", "generate_and_share_images", {"rights_cleared": True}, "allowed"),
            ("uncleared", "generate_and_share_images", {"rights_cleared": False}, "forbidden"),
            ("unknown", "generate_and_sell_images", {}, "unknown"),
            ("unknown", "generate_and_share_images", {}, "allowed"),
            ("unknown", "use_privately", {}, "allowed"),
            ("unknown", "generate_and_sell_images", {"rights_cleared": False}, "forbidden"),
            ("cleared", "generate_and_sell_images", {}, "allowed"),
            (None, "generate_and_sell_images", {}, "allowed"),
            # Kinds of rights are recorded one by one; each bears on its own.
            ({"copyright": "cleared", "portrait": "refused"}, "generate_and_share_images", {}, "forbidden"),
            ({"copyright": "cleared", "mark": "unknown"}, "sell_adapter", {}, "unknown"),
            ({"character": "uncleared"}, "generate_and_share_images", {}, "conditional"),
            ({"copyright": "cleared", "portrait": "cleared"}, "generate_and_sell_images", {}, "allowed"),
            ({}, "generate_and_sell_images", {}, "allowed"),
            # What stays in the house makes nothing public.
            ("refused", "use_internally_for_business", {}, "allowed"),
            ("refused", "modify_or_merge", {}, "allowed"),
        ],
    )
    def test_rights_in_the_material_hold_back_public_and_commercial_acts(
        self, rights: Any, act: str, facts: dict[str, Any], outcome: str
    ) -> None:
        assert ask(act, AdapterTerms("MIT", rights=rights), facts=facts).outcome == outcome

    def test_the_ledger_says_which_right_is_meant(self) -> None:
        rights: dict[str, Rights] = {"copyright": "uncleared", "portrait": "refused"}
        verdict = ask("sell_adapter", AdapterTerms("MIT", rights=rights))
        shown = [(entry.layer, entry.status, entry.clause) for entry in verdict.ledger[2:]]
        assert shown == [
            ("rights:1", "conditional", "copyright in the source material"),
            ("rights:1", "forbidden", "portrait and publicity rights of the person shown"),
        ]

    def test_an_author_cannot_clear_the_rights_of_others(self) -> None:
        reply = AuthorReply(grants=["sell_adapter"])
        adapter = AdapterTerms("MIT", author_reply=reply, rights="refused")
        assert ask("sell_adapter", adapter).deciding == ("rights:1",)


class TestOtherLayers:
    def test_a_merge_whose_recipe_is_unknown_leaves_acts_that_earn_open(self) -> None:
        merge = Component(None, "merge recipe", unknown_recipe=True)
        sold = ask("generate_and_sell_images", "MIT", components=[merge])
        assert (sold.outcome, sold.deciding) == ("unknown", ("component:merge recipe",))
        assert codes(sold)[0] == "recipe_unknown"
        assert ask("use_privately", "MIT", components=[merge]).outcome == "allowed"

    def test_what_does_not_address_the_act_grants_nothing_alone(self) -> None:
        card: dict[str, CellTerms] = {"use_privately": ("not_addressed", [])}
        assert ask("use_privately", AdapterTerms(extra=[card])).outcome == "unknown"
        assert ask("use_privately", AdapterTerms("MIT", extra=[card])).outcome == "allowed"
        flagged = AdapterTerms(civitai=OPEN_FLAGS, extra=[card])
        assert ask("use_privately", flagged, base_model="Pony").outcome == "allowed"
        resold: dict[str, CellTerms] = {"redistribute_adapter": ("not_addressed", [])}
        flagged = AdapterTerms(civitai=OPEN_FLAGS, extra=[resold])
        assert ask("redistribute_adapter", flagged, base_model="Pony").outcome == "unknown"

    def test_a_base_that_does_not_match_the_weights_is_unknown(self) -> None:
        conflict = BaseConflict("SDXL 1.0", "Flux.1 D", "tensor shapes")
        verdict = ask("use_privately", "MIT", base_conflict=conflict)
        assert verdict.outcome == "unknown"
        assert "base_conflict" in codes(verdict)

    def test_a_component_is_a_layer_with_its_name(self) -> None:
        verdict = ask(
            "generate_and_sell_images", components=[Component("CC-BY-NC-4.0", "DMD2"), Component(None)]
        )
        assert verdict.outcome == "forbidden"
        assert verdict.deciding == ("component:DMD2",)
        assert "component:unknown" in {entry.layer for entry in verdict.ledger}

    @pytest.mark.parametrize(
        ("kind", "layer"),
        [("overlay", "overlay:rules"), ("host", "host"), ("tool", "tool"), ("policy", "policy")],
    )
    def test_rules_of_others_are_layers_of_their_kind(self, kind: Any, layer: str) -> None:
        rule = Overlay("rules", {"use_privately": ("silent", [])}, kind=kind, clause="4")
        verdict = ask("use_privately", "MIT", overlays=[rule])
        assert verdict.outcome == "unknown"
        assert verdict.deciding == (layer,)

    def test_a_rule_without_a_say_on_the_act_is_neutral(self) -> None:
        rule = Overlay("rules", {"sell_adapter": ("forbidden", [])})
        verdict = ask("use_privately", "MIT", overlays=[rule])
        assert verdict.outcome == "allowed"
        assert verdict.ledger[-1].status == "not_addressed"

    def test_an_or_is_chosen_once_for_the_whole_use(self) -> None:
        assert ask("generate_and_sell_images", "CC-BY-NC-4.0 OR MIT").outcome == "allowed"
        assert ask("generate_and_sell_images", "CC-BY-NC-4.0 AND MIT").outcome == "forbidden"
        nested = "(CC-BY-NC-4.0 AND MIT) or (Apache-2.0 and CC-BY-4.0)"
        assert ask("generate_and_sell_images", nested).conditions == ("attribution",)


class TestErrors:
    def test_an_act_nobody_defined_lists_the_acts(self) -> None:
        with pytest.raises(UnknownAct, match=r"Did you mean sell_adapter.*Known: use_privately"):
            ask("sell_adaptor")

    @pytest.mark.parametrize(
        "text", ["LicenseRef-faipl-1.0-sd", "licenseref-FAIPL-1.0-SD", "LicenseRef-faipl-1.0-sd AND MIT"]
    )
    def test_an_id_may_be_written_as_spdx_writes_its_own(self, text: str) -> None:
        assert ask("relicense_derivative", text).outcome == "forbidden"

    @pytest.mark.parametrize(
        "license_id", ["", "MITT", "MIT WITH magic", "MIT AND", "MIT AND nothing", "( OR )"]
    )
    def test_a_license_nobody_knows_is_an_error(self, license_id: str) -> None:
        with pytest.raises(UnknownLicense):
            ask("use_privately", license_id)

    @pytest.mark.parametrize(
        ("fact", "value"),
        [
            ("mau", "many"), ("mau", True), ("mau", -1), ("mau", float("nan")), ("mau", float("inf")),
            ("commercial", "no"), ("commercial", 0), ("territory", "Atlantis"), ("territory", 81),
            ("host", ["own"]), ("host", " "), ("purpose", 1),
        ],
    )  # fmt: skip
    def test_a_fact_of_the_wrong_type_is_an_error(self, fact: str, value: Any) -> None:
        with pytest.raises(BadFact, match=fact):
            ask("use_privately", facts={fact: value})

    def test_a_fact_stated_twice_with_different_values_is_an_error(self) -> None:
        with pytest.raises(ContradictoryTerms):
            ask("use_privately", facts={"base_commercial_license": True, "base_commercial_licence": False})

    def test_a_null_fact_is_not_stated_and_an_unknown_one_is_listed(self) -> None:
        verdict = ask("use_privately", "MIT", facts={"mau": None, "shoe_size": 43})
        assert verdict.ignored == ("facts.shoe_size",)

    @pytest.mark.parametrize(
        "spelling", ["credit", "mau_below", "mau_below:x", "attribution:1", "host_only:[]"]
    )
    def test_a_condition_nobody_defined_is_an_error(self, spelling: str) -> None:
        rule = Overlay("rules", {"use_privately": ("conditional", [spelling])})
        with pytest.raises(UnknownCondition):
            ask("use_privately", overlays=[rule])
