"""Civitai's permissions as claims: every shape of the wire, both levels, defaults, overrides and prose."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.licensing.civitai import COMMERCIAL_USES, CivitaiFlags, parse_flags
from registry.licensing.claims.civitai import read_terms
from registry.licensing.claims.statement import Statement

ALL = list(COMMERCIAL_USES)
OPEN = {
    "allowNoCredit": True,
    "allowCommercialUse": ALL,
    "allowDerivatives": True,
    "allowDifferentLicense": True,
}


def flags_of(model: dict[str, Any], **more: Any) -> Statement:
    (found,) = [each for each in read_terms(model, **more) if each.kind == "civitai_flags"]
    return found


def uses(value: object, **model: Any) -> object:
    found = flags_of({"allowCommercialUse": value} | model)
    return found.value if found.value is None else found.value["allowCommercialUse"]  # type: ignore[index]


# What a person reading civitai's migration of 2024-02-21 would write down for each shape.
SHAPES: list[tuple[object, list[str]]] = [
    (["Image", "Sell"], ["Image", "Sell"]),
    ([], []),
    (["None"], []),
    ("{Image,RentCivit}", ["Image", "RentCivit"]),
    ('{"Image","Rent"}', ["Image", "Rent"]),
    ("{}", []),
    ("{None}", []),
    ("Image,Rent", ["Image", "Rent"]),
    ("None", []),
    ("Image", ["Image"]),
    ("RentCivit", ["Image", "RentCivit"]),
    ("Rent", ["Image", "RentCivit", "Rent"]),
    ("Sell", ALL),
    (True, ALL),
    (False, []),
]


@pytest.mark.parametrize(("wire", "granted"), SHAPES)
def test_every_shape_since_2022_is_read_as_its_time_meant_it(wire: object, granted: list[str]) -> None:
    assert uses(wire) == granted


def test_sell_in_a_set_does_not_contain_the_sale_of_images() -> None:
    assert uses(["Sell", "Rent", "RentCivit"]) == ["RentCivit", "Rent", "Sell"]


def test_a_single_word_in_a_later_copy_is_marked_as_rewritten() -> None:
    early = flags_of(
        {"allowCommercialUse": "Sell", "modelVersions": [{"publishedAt": "2023-06-01T00:00:00Z"}]}
    )
    late = flags_of(
        {"allowCommercialUse": "Sell", "modelVersions": [{"publishedAt": "2025-06-01T00:00:00Z"}]}
    )
    assert "ladder_after_its_end" not in early.hints and late.hints["ladder_after_its_end"] is True


def test_a_word_newer_than_this_reader_is_listed_and_grants_nothing() -> None:
    found = flags_of({"allowCommercialUse": ["Image", "Broadcast"]})
    assert found.value["allowCommercialUse"] == ["Image"]  # type: ignore[index]
    assert found.unread == ("allowCommercialUse: Broadcast",)


@pytest.mark.parametrize("value", [7, {"0": "Image"}, "whatever", [["Image"]], ""])
def test_a_shape_that_was_never_sent_makes_the_flags_unread(value: object) -> None:
    found = flags_of(OPEN | {"allowCommercialUse": value})
    assert found.value is None and found.unread


def test_none_beside_a_use_counts_as_none() -> None:
    found = flags_of({"allowCommercialUse": ["None", "Image"]})
    assert found.value["allowCommercialUse"] == [] and found.unread  # type: ignore[index]


def test_what_is_null_or_missing_is_not_stated() -> None:
    found = flags_of({"allowNoCredit": None, "allowCommercialUse": ["Image"]})
    assert found.value["allowNoCredit"] is None and found.value["allowDerivatives"] is None  # type: ignore[index]
    assert found.hints["missing"] == ["allowDerivatives", "allowDifferentLicense"]
    assert read_terms(dict.fromkeys(OPEN)) == [] and read_terms({"name": "Ink"}) == []


def test_flags_as_the_form_is_preset_are_weak_evidence() -> None:
    assert flags_of(OPEN).hints["flags_are_default"] is True
    assert "flags_are_default" not in flags_of(OPEN | {"allowNoCredit": False}).hints


def test_flags_on_a_version_can_only_tighten_those_of_the_model() -> None:
    found = flags_of(OPEN, version={"allowCommercialUse": ["Image"], "allowDerivatives": False})
    assert found.value == OPEN | {"allowCommercialUse": ["Image"], "allowDerivatives": False}
    assert found.hints["level"] == "model and version"
    assert json.loads(found.wording)["model"]["allowDerivatives"] is True
    wider = flags_of(OPEN | {"allowCommercialUse": []}, version={"allowCommercialUse": ["Sell"]})
    assert wider.value["allowCommercialUse"] == []  # type: ignore[index]
    alone = flags_of({}, version={"allowCommercialUse": "{Image}"})
    assert alone.hints["level"] == "version"


@pytest.mark.parametrize("base", ["Ideogram 4.0", "ideogram 4.0 "])
def test_on_a_base_that_the_site_overrides_nothing_commercial_is_granted(base: str) -> None:
    found = flags_of(OPEN, bases=[base])
    assert found.value["allowCommercialUse"] == []  # type: ignore[index]
    assert found.hints["overridden"] == {"stored": ALL, "base": base}
    assert flags_of(OPEN, bases=["Flux.1 D"]).value["allowCommercialUse"] == ALL  # type: ignore[index]


def test_marks_of_the_page_are_hints_and_no_permissions() -> None:
    found = flags_of(OPEN | {"poi": True, "minor": False, "sfwOnly": True})
    assert {key for key in found.hints if key in ("poi", "minor", "nsfw", "sfwOnly")} == {"poi", "sfwOnly"}


@pytest.mark.parametrize(
    ("licenses", "value"),
    [
        ([{"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}], "Apache-2.0"),
        (["MIT", {"name": "CC BY-NC 4.0"}], "CC-BY-NC-4.0 AND MIT"),
        ([13], "Apache-2.0"),
        ([{"name": "House rules"}], None),
        (["MIT", "House rules"], None),
    ],
)
def test_extra_licenses_bind_together_and_one_unread_makes_them_unread(
    licenses: list[object], value: str | None
) -> None:
    (found,) = read_terms({"licenses": licenses})
    assert (found.kind, found.value) == ("license", value)
    assert bool(found.unread) == (value is None)


def test_a_description_that_contradicts_the_flags_is_a_claim_of_its_own() -> None:
    flags, words = read_terms(OPEN, description="本模型仅供个人学习研究，严禁用于商业用途。")
    assert flags.value == OPEN and words.kind == "text_terms"
    assert "sell_adapter" in words.value["forbidden"]  # type: ignore[index]


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=12)
    | st.sampled_from([*ALL, "None", "{Image}"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(OPEN, anything)))
def test_any_json_is_read_without_an_error_and_into_flags_that_stand(model: dict[str, Any]) -> None:
    for found in read_terms(model):
        if found.kind == "civitai_flags" and found.value is not None:
            assert isinstance(parse_flags(found.value), CivitaiFlags)  # type: ignore[arg-type]
            assert set(found.value["allowCommercialUse"] or ()) <= set(ALL)  # type: ignore[index]


sets = st.lists(st.sampled_from(ALL), unique=True)


@given(st.tuples(sets, sets, st.booleans(), st.booleans()))
def test_of_two_levels_neither_is_exceeded(drawn: tuple[list[str], list[str], bool, bool]) -> None:
    above, below, one, other = drawn
    model = OPEN | {"allowCommercialUse": above, "allowDerivatives": one}
    found = flags_of(model, version={"allowCommercialUse": below, "allowDerivatives": other})
    assert set(found.value["allowCommercialUse"]) == set(above) & set(below)  # type: ignore[index]
    assert found.value["allowDerivatives"] == (one and other)  # type: ignore[index]
