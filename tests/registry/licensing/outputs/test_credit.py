"""Credit texts: who made what, under which license, fit for the medium, and safe to paste."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.licensing import AdapterTerms
from registry.licensing.outputs.credit import MEDIA, CreditText, credit_text
from registry.licensing.outputs.errors import UnknownLanguage, UnknownMedium
from registry.licensing.outputs.parts import Part
from registry.licensing.outputs.phrases import LANGUAGES, phrases
from tests.registry.licensing.outputs.stacked import BASE, CREDIT_FLAGS, GOLD, INK, PARTS, SELL, decided

SHARE_MERGE = "redistribute_derivative"


def credit(medium: str = "web", language: str = "en", act: str = SELL, *terms: AdapterTerms) -> CreditText:
    return credit_text(decided(act, *terms), PARTS, act, medium=medium, language=language)


class Links(HTMLParser):
    """The elements and addresses of an HTML text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if tag == "a":
            self.links[str(given["href"])] = str(given.get("rel", ""))


def test_a_web_credit_links_the_work_its_creator_and_its_license() -> None:
    found = credit()
    assert found.required
    assert (found.duties_met, found.duties_left) == (("attribution",), ())
    assert Links(found.html).links == {
        "https://civitai.com/models/7": "",
        "https://civitai.com/user/mika": "",
        "https://creativecommons.org/licenses/by/4.0/": "license",
        # Flags without a license: their terms stand on the page of the model.
        "https://civitai.com/models/8": "license",
    }
    assert "[Ink Lines v1.0](<https://civitai.com/models/7>)" in found.markdown
    assert found.text.splitlines()[1] == (
        "- Ink Lines v1.0 <https://civitai.com/models/7> by mika <https://civitai.com/user/mika>; license: "
        "Creative Commons Attribution 4.0 <https://creativecommons.org/licenses/by/4.0/>; used at 0.8"
    )


def test_nobody_is_credited_who_does_not_ask_for_it() -> None:
    assert "SDXL" not in credit().text


def test_an_imprint_is_running_text_with_addresses_that_can_be_typed() -> None:
    found = credit("print")
    assert "\n" not in found.text
    assert "(civitai.com/models/7)" in found.text
    assert "https" not in found.text
    assert found.text.endswith(".")


def test_an_end_card_is_short_and_its_description_has_the_links() -> None:
    found = credit("video")
    assert max(map(len, found.text.splitlines())) <= 60
    assert "http" not in found.text
    assert "see the description" in found.text
    assert "https://creativecommons.org/licenses/by/4.0/" in found.description


def test_an_authors_own_wording_comes_first_and_the_license_stays() -> None:
    worded = replace(INK, wording="Linework by MIKA (@mika_draws)")
    found = credit_text(decided(), (BASE, worded, GOLD), SELL)
    line = found.text.splitlines()[1]
    assert line.startswith("- Linework by MIKA (@mika_draws); Ink Lines v1.0")
    assert "Creative Commons" in line


@pytest.mark.parametrize(
    ("act", "said"),
    [(SELL, "used at 0.8"), (SHARE_MERGE, "merged at 0.8"), ("redistribute_adapter", "unchanged")],
)
def test_what_was_done_to_an_adapter_is_stated(act: str, said: str) -> None:
    line = next(line for line in credit("web", "en", act).text.splitlines() if "Ink Lines" in line)
    assert line.endswith(said)


def test_a_merge_names_what_the_credit_cannot_do() -> None:
    found = credit("web", "en", SHARE_MERGE)
    assert {"attribution", "state_changes"} <= set(found.duties_met)
    assert "include_license_copy" in found.duties_left
    assert not set(found.duties_met) & set(found.duties_left)


def test_a_powered_by_line_belongs_on_the_site_and_not_on_the_picture() -> None:
    verdict = decided("redistribute_adapter", AdapterTerms("MIT"), base="stability-ai-community-2024")
    notice = 'powered_by_notice:"Powered by Stability AI"'
    web, print_ = (
        credit_text(verdict, (BASE, INK), "redistribute_adapter", medium=m) for m in ("web", "print")
    )
    assert "Powered by Stability AI" in web.text
    assert notice in web.duties_met
    assert "Powered by" not in print_.text
    assert notice in print_.duties_left


