"""A job for the tests that kill real workers; the workers load it with `celery worker -I`."""

from __future__ import annotations

import os
import time
from pathlib import Path

from registry.jobs import JobContext, handler


@handler("tests.slow")
def slow(context: JobContext) -> None:
    """Write down who started, go on until the file `release` exists, write down who ended."""
    folder = Path(context.payload["folder"])
    _write(folder, f"started {context.job.key} {os.getpid()}")
    while not (folder / "release").exists():
        context.check()
        time.sleep(0.05)
    _write(folder, f"ended {context.job.key} {os.getpid()}")


@handler("tests.deaf")
def deaf(context: JobContext) -> None:
    """Do not look up for as many seconds as the payload says."""
    time.sleep(context.payload["seconds"])
    _write(Path(context.payload["folder"]), f"ended {context.job.key} {os.getpid()}")


def _write(folder: Path, line: str) -> None:
    # One write in append mode: lines of several workers do not mix.
    with (folder / "diary").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
