"""Merges: share-alike terms of several parts, limits an upstream does not permit, prescribed names."""

from __future__ import annotations

import pytest

from registry.licensing import AdapterTerms
from registry.licensing.question import CellTerms
from tests.registry.licensing.asking import OPEN_FLAGS, ask, codes


class TestShareAlike:
    act = "redistribute_derivative"

    @pytest.mark.parametrize(
        ("base", "adapter", "outcome"),
        [
            # Permissive and attribution licenses go into any share-alike license.
            ("faipl-1.0-sd", "MIT", "conditional"),
            ("faipl-1.0-sd", "CC-BY-4.0", "conditional"),
            ("faipl-1.0-sd", "creativeml-openrail-m", "conditional"),
            ("GPL-3.0-only", "Apache-2.0", "conditional"),
            # Non-commercial parts go into a non-commercial whole only.
            ("faipl-1.0-sd", "CC-BY-NC-4.0", "forbidden"),
            ("GPL-3.0-only", "CC-BY-NC-4.0", "forbidden"),
            ("CC-BY-SA-4.0", "CC-BY-NC-4.0", "forbidden"),
            ("CC-BY-NC-SA-4.0", "CC-BY-NC-4.0", "conditional"),
            ("flux-1-dev-nc-1.1.1", "GPL-3.0-only", "forbidden"),
            # Two share-alike licenses need one group, or a one-way road.
            ("pony-v6-modified-faipl", "faipl-1.0-sd", "conditional"),
            ("GPL-3.0-only", "AGPL-3.0-only", "conditional"),
            ("CC-BY-SA-4.0", "GPL-3.0-only", "conditional"),
            ("CC-BY-SA-4.0", "AGPL-3.0-only", "forbidden"),
            ("CC-BY-SA-4.0", "CC-BY-NC-SA-4.0", "forbidden"),
            ("faipl-1.0-sd", "GPL-3.0-only", "forbidden"),
            ("faipl-1.0-sd", "CC-BY-SA-4.0", "forbidden"),
            # Limits that FAIPL lets nobody add; elsewhere the texts leave it open.
            ("faipl-1.0-sd", "tencent-hunyuan-community-2024-12", "forbidden"),
            ("GPL-3.0-only", "tencent-hunyuan-community-2024-12", "unknown"),
        ],
    )
    def test_parts_merge_only_where_one_license_can_take_the_whole(
        self, base: str, adapter: str, outcome: str
    ) -> None:
        facts = {"commercial": False}
        assert ask(self.act, adapter, base=base, facts=facts).outcome == outcome
        assert ask(self.act, base, base=adapter, facts=facts).outcome == outcome

    def test_the_clash_names_the_part_that_cannot_go_in(self) -> None:
        verdict = ask(self.act, "MIT", "CC-BY-NC-4.0", base="faipl-1.0-sd", facts={"commercial": False})
        assert verdict.deciding == ("adapter:2",)
        assert codes(verdict)[0] == "share_alike_clash"

    def test_use_restrictions_under_gpl_are_for_a_person_to_compare(self) -> None:
        verdict = ask(self.act, "GPL-3.0-only", base="creativeml-openrail-m")
        assert verdict.outcome == "conditional"
        assert "share_alike_review" in codes(verdict)

    def test_flags_that_bar_commerce_cannot_go_into_a_free_whole(self) -> None:
        closed = AdapterTerms(civitai={**OPEN_FLAGS, "allowCommercialUse": []})
        assert ask(self.act, closed, base="faipl-1.0-sd").outcome == "forbidden"
        assert ask(self.act, AdapterTerms(civitai=OPEN_FLAGS), base="faipl-1.0-sd").outcome == "conditional"

    def test_flags_that_say_nothing_of_commerce_leave_it_open(self) -> None:
        unstated = AdapterTerms(civitai={**OPEN_FLAGS, "allowCommercialUse": None})
        verdict = ask(self.act, unstated, base="faipl-1.0-sd")
        assert verdict.outcome == "unknown"
        assert codes(verdict)[0] == "share_alike_unsettled"

    def test_a_merge_kept_private_needs_no_common_license(self) -> None:
        assert ask("modify_or_merge", "GPL-3.0-only", base="CC-BY-SA-4.0").outcome == "allowed"


