"""`manage.py reaper`: gives dead workers' jobs to living ones, repeats lost wake-ups, starts what is due."""

from __future__ import annotations

import logging
import signal
import threading
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections

from registry import jobs
from registry.housekeeping import request_housekeeping
from registry.sync.worker import request_all_due

logger = logging.getLogger(__name__)

# While a queue has a running worker a lost wake-up is rare, and each repetition leaves a message to be read.
REPEAT_SECONDS = 30
# What is due by the clock is looked for this often: subscriptions, terms read long ago, tidying up.
SCHEDULE_SECONDS = 60.0


class Command(BaseCommand):
    help = "Take jobs back from dead workers, wake workers, and put to work what is due by the clock."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="Look once and end.")

    def handle(self, *args: Any, **options: Any) -> None:
        ended = threading.Event()
        if not options["once"]:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: ended.set())
        woken: dict[str, float] = {}
        asked = -SCHEDULE_SECONDS
        while True:
            try:
                self._look(woken)
                if time.monotonic() - asked >= SCHEDULE_SECONDS:
                    asked = time.monotonic()
                    request_all_due()
                    request_housekeeping()
            except DatabaseError:
                logger.exception("The database is away; looking again.")
                close_old_connections()
            if options["once"] or ended.wait(settings.JOB_REAP_SECONDS):
                return

    def _look(self, woken: dict[str, float]) -> None:
        taken = jobs.reap()
        if taken:
            logger.warning("Took %d jobs back from dead workers.", taken)
        for queue in jobs.waiting_queues():
            if taken or time.monotonic() - woken.get(queue, -REPEAT_SECONDS) >= REPEAT_SECONDS:
                woken[queue] = time.monotonic()
                jobs.wake(queue, expires=10 * REPEAT_SECONDS)
