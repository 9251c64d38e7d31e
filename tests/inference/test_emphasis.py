"""The prompt syntax: brackets as practitioners know them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.engine


def parse(prompt: str) -> list[tuple[str, float]]:
    """Pieces as plain pairs; the engine's package is imported only where torch may be."""
    from inference.engine.emphasis import parse_emphasis

    return [(piece.text, round(piece.weight, 6)) for piece in parse_emphasis(prompt)]


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        ("", [("", 1.0)]),
        ("a cat", [("a cat", 1.0)]),
        ("(a cat)", [("a cat", 1.1)]),
        ("((a)) b", [("a", 1.21), (" b", 1.0)]),
        ("[a] b", [("a", 0.909091), (" b", 1.0)]),
        ("a (red:1.5) cat", [("a ", 1.0), ("red", 1.5), (" cat", 1.0)]),
        ("(a (red:1.5) cat:0.5)", [("a ", 0.5), ("red", 0.75), (" cat", 0.5)]),
        ("(a:-.5)", [("a", -0.5)]),
        (r"cat \(animal\)", [("cat (animal)", 1.0)]),
        ("time 12:30", [("time 12:30", 1.0)]),
        ("(unclosed", [("unclosed", 1.1)]),
        ("closed)", [("closed)", 1.0)]),
        ("a]b:", [("a]b:", 1.0)]),
    ],
)
def test_brackets_weigh_what_they_hold(prompt: str, pieces: list[tuple[str, float]]) -> None:
    assert parse(prompt) == pieces


@given(st.text(alphabet=r"ab ()[]:\1.5", max_size=40))
def test_no_prompt_breaks_the_parser_or_loses_a_letter(prompt: str) -> None:
    kept = "".join(text for text, _ in parse(prompt))
    assert [c for c in kept if c in "ab"] == [c for c in prompt if c in "ab"]
