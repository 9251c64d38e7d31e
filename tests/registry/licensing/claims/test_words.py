"""Bans, demands and names of licenses in the prose of descriptions and cards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.licensing.claims import phrases
from registry.licensing.claims.circle_table import parse_circle_table
from registry.licensing.claims.statement import Statement
from registry.licensing.claims.texts import match_text
from registry.licensing.claims.words import read_words


def value(text: str) -> dict[str, object]:
    statement = read_words(text)
    assert statement is not None and isinstance(statement.value, dict), text
    return statement.value


NON_COMMERCIAL = [
    "No commercial use.",
    "Commercial use is strictly prohibited.",
    "This LoRA may not be used for commercial purposes.",
    "Please don’t use it commercially.",
    "For non-commercial use only!",
    "**For personal use only**",
    "Prohibition of Commercialization: We prohibit any form of commercialization, including but not limited "
    "to monetization or commercial use of the model, derivative models, or model-generated products.",
    "商用利用禁止",
    "商用利用はご遠慮ください。",
    "営利目的での利用は禁止です",
    "個人利用のみ",
    "禁止商用",
    "本模型仅供个人学习研究，严禁用于商业用途。",
    "请勿用于商业用途",
    "仅供学习交流使用",
]


@pytest.mark.parametrize("text", NON_COMMERCIAL)
def test_a_ban_on_commerce_forbids_every_commercial_act(text: str) -> None:
    assert set(value(text)["forbidden"]) == set(phrases.COMMERCE)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("text", "acts"),
    [
        ("Please do not sell this model.", phrases.SELL_FILE),
        ("The file is not for sale", phrases.SELL_FILE),
        ("転売は禁止です", phrases.SELL_FILE),
        ("严禁倒卖", phrases.SELL_FILE),
        ("Do not sell images generated with it.", phrases.SELL_IMAGES),
        ("画像の販売は禁止", phrases.SELL_IMAGES),
        ("Please don't reupload to other sites.", phrases.REDISTRIBUTE),
        ("Reuploading is prohibited", phrases.REDISTRIBUTE),
        ("無断転載禁止", phrases.REDISTRIBUTE),
        ("禁止二次上传", phrases.REDISTRIBUTE),
        ("Do not merge this model.", phrases.MERGE),
        ("マージ禁止", phrases.MERGE),
        ("禁止融合", phrases.MERGE),
        ("Do not use it on paid generation services", phrases.SERVICE),
        ("生成サービスでの使用禁止", phrases.SERVICE),
        ("再配布・転売は禁止です", (*phrases.REDISTRIBUTE, *phrases.SELL_FILE)),
    ],
)
def test_a_ban_forbids_the_acts_it_names_and_no_other(text: str, acts: tuple[str, ...]) -> None:
    assert value(text)["forbidden"] == sorted(set(acts))


@pytest.mark.parametrize(
    "text",
    [
        "Commercial use is allowed.",
        "There is no limit on commercial use",
        "Free for personal and commercial use",
        "商用利用は可能です",
        "可商用",
        "Don't use negative prompts. It does not merge well.",
        "no commercials style",
        "```\nno commercial use\n```",
    ],
)
def test_a_permission_and_unrelated_words_are_no_ban(text: str) -> None:
    assert read_words(text) is None


@pytest.mark.parametrize(
    "text",
    ["Please credit me if you use it", "You must give credit", "Credit is required",
     "クレジット表記をお願いします", "转载请注明出处"],
)  # fmt: skip
def test_a_demand_for_credit_is_one(text: str) -> None:
    assert value(text) == {"forbidden": [], "contact": [], "credit": True, "licenses": []}


@pytest.mark.parametrize(
    "text",
    [
        "No need to credit me",
        "Credit is not required but appreciated",
        "クレジット表記は不要です",
        "无需署名",
    ],
)
def test_credit_that_is_merely_welcome_is_no_demand(text: str) -> None:
    assert read_words(text) is None


@pytest.mark.parametrize(
    "text",
    ["For commercial use, please contact me", "商用利用の場合はご連絡ください", "商用请联系作者"],
)
def test_commerce_on_request_asks_for_the_licensor(text: str) -> None:
    read = value(text)
    assert read["contact"] == sorted(phrases.COMMERCE) and read["forbidden"] == []


@pytest.mark.parametrize(
    ("text", "license_id"),
    [
        ("The weights fall under the [FLUX.1 [dev]](https://huggingface.co/x) Non-Commercial License.",
         "flux-1-dev-nc-1.1.1"),
        ("License: CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0"),
        ("Released under CC-BY-NC", "CC-BY-NC-4.0"),
    ],
)  # fmt: skip
def test_the_name_of_a_license_is_that_license_and_not_a_ban(text: str, license_id: str) -> None:
    assert value(text) == {"forbidden": [], "contact": [], "credit": False, "licenses": [license_id]}


@pytest.mark.parametrize(
    "text",
    ["The base model is for non-commercial use only.", "You can sell images, but not the model.",
     "Trained without commercial images.", "non-commercial"],
)  # fmt: skip
def test_a_sentence_about_commerce_that_fits_no_pattern_is_left_to_a_person(text: str) -> None:
    statement = read_words(text)
    assert statement is not None and statement.value is None and statement.unread == (text,)


def test_the_wording_holds_exactly_the_sentences_relied_on() -> None:
    text = "A soft ink style.\nUse at 0.8. Do not sell this LoRA! Commercial use of images is allowed."
    statement = read_words(text)
    assert statement is not None and statement.wording == "Do not sell this LoRA!"
    assert statement.hints == {} or statement.hints["grants"]


@given(
    st.lists(
        st.sampled_from([*NON_COMMERCIAL, "Nice style.", "Use 0.7.", "商用可", "Commercial use is allowed."])
    )
)
def test_more_sentences_never_lift_a_ban(sentences: list[str]) -> None:
    banned = any(sentence in NON_COMMERCIAL for sentence in sentences)
    statement = read_words("\n".join(sentences))
    found = bool(statement and isinstance(statement.value, dict) and statement.value["forbidden"])
    assert found == banned


@given(st.text(max_size=2000))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert isinstance(read_words(text), Statement | None)


@pytest.mark.parametrize(
    "part", ["no ", "do not sell ", "商用、の・", "[a](", "<svg ", "<br", "\n", "copyright (c) "]
)
def test_text_made_to_be_slow_is_read_like_any_other(part: str) -> None:
    """A pattern that backtracks would take minutes here."""
    text = part * (90_000 // len(part))
    found = read_words(text)
    assert (found is not None and found.value is not None) == (part == "do not sell ")
    assert parse_circle_table(text).flags == {} and match_text(text).license is None
