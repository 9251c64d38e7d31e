"""Blobs: stored once under their own hash, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.files.storage import InMemoryStorage
from django.db import connection
from pytest_django import Settings

from registry import storage
from registry.models import Blob

pytestmark = [pytest.mark.database, pytest.mark.django_db]

BYTES = bytes(range(256)) * 9000


def path_of(folder: Path, data: bytes) -> Path:
    return folder / storage.blob_name(hashlib.sha256(data).hexdigest())


def half_written(folder: Path) -> list[Path]:
    return list((folder / storage.INCOMING).glob("*"))


def test_a_file_is_stored_under_its_hash_with_every_digest(blobs: Path, tmp_path: Path) -> None:
    source = tmp_path / "a.safetensors"
    source.write_bytes(BYTES)
    blob = storage.store(source)
    assert blob.sha256 == hashlib.sha256(BYTES).hexdigest()
    assert (blob.size, blob.autov2) == (len(BYTES), blob.sha256[:10].upper())
    assert len(blob.blake3) == 64 and len(blob.crc32) == 8 and len(blob.autov1) == 8
    assert path_of(blobs, BYTES).read_bytes() == BYTES
    assert half_written(blobs) == []


def test_storing_the_same_bytes_twice_keeps_the_first_file(blobs: Path) -> None:
    first = storage.store_bytes(BYTES)
    inode = path_of(blobs, BYTES).stat().st_ino
    assert storage.store_bytes(BYTES) == first
    assert path_of(blobs, BYTES).stat().st_ino == inode
    assert Blob.objects.count() == 1


def test_a_file_cut_short_by_something_else_is_made_whole_again(blobs: Path) -> None:
    storage.store_bytes(BYTES)
    path_of(blobs, BYTES).write_bytes(BYTES[:100])
    storage.store_bytes(BYTES)
    assert path_of(blobs, BYTES).read_bytes() == BYTES


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The kernel refuses to write more, as it does when a quota is reached."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_space_left_leaves_nothing_behind(blobs: Path) -> None:
    big = io.BytesIO(BYTES * 4)
    with no_file_larger_than(2 * 1024 * 1024), pytest.raises(storage.StorageFull) as caught:
        storage.store(big)
    assert caught.value.code == "storage_full"
    assert half_written(blobs) == []
    assert not path_of(blobs, BYTES * 4).exists()
    assert not Blob.objects.exists()


def test_a_source_that_cannot_be_read_has_a_code(blobs: Path, tmp_path: Path) -> None:
    with pytest.raises(storage.StorageUnusable):
        storage.store(tmp_path)


@pytest.mark.django_db(transaction=True)
def test_many_threads_may_store_the_same_bytes_at_once(blobs: Path) -> None:
    start = threading.Barrier(6)
    failed: list[Exception] = []

    def work() -> None:
        try:
            start.wait(timeout=20)
            storage.store_bytes(BYTES)
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failed == []
    assert path_of(blobs, BYTES).read_bytes() == BYTES
    assert half_written(blobs) == []
    assert Blob.objects.count() == 1


def test_a_blob_reads_back_and_verifies(blobs: Path) -> None:
    blob = storage.store_bytes(BYTES)
    with storage.open_blob(blob) as file:
        assert file.read() == BYTES
    assert storage.local_path(blob) == path_of(blobs, BYTES)
    storage.verify(blob)


def test_changed_bytes_are_found_out(blobs: Path) -> None:
    blob = storage.store_bytes(BYTES)
    path = path_of(blobs, BYTES)
    path.write_bytes(b"x" + BYTES[1:])
    with pytest.raises(storage.BlobCorrupt):
        storage.verify(blob)


def test_missing_bytes_have_a_code(blobs: Path) -> None:
    blob = storage.store_bytes(BYTES)
    path_of(blobs, BYTES).unlink()
    for read in (storage.open_blob, storage.local_path, storage.verify):
        with pytest.raises(storage.BlobMissing):
            read(blob)


def test_what_a_killed_process_left_is_removed_after_a_day(blobs: Path) -> None:
    storage.store_bytes(BYTES)
    old, new = blobs / storage.INCOMING / "old.part", blobs / storage.INCOMING / "new.part"
    for path in (old, new):
        path.write_bytes(b"half")
    yesterday = old.stat().st_mtime - storage.ABANDONED_AFTER - 1
    os.utime(old, (yesterday, yesterday))
    assert storage.remove_abandoned() == 1
    assert new.exists() and not old.exists()


def test_a_storage_that_is_no_folder_gives_a_checked_local_copy(settings: Settings, tmp_path: Path) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "blobs": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }
    settings.VAR_DIR = tmp_path
    blob = storage.store_bytes(BYTES)
    assert storage.store_bytes(BYTES) == blob
    path = storage.local_path(blob)
    assert path.read_bytes() == BYTES and path.is_relative_to(tmp_path)
    assert isinstance(storage.blob_storage(), InMemoryStorage)
    storage.verify(blob)
