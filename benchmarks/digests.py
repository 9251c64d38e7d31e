"""Every digest of a file in one read, against openssl's SHA-256 alone and against one read for each."""

from __future__ import annotations

import hashlib
import resource
import subprocess
import tempfile
import zlib
from pathlib import Path

import numpy as np
from blake3 import blake3

from benchmarks.harness import Row, alternate, at_least, at_most_times
from registry.weights.digests import digest_file

SIZE = 2 * 1024**3
BLOCK = 1024 * 1024
ROUNDS = 3


def run() -> list[Row]:
    """A file of 2 GiB made with a fixed seed, from the page cache, best of three taken in turn.

    `against_openssl` is wall time, and needs two idle cores to mean anything: the two SHA-256 fill them. What
    the work costs whatever else runs is `cpu`: user and system time of both sides.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.safetensors"
        write(path)
        ours, openssl = alternate(lambda: digest_file(path), lambda: by_openssl(path), rounds=ROUNDS)
        before = cpu(resource.RUSAGE_SELF), cpu(resource.RUSAGE_CHILDREN)
        found = digest_file(path)
        assert by_openssl(path) == found.sha256.lower()
        ours_cpu = cpu(resource.RUSAGE_SELF) - before[0]
        openssl_cpu = cpu(resource.RUSAGE_CHILDREN) - before[1]
        single, several = alternate(lambda: digest_file(path), lambda: one_by_one(path), rounds=1)
        assert one_by_one(path)[0] == found.sha256.lower()
    return [
        at_most_times("against_openssl", ours, "s", against=openssl, target=1.6),
        Row("cpu", ours_cpu, "s", openssl_cpu, ours_cpu / openssl_cpu),
        at_least("one_pass", SIZE / BLOCK / single, "MiB/s", against=SIZE / BLOCK / several, target=1.0),
    ]


def write(path: Path) -> None:
    """One tensor of random bytes behind a header of 4 KiB."""
    random = np.random.default_rng(1)
    data = SIZE - 8 - 4096
    head = b'{"tensor":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (data, data)
    with path.open("wb") as file:
        file.write((4096).to_bytes(8, "little") + head.ljust(4096))
        while data:
            piece = min(data, 64 * BLOCK)
            file.write(random.bytes(piece))
            data -= piece


def cpu(who: int) -> float:
    """User and system time so far, in seconds."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def by_openssl(path: Path) -> str:
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-r", str(path)], capture_output=True, text=True, check=True
    )
    return done.stdout.split()[0]


def one_by_one(path: Path) -> list[str]:
    """SHA256, SHA256 without the header, BLAKE3 and CRC-32, each with a read of its own."""
    whole, data, tree, crc = hashlib.sha256(), hashlib.sha256(), blake3(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            whole.update(block)
        file.seek(0)
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        while block := file.read(BLOCK):
            data.update(block)
        file.seek(0)
        while block := file.read(BLOCK):
            tree.update(block)
        file.seek(0)
        while block := file.read(BLOCK):
            crc = zlib.crc32(block, crc)
    return [whole.hexdigest(), data.hexdigest(), tree.hexdigest(), f"{crc:08x}"]
