"""What a pickle, or an archive of pickles, would import when loaded: told by picklescan, never loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import Unreadable
from .findings import ERROR, INFO, WARNING, Finding

PICKLE_KINDS = ("pickle", "zip")
_PROGRAM = Path(__file__).with_name("pickle_scan.py")
# More than the program's own limit of CPU time: a busy machine may take long to grant it.
_SECONDS = 120
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class PickleReading:
    """What a file would import, each as `module.name`, by picklescan's judgement.

    `members` and `unpacked` (bytes, as the archive claims) are those of a zip archive, else 0; `pickles` is
    how many were read. `incomplete` says why something was not looked at; empty when everything was.
    """

    dangerous: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    harmless: tuple[str, ...] = ()
    members: int = 0
    unpacked: int = 0
    pickles: int = 0
    incomplete: str = ""

    def findings(self) -> Iterator[Finding]:
        """The same for people, the gravest first."""
        if self.dangerous:
            told = f"Loading it would import {_listed(self.dangerous)}, which can run anything."
            yield Finding("pickle_dangerous_import", ERROR, told)
        if self.incomplete:
            yield Finding("pickle_scan_incomplete", ERROR, f"{self.incomplete} It may hide anything.")
        if self.unknown:
            told = f"Loading it would import {_listed(self.unknown)}, which no checkpoint needs."
            yield Finding("pickle_unknown_import", WARNING, told)
        held = f"{self.pickles} pickle{'' if self.pickles == 1 else 's'}"
        if self.members:
            held = f"An archive of {self.members} members, {self.unpacked} bytes unpacked, {held}"
        told = f"{held}; usual imports: {_listed(self.harmless) or 'none'}."
        yield Finding("pickle_imports", INFO, told)


def scan_pickles(path: str | os.PathLike[str]) -> PickleReading:
    """Read the pickles in the file `path` in a process of its own, within 1 GiB and 20 seconds of CPU time.

    Raises Unreadable when the file cannot be opened; a file that cannot be scanned is a reading that says so.
    """
    try:
        with Path(path).open("rb") as file:
            # Isolated: neither the environment nor the current folder decides what the program imports.
            done = subprocess.run(
                [sys.executable, "-I", "-B", str(_PROGRAM)],
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_SECONDS,
                check=False,
            )
    except subprocess.TimeoutExpired:
        return PickleReading(incomplete="It takes longer to read than is allowed.")
    except OSError as error:
        raise Unreadable(f"{error.strerror or 'It could not be read'}.") from None
    if done.returncode != 0:
        return PickleReading(incomplete="It takes more memory or time to read than is allowed.")
    return _reading(json.loads(done.stdout))


def _reading(found: dict[str, Any]) -> PickleReading:
    by_safety: dict[str, list[str]] = {"dangerous": [], "suspicious": [], "innocuous": []}
    for module, name, safety in found["imports"]:
        by_safety[safety].append(f"{module}.{name}")
    return PickleReading(
        dangerous=tuple(by_safety["dangerous"]),
        unknown=tuple(by_safety["suspicious"]),
        harmless=tuple(by_safety["innocuous"]),
        members=found["members"],
        unpacked=found["unpacked"],
        pickles=found["pickles"],
        incomplete=found["incomplete"],
    )


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