def test_a_prescribed_name_stays_to_be_done() -> None:
    verdict = decided("redistribute_derivative", AdapterTerms("MIT"), base="llama3.1")
    found = credit_text(verdict, (BASE, INK), "redistribute_derivative")
    assert 'naming_prefix:"Llama"' in found.duties_left
    assert "Built with Llama" in found.text


def test_an_ai_disclosure_is_part_of_the_credit_in_every_medium() -> None:
    verdict = decided("generate_and_share_images", AdapterTerms("MIT"), base="ltx-2-community")
    if "ai_disclosure" in verdict.conditions:
        for medium in MEDIA:
            found = credit_text(verdict, (BASE, INK), "generate_and_share_images", medium=medium)
            assert "generative AI" in found.text
            assert "ai_disclosure" in found.duties_met
    else:
        pytest.fail("LTX-2 asks for a disclosure")


def test_where_nothing_is_required_it_says_so_and_offers_thanks() -> None:
    verdict = decided(SELL, AdapterTerms("MIT"), AdapterTerms("CC0-1.0"))
    found = credit_text(verdict, PARTS, SELL)
    assert not found.required
    assert found.text.startswith("No credit is required")
    assert "Ink Lines" in found.text
    assert (found.duties_met, found.duties_left, found.missing) == ((), (), ())


def test_what_a_credit_lacks_is_named_part_by_part() -> None:
    nameless = Part("adapter:1", "Ink Lines", url="javascript:alert(1)")
    found = credit_text(decided(SELL, AdapterTerms("CC-BY-4.0")), (BASE, nameless), SELL)
    assert found.missing == (("adapter:1", "creator"), ("adapter:1", "url"))
    # Attachment B wants a link to the creator as well.
    flags = credit_text(decided(SELL, AdapterTerms(civitai=CREDIT_FLAGS)), (BASE, nameless), SELL)
    assert ("adapter:1", "creator_url") in flags.missing


def test_a_waiver_by_the_author_is_honored() -> None:
    verdict = decided(SELL, AdapterTerms(civitai={**CREDIT_FLAGS, "allowNoCredit": True}))
    assert not credit_text(verdict, (BASE, INK), SELL).required


def test_japanese_says_the_same_in_japanese() -> None:
    found = credit("web", "ja")
    assert "作者: mika" in found.text
    assert "強度 0.8 で使用" in found.text
    assert 'lang="ja"' in found.html


def test_both_languages_have_every_phrase_with_the_same_places() -> None:
    one, other = (phrases(language) for language in LANGUAGES)
    assert one.keys() == other.keys()
    for key in one:
        for place in ("{name}", "{creator}", "{license}", "{weight}"):
            assert (place in one[key]) == (place in other[key]), key


def test_a_medium_or_language_that_does_not_exist_lists_those_that_do() -> None:
    with pytest.raises(UnknownMedium, match="web, print, video"):
        credit("radio")
    with pytest.raises(UnknownLanguage, match="en, ja"):
        credit("web", "fr")


@given(
    st.text(max_size=80),
    st.text(max_size=80),
    st.sampled_from(
        ["javascript:alert(1)", "https://a.example/<b>", 'https://a.example/"x', "data:text/html,x"]
    )
    | st.text(max_size=60),
    st.sampled_from(MEDIA),
    st.sampled_from(LANGUAGES),
)
def test_whatever_a_card_states_it_stays_text(
    name: str, creator: str, url: str, medium: str, language: str
) -> None:
    hostile = Part("adapter:1", name, creator=creator, url=url, creator_url=url, wording=name)
    verdict = decided(SELL, AdapterTerms("CC-BY-4.0"))
    found = credit_text(verdict, (BASE, hostile), SELL, medium=medium, language=language)
    seen = Links(found.html)
    assert set(seen.tags) <= {"div", "p", "ul", "li", "a"}
    assert all(link.startswith(("http://", "https://")) for link in seen.links)
    assert seen.tags.count("li") == 1
    # One line for the adapter: a name cannot add lines of its own.
    assert len([line for line in found.markdown.splitlines() if line.startswith("- ")]) == 1
