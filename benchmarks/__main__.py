"""Run benchmarks by name: `python -m benchmarks [NAME ...]`; without a name, all of them."""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import (
    decide,
    digests,
    fetch,
    findings,
    inspect,
    lineage,
    patching,
    rescan,
    sheets,
    sheets_fullarch,
    sheets_gpu,
    statistics,
    sync,
    triage,
)
from benchmarks.harness import Row, Skipped, report

BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "decide": decide.run,
    "digests": digests.run,
    "fetch": fetch.run,
    "findings": findings.run,
    "inspect": inspect.run,
    "lineage": lineage.run,
    "patching": patching.run,
    "rescan": rescan.run,
    "sheets": sheets.run,
    "sheets_fullarch": sheets_fullarch.run,
    "sheets_gpu": sheets_gpu.run,
    "statistics": statistics.run,
    "sync": sync.run,
    "triage": triage.run,
}
# What else the figures of a benchmark depend on.
WHERE = {"sheets_gpu": sheets_gpu.where}


def main(names: list[str]) -> int:
    """0 when every row with a target met it, 1 when one missed, 2 for a name that does not exist."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.stderr.write(f"no_such_benchmark: {', '.join(unknown)}. There are: {', '.join(BENCHMARKS)}.\n")
        return 2
    missed = False
    for name in names or BENCHMARKS:
        try:
            rows = BENCHMARKS[name]()
        except Skipped as reason:
            sys.stderr.write(f"{name}: skipped: {reason}\n")
            continue
        report(name, rows, on=WHERE[name]() if name in WHERE else "")
        missed = missed or any(row.met is False for row in rows)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
