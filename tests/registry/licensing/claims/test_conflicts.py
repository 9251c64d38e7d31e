"""Claims that cannot all be true, with the acts and clauses in which they clash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.licensing.claims.conflicts import COMMERCE, Said, find_conflicts

ALL = {
    "allowNoCredit": True,
    "allowCommercialUse": ["Image", "RentCivit", "Rent", "Sell"],
    "allowDerivatives": True,
    "allowDifferentLicense": True,
}
FLUX = "flux-1-dev-nc-1.1.1"
BAN = {"forbidden": sorted(COMMERCE), "contact": [], "credit": False, "licenses": []}


def test_a_permissive_tag_on_a_non_commercial_base_names_both_clauses() -> None:
    (found,) = find_conflicts([Said(1, "license", "Apache-2.0", "card")], FLUX)
    assert (found.kind, found.looser.key, found.stricter) == ("base", 1, None)
    acts = {clash.act: clash for clash in found.clashes}
    assert {"run_as_paid_service", "sell_adapter"} <= set(acts)
    sold = acts["sell_adapter"]
    assert "Apache-2.0" in str(sold.looser.clause) and FLUX in str(sold.stricter.clause)


@pytest.mark.parametrize(
    ("license_id", "base"),
    [
        ("Apache-2.0", "creativeml-openrail-plusplus-m"),
        ("CC-BY-NC-4.0", FLUX),
        (FLUX, FLUX),
        ("creativeml-openrail-m", "creativeml-openrail-m"),
        ("Apache-2.0", "stability-ai-community-2024"),
    ],
)
def test_a_tag_that_grants_no_more_than_the_base_is_no_conflict(license_id: str, base: str) -> None:
    assert find_conflicts([Said(1, "license", license_id, "card")], base) == []


def test_flags_beside_a_base_are_no_conflict_since_the_site_only_shows_both() -> None:
    assert find_conflicts([Said(1, "civitai_flags", ALL, "civitai")], FLUX) == []


def test_words_that_forbid_what_the_flags_of_the_same_page_grant_are_one() -> None:
    (found,) = find_conflicts([Said(1, "civitai_flags", ALL, "p"), Said(2, "text_terms", BAN, "p")])
    assert found.kind == "text" and found.stricter is not None
    assert (found.looser.key, found.stricter.key) == (1, 2)
    assert "generate_and_sell_images" in {clash.act for clash in found.clashes}


def test_words_that_name_a_stricter_license_than_the_tag_are_one() -> None:
    words = BAN | {"forbidden": [], "licenses": [FLUX]}
    (found,) = find_conflicts(
        [Said(1, "license", "Apache-2.0", "card"), Said(2, "text_terms", words, "card")]
    )
    assert found.kind == "text" and "sell_adapter" in {clash.act for clash in found.clashes}


def test_words_that_forbid_what_is_forbidden_anyway_are_none() -> None:
    said = [Said(1, "license", "CC-BY-NC-4.0", "card"), Said(2, "text_terms", BAN, "card")]
    assert find_conflicts(said) == []
    assert find_conflicts([Said(1, "civitai_flags", ALL | {"allowCommercialUse": []}, "p"), said[1]]) == []


def test_flags_that_tighten_the_license_of_the_same_source_are_none_and_those_of_another_are_one() -> None:
    none = ALL | {"allowCommercialUse": []}
    same = [Said(1, "license", "MIT", "page"), Said(2, "civitai_flags", none, "page")]
    assert find_conflicts(same) == []
    (found,) = find_conflicts([Said(1, "license", "MIT", "card"), Said(2, "civitai_flags", none, "page")])
    assert found.kind == "sources" and found.stricter is not None and found.stricter.key == 2


def test_two_sources_that_name_different_licenses_disagree_even_where_no_act_clashes() -> None:
    (found,) = find_conflicts([Said(1, "license", "MIT", "tag"), Said(2, "license", "Apache-2.0", "file")])
    assert found.kind == "sources" and found.clashes == ()


@pytest.mark.parametrize("value", [None, "other", "unknown"])
def test_what_was_not_recognized_contradicts_nothing(value: str | None) -> None:
    assert find_conflicts([Said(1, "license", "MIT", "a"), Said(2, "license", value, "b")]) == []


claims = st.one_of(
    st.sampled_from(["MIT", "Apache-2.0", "CC-BY-NC-4.0", "creativeml-openrail-m", "other"]).map(
        lambda name: ("license", name)
    ),
    st.lists(st.sampled_from(ALL["allowCommercialUse"]), unique=True).map(  # type: ignore[call-overload]
        lambda uses: ("civitai_flags", ALL | {"allowCommercialUse": uses})
    ),
    st.just(("text_terms", BAN)),
)


@given(st.lists(st.tuples(claims, st.sampled_from("abc")), max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_the_claims_does_not_matter(
    drawn: list[tuple[tuple[str, object], str]], order: object
) -> None:
    said = [Said(key, kind, value, source) for key, ((kind, value), source) in enumerate(drawn)]
    turned = list(said)
    order.shuffle(turned)  # type: ignore[attr-defined]

    def pairs(found: list[Said]) -> set[frozenset[int]]:
        return {
            frozenset({each.looser.key, each.stricter.key if each.stricter else -1})
            for each in find_conflicts(found)
        }

    assert pairs(said) == pairs(turned)


@given(st.lists(st.tuples(claims, st.sampled_from("abc")), max_size=3))
def test_in_every_clash_one_side_grants_and_the_other_forbids(
    drawn: list[tuple[tuple[str, object], str]],
) -> None:
    said = [Said(key, kind, value, source) for key, ((kind, value), source) in enumerate(drawn)]
    for found in find_conflicts(said, FLUX):
        for clash in found.clashes:
            assert clash.looser.outcome in ("allowed", "conditional")
            assert clash.stricter.outcome == "forbidden"
