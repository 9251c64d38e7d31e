"""The JSON of a question: both spellings, unknown keys listed, wrong shapes refused, never a crash."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.licensing import LicensingError, decide, question_from_wire
from registry.licensing.errors import (
    BadCivitaiFlags,
    BadQuestion,
    ContradictoryTerms,
    UnknownAct,
    UnknownCondition,
)

PLAIN: dict[str, Any] = {
    "id": "q1",
    "act": "use_privately",
    "base_licence": "MIT",
    "adapters": [{"licence": "MIT"}],
}


def test_both_spellings_of_license_are_read() -> None:
    american = {**PLAIN, "base_license": "MIT", "adapters": [{"license": "MIT"}]}
    del american["base_licence"]
    assert decide(question_from_wire(american)).as_dict() == decide(question_from_wire(PLAIN)).as_dict()


def test_two_spellings_that_disagree_are_a_contradiction() -> None:
    with pytest.raises(ContradictoryTerms, match="base_license"):
        question_from_wire({**PLAIN, "base_license": "Apache-2.0"})


def test_unknown_keys_are_ignored_and_listed_with_their_place() -> None:
    asked = {
        **PLAIN,
        "mood": "hopeful",
        "facts": {"shoe_size": 43},
        "adapters": [{"licence": "MIT", "stars": 5, "civitai": {"allowNoCredit": True, "poi": True}}],
    }
    ignored = decide(question_from_wire(asked)).ignored
    assert set(ignored) == {"mood", "facts.shoe_size", "adapters[0].stars", "adapters[0].civitai.poi"}


def test_a_reply_is_read_with_its_limits() -> None:
    reply = {"grants": ["generate_and_sell_images"], "territories": ["jpn"], "media": ["print"]}
    asked = {
        **PLAIN,
        "act": "generate_and_sell_images",
        "adapters": [{"licence": "none", "author_reply": reply}],
    }
    assert decide(question_from_wire({**asked, "facts": {"territory": "JP", "medium": "print"}})).outcome == (
        "allowed"
    )
    assert decide(question_from_wire({**asked, "facts": {"territory": "US"}})).outcome == "unknown"
    for limit in ({"territories": ["Atlantis"]}, {"media": ["clay"]}, {"media": "print"}):
        wrong = {**asked, "adapters": [{"licence": "none", "author_reply": {**reply, **limit}}]}
        with pytest.raises(LicensingError):
            question_from_wire(wrong)


def test_the_repeated_first_adapter_does_not_count() -> None:
    asked = {**PLAIN, "adapter_licence": "CC-BY-NC-4.0", "civitai_flags": {"allowCommercialUse": []}}
    verdict = decide(question_from_wire({**asked, "act": "generate_and_sell_images"}))
    assert verdict.outcome == "allowed"
    assert verdict.ignored == ()


def test_adapter_terms_beside_an_empty_list_are_a_contradiction() -> None:
    with pytest.raises(ContradictoryTerms):
        question_from_wire({**PLAIN, "adapters": [], "adapter_licence": "CC-BY-NC-4.0"})


def test_the_base_alone_can_be_asked_about() -> None:
    assert decide(question_from_wire({**PLAIN, "adapters": []})).outcome == "allowed"


def test_a_null_base_is_unknown() -> None:
    assert decide(question_from_wire({**PLAIN, "base_licence": None})).outcome == "unknown"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"act": None}, UnknownAct),
        ({"act": ["use_privately"]}, UnknownAct),
        ({"adapters": None, "base_licence": 5}, BadQuestion),
        ({"adapters": "MIT"}, BadQuestion),
        ({"adapters": ["MIT"]}, BadQuestion),
        ({"adapters": [{"licence": 5}]}, BadQuestion),
        ({"adapters": [{"licence": "MIT", "snapshot": "yes"}]}, BadQuestion),
        ({"adapters": [{"licence": "MIT", "rights": "fine"}]}, BadQuestion),
        ({"adapters": [{"licence": "MIT", "extra": [{"use_privately": "sure"}]}]}, BadQuestion),
        ({"adapters": [{"licence": "MIT", "extra": [{"fly": ["allowed", []]}]}]}, UnknownAct),
        ({"adapters": [{"licence": "MIT", "author_reply": {"grants": ["fly"]}}]}, UnknownAct),
        ({"adapters": [{"licence": "MIT", "author_reply": {"state": "maybe"}}]}, BadQuestion),
        ({"adapters": [{"licence": "MIT", "author_reply": {"expires": "soon"}}]}, BadQuestion),
        ({"adapters": [{"civitai": []}]}, BadQuestion),
        ({"adapters": [{"civitai": {"allowCommercialUse": 3}}]}, BadCivitaiFlags),
        ({"facts": []}, BadQuestion),
        ({"components": "llama3.1"}, BadQuestion),
        ({"overlays": [{"name": "x"}]}, BadQuestion),
        ({"overlays": [{"name": "x", "kind": "law", "acts": {}}]}, BadQuestion),
        ({"base_conflict": "yes"}, BadQuestion),
        ({"overlays": [{"name": "x", "acts": {"sell_adapter": ["maybe", []]}}]}, BadQuestion),
        ({"overlays": [{"name": "x", "acts": {"sell_adapter": ["allowed", ["cake"]]}}]}, UnknownCondition),
        ({"adapters": [{"author_reply": {"grants": [], "conditions": ["cake"]}}]}, UnknownCondition),
        ({"tools": "ComfyUI"}, BadQuestion),
        ({"tools": [1]}, BadQuestion),
        ({"adapters": [{"licence": "MIT", "rights": {"voice": "cleared"}}]}, BadQuestion),
        ({"adapters": [{"licence": "MIT", "rights": {"portrait": "fine"}}]}, BadQuestion),
        ({"components": [{"unknown_recipe": "yes"}]}, BadQuestion),
        ({"components": [{"unknown_recipe": True, "license": "MIT"}]}, ContradictoryTerms),
        ({"overlays": [{"name": "x", "disputed": ["sure", []]}]}, BadQuestion),
    ],
)
def test_a_question_of_the_wrong_shape_is_refused(
    change: dict[str, Any], error: type[LicensingError]
) -> None:
    with pytest.raises(error):
        decide(question_from_wire({**PLAIN, **change}))


def test_a_question_without_adapters_is_refused() -> None:
    with pytest.raises(BadQuestion, match="adapters is missing"):
        question_from_wire({"act": "use_privately", "base_licence": "MIT"})


def test_tools_rights_recipes_and_policies_on_disputes_can_be_asked_about() -> None:
    sold = {**PLAIN, "act": "generate_and_sell_images", "base_licence": "CC-BY-4.0"}
    for change, layer in (
        ({"tools": ["NovelAI"]}, "host"),
        ({"adapters": [{"licence": "MIT", "rights": {"portrait": "unknown", "mark": None}}]}, "rights:1"),
        ({"components": [{"name": "recipe", "unknown_recipe": True}]}, "component:recipe"),
        ({"overlays": [{"name": "house", "kind": "policy", "disputed": ["silent", []]}]}, "policy"),
    ):
        verdict = decide(question_from_wire({**sold, **change}))
        assert (verdict.outcome, verdict.deciding, verdict.ignored) == ("unknown", (layer,), ())


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["MIT", "allowed", "conditional", "use_privately", "attribution", "Image"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["licence", "civitai", "extra", "author_reply", "grants", "state", "rights", "facts", "acts",
             "name", "use_privately", "allowCommercialUse", "allowNoCredit", "mau", "host",
             "territory", "declared"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=8,
)  # fmt: skip


@given(
    st.fixed_dictionaries(
        {"act": st.just("use_privately") | junk, "adapters": st.lists(junk, max_size=2) | junk},
        optional=dict.fromkeys(
            ("id", "base_licence", "base_model", "components", "overlays", "base_conflict", "facts"), junk
        ),
    )
    | junk
)
def test_whatever_is_sent_gets_a_verdict_or_an_error_with_a_code(value: object) -> None:
    try:
        verdict = decide(question_from_wire(value))
    except LicensingError as error:
        assert error.code
        assert error.message
    else:
        assert set(verdict.as_dict()) == {
            "id", "outcome", "conditions", "standing", "deciding", "reasons", "ledger", "ignored",
        }  # fmt: skip
