"""From declared names to license ids: known names are found, unknown ones are never guessed."""

from __future__ import annotations

from datetime import date

import pytest

from registry.licensing import LICENSES, identify, identify_hub, identify_license


@pytest.mark.parametrize(
    ("declared", "license_id"),
    [
        ("mit", "MIT"),
        ("apache-2.0", "Apache-2.0"),
        ("Apache License 2.0", "Apache-2.0"),
        ("cc-by-nc-4.0", "CC-BY-NC-4.0"),
        ("cc0-1.0", "CC0-1.0"),
        ("openrail++", "creativeml-openrail-plusplus-m"),
        ("creativeml-openrail-m", "creativeml-openrail-m"),
        ("CreativeML Open RAIL-M", "creativeml-openrail-m"),
        ("CreativeML Open RAIL++-M", "creativeml-openrail-plusplus-m"),
        ("sdxl-license", "creativeml-openrail-plusplus-m"),
        ("stabilityai-ai-community", "stability-ai-community-2024"),
        ("LicenseRef-scancode-stable-diffusion-2022-08-22", "creativeml-openrail-m"),
        ("https://creativecommons.org/licenses/by-nc-sa/4.0/", "CC-BY-NC-SA-4.0"),
        ("https://creativecommons.org/licenses/by-sa/4.0/legalcode.en", "CC-BY-SA-4.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("MIT OR Apache-2.0", "MIT OR Apache-2.0"),
        ("other", "other"),
        ("unknown", "unknown"),
    ],
)
def test_a_declared_license_is_recognized(declared: str, license_id: str) -> None:
    assert identify_license(declared) == license_id


@pytest.mark.parametrize(
    "declared",
    [
        "", "   ", "cc", "my own rules", "free to use", "cc-by-nc-3.0", "llama3", "MIT-ish", "MIT AND mine",
        "https://example.org/license", "https://creativecommons.org/licenses/by-nc/3.0/",
    ],
)  # fmt: skip
def test_a_name_that_is_not_known_is_not_guessed(declared: str) -> None:
    assert identify_license(declared) is None


def test_nothing_declared_is_nothing() -> None:
    assert identify_license(None) is None


def test_every_id_of_the_table_names_itself() -> None:
    for license_id in LICENSES:
        assert identify_license(license_id) == license_id
        assert identify_license(license_id.upper()) == license_id


def test_a_name_that_stands_for_several_texts_follows_the_date_of_the_copy() -> None:
    name = "flux-1-dev-non-commercial-license"
    assert identify(name, on=date(2024, 9, 1)).license == "flux-1-dev-nc-1.0"
    assert identify(name, on=date(2025, 6, 26)).license == "flux-1-dev-nc-1.1"
    assert identify(name, on=date(2026, 1, 1)).license == "flux-1-dev-nc-1.1.1"
    undated = identify(name)
    assert undated.ambiguous
    assert len(undated.candidates) == 3


def test_a_name_that_hides_terms_of_the_card_asks_for_a_reader() -> None:
    found = identify_hub("other", "fair-ai-public-license-1.0-sd")
    assert found.license == "faipl-1.0-sd"
    assert found.ambiguous
    assert "noobai-xl" in found.candidates


def test_an_unresolved_other_stays_unknown() -> None:
    found = identify_hub("other", "my-house-license")
    assert (found.license, found.declared, found.ambiguous) == ("other", "my-house-license", True)
    assert identify_hub("other").license == "other"


def test_a_hub_tag_without_a_row_is_unknown() -> None:
    assert identify_hub("artistic-2.0").license == "unknown"
    assert identify_hub(None).license is None


def test_a_family_tag_is_marked_ambiguous() -> None:
    assert identify_hub("openrail").ambiguous
    assert identify_hub("cc").license == "unknown"
