"""Findings as sentences: every one that exists is said in the reader's language, with its numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.translation import override

from catalog.pages.finding_words import KNOWN, finding_sentence

NUMBERS = {
    "weight": 0.8, "low": 0.4, "high": 0.8, "pictures": 3, "noise": 9.0, "prompt_grip": 0.3,
    "lightness": -9.0, "green_red": 5.0, "blue_yellow": 0.0, "modules": 128, "misfits": 80,
    "detected": 0.0, "share": 0.4, "adapter": 2, "kept": 0.1, "family_known": 1.0, "bases": 0.0,
    "recipes": 0.0,
}  # fmt: skip


def codes_of_the_metrics() -> set[str]:
    sources = Path(settings.BASE_DIR, "inference", "metrics").glob("*.py")
    found = (re.findall(r'Finding\(\s*"([a-z_]+)"', path.read_text(encoding="utf-8")) for path in sources)
    return {code for codes in found for code in codes}


def test_every_finding_that_the_metrics_make_has_a_sentence() -> None:
    assert codes_of_the_metrics() == KNOWN


@pytest.mark.parametrize("code", sorted(KNOWN))
def test_a_finding_is_said_in_english_and_in_japanese(code: str) -> None:
    english = finding_sentence(code, NUMBERS, "unused")
    with override("ja"):
        japanese = finding_sentence(code, NUMBERS, "unused")
    assert english != "unused" and english.isascii()
    assert not japanese.isascii()


@pytest.mark.parametrize("code", ["block_carries", "spoil_each_other", "drowned_out", "setting_spoils"])
def test_a_finding_about_one_column_names_it_in_english_and_in_japanese(code: str) -> None:
    assert "OUT07" in finding_sentence(code, NUMBERS, "unused", "OUT07")
    with override("ja"):
        japanese = finding_sentence(code, NUMBERS, "unused", "OUT07")
    assert "OUT07" in japanese and not japanese.isascii()


def test_a_color_shift_names_its_directions() -> None:
    assert finding_sentence("colour_shift", NUMBERS, "") == "Colors shift at weight 0.8: darker, redder."


@pytest.mark.parametrize(("code", "numbers"), [("from_a_newer_release", NUMBERS), ("no_effect", {})])
def test_what_is_not_known_here_is_said_as_the_worker_wrote_it(code: str, numbers: dict[str, float]) -> None:
    assert finding_sentence(code, numbers, "As written.") == "As written."
