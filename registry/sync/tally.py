"""Tally: what came of some adapters of a run, and the rows that tell of its problems."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from registry.models import SyncProblem, SyncRun
from registry.sources.text import line, text
from registry.sources.walk import Failure

# More problems of one run are counted, not told one by one.
MOST_PROBLEMS: Final = 1000
# Why an adapter was skipped: by its fingerprint; by its rows, once it was read; listed without any version.
UNCHANGED: Final = "unchanged"
NOTHING_NEW: Final = "nothing_new"
NO_VERSIONS: Final = "no_versions"


@dataclass
class Tally:
    """What came of some adapters."""

    fetched: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failed: list[Failure] = field(default_factory=list)
    repeated: int = 0
    versions: int = 0
    notes: list[str] = field(default_factory=list)
    # What failed earlier in this run and is kept now.
    made_good: str = ""


def problem_of(run: SyncRun, failure: Failure) -> SyncProblem:
    """The row that tells of a failure, not saved."""
    error = failure.error
    return SyncProblem(
        run=run,
        what=line(failure.source, 500),
        code=error.code,
        message=text(str(error.message), 2000),
        next_step=text(str(error.next_step), 2000),
    )
