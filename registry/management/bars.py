"""Progress of a command on the terminal: a bar for the work, and one for each file with speed and ETA."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column

from registry.models import Transfer, TransferState
from registry.terminal import terminal_text
from registry.transfers import watching

Step = Callable[[int, int, str], None]
# Files that are shown at once; further ones are fetched unseen, so that a small terminal holds them all.
_MOST: Final = 6


@contextmanager
def progress_bars(first: str, *, console: Console | None = None) -> Iterator[Step]:
    """Show bars while the block runs; yields `step(done, total, name)` for the bar of the whole work.

    `total` 0: not known. `first` stands there until the first step. Files that are fetched meanwhile by this
    process get bars of their own (registry.transfers.Meter). Everything goes to stderr, and nothing at all is
    printed where that is no terminal; the result on stdout is never touched.
    """
    screen = console or Console(stderr=True)
    if not screen.is_terminal:
        yield lambda done, total, name: None
        return
    work = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=screen,
        expand=True,
    )
    files = Progress(
        TextColumn("  {task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
        BarColumn(bar_width=24),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=screen,
        expand=True,
    )
    task = work.add_task(first, total=None)

    def step(done: int, total: int, name: str) -> None:
        work.update(task, completed=done, total=total or None, description=terminal_text(name) or "Done")

    with ExitStack() as stack:
        stack.enter_context(Live(Group(work, files), console=screen, transient=True, refresh_per_second=8))
        stack.enter_context(watching(_Files(files)))
        yield step


class _Files:
    """Turns what Meters tell into bars: one for each row, gone when the file is."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[int, TaskID] = {}
        # Files may be fetched by several threads.
        self._lock = Lock()

    def __call__(self, row: Transfer) -> None:
        with self._lock:
            task = self._tasks.get(row.pk)
            if row.state != TransferState.RUNNING:
                if task is not None:
                    self._bars.remove_task(self._tasks.pop(row.pk))
            elif task is not None:
                self._bars.update(task, completed=row.done, total=row.total)
            elif len(self._tasks) < _MOST:
                # What an earlier attempt left was not fetched now: the speed counts from here.
                self._tasks[row.pk] = self._bars.add_task(
                    terminal_text(row.name), completed=row.done, total=row.total
                )
