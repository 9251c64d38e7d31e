"""`manage.py indexer`: keeps the search documents up to date with the change log until it is told to stop."""

from __future__ import annotations

import argparse
import logging
import signal
import threading
import time
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, connection

from catalog.search.refresh import consume, sweep
from inference.policy import plan_missing_sheets
from inference.refusals import tell_refusals
from registry.analysis import request_missing

# The log is read this often while nothing happens; the sweep finds what was changed without a log entry.
WAIT_SECONDS = 2.0
SWEEP_SECONDS = 600.0
PLAN_SECONDS = 60.0

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """The process behind the search."""

    help = "Keep the search up to date. Ends on SIGTERM or SIGINT after the batch in hand."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """`--once` reads what there is and ends."""
        parser.add_argument("--once", action="store_true", help="catch up, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep once, then follow the log."""
        if options["once"]:
            self.stderr.write(f"{_catch_up() + sweep()} search documents refreshed.")
            return
        stop = threading.Event()

        def ask_to_stop(signum: int, frame: FrameType | None) -> None:
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ask_to_stop)
        follow(stop)


def follow(stop: threading.Event, *, wait: float = WAIT_SECONDS, sweep_every: float = SWEEP_SECONDS) -> None:
    """Read the log until `stop`; a database that is away for a while is waited for."""
    swept: float | None = None
    planned: float | None = None
    while not stop.is_set():
        try:
            read = consume()
            if read or planned is None or time.monotonic() - planned >= PLAN_SECONDS:
                # What was added or changed gets its comparison sheet without anybody asking for it, and what
                # found no room in the queue is looked for again.
                plan_missing_sheets()
                tell_refusals()
                planned = time.monotonic()
            if not read and (swept is None or time.monotonic() - swept >= sweep_every):
                sweep()
                # Files of an earlier release, or numbers of an earlier edition: some with every sweep.
                request_missing()
                swept = time.monotonic()
        except (OperationalError, InterfaceError) as error:
            logger.warning("The database is away (%s); trying again.", type(error).__name__)
            connection.close()
            read = 0
        if not read:
            stop.wait(wait)


def _catch_up() -> int:
    total = 0
    while read := consume():
        total += read
    return total
