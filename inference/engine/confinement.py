"""What a converting process takes from itself before it touches a foreign file: memory, time, the network.

The process is ours until it reads the file, so it can lock itself in. Linux does all of it; elsewhere what
the system lacks is left out.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_MIB = 1 << 20
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_OPEN_FILES = 128
_NICE = 10

Work = Callable[[dict[str, Any]], dict[str, Any]]
"""From the order to the result, both plain JSON values."""


class Refused(Exception):
    """The work cannot be done; `code` names the error class that the parent raises."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def run(work: Work) -> int:
    """Read the order from standard input, lock in, do it, and answer on standard output; the exit code.

    Answers are JSON lines: `{"progress": [done, total]}`, and at the end `{"result": ...}` or
    `{"error": {"code", "message"}}`.
    """
    # Only answers go where the parent listens, whatever a library prints.
    answers = os.dup(1)
    os.dup2(2, 1)
    order: dict[str, Any] = json.load(sys.stdin)
    _lock_in(order["limits"], order["readable"])
    try:
        answer = {"result": work(order | {"progress": lambda done, total: _progress(answers, done, total)})}
    except Refused as refused:
        answer = {"error": {"code": refused.code, "message": refused.message}}
    except Exception as error:
        if not wants_memory(error):
            raise
        answer = {"error": {"code": "converter_out_of_memory", "message": "The memory limit was reached."}}
    _send(answers, answer)
    return 0


def wants_memory(error: Exception) -> bool:
    """Whether the error means that no more memory was to be had; torch raises a RuntimeError then."""
    return isinstance(error, MemoryError) or any(
        words in str(error) for words in ("allocate memory", "DefaultCPUAllocator", "Cannot allocate")
    )


def _progress(answers: int, done: int, total: int) -> None:
    _send(answers, {"progress": [done, total]})


def _send(answers: int, answer: dict[str, Any]) -> None:
    data = json.dumps(answer).encode("ascii") + b"\n"
    while data:
        data = data[os.write(answers, data) :]


def _lock_in(limits: dict[str, int], mapped: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # A network of its own has no way out. An ordinary user may make one only together with a user space.
    if hasattr(libc, "unshare") and libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    with suppress(OSError):
        os.nice(_NICE)
    # Private mappings of the input count as data, though they cost no memory until they are written to.
    _limit(resource.RLIMIT_DATA, limits["memory_mb"] * _MIB + mapped)
    _limit(resource.RLIMIT_CPU, limits["seconds"] * limits["threads"])
    _limit(resource.RLIMIT_FSIZE, limits["file_mb"] * _MIB)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)


def _limit(kind: int, value: int) -> None:
    """Set a limit for good; one that is lower already stays."""
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with suppress(ValueError, OSError):
        resource.setrlimit(kind, (value, value))
