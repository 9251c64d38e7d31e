"""Do findings tell the faults? A confusion table over adapters that the limits were not set on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from benchmarks.finding_cases import CALIBRATION_CASES, CODES, JUDGING_CASES, Case
from benchmarks.finding_sheets import Studio
from benchmarks.harness import Row, at_most
from inference.errors import SheetRefused
from inference.metrics import find, measure, wrong_base

MISSED_AT_MOST, ACCUSED_AT_MOST = 0.1, 0.0
"""Aims: nine of ten faults are found, and no sheet is accused of one that it lacks."""


@dataclass
class Confusion:
    """One finding over all cases that say whether it is true there; names of the cases that went wrong."""

    found: int = 0
    rightly_silent: int = 0
    missed: list[str] = field(default_factory=list)
    accused: list[str] = field(default_factory=list)

    def add(self, name: str, said: bool, true: bool) -> None:
        """Count one case."""
        if true and said:
            self.found += 1
        elif true:
            self.missed.append(name)
        elif said:
            self.accused.append(name)
        else:
            self.rightly_silent += 1


def codes_of(case: Case, studio: Studio) -> set[str]:
    """Codes of all findings on the case's sheet."""
    try:
        return {finding.code for finding in find(measure(studio.shots(case)))}
    except SheetRefused as refusal:
        return {finding.code for finding in wrong_base(refusal.code, refusal.message)}


def judge(cases: Sequence[Case], studio: Studio) -> dict[str, Confusion]:
    """Code -> what was said against what is true."""
    table = {code: Confusion() for code in CODES}
    for case in cases:
        said = codes_of(case, studio)
        for code in case.has | case.lacks:
            table[code].add(case.name, code in said, code in case.has)
    return table


def show(title: str, table: dict[str, Confusion]) -> None:
    """Print the confusion table."""
    printed = Table("finding", "found", "missed", "silent", "accused", "cases that went wrong", title=title)
    for code, row in table.items():
        wrong = ", ".join([*(f"-{name}" for name in row.missed), *(f"+{name}" for name in row.accused)])
        counts = (row.found, len(row.missed), row.rightly_silent, len(row.accused))
        printed.add_row(code, *map(str, counts), wrong)
    Console().print(printed)


def run() -> list[Row]:
    """Render what is not there yet (about 6 s a sheet on two cores), judge, one row each for both errors."""
    table = judge(JUDGING_CASES, Studio())
    show(f"{len(JUDGING_CASES)} sheets of the second set", table)
    rows = [Row("sheets", len(JUDGING_CASES), "sheets")]
    for code, row in table.items():
        missed = len(row.missed) / max(1, row.found + len(row.missed))
        accused = len(row.accused) / max(1, row.rightly_silent + len(row.accused))
        rows.append(at_most(f"{code}_missed", missed, "of the faulty", target=MISSED_AT_MOST))
        rows.append(at_most(f"{code}_accused", accused, "of the others", target=ACCUSED_AT_MOST))
    return rows


def calibrate() -> None:
    """Print what the limits were set on: the first set's measures at each weight, and its confusion table."""
    studio = Studio()
    names = ("effect", "cast", "border", "ssim", "noise", "clipped", "sharpness",
             "seed_diversity", "prompt_response", "prompt_grip", "variety", "selectivity")  # fmt: skip
    printed = Table("adapter", "has", "weight", *names)
    for case in CALIBRATION_CASES:
        try:
            weights = measure(studio.shots(case)).weights
        except SheetRefused:
            continue
        for at in weights:
            values = [getattr(at, name) for name in names]
            texts = ["" if value is None else f"{value:.3f}" for value in values]
            printed.add_row(case.name, " ".join(sorted(case.has)), f"{at.weight:g}", *texts)
    Console(width=200).print(printed)
    show(f"{len(CALIBRATION_CASES)} sheets of the first set", judge(CALIBRATION_CASES, studio))


if __name__ == "__main__" and sys.argv[1:] == ["calibrate"]:
    calibrate()
