"""The process that benchmarks/fetch.py starts: `python -m benchmarks.fetch_child URL FOLDER` prints JSON."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import django

# Models can be imported only now.
django.setup()

from benchmarks.harness import alternate  # noqa: E402
from registry.sources.http import download  # noqa: E402

ROUNDS = 3


def measure(url: str, folder: Path) -> dict[str, float]:
    """Seconds of wall time, best of three in turn, and of processor time without the server's."""
    to = folder / "fetched.safetensors"
    wanted = download(url, to).sha256.lower()

    def ours() -> None:
        to.unlink()
        download(url, to, sha256=wanted)

    def theirs() -> None:
        answer = subprocess.run(
            f"curl --silent --fail {url} | openssl dgst -sha256", shell=True, check=True, capture_output=True
        )
        if wanted not in answer.stdout.decode():
            raise AssertionError("the file that came is another one")

    mine, other = alternate(ours, theirs, rounds=ROUNDS)
    return {"ours": mine, "theirs": other, "cpu": cpu_of(ours), "their_cpu": cpu_of(theirs)}


def cpu_of(work: Callable[[], None]) -> float:
    """User and system seconds of this process and of those it started and waited for."""

    def spent() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(each.ru_utime + each.ru_stime for each in both)

    before = spent()
    work()
    return spent() - before


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
