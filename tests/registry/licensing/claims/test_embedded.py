"""Licenses that the metadata of a weights file names."""

from __future__ import annotations

import pytest

from registry.licensing.claims.embedded import read_metadata
from registry.licensing.claims.statement import Statement


def license_in(metadata: dict[str, str]) -> Statement | None:
    found = [each for each in read_metadata(metadata) if each.kind == "license"]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("stated", "license_id"),
    [("CreativeML Open RAIL++-M", "creativeml-openrail-plusplus-m"), ("apache-2.0", "Apache-2.0"),
     ("CC-BY-NC-4.0", "CC-BY-NC-4.0"), ("MIT OR Apache-2.0", "MIT OR Apache-2.0")],
)  # fmt: skip
def test_a_known_name_is_detected_and_not_declared(stated: str, license_id: str) -> None:
    found = license_in({"modelspec.license": stated, "modelspec.title": "Ink"})
    assert found is not None
    assert (found.value, found.standing, found.unread) == (license_id, "detected", ())
    assert found.wording == f"modelspec.license: {stated}"


@pytest.mark.parametrize("stated", ["do what you like", "https://example.org/license", "Apache-ish"])
def test_free_text_that_is_no_exact_name_is_unread(stated: str) -> None:
    found = license_in({"modelspec.license": stated})
    assert found is not None and found.value is None and found.unread == (stated,)


@pytest.mark.parametrize("stated", ["", " ", "None", "N/A", "unknown"])
def test_a_placeholder_states_nothing(stated: str) -> None:
    assert license_in({"modelspec.license": stated}) is None


def test_an_spdx_tag_in_any_value_is_found() -> None:
    found = license_in({"comment": "Ink v2\nSPDX-License-Identifier: CC-BY-SA-4.0\nmore"})
    assert found is not None and found.value == "CC-BY-SA-4.0"


def test_two_names_bind_together_and_one_unread_makes_them_unread() -> None:
    both = {"modelspec.license": "mit", "comment": "SPDX-License-Identifier: CC-BY-NC-4.0"}
    found = license_in(both)
    assert found is not None and found.value == "CC-BY-NC-4.0 AND MIT"
    unread = license_in(both | {"modelspec.license": "my rules"})
    assert unread is not None and unread.value is None and unread.unread == ("my rules",)


@pytest.mark.parametrize("key", ["modelspec.description", "ss_training_comment", "comment"])
def test_a_ban_in_a_description_or_comment_is_detected(key: str) -> None:
    (found,) = read_metadata({key: "Ink wash. No commercial use."})
    assert (found.kind, found.standing, found.wording) == ("text_terms", "detected", "No commercial use.")
    assert read_metadata({key: "trained on commercial scans"}) == []
