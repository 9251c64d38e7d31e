"""A real program run beside a test: awaited until it answers, ended however the test ends."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running(
    command: list[str],
    answers: Callable[[], bool],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[None]:
    """Within it the program answers. What it prints goes to `log`, else to the test's own output."""
    output = log.open("wb") if log else None
    try:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=output, stderr=output)
    finally:
        if output:
            output.close()
    try:
        until = time.monotonic() + 60
        while not answers():
            said = log.read_text(errors="replace") if log else ""
            assert process.poll() is None, f"{command[0]} ended: {said}"
            assert time.monotonic() < until, f"{command[0]} did not answer: {said}"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        finally:
            process.kill()
            process.wait()
