"""Every digest of a file in one pass, against reading the file once for each of them."""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from pathlib import Path

import numpy as np
from blake3 import blake3
from safetensors.numpy import save_file

from benchmarks.harness import Row, alternate, at_least
from registry.weights.digests import digest_file

SIZE = 512 * 1024 * 1024
BLOCK = 1024 * 1024


def run() -> list[Row]:
    """Throughput over a file of 512 MiB made with a fixed seed, from the page cache, best of three."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.safetensors"
        tensor = np.random.default_rng(1).integers(0, 255, SIZE, dtype=np.uint8)
        save_file({"tensor": tensor}, path)
        ours, theirs = alternate(lambda: digest_file(path), lambda: one_by_one(path), rounds=3)
        assert digest_file(path).sha256.lower() == one_by_one(path)[0]
    mib = SIZE / BLOCK
    return [at_least("one_pass", mib / ours, "MiB/s", against=mib / theirs, target=1.0)]


def one_by_one(path: Path) -> list[str]:
    """SHA256, SHA256 without the header, BLAKE3 and CRC-32, each with a pass of its own."""
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
