"""Fetching a file with all its digests, against `curl | openssl dgst -sha256` from the same server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.harness import Row, at_most_times

SIZE = 1024**3
BLOCK = 1024 * 1024
ROOT = Path(__file__).parents[1]


def run() -> list[Row]:
    """A file of 1 GiB made with a fixed seed, from the page cache of this machine; best of five in turn.

    Ours writes the file, checks its SHA256 and computes six digests; theirs computes one. As theirs writes
    nothing, ours writes to memory (/dev/shm where there is one) for that row; the row on disk has a `tee`
    on their side. `cpu` is user and system time of both sides without the server's.
    """
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir=memory) as light:
        source = Path(folder) / "served" / "file.safetensors"
        source.parent.mkdir()
        random = np.random.Generator(np.random.PCG64(20261126))
        with source.open("wb") as file:
            for _ in range(SIZE // BLOCK):
                file.write(random.bytes(BLOCK))
        with _served(source.parent) as host:
            environment = os.environ | {
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "UPSTREAM_PRIVATE_HOSTS": host,
                "UPSTREAM_SHARED_BUDGETS": "false",
                "LOG_LEVEL": "ERROR",
            }
            told = subprocess.run(
                [
                    *(sys.executable, "-m", "benchmarks.fetch_child"),
                    *(f"http://{host}/{source.name}", folder, light),
                ],
                cwd=ROOT,
                env=environment,
                check=True,
                capture_output=True,
            )
    found = json.loads(told.stdout)
    return [
        at_most_times("download_and_all_hashes", found["ours"], "s", against=found["theirs"], target=2.0),
        at_most_times("to_disk", found["ours_on_disk"], "s", against=found["theirs_on_disk"], target=2.0),
        Row("cpu", found["cpu"], "s", found["their_cpu"], found["cpu"] / found["their_cpu"]),
    ]


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The folder on loopback, by a process of its own; `127.0.0.1:PORT`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        "--directory",
        str(folder),
        str(port),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(100):
                with socket.socket() as there:
                    if there.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"127.0.0.1:{port}"
        finally:
            server.terminate()
