"""The drafted question to an author: everything a fair question names, in both languages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.licensing import LicensingError
from registry.licensing.items import ITEMS
from registry.licensing.letters import LANGUAGES, Letter, draft
from registry.licensing.vocabulary import ACTS

DIGEST = "0123456789abcdef" * 4
LETTER = Letter(
    adapter="Ink Lines",
    version="v2",
    author="mika",
    url="https://civitai.com/models/1",
    files=[("ink.safetensors", DIGEST)],
    items=["sell_images", "share_merge", "credit"],
    house="Studio Kura",
)
ASKABLE = [key for key, item in ITEMS.items() if item.may_be_asked]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_names_author_adapter_source_and_file(language: str) -> None:
    text = draft(LETTER, language)
    for named in ("mika", "Ink Lines v2", LETTER.url, "ink.safetensors", DIGEST[:12], "Studio Kura"):
        assert named in text
    assert DIGEST not in text


@pytest.mark.parametrize(
    ("language", "use", "silence", "credit"),
    [
        ("en", "only for the uses and the files named above", "not take that as consent", "wording"),
        ("ja", "上に挙げた利用とファイルに限ります", "みなすことはございません", "文言"),
    ],
)
def test_it_says_what_the_answer_is_for_and_that_silence_is_no_consent(
    language: str, use: str, silence: str, credit: str
) -> None:
    text = " ".join(draft(LETTER, language).split())
    assert use in text
    assert silence in text
    assert credit in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_acts_asked_are_numbered_and_no_other_is_mentioned(language: str) -> None:
    whole = draft(replace(LETTER, items=ASKABLE), language)
    numbered = [line.strip() for line in whole.splitlines() if line.strip()[:2].rstrip(".").isdigit()]
    assert len(numbered) == sum(item.kind == "act" for item in ITEMS.values())
    one = draft(replace(LETTER, items=["sell_file"]), language)
    assert "  1. " in one
    assert "  2. " not in one
    assert numbered[0].partition(" ")[2] not in one


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_may_be_asked_has_a_line_of_its_own(language: str) -> None:
    letters = {key: draft(replace(LETTER, items=[key]), language) for key in ASKABLE}
    assert len(set(letters.values())) == len(ASKABLE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_not_known_leaves_no_gap(language: str) -> None:
    text = draft(replace(LETTER, author="", url="", version="", house="", files=[]), language)
    assert "()" not in text
    assert "None" not in text
    assert text.splitlines()[0] in ("Hello,", "作者様")


@pytest.mark.parametrize(
    ("items", "language"), [(["base"], "en"), (["fame"], "en"), ([], "ja"), (["credit"], "fr")]
)
def test_what_cannot_be_asked_is_refused_with_a_list(items: list[str], language: str) -> None:
    with pytest.raises(LicensingError, match=r"Known|sell_images|en"):
        draft(replace(LETTER, items=items), language)


def test_every_item_about_an_act_is_about_one_that_exists() -> None:
    acts = [item.act for item in ITEMS.values() if item.kind == "act"]
    assert set(acts) <= set(ACTS)
    assert len(set(acts)) == len(acts)
