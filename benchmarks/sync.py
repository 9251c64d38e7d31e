"""A sync of 100,000 versions from a Civitai server on loopback: the first run, and one with 0.1 % changes.

KURA_BENCHMARK_MODELS names other sizes, `5000,20000`; their rows have the size at the end of their ids.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command

from benchmarks.harness import Row, at_most, at_most_times

_WHOLE = 100_000
SIZES = [int(size) for size in os.environ.get("KURA_BENCHMARK_MODELS", str(_WHOLE)).split(",")]
ROOT = Path(__file__).parents[1]


def run() -> list[Row]:
    """The rows of every size."""
    return [row for models in SIZES for row in measured(models)]


def measured(models: int) -> list[Row]:
    """Each run is `manage.py sync` in a process of its own, metadata alone, with an embedded PostgreSQL.

    The server has its pages ready before a run begins: how long an upstream thinks is no cost of ours. Memory
    is the process's largest resident set.
    """
    changes, size = max(1, models // 1000), "" if models == _WHOLE else f"_{models}"
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sync_server", str(models)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdin is not None and server.stdout is not None
        api = server.stdout.readline().strip()
        environment = os.environ | {
            "VAR_DIR": f"{folder}/var",
            "DATABASE_URL": "",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "CIVITAI_API": api,
            "UPSTREAM_PRIVATE_HOSTS": api.split("/")[2],
        }
        try:
            child(environment, "migrate")
            child(environment, "seed")
            child(environment, "subscribe")
            _tell(server, "warm")
            first = child(environment, "sync")
            for number in range(changes):
                _tell(server, f"edit {number * 997 % models}")
            _tell(server, "warm")
            second = child(environment, "sync")
        finally:
            server.kill()
            server.wait()
            drop = [sys.executable, "-m", "config.postgres", "destroy"]
            subprocess.run(drop, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=False)
    assert (first["fetched"], first["failed"], first["state"]) == (models, 0, "done"), first
    assert (second["fetched"], second["skipped"]) == (changes, models - changes), second
    return [
        at_most(f"peak_memory_first{size}", first["megabytes"], "MB", target=300),
        at_most(f"peak_memory_second{size}", second["megabytes"], "MB", target=300),
        _second(first["seconds"], second["seconds"], size),
        Row(f"milliseconds_per_new_version{size}", first["seconds"] / models * 1000, "ms"),
        Row(f"milliseconds_per_unchanged_version{size}", second["seconds"] / models * 1000, "ms"),
    ]


def _second(first: float, second: float, size: str) -> Row:
    """The second run beside the first; of fewer versions it is mostly the start of the process: no target."""
    if not size:
        return at_most_times("seconds_second", second, "s", against=first, target=0.05)
    return Row(f"seconds_second{size}", second, "s", first, second / first)


def _tell(server: subprocess.Popen[str], line: str) -> None:
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(line + "\n")
    server.stdin.flush()
    assert server.stdout.readline() == "done\n"


def child(environment: dict[str, str], command: str) -> dict[str, Any]:
    """Run a command of the project in a fresh process; what it measured."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sync", command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def main(command: str) -> None:
    """In the fresh process: run the command and print what it cost."""
    django.setup()
    arguments = {
        "migrate": ["-v0"],
        "seed": [],
        "subscribe": ["civitai", "catalog", "all", "--no-fetch"],
        "sync": ["--json"],
    }[command]
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        call_command(command, *arguments, stdout=output)
        seconds = time.perf_counter() - began
        output.seek(0)
        told = json.load(output)["runs"][0] if command == "sync" else {}
    sys.stdout.write(json.dumps({"seconds": seconds, "megabytes": _peak(), **told}) + "\n")


def _peak() -> float:
    """MB of this process's largest resident set. (`ru_maxrss` of a new process begins with its parent's.)"""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
