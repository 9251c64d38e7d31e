"""Disputed clauses: both readings are told, the stricter decides, and a policy may hold such acts back."""

from __future__ import annotations

import pytest

from registry.licensing import LICENSES, AdapterTerms, Overlay
from tests.registry.licensing.asking import OPEN_FLAGS, ask, codes

SELL = "generate_and_sell_images"
ASK_LEGAL = Overlay("house", {}, kind="policy", disputed=("conditional", ["contact_licensor"]))


def test_the_verdict_tells_both_readings_of_a_disputed_clause() -> None:
    verdict = ask(SELL, "CC-BY-NC-4.0")
    entry = verdict.ledger[1]
    assert verdict.outcome == "forbidden"
    assert entry.disputed
    assert "commercial advantage" in entry.reading
    assert "not adapted material" in entry.other_reading
    assert "disputed_reading" in codes(verdict)
    assert "reading" not in entry.as_dict()


def test_every_disputed_cell_of_the_table_has_two_readings_that_differ() -> None:
    disputed = [cell for row in LICENSES.values() for cell in row.summary.values() if cell.disputed]
    assert len(disputed) >= 39
    for cell in disputed:
        assert cell.reading.endswith(".")
        assert cell.other_reading.endswith(".")
        assert cell.reading != cell.other_reading


def test_a_clause_that_is_clear_has_one_reading() -> None:
    entry = ask(SELL, "MIT").ledger[1]
    assert (entry.reading, entry.other_reading) == ("", "")


def test_the_printed_civitai_text_has_two_readings_too() -> None:
    verdict = ask(
        "relicense_derivative", AdapterTerms(civitai=OPEN_FLAGS), base="creativeml-openrail-m",
        base_model="SD 1.5",
    )  # fmt: skip
    entry = next(entry for entry in verdict.ledger if entry.layer == "adapter:1")
    assert entry.disputed
    assert entry.reading
    assert entry.other_reading


@pytest.mark.parametrize(
    ("base", "act", "told"),
    [
        ("Apache-2.0", "redistribute_adapter", True),
        ("CC-BY-SA-4.0", "sell_adapter", True),
        # A merge is a derivative without doubt, and some texts name adapters.
        ("Apache-2.0", "redistribute_derivative", False),
        ("stability-ai-community-2024", "redistribute_adapter", False),
        ("creativeml-openrail-m", "redistribute_adapter", False),
    ],
)
def test_whether_an_adapter_of_its_own_is_a_derivative_is_told_where_it_is_arguable(
    base: str, act: str, told: bool
) -> None:
    verdict = ask(act, base=base)
    assert ("adapter_may_be_separate" in codes(verdict)) == told
    assert bool(verdict.ledger[0].other_reading) == told


def test_a_policy_on_disputes_bears_on_disputed_acts_only() -> None:
    assert ask(SELL, "CC-BY-4.0", overlays=[ASK_LEGAL]).conditions == ("attribution", "contact_licensor")
    assert ask(SELL, "MIT", overlays=[ASK_LEGAL]).outcome == "allowed"
    assert ask("use_privately", "CC-BY-4.0", overlays=[ASK_LEGAL]).outcome == "allowed"


def test_a_policy_may_refuse_what_is_disputed_and_never_loosens() -> None:
    refuse = Overlay("house", {}, kind="policy", disputed=("forbidden", []))
    permit = Overlay("house", {}, kind="policy", disputed=("allowed", []))
    assert ask(SELL, "CC-BY-4.0", overlays=[refuse]).deciding == ("policy",)
    assert ask(SELL, "CC-BY-NC-4.0", overlays=[permit]).outcome == "forbidden"
