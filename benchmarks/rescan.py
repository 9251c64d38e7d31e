"""Scanning a folder of 10,000 unchanged adapters again: how long it takes, and that no file is opened."""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import django
import numpy as np
from django.core.management import call_command

from benchmarks.harness import Row, at_most

FILES = 10_000
ROOT = Path(__file__).parents[1]
LAYER = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"


def run() -> list[Row]:
    """Both scans are `manage.py ingest FOLDER --json` in a process of its own, with an embedded PostgreSQL.

    `weights_opened` counts every call of the second scan that opens a weights file, of the folder or of the
    storage, as the interpreter's audit events tell; `megabytes_read` is what the process read from files at
    all (rchar of /proc: its own modules, sidecars, settings); `megabytes_held` the most memory that either
    scan held at once.
    """
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "loras"
        write(weights)
        environment = os.environ | {
            "VAR_DIR": f"{folder}/var",
            "DATABASE_URL": "",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        try:
            child(environment, "migrate", "-v0")
            child(environment, "seed")
            first = child(environment, "ingest", str(weights))
            second = child(environment, "ingest", str(weights))
        finally:
            drop = [sys.executable, "-m", "config.postgres", "destroy"]
            subprocess.run(drop, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=False)
    assert (first["new"], second["new"], second["skipped"]) == (FILES, 0, FILES), (first, second)
    return [
        at_most("weights_opened", second["opened"], "files", target=0),
        compared("seconds", second["seconds"], "s", first["seconds"]),
        compared("megabytes_read", second["read"] / 1e6, "MB", first["read"] / 1e6),
        at_most("megabytes_held", max(first["peak"], second["peak"]) / 1e6, "MB", target=300),
    ]


def compared(id: str, value: float, unit: str, first: float) -> Row:
    """The second scan beside the first, without a target."""
    return Row(id, value, unit, first, value / first)


def write(folder: Path) -> None:
    """Adapters of one module each, a hundred to a folder, an hour old; of random numbers, so that none is
    kin of another.
    """
    random = np.random.default_rng(1)
    down, up = 768, 1280
    entries, at = {}, 0
    for name, shape in (("alpha", []), ("lora_down.weight", [1, down]), ("lora_up.weight", [up, 1])):
        size = 2 * (shape[0] * shape[1] if shape else 1)
        entries[f"{LAYER}.{name}"] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    head = json.dumps(entries).encode()
    then = time.time_ns() - 3600 * 10**9
    for number in range(FILES):
        path = folder / f"{number // 100:03}" / f"ink{number:05}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = random.normal(size=down + up).astype("<f2").tobytes()
        path.write_bytes(struct.pack("<Q", len(head)) + head + struct.pack("<e", 1) + data)
        os.utime(path, ns=(then, then))


def child(environment: dict[str, str], *command: str) -> dict[str, float]:
    """Run a command of the project in a fresh process; what it measured."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.rescan", *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main(command: str, *arguments: str) -> None:
    """In the fresh process: run the command and print what it cost."""
    opened = 0

    def hear(event: str, about: tuple[object, ...]) -> None:
        nonlocal opened
        if event == "open" and isinstance(about[0], str) and ("/loras/" in about[0] or "/blobs/" in about[0]):
            opened += 1

    django.setup()
    output = io.StringIO()
    sys.addaudithook(hear)
    began = time.perf_counter()
    options = ["--json"] if command == "ingest" else []
    call_command(command, *arguments, *options, stdout=output)
    seconds = time.perf_counter() - began
    read = int(Path("/proc/self/io").read_text().split("rchar:")[1].split()[0])
    new = skipped = 0
    if command == "ingest":
        result = json.loads(output.getvalue())
        new = sum(len(adapter["versions"]) for adapter in result["adapters"])
        skipped = len(result["skipped"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    told = {"seconds": seconds, "opened": opened, "read": read, "peak": peak, "new": new, "skipped": skipped}
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
