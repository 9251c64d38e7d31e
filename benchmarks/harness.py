"""Rows of a benchmark: how they are timed, printed and written to benchmarks/results/NAME.json."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


class Skipped(Exception):
    """What the benchmark needs is not here; the message says what."""


@dataclass(frozen=True)
class Row:
    """One figure, in `unit`; `against` is the other side's from the same run.

    `ratio` is ours to theirs; `met` compares it (or `value`, where there is no other side) with `target`.
    """

    id: str
    value: float
    unit: str
    against: float | None = None
    ratio: float | None = None
    target: float | None = None
    met: bool | None = None


def at_least(id: str, value: float, unit: str, *, against: float, target: float) -> Row:
    """A row that is met when ours is at least `target` times theirs."""
    ratio = value / against
    return Row(id, value, unit, against, ratio, target, ratio >= target)


def at_most(id: str, value: float, unit: str, *, target: float) -> Row:
    """A row without another side, met when the figure is no more than `target`."""
    return Row(id, value, unit, target=target, met=value <= target)


def at_most_times(id: str, value: float, unit: str, *, against: float, target: float) -> Row:
    """A row that is met when ours is no more than `target` times theirs."""
    ratio = value / against
    return Row(id, value, unit, against, ratio, target, ratio <= target)


def seconds_of(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def alternate(
    ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int
) -> tuple[float, float]:
    """Best wall time of each in `rounds` turns, taken alternately so that a busy machine troubles both."""
    pairs = [(seconds_of(ours), seconds_of(theirs)) for _ in range(rounds)]
    return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)


def machine() -> str:
    """What the figures were measured on."""
    where = f"{platform.system()} {platform.machine()}"
    return f"{where}, {os.cpu_count()} cores, Python {platform.python_version()}"


def report(name: str, rows: Sequence[Row], *, on: str = "") -> Path:
    """Print the table, write the JSON, return its path. `on` says more of the machine, such as its card.

    Raises ValueError when nothing was measured.
    """
    if not rows:
        raise ValueError(f"benchmark {name} measured nothing")
    where = f"{machine()}, {on}" if on else machine()
    table = Table(title=f"{name} - {where}")
    for column in ("row", "ours", "against", "ratio", "target", "met"):
        table.add_column(column, justify="left" if column == "row" else "right")
    for row in rows:
        table.add_row(
            row.id,
            f"{row.value:.3g} {row.unit}",
            "" if row.against is None else f"{row.against:.3g} {row.unit}",
            "" if row.ratio is None else f"{row.ratio:.2f}",
            "" if row.target is None else f"{row.target:.2f}",
            "" if row.met is None else ("yes" if row.met else "NO"),
        )
    Console().print(table)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {"name": name, "machine": where, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path
