"""Fetching: killed, stopped or raced, a file is fetched once, goes on from its byte, and is stored whole."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from django.conf import settings as project
from django.db import OperationalError, connection, connections
from pytest_django import Settings
from safetensors.numpy import save

from registry import intake, jobs, storage
from registry.fetching import fetch_offer
from registry.models import Blob, File, OfferedFile, Transfer, Version
from registry.sources.save import save_version
from registry.sources.upstream_errors import DownloadRunning, DownloadStopped
from registry.weights.digests import digest_file
from tests.registry.remote_source import Shelf, Upstream, offered, version
from tests.registry.weight_files import write_lora
from tests.upstreams.faults import Drip, Reply

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("blobs", "seeded"),
]


@pytest.fixture
def large() -> bytes:
    """A LoRA of some MB, so that it comes in several blocks."""
    random = np.random.default_rng(3)
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    return save(
        {
            f"{name}.lora_down.weight": random.normal(size=(2048, 768)).astype(np.float16),
            f"{name}.lora_up.weight": random.normal(size=(320, 2048)).astype(np.float16),
            f"{name}.alpha": np.array(2048, dtype=np.float32),
        }
    )


def listed(shelf: Shelf, body: bytes) -> OfferedFile:
    """An offer as a sync leaves it: saved, nothing fetched."""
    upstream = Upstream([version(offered(shelf, "ink.safetensors", body))])
    listing = next(upstream.read("test:1").listings)
    save_version(listing, listing.versions[0], [], actor="sync")
    return OfferedFile.objects.get()


def part(settings: Settings) -> int:
    """Bytes of the half-fetched file."""
    return sum(path.stat().st_size for path in (Path(settings.VAR_DIR) / "fetching").glob("*.part"))


def wait_for(condition: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_killed_worker_loses_and_repeats_no_byte(
    shelf: Shelf, large: bytes, blobs: Path, settings: Settings
) -> None:
    offer = listed(shelf, large)
    (job,) = intake.request(Version.objects.get())
    # The first request reads the header alone.
    shelf.plan(Drip(block=64 * 1024, pause=0.05), skip=1)
    found = connection.get_connection_params()
    address = f"postgresql://{found['user']}@/{found['dbname']}?host={quote(str(found['host']), safe='')}"
    program = "import django; django.setup(); from registry.jobs import run_next; run_next('cpu')"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=project.BASE_DIR,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": address,
            "BLOBS_DIR": str(blobs),
            "VAR_DIR": str(settings.VAR_DIR),
            "UPSTREAM_PRIVATE_HOSTS": shelf.host,
        },
    )
    try:
        wait_for(lambda: part(settings) > 0)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept, requests = part(settings), len(shelf.requests)
    assert 0 < kept < len(large)
    assert Blob.objects.count() == 0

    assert jobs.reap() == 1
    done = jobs.run_next("cpu")
    assert done is not None and (done.pk, done.state, done.error_code) == (job.pk, "done", "")
    ranges = [request.headers.get("range") for request in shelf.requests[requests:]]
    # The header was read before the kill; the rest is asked for from the first byte that is missing.
    assert ranges == [f"bytes={kept}-"]
    offer.refresh_from_db()
    assert (offer.state, offer.blob_id) == ("stored", hashlib.sha256(large).hexdigest())
    assert File.objects.count() == 1
    assert list((Path(settings.VAR_DIR) / "fetching").iterdir()) == []


def test_a_stopped_download_keeps_its_bytes_and_its_place(
    shelf: Shelf, large: bytes, settings: Settings
) -> None:
    offer = listed(shelf, large)
    shelf.plan(Drip(block=64 * 1024, pause=0.05))
    with pytest.raises(DownloadStopped):
        fetch_offer(offer, should_stop=lambda: part(settings) > 0)
    offer.refresh_from_db()
    assert offer.state == "offered"
    assert Transfer.objects.get().state == "stopped"
    kept = part(settings)
    assert kept > 0
    told: list[int] = []
    fetch_offer(offer, progress=lambda done, total: told.append(done))
    assert shelf.requests[-1].headers["range"] == f"bytes={kept}-"
    assert told[-1] == len(large) and min(told) >= kept
    assert Transfer.objects.get().state == "done"
    assert File.objects.get().blob_id == hashlib.sha256(large).hexdigest()


def test_two_processes_do_not_fetch_one_file_at_once(shelf: Shelf, large: bytes, settings: Settings) -> None:
    offer = listed(shelf, large)
    shelf.plan(Drip(block=64 * 1024, pause=0.05))

    def fetch() -> None:
        try:
            fetch_offer(OfferedFile.objects.get())
        finally:
            connections.close_all()

    other = threading.Thread(target=fetch)
    other.start()
    try:
        wait_for(lambda: part(settings) > 0)
        with pytest.raises(DownloadRunning):
            fetch_offer(offer)
    finally:
        other.join()
    offer.refresh_from_db()
    assert (offer.state, offer.code) == ("stored", "")
    assert shelf.asked("ink.safetensors") == 1


def test_what_came_whole_before_a_crash_is_not_fetched_again(
    shelf: Shelf, large: bytes, settings: Settings
) -> None:
    offer = listed(shelf, large)
    folder = Path(settings.VAR_DIR) / "fetching"
    folder.mkdir(parents=True)
    digest = hashlib.sha256(large).hexdigest()
    (folder / f"{offer.pk}-{digest[:12].upper()}").write_bytes(large)
    fetch_offer(offer)
    assert File.objects.get().blob_id == digest
    assert shelf.requests == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("failure", [storage.StorageFull("No space is left."), OperationalError("gone")])
def test_what_came_is_not_fetched_again_when_it_could_not_be_kept(
    shelf: Shelf, large: bytes, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    offer = listed(shelf, large)

    def fail(*args: object, **kwargs: object) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr("registry.fetching.save_files", fail)
        with pytest.raises(type(failure)):
            fetch_offer(offer)
    fetch_offer(OfferedFile.objects.get())
    assert File.objects.get().blob_id == hashlib.sha256(large).hexdigest()
    assert len(shelf.requests) == 1


def test_another_file_without_a_digest_is_not_taken_for_the_one_that_came_before(
    shelf: Shelf, large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = listed(shelf, large)
    OfferedFile.objects.update(hashes={}, size=None)
    offer.refresh_from_db()
    with monkeypatch.context() as patch:
        patch.setattr("registry.fetching.container_of", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fetch_offer(offer)
    other = large[:-2] + b"\0\0"
    shelf.plan(lambda request, reply: Reply.of_file(other, '"other"'), times=None)
    OfferedFile.objects.update(url=f"{offer.url}?revision=2")
    fetch_offer(OfferedFile.objects.get())
    assert File.objects.get().blob_id == hashlib.sha256(other).hexdigest()


@pytest.mark.parametrize("size", [10**30, -1])
def test_a_size_that_no_file_has_is_no_size(shelf: Shelf, large: bytes, size: int) -> None:
    told = replace(offered(shelf, "ink.safetensors", large), size=size, about=size)
    listing = next(Upstream([version(told)]).read("test:1").listings)
    save_version(listing, listing.versions[0], [], actor="sync")
    offer = OfferedFile.objects.get()
    assert (offer.size, offer.about) == (None, None)


def test_a_file_is_adopted_with_every_digest_and_without_a_copy(blobs: Path, tmp_path: Path) -> None:
    path = write_lora(tmp_path / "ink.safetensors")
    body, inode = path.read_bytes(), path.stat().st_ino
    blob = storage.adopt(path, digest_file(path), container="safetensors")
    path.unlink()
    assert storage.local_path(blob).read_bytes() == body
    assert storage.local_path(blob).stat().st_ino == inode
    again = write_lora(tmp_path / "again.safetensors")
    stored = storage.store(again, container="safetensors")
    assert (stored.pk, stored.blake3, stored.autov3) == (blob.pk, blob.blake3, blob.autov3)


def test_a_file_that_changed_after_it_was_hashed_is_hashed_anew(blobs: Path, tmp_path: Path) -> None:
    path = write_lora(tmp_path / "ink.safetensors")
    digests = digest_file(path)
    path.write_bytes(path.read_bytes() + b"more")
    blob = storage.adopt(path, digests)
    assert blob.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
