"""Model cards as claims: recorded cards against what a person wrote down, and the traps of the wild."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from registry.licensing.claims.hub import LicenseLink, read_card_terms, read_link
from registry.licensing.claims.statement import Statement
from registry.licensing.identify import FAMILY_TAGS
from registry.sources.cards import read_card
from registry.sources.listing import RawDocument

CARDS = Path(__file__).parents[3] / "data" / "cards"
FLUX = "flux-1-dev-nc-1.1.1"
FLUX_FILE = "https://huggingface.co/black-forest-labs/FLUX.1-dev/blob/main/LICENSE.md"
RAIL = "creativeml-openrail-m"
X_Y = "https://hf.co/a/b/resolve/v1/x%20y.txt"

# Read by a person: the license each card declares (None: it declares none), and its base.
RECORDED: dict[str, tuple[str | None, str]] = {
    "Shakker-Labs_FLUX.1-dev-LoRA-Logo-Design": (FLUX, "black-forest-labs/FLUX.1-dev"),
    "aleksa-codes_flux-ghibsky-illustration": (FLUX, "black-forest-labs/FLUX.1-dev"),
    "alvdansen_flux_film_foto": (RAIL, "black-forest-labs/FLUX.1-dev"),
    "davisbro_half_illustration": (FLUX, "black-forest-labs/FLUX.1-dev"),
    "e-n-v-y_envy-arcane-xl-01": ("other", "stabilityai/stable-diffusion-xl-base-1.0"),
    "fixture_invalid_card_data": (None, ""),
    "fixture_invalid_model_index": ("MIT", ""),
    "fixture_simple": ("MIT", ""),
    "fixture_windows_line_breaks": ("MIT", ""),
    "fofr_sdxl-emoji": (RAIL, "stabilityai/stable-diffusion-xl-base-1.0"),
    "goofyai_3d_render_style_xl": ("Apache-2.0", "stabilityai/stable-diffusion-xl-base-1.0"),
    "linoyts_yarn_art_Flux_LoRA": ("other", "black-forest-labs/FLUX.1-dev"),
    "multimodalart_flux-tarot-v1": (FLUX, "black-forest-labs/FLUX.1-dev"),
    "nerijs_pixel-art-xl": (RAIL, "stabilityai/stable-diffusion-xl-base-1.0"),
    "prompthero_openjourney-lora": (RAIL, "stabilityai/stable-diffusion-2-1-base"),
    "tilake_China-Chic-illustration": (RAIL, ""),
}


def license_of(front: dict[str, Any], body: str = "", **more: Any) -> Statement:
    (found,) = [each for each in read_card_terms(front, body, **more) if each.kind == "license"]
    return found


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_a_recorded_card_gives_the_claims_that_a_person_read(name: str) -> None:
    license_id, base = RECORDED[name]
    reading = read_card(RawDocument("file:README.md", (CARDS / f"{name}.md").read_bytes()))
    assert reading is not None
    licenses = [each for each in reading.claims if each.kind == "license"]
    assert [each.value for each in licenses] == ([] if license_id is None else [license_id])
    assert reading.base == base
    assert all(each.standing == "declared" and not each.unread for each in licenses)


def test_every_recorded_card_is_in_the_table_and_one_is_no_card_at_all() -> None:
    plain = "fixture_no_metadata"
    assert {path.stem for path in CARDS.glob("*.md")} - {"README"} == set(RECORDED) | {plain}
    assert read_card(RawDocument("file:README.md", (CARDS / f"{plain}.md").read_bytes())) is None


@pytest.mark.parametrize(
    ("front", "value"),
    [
        ({"license": "Apache-2.0"}, "Apache-2.0"),
        ({"license": "CC-BY-NC-4.0"}, "CC-BY-NC-4.0"),
        ({"license": ["mit"]}, "MIT"),
        ({"license": "MIT OR Apache-2.0"}, "MIT OR Apache-2.0"),
        ({"license": "openrail++"}, "creativeml-openrail-plusplus-m"),
        ({"license": "other"}, "other"),
        ({"license": "other", "license_name": "faipl-1.0-sd"}, "faipl-1.0-sd"),
        ({"license": "other", "license_link": FLUX_FILE}, FLUX),
        ({"license": "other", "license_name": "flux-dev", "license_link": FLUX_FILE}, FLUX),
        ({"license_name": "apache-2.0"}, "Apache-2.0"),
    ],
)
def test_a_known_name_in_any_case_is_its_license(front: dict[str, Any], value: str) -> None:
    found = license_of(front)
    assert found.value == value and found.unread == ()


@pytest.mark.parametrize(
    "front",
    [
        {"license": ["mit", "cc-by-nc-4.0"]},
        {"license": "other", "license_name": "my-own-rules"},
        {"license": "other", "license_link": "https://example.org/terms"},
        {"license": "other", "license_link": "LICENSE.md"},
        {"license": "apache-2.0", "license_name": "my-own-rules"},
        {"license": "llama2"},
        {"license": "cc-by-nc-3.0"},
        {"license": {"id": "mit"}},
        *({"license": tag} for tag in sorted(FAMILY_TAGS - {"openrail"})),
    ],
)
def test_what_names_no_known_text_is_stated_and_unread(front: dict[str, Any]) -> None:
    found = license_of(front)
    assert found.value is None and found.unread


def test_a_family_tag_is_marked_as_one() -> None:
    assert license_of({"license": "cc"}).hints["family"] == "cc"
    assert license_of({"license": "openrail"}).hints["family"] == "openrail"


def test_a_link_that_says_something_else_than_the_tag_binds_beside_it() -> None:
    found = license_of({"license": "apache-2.0", "license_link": FLUX_FILE})
    assert found.value == f"Apache-2.0 AND {FLUX}"
    assert found.hints["disagree"] == ["Apache-2.0", FLUX]


def test_the_name_of_a_dated_license_is_read_at_the_day_of_the_copy() -> None:
    front = {"license": "other", "license_name": "flux-1-dev-non-commercial-license"}
    assert license_of(front, on=date(2025, 1, 1)).value == "flux-1-dev-nc-1.0"
    assert license_of(front).hints["ambiguous"]


def test_a_name_under_which_cards_add_terms_is_marked_and_the_added_terms_are_read() -> None:
    front = {"license": "other", "license_name": "fair-ai-public-license-1.0-sd"}
    body = "# NoobAI\n\n## II. Prohibition of Commercialization\nWe prohibit any form of commercialization."
    found, words = read_card_terms(front, body)
    assert found.value == "faipl-1.0-sd" and "noobai-xl" in found.hints["ambiguous"]  # type: ignore[operator]
    assert "generate_and_sell_images" in words.value["forbidden"]  # type: ignore[index]


def test_an_apache_card_with_non_commercial_below_says_both() -> None:
    tag, words = read_card_terms({"license": "apache-2.0"}, "For non-commercial use only.")
    assert tag.value == "Apache-2.0"
    assert "run_as_paid_service" in words.value["forbidden"]  # type: ignore[index]


def test_terms_of_the_gate_are_read_like_the_text_below() -> None:
    (words,) = read_card_terms({"extra_gated_prompt": "You agree not to sell it. Do not sell this model."})
    assert words.value["forbidden"] == ["sell_adapter", "sell_derivative"]  # type: ignore[index]


def test_a_circle_table_below_the_front_matter_gives_flags() -> None:
    body = "○ クレジットを入れずに使用する\n× 生成した画像を販売する\n× マージモデルを共有する\n"
    tag, table = read_card_terms({"license": RAIL}, body)
    assert tag.value == RAIL and table.kind == "civitai_flags"
    assert table.value == {
        "allowNoCredit": True,
        "allowDerivatives": False,
        "allowCommercialUse": [],
        "unstatedCommercialUse": ["RentCivit", "Rent", "Sell"],
    }


def test_the_file_of_a_relative_link_is_the_license_it_is_word_for_word() -> None:
    texts = {"LICENSE.md": "never mind", "sub/COPYING": "whatever"}
    asked: list[str] = []

    def linked(path: str) -> str | None:
        asked.append(path)
        return texts.get(path)

    found = license_of({"license": "other", "license_link": "./LICENSE.md"}, linked=linked)
    assert asked == ["LICENSE.md"] and found.value is None
    assert found.hints["license_file"] == "LICENSE.md"


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("LICENSE", LicenseLink(path="LICENSE")),
        ("./LICENSE.md#terms", LicenseLink(path="LICENSE.md")),
        ("blob/main/LICENSE.md", LicenseLink(path="LICENSE.md")),
        (FLUX_FILE, LicenseLink(FLUX_FILE, "black-forest-labs/FLUX.1-dev", "LICENSE.md")),
        (X_Y, LicenseLink(X_Y, "a/b", "x y.txt")),
        ("https://huggingface.co/a/b", LicenseLink("https://huggingface.co/a/b", "a/b")),
        ("https://huggingface.co/spaces/a/b", LicenseLink("https://huggingface.co/spaces/a/b")),
        ("https://example.org/LICENSE", LicenseLink("https://example.org/LICENSE")),
        ("https://[broken/LICENSE", LicenseLink("https://[broken/LICENSE")),
    ],
)  # fmt: skip
def test_a_license_link_is_taken_apart(link: str, target: LicenseLink) -> None:
    assert read_link(link) == target


fronts = st.dictionaries(
    st.sampled_from(["license", "license_name", "license_link", "extra_gated_prompt", "tags"]),
    st.recursive(
        st.none() | st.text(max_size=30) | st.sampled_from(["mit", "other", FLUX_FILE, "LICENSE"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=5,
    ),
)


@given(fronts, st.text(max_size=300))
def test_any_front_matter_is_read_without_an_error(front: dict[str, Any], body: str) -> None:
    for found in read_card_terms(front, body):
        assert found.wording and (found.value is not None or found.unread)


@given(fronts)
def test_a_card_written_to_yaml_and_read_again_never_escapes_as_another_error(front: dict[str, Any]) -> None:
    text = f"---\n{yaml.safe_dump(front, allow_unicode=True)}\n---\nbody\n"
    reading = read_card(RawDocument("file:README.md", text.encode("utf-8", errors="replace")))
    assert reading is not None
