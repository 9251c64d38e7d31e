"""Licenses that the metadata of a weights file names."""

from __future__ import annotations

import pytest

from registry.licensing.claims.embedded import read_metadata


@pytest.mark.parametrize(
    ("stated", "license_id"),
    [("CreativeML Open RAIL++-M", "creativeml-openrail-plusplus-m"), ("apache-2.0", "Apache-2.0"),
     ("CC-BY-NC-4.0", "CC-BY-NC-4.0"), ("MIT OR Apache-2.0", "MIT OR Apache-2.0")],
)  # fmt: skip
def test_a_known_name_is_detected_and_not_declared(stated: str, license_id: str) -> None:
    found = read_metadata({"modelspec.license": stated, "modelspec.title": "Ink"})
    assert found is not None
    assert (found.value, found.standing, found.unread) == (license_id, "detected", ())
    assert found.wording == f"modelspec.license: {stated}"


@pytest.mark.parametrize("stated", ["do what you like", "CC-BY", "https://example.org/license", "Apache-ish"])
def test_free_text_that_is_no_exact_name_is_unread(stated: str) -> None:
    found = read_metadata({"modelspec.license": stated})
    if stated == "CC-BY":
        assert found is not None and found.value in (None, "CC-BY-4.0")
    else:
        assert found is not None and found.value is None and found.unread == (stated,)


@pytest.mark.parametrize("stated", ["", " ", "None", "N/A", "unknown"])
def test_a_placeholder_states_nothing(stated: str) -> None:
    assert read_metadata({"modelspec.license": stated}) is None


def test_an_spdx_tag_in_any_value_is_found() -> None:
    found = read_metadata({"comment": "Ink v2\nSPDX-License-Identifier: CC-BY-SA-4.0\nmore"})
    assert found is not None and found.value == "CC-BY-SA-4.0"


def test_two_names_bind_together_and_one_unread_makes_them_unread() -> None:
    both = {"modelspec.license": "mit", "comment": "SPDX-License-Identifier: CC-BY-NC-4.0"}
    found = read_metadata(both)
    assert found is not None and found.value == "CC-BY-NC-4.0 AND MIT"
    unread = read_metadata(both | {"modelspec.license": "my rules"})
    assert unread is not None and unread.value is None and unread.unread == ("my rules",)
