"""Programs and services: a program's license stays off the pictures, terms nobody read are unknown."""

from __future__ import annotations

import pytest

from registry.licensing import ACTS, Overlay
from registry.licensing.tools import TOOLS, find_tool
from tests.registry.licensing.asking import ask, codes

PICTURES = ("generate_and_share_images", "generate_and_sell_images", "use_in_advertising_or_client_work")


@pytest.mark.parametrize("tool", ["ComfyUI", "AUTOMATIC1111", "a1111", "Forge", "kohya sd-scripts"])
@pytest.mark.parametrize("act", PICTURES)
def test_a_copyleft_program_has_no_effect_on_pictures(tool: str, act: str) -> None:
    verdict = ask(act, "MIT", tools=[tool])
    assert (verdict.outcome, verdict.conditions) == ("allowed", ())
    shown = [entry for entry in verdict.ledger if entry.layer == "tool"]
    assert [(entry.status, bool(entry.note), bool(entry.source)) for entry in shown] == [
        ("not_addressed", True, True)
    ]


def test_a_modified_network_copyleft_program_offered_as_a_service_owes_its_source() -> None:
    assert ask("run_as_paid_service", "MIT", tools=["Forge"]).conditions == ("source_disclosure",)
    assert ask("run_as_paid_service", "MIT", tools=["ComfyUI"]).conditions == ()


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("service", ["NovelAI", "Tensor.Art", "a service that opened yesterday"])
def test_terms_nobody_read_are_unknown_with_a_next_step(service: str, act: str) -> None:
    verdict = ask(act, "CC0-1.0", base="CC0-1.0", tools=[service])
    assert verdict.outcome == "unknown"
    assert codes(verdict)[0] == "service_terms_unread"
    assert verdict.next_steps[0] == "Paste or link its terms."
    assert verdict.deciding == ("tool",) if "yesterday" in service else ("host",)


def test_terms_that_were_read_take_the_place_of_the_unread_service() -> None:
    read = Overlay("novelai", {"generate_and_sell_images": ("conditional", ["attribution"])}, kind="host")
    verdict = ask("generate_and_sell_images", "MIT", tools=["NovelAI"], overlays=[read])
    assert verdict.conditions == ("attribution",)
    assert "service_terms_unread" not in codes(verdict)


def test_one_service_under_two_names_is_one_layer() -> None:
    verdict = ask("use_privately", "MIT", tools=["PixAI", "pixai.art"])
    assert [entry.layer for entry in verdict.ledger].count("host") == 1


def test_no_service_has_made_up_terms() -> None:
    for tool in TOOLS.values():
        assert (tool.acts is None) == tool.hosted
        assert find_tool(tool.name.upper()) is tool
