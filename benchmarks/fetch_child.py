"""The process of benchmarks/fetch.py: `python -m benchmarks.fetch_child URL DISK MEMORY` prints JSON."""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import django

# Models can be imported only now.
django.setup()

from benchmarks.harness import seconds_of  # noqa: E402
from registry.sources.http import download  # noqa: E402

ROUNDS = 5


def measure(url: str, disk: Path, memory: Path) -> dict[str, float]:
    """Seconds of wall time, best of five in turn, and of processor time without the server's.

    `ours` and `ours_on_disk` differ by the folder alone; `theirs` writes nothing, `theirs_on_disk` the file.
    """
    wanted = download(url, memory / "first").sha256.lower()
    (memory / "first").unlink()

    def ours(folder: Path) -> None:
        download(url, folder / "fetched.safetensors", sha256=wanted)

    def theirs(between: str = "") -> None:
        command = f"curl --silent --fail {url} | {between} openssl dgst -sha256"
        answer = subprocess.run(command, shell=True, check=True, capture_output=True)
        if wanted not in answer.stdout.decode():
            raise AssertionError("the file that came is another one")

    sides: dict[str, Callable[[], None]] = {
        "ours": lambda: ours(memory),
        "theirs": theirs,
        "ours_on_disk": lambda: ours(disk),
        "theirs_on_disk": lambda: theirs(f"tee {disk / 'fetched.safetensors'} |"),
    }
    found = dict.fromkeys(sides, math.inf)
    for _ in range(ROUNDS):
        for name, side in sides.items():
            clear(disk, memory)
            found[name] = min(found[name], seconds_of(side))
    clear(disk, memory)
    found["cpu"] = cpu_of(sides["ours"])
    found["their_cpu"] = cpu_of(theirs)
    return found


def clear(*folders: Path) -> None:
    """What the side before left behind, its unwritten blocks too, is not the next one's to pay for."""
    for folder in folders:
        (folder / "fetched.safetensors").unlink(missing_ok=True)
    os.sync()


def cpu_of(work: Callable[[], None]) -> float:
    """User and system seconds of this process and of those it started and waited for."""

    def spent() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(each.ru_utime + each.ru_stime for each in both)

    before = spent()
    work()
    return spent() - before


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
