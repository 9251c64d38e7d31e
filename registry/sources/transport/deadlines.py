"""A time limit for what no timeout of a single read ends: an answer that comes a byte at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass(slots=True)
class Deadline:
    """Whether the time ran out."""

    over: bool = False


@contextmanager
def deadline(seconds: float, end: Callable[[], None]) -> Iterator[Deadline]:
    """Call `end`, which shuts the connection down, from another thread if this is not left in time."""
    found = Deadline()

    def ring() -> None:
        found.over = True
        # Closed or given back a moment before: then there is nothing to end.
        with suppress(OSError, ValueError, RuntimeError):
            end()

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield found
    finally:
        timer.cancel()
