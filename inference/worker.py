"""A process that renders: it takes one job after the other, and one such process belongs to each card."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, close_old_connections

from registry import jobs
from registry.models import Job, JobState
from registry.warm_base import WarmBase

logger = logging.getLogger(__name__)

# How often the queue is looked at while it is empty: a person hardly notices, and the database does not.
IDLE_SECONDS = 1.0
# A worker that dies over and over must not start a hundred times a minute.
RESTART_SECONDS = 5.0
# A card that has told of an error of its own answers nothing else until the process is another one.
_BROKEN = ("CUDA error", "CUDNN_STATUS_EXECUTION_FAILED", "CUDNN_STATUS_INTERNAL_ERROR", "device-side assert")


class DeviceBroken(Exception):
    """The card gives nothing but errors in this process, and another process has to take its place."""


def serve(queue: str, stopping: threading.Event, *, once: bool = False) -> int:
    """Do jobs of the queue until `stopping`, or with `once` until it is empty; the number of jobs taken.

    Jobs for the very base that is loaded go before others of the same priority. Raises DeviceBroken.
    """
    taken, warm = 0, WarmBase()
    while not stopping.is_set():
        try:
            job = jobs.run_next(queue, loaded=warm.loaded, stopping=stopping.is_set)
        except DatabaseError:
            logger.exception("The database is away; looking again.")
            close_old_connections()
            if once:
                raise
            stopping.wait(IDLE_SECONDS)
            continue
        if job is None:
            if once:
                break
            close_old_connections()
            stopping.wait(IDLE_SECONDS)
            continue
        taken += 1
        warm.did(job)
        if _broke_the_device(job):
            raise DeviceBroken(job.error_message)
    return taken


def _broke_the_device(job: Job) -> bool:
    over = job.state in {JobState.QUEUED, JobState.FAILED}
    return over and any(saying in job.error_message for saying in _BROKEN)


@dataclass
class _Child:
    """The process of one card, and when it was started."""

    device: int
    process: subprocess.Popen[bytes]
    started: float


class Supervisor:
    """Keeps one worker process running for each card."""

    def __init__(self, queue: str, devices: int) -> None:
        if devices < 1:
            raise ValueError("a supervisor without a device would wait for ever")
        self._queue = queue
        self._children = [self._start(device) for device in range(devices)]

    def run(self, stopping: threading.Event) -> None:
        """Start again what dies, until `stopping`; then let every process end its batch."""
        while not stopping.wait(0.5):
            for number, child in enumerate(self._children):
                if child.process.poll() is None:
                    continue
                logger.warning("The worker of device %d ended: %s.", child.device, child.process.returncode)
                if time.monotonic() - child.started < RESTART_SECONDS and stopping.wait(RESTART_SECONDS):
                    break
                self._children[number] = self._start(child.device)
        for child in self._children:
            child.process.terminate()
        for child in self._children:
            child.process.wait()

    def _start(self, device: int) -> _Child:
        command = [sys.executable, str(Path(settings.BASE_DIR, "manage.py")), "render_worker"]
        command += ["--queue", self._queue, "--device", str(device)]
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": card_of(device)}
        process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment)
        return _Child(device, process, time.monotonic())


def card_of(device: int) -> str:
    """What CUDA calls the device: of the cards that this process may use, the one with this number."""
    cards = [card.strip() for card in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if card.strip()]
    return cards[device] if device < len(cards) else str(device)
