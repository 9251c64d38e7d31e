"""Who works on a job, and for how long that is believed: worker names, liveness, and lease renewal."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType

from django.db import Error, close_old_connections, connection

logger = logging.getLogger(__name__)


def worker_name() -> str:
    """`host:pid:start:machine`, unique in time and space; see `is_gone`."""
    pid = os.getpid()
    return f"{socket.gethostname()[:60]}:{pid}:{_started(pid)}:{_machine()}"


def is_gone(worker: str) -> bool:
    """Whether the worker is known to be dead: it ran on this very machine and its process has ended.

    Then nobody has to wait for its lease. A worker elsewhere is never called gone; its lease must run out.
    """
    parts = worker.rsplit(":", 3)
    if len(parts) != 4 or parts[3] != _machine() or not parts[1].isdigit():
        return False
    return _started(int(parts[1])) != parts[2]


def _started(pid: int) -> str:
    """When the process started, in clock ticks since boot; '' when it has ended or is a zombie.

    The start time tells a worker from a later process with the same number. Without /proc only life is known.
    """
    try:
        fields = Path("/proc", str(pid), "stat").read_bytes().rpartition(b")")[2].split()
        return "" if fields[0] in {b"Z", b"X"} else fields[19].decode()
    except (OSError, IndexError):
        if Path("/proc/self/stat").exists():
            return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "alive"


@cache
def _machine() -> str:
    """Names this boot of this machine and this container: process numbers mean nothing outside."""
    facts = [socket.gethostname()]
    try:
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        pass
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:12]


class LeaseKeeper:
    """Renews a lease from a thread of its own while the work goes on.

    `renew` returns whether the lease is still ours. Once it is not, renewing ends and `lost` is set; the
    worker then stops as soon as it looks. A database that is away is simply asked again.
    """

    def __init__(self, renew: Callable[[], bool], *, every: float) -> None:
        self.lost = threading.Event()
        self._renew = renew
        self._every = every
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _keep(self) -> None:
        try:
            while not self._end.wait(self._every):
                try:
                    if not self._renew():
                        self.lost.set()
                        return
                except Error:
                    logger.warning("The lease could not be renewed; trying again.", exc_info=True)
                    close_old_connections()
        finally:
            # The connection belongs to this thread, and nobody else can close it.
            connection.close()
