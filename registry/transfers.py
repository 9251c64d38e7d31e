"""Meter: writes down how far a file has come while it is fetched, and tells whoever watches this process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from django.utils import timezone

from registry import jobs
from registry.errors import KuraError
from registry.models.jobs import Job
from registry.models.offers import OfferedFile
from registry.models.transfers import Transfer, TransferState

# Seconds between two writes, and over how long the speed is averaged: long enough to be read, short enough
# to follow a line that becomes slow.
WRITE_EVERY, AVERAGED_OVER = 1.0, 5.0

# Codes of errors that only say that somebody asked for an end.
_STOPPED = frozenset({"download_stopped"})


Watcher = Callable[[Transfer], None]
# Whoever shows the files of this process on its terminal, of which there is one.
_watchers: list[Watcher] = []


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Have `watcher` told of every step of every file that this process fetches meanwhile, from any thread.

    It sees the row as it is in memory, newer than in the database, and must be quick and raise nothing.
    """
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


class Speed:
    """Bytes a second, averaged with weights that fade: what counts is the last seconds.

    An exponentially weighted mean over uneven steps: after `dt` seconds the old mean keeps exp(-dt/T) of its
    weight (Eckner, Algorithms for Unevenly-Spaced Time Series, 2012). The first call sets the base, so
    that bytes which an earlier attempt left count as no speed.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._at: tuple[float, int] | None = None
        self._known = False

    def step(self, moment: float, done: int) -> None:
        """`done` bytes at `moment` seconds; a count that goes back starts over."""
        if self._at is None or done < self._at[1]:
            self._at = (moment, done)
            return
        passed = moment - self._at[0]
        if passed <= 0:
            return
        speed = (done - self._at[1]) / passed
        kept = math.exp(-passed / AVERAGED_OVER) if self._known else 0.0
        self.now = kept * self.now + (1 - kept) * speed
        self._known = True
        self._at = (moment, done)


class Meter:
    """The progress of one file as a Transfer row: `with Meter(name, job=..., offer=...) as meter:`.

    Called with `(done, total)` in bytes, `total` None while not known. Leaving it without an error says done,
    with JobStopped, an interrupt or `download_stopped` says stopped, with another error says failed and why.
    Nobody sees it before the transaction commits, so fetch outside of one.

    Within a job it belongs to that job, and a step raises JobStopped when the job should stop, so that
    pausing and canceling work in the middle of a file.
    """

    def __init__(
        self,
        name: str,
        *,
        job: Job | None = None,
        offer: OfferedFile | None = None,
        total: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = jobs.current()
        job = job or (self._context.job if self._context else None)
        self._clock = clock
        self._speed = Speed()
        self._written: float | None = None
        self._done, self._total = 0, total
        fresh: dict[str, Any] = {
            "name": name[:300],
            "job": job,
            "done": 0,
            "total": total,
            "speed": 0,
            "state": TransferState.RUNNING,
            "code": "",
            "started": timezone.now(),
            "updated": timezone.now(),
        }
        if offer is not None:
            self.row, _ = Transfer.objects.update_or_create(offer=offer, defaults=fresh)
        elif job is not None:
            self.row, _ = Transfer.objects.update_or_create(
                job=job, name=fresh["name"], offer=None, defaults=fresh
            )
        else:
            self.row = Transfer.objects.create(**fresh)

    def __enter__(self) -> Meter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            if self._total is None or self._done < self._total:
                # Bytes that were there already are not told one by one.
                self._done = self._total or self._done
            self.finish()
        elif _only_stopped(error):
            self.stop()
        else:
            self.fail(error.code if isinstance(error, KuraError) else "internal_error")

    def __call__(self, done: int, total: int | None = None) -> None:
        """Tell how far it is; written at most once a second, and whole at the end. Raises JobStopped."""
        self._done = done
        self._total = self._total if total is None else total
        moment = self._clock()
        if self._written is None or moment - self._written >= WRITE_EVERY:
            self._speed.step(moment, done)
            self._written = moment
            self._write(TransferState.RUNNING)
            if self._context is not None:
                self._context.check()
        elif _watchers:
            self._set(TransferState.RUNNING)
            _tell(self.row)

    def finish(self) -> None:
        """All of it is here."""
        self._write(TransferState.DONE)

    def stop(self) -> None:
        """It was asked to stop and keeps what it has."""
        self._write(TransferState.STOPPED)

    def fail(self, code: str) -> None:
        """It failed, with the code of the error."""
        self._write(TransferState.FAILED, code)

    def _write(self, state: TransferState, code: str = "") -> None:
        self._set(state, code)
        row = self.row
        # A row that was tidied away meanwhile stays away.
        Transfer.objects.filter(pk=row.pk).update(
            done=row.done,
            total=row.total,
            speed=row.speed,
            state=row.state,
            code=row.code,
            updated=row.updated,
        )
        _tell(row)

    def _set(self, state: TransferState, code: str = "") -> None:
        row = self.row
        row.done = max(self._done, 0)
        # A server that sends more than it said is found out elsewhere; a bar is never more than full.
        row.total = None if self._total is None else max(self._total, row.done)
        row.speed = round(self._speed.now) if state == TransferState.RUNNING else 0
        row.state, row.code, row.updated = state, code[:64], timezone.now()


def _tell(row: Transfer) -> None:
    for watcher in tuple(_watchers):
        watcher(row)


def _only_stopped(error: BaseException) -> bool:
    if isinstance(error, KuraError):
        return error.code in _STOPPED
    return isinstance(error, jobs.JobStopped) or not isinstance(error, Exception)
