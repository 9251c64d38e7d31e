"""A download that is killed in the middle goes on without fetching again what it had written."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from registry.sources.http import download
from registry.weights.digests import BLOCK, digest_file
from tests.upstreams.faults import Drip, FaultyServer
from tests.upstreams.replies import Reply, Request

pytestmark = pytest.mark.slow

SIZE = 300 * 2**20 + 12_345
# What is between the file and the network when a process dies: one block not yet handed over, and what the
# kernel and this server hold for the connection.
ON_THE_WAY = 24 * BLOCK

FETCH = """
import sys
from pathlib import Path
import django
django.setup()
from registry.sources.http import download
download(sys.argv[1], Path(sys.argv[2]), sha256=sys.argv[3])
"""


class Storage(FaultyServer):
    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def answer(self, request: Request) -> Reply:
        return Reply.of_file(self.file, '"strong"')


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "original"
    block = hashlib.shake_256(b"300 MB").digest(BLOCK)
    with path.open("wb") as file:
        for number in range(SIZE // BLOCK):
            file.write(number.to_bytes(8, "little") + block[8:])
        file.write(block[: SIZE % BLOCK])
    return path


@pytest.fixture
def storage(original: Path, settings: Settings) -> Iterator[Storage]:
    with Storage(original) as server:
        settings.UPSTREAM_PRIVATE_HOSTS = [server.host]
        yield server


def start(storage: Storage, to: Path, sha256: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, f"{storage.url}/a", str(to), sha256],
        cwd=django_settings.BASE_DIR,
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "config.settings", "UPSTREAM_PRIVATE_HOSTS": storage.host},
        stdout=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("sha256_known", [True, False])
def test_a_killed_download_repeats_nothing(
    storage: Storage, original: Path, tmp_path: Path, sha256_known: bool
) -> None:
    wanted = digest_file(original)
    to = tmp_path / "to" / "a.safetensors"
    part = to.with_name("a.safetensors.part")
    written = []
    # Twice, at different places, and then to the end.
    for upto in (60 * BLOCK, 170 * BLOCK):
        storage.plan(Drip(BLOCK, 0.01))
        process = start(storage, to, wanted.sha256 if sha256_known else "")
        try:
            deadline = time.monotonic() + 120
            while not part.exists() or part.stat().st_size < upto:
                assert process.poll() is None and time.monotonic() < deadline, "it ended too soon"
                time.sleep(0.002)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=30)
        written.append(part.stat().st_size)
        assert not to.exists()
    found = download(f"{storage.url}/a", to, sha256=wanted.sha256 if sha256_known else "")
    assert found == wanted == digest_file(to)
    # Each request began exactly where the file on disk ended.
    assert [each.headers.get("range") for each in storage.requests] == [
        None,
        f"bytes={written[0]}-",
        f"bytes={written[1]}-",
    ]
    assert SIZE <= storage.sent <= SIZE + 2 * ON_THE_WAY
    assert [each.name for each in to.parent.iterdir()] == [to.name]
