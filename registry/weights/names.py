"""File names that deceive whoever reads them, or that lead out of the folder they are meant for."""

from __future__ import annotations

import re

from .errors import MisleadingName

# Overrides and isolates of the direction of writing (Unicode Standard Annex 9, section 2), which let
# `ink<RLO>gnp.exe` show as `inkexe.png`; and control characters, which steer terminals.
_DECEIVING = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SEPARATOR = re.compile(r"[/\\]")


def name_problem(name: str) -> str | None:
    """What is wrong with the plain file name `name`, as a sentence; None for a name that shows what it is."""
    if _DECEIVING.search(name):
        return "The file's name holds signs that reverse or hide a part of it."
    if _SEPARATOR.search(name) or name in (".", ".."):
        return "The file's name holds a path, which some programs would follow."
    return None


def check_name(name: str) -> None:
    """Raises MisleadingName for a name with a problem."""
    problem = name_problem(name)
    if problem:
        raise MisleadingName(problem)
