"""Bars on the terminal: the work, and each file with speed and ETA; nothing where there is no terminal."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from registry.management.bars import progress_bars
from registry.transfers import Meter

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def _console(terminal: bool) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    # Wide enough for every column; plain, so that the test reads what a person does.
    return Console(file=out, force_terminal=terminal, width=120, color_system=None), out


def _lines(out: io.StringIO) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())


def test_a_file_on_its_way_has_a_bar_with_its_bytes() -> None:
    console, out = _console(True)
    with progress_bars("Looking for adapters", console=console) as step:
        step(1, 3, "ink")
        with Meter("ink.safetensors", total=100 * 2**20) as meter:
            meter(25 * 2**20, 100 * 2**20)
            console.print("")
    shown = _lines(out)
    assert "ink.safetensors" in shown
    assert "25.0/100.0 MiB" in shown
    assert "1/3" in shown


def test_a_name_cannot_steer_the_terminal() -> None:
    console, out = _console(True)
    with progress_bars("Looking", console=console) as step:
        step(1, 3, "a\x1b]0;taken\x07 [red]b")
        with Meter("c\x1b[2Jd", total=4) as meter:
            meter(1, 4)
            console.print("")
    shown = out.getvalue()
    assert "\x1b]0;" not in shown
    assert "\x1b[2J" not in shown
    assert "[red]b" in shown


def test_without_a_terminal_nothing_is_printed() -> None:
    console, out = _console(False)
    with progress_bars("Looking", console=console) as step, Meter("a", total=4) as meter:
        step(1, 3, "a")
        meter(1, 4)
    assert out.getvalue() == ""


def test_a_work_of_unknown_size_and_a_file_of_unknown_size_show_what_has_come() -> None:
    console, out = _console(True)
    with progress_bars("Looking", console=console) as step, Meter("a.bin") as meter:
        step(7, 0, "listing")
        meter(2048)
        console.print("")
    assert "7/?" in _lines(out)
    assert "2.0/?" in _lines(out)