OK, NO, HUMAN = "ok", "no", "human"
# The table of combinations of the algebra, section 5: part -> what happens under each share-alike license.
INTO = ("faipl-1.0-sd", "CC-BY-SA-4.0", "CC-BY-NC-SA-4.0", "GPL-3.0-only", "ltx-2-community")
MATRIX = {
    "MIT": (OK, OK, OK, OK, OK),
    "Apache-2.0": (OK, OK, OK, OK, OK),
    "BSD-3-Clause": (OK, OK, OK, OK, OK),
    "CC0-1.0": (OK, OK, OK, OK, OK),
    "OpenMDW-1.0": (OK, OK, OK, OK, OK),
    "CC-BY-4.0": (OK, OK, OK, OK, OK),
    "creativeml-openrail-m": (OK, HUMAN, HUMAN, HUMAN, OK),
    "creativeml-openrail-plusplus-m": (OK, HUMAN, HUMAN, HUMAN, OK),
    "CC-BY-NC-4.0": (NO, NO, OK, NO, NO),
    "CC-BY-ND-4.0": (NO, NO, NO, NO, NO),
    "CC-BY-SA-4.0": (NO, OK, NO, OK, NO),
    "faipl-1.0-sd": (OK, NO, NO, NO, NO),
    "illustrious-v0.1": (OK, NO, NO, NO, NO),
    "AGPL-3.0-only": (NO, NO, NO, OK, NO),
}


@pytest.mark.parametrize("part", MATRIX)
@pytest.mark.parametrize("place", range(len(INTO)), ids=INTO)
def test_every_pair_of_the_table_of_combinations_comes_out_as_it_says(part: str, place: int) -> None:
    facts = {"commercial": False, "annual_revenue_usd": 0, "trains_competing_model": False}
    wanted = MATRIX[part][place]
    for base, adapter in ((INTO[place], part), (part, INTO[place])):
        verdict = ask("redistribute_derivative", adapter, base=base, facts=facts)
        assert verdict.outcome == ("forbidden" if wanted == NO else "conditional"), (base, adapter)
        # What is for a person to decide is flagged and not decided.
        assert ("share_alike_review" in codes(verdict)) == (wanted == HUMAN), (base, adapter)


def test_one_way_pairs_end_in_the_stricter_license_and_never_loosen() -> None:
    """CC BY-SA goes into GPL, so a part that only GPL cannot take is still refused."""
    act = "redistribute_derivative"
    both = ask(act, "CC-BY-SA-4.0", "GPL-3.0-only", base="CC0-1.0")
    assert both.outcome == "conditional"
    assert ask(act, "CC-BY-SA-4.0", "GPL-3.0-only", "faipl-1.0-sd", base="CC0-1.0").outcome == "forbidden"
    # CC's list of compatible licenses names GPLv3 alone, so AGPL in the same whole closes the road.
    assert ask(act, "CC-BY-SA-4.0", "GPL-3.0-only", "AGPL-3.0-only", base="CC0-1.0").outcome == "forbidden"


class TestUpstream:
    def test_a_limit_the_base_does_not_permit_is_reported_and_kept(self) -> None:
        extra: dict[str, CellTerms] = {"generate_and_sell_images": ("forbidden", [])}
        verdict = ask(
            "generate_and_sell_images", AdapterTerms("faipl-1.0-sd", extra=[extra]), base="illustrious-v0.1"
        )
        assert verdict.outcome == "forbidden"
        assert "restriction_not_permitted_by_upstream" in codes(verdict)

    def test_a_card_that_adds_a_limit_to_its_own_license_is_reported_too(self) -> None:
        verdict = ask("generate_and_sell_images", "faipl-1.0-sd", base="noobai-xl")
        assert verdict.outcome == "forbidden"
        assert "restriction_not_permitted_by_upstream" in codes(verdict)
        assert "which lets nobody add a limit" in verdict.ledger[0].other_reading

    def test_an_author_on_a_share_alike_base_owes_its_license(self) -> None:
        verdict = ask("generate_and_sell_images", None, base="faipl-1.0-sd")
        assert verdict.outcome == "unknown"
        assert "author_owes_license" in codes(verdict)

    def test_two_name_prefixes_both_bind_and_are_flagged(self) -> None:
        verdict = ask("redistribute_derivative", base="krea-2-community", components=["llama3.1"])
        assert {'naming_prefix:"Krea"', 'naming_prefix:"Llama"'} <= set(verdict.conditions)
        assert "naming_prefixes_differ" in codes(verdict)
