"""An ingest that is killed in the middle: nothing is half there, and the next run completes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from registry import storage
from registry.models import Blob, Change, Check, File, Inspection, Version
from registry.seed import seed
from registry.services import ingest
from tests.registry.weight_files import civitai_info, write_json, write_lora

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True), pytest.mark.slow]

FILES = 12


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    folder = tmp_path / "collection"
    for number in range(FILES):
        write_lora(folder / f"ink{number}.safetensors", seed=number)
        write_json(folder / f"ink{number}.civitai.info", civitai_info(100 + number, 1000 + number))
    return folder


def start(folder: Path, blobs: Path) -> subprocess.Popen[bytes]:
    """`manage.py ingest`, as a person starts it, on this test's database and storage."""
    found = connection.get_connection_params()
    address = f"postgresql://{found['user']}@/{found['dbname']}?host={quote(str(found['host']), safe='')}"
    return subprocess.Popen(
        [sys.executable, "manage.py", "ingest", str(folder)],
        cwd=settings.BASE_DIR,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": address,
            "BLOBS_DIR": str(blobs),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_a_killed_ingest_is_completed_by_the_next(blobs: Path, collection: Path) -> None:
    seed()
    process = start(collection, blobs)
    try:
        deadline = time.monotonic() + 60
        while not 0 < Version.objects.count() < FILES:
            assert process.poll() is None and time.monotonic() < deadline, "it ended too soon"
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
    there = Version.objects.count()
    assert 0 < there < FILES
    for version in Version.objects.all():
        # Each version is whole: all its rows came in one transaction.
        assert version.files.count() == version.changes.count() == 1
        assert version.claims.count() == 2 and version.checks.count() > 5
        assert version.terms_profile is not None

    report = ingest(str(collection))
    assert report.failed == []
    assert len(report.adapters) + len(report.skipped) == FILES
    # What the killed run had stored is not stored again; each thing is there once.
    for model in (Version, File, Blob, Inspection, Change):
        assert model._default_manager.count() == FILES
    assert Check.objects.values("version", "code").distinct().count() == Check.objects.count()
    for blob in Blob.objects.all():
        storage.verify(blob)


def test_two_ingests_of_one_folder_at_once_store_everything_once(blobs: Path, collection: Path) -> None:
    seed()
    processes = [start(collection, blobs) for _ in range(2)]
    try:
        assert [process.wait(timeout=120) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    for model in (Version, File, Blob, Inspection):
        assert model._default_manager.count() == FILES
    assert not list((blobs / storage.INCOMING).glob("*"))
