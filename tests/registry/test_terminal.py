"""Text of others on a terminal: nothing in it steers, and a message stays one line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.terminal import one_line, terminal_text


def test_what_would_steer_a_terminal_becomes_a_mark() -> None:
    assert terminal_text("red\x1b[31m\u202e\ud800") == "red\ufffd[31m\ufffd\ufffd"


def test_line_breaks_stay_where_they_are_asked_for() -> None:
    assert terminal_text("a\nb\r", keep="\n") == "a\nb\ufffd"


def test_a_message_of_several_lines_becomes_one() -> None:
    assert one_line("  died:\n\n\tno\u2028memory\x1b ") == "died: no memory\ufffd"


@given(st.text(), st.integers(min_value=0, max_value=40))
def test_any_text_is_one_printable_line_of_the_length_asked_for(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert line.isprintable()
    assert len(line) <= limit
    assert one_line(text).startswith(line)
