"""A second scan of a folder: what has not changed is not opened, and what has is noticed."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from registry import scans
from registry.models import Adapter, Blob, File, FileState, ScannedPath, Version
from registry.services import ingest
from registry.storage import blob_name
from tests.registry.weight_files import civitai_info, write_json, write_lora, write_pickle

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("blobs", "seeded")]

_listeners: list[list[str]] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _listeners:
        _listeners[-1].append(os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes) else "")


# An audit hook cannot be taken away again, so there is one for all tests, silent when nobody listens.
sys.addaudithook(_hear)


@contextmanager
def opened() -> Iterator[list[str]]:
    """The path of every file that this process opens meanwhile, by whatever call."""
    _listeners.append([])
    try:
        yield _listeners[-1]
    finally:
        _listeners.pop()


def settle(*paths: Path) -> None:
    """Give the files a time before which nothing is still being written."""
    for path in paths:
        os.utime(path, ns=(0, time.time_ns() - 5_000_000_000))


def weights_among(names: list[str], folder: Path) -> list[str]:
    return [name for name in names if name.startswith(str(folder)) and not name.endswith((".info", ".md"))]


def test_the_witness_hears_a_file_that_is_opened(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with opened() as names:
        (tmp_path / "a").read_bytes()
        os.close(os.open(tmp_path / "a", os.O_RDONLY))
    assert names.count(str(tmp_path / "a")) == 2


def test_unchanged_files_are_not_opened_again(tmp_path: Path) -> None:
    folder = tmp_path / "loras"
    for number in range(3):
        write_lora(folder / f"sub{number}" / "ink.safetensors", seed=number)
    write_json(folder / "sub1" / "ink.civitai.info", civitai_info())
    write_pickle(folder / "old.ckpt", tmp_path / "witness")
    Image.new("RGB", (8, 8)).save(folder / "sub1" / "ink.png")
    settle(*(path for path in folder.rglob("*") if path.is_file()))
    with opened() as names:
        first = ingest(str(folder))
    assert len(first.adapters) == 4 and weights_among(names, folder)
    with opened() as names:
        second = ingest(str(folder))
    assert (second.adapters, second.failed, len(second.skipped)) == ({}, [], 4)
    assert weights_among(names, folder) == []
    # Neither are the stored copies.
    assert not [name for name in names if "/blobs/" in name]


def test_the_quarantine_of_a_pickle_is_remembered(tmp_path: Path) -> None:
    settle(write_pickle(tmp_path / "old.ckpt", tmp_path / "witness"))
    ingest(str(tmp_path))
    shutil.copy2(tmp_path / "old.ckpt", tmp_path / "copy.ckpt")
    (tmp_path / "old.ckpt").unlink()
    os.link(tmp_path / "copy.ckpt", tmp_path / "old.ckpt")
    ingest(str(tmp_path))
    ingest(str(tmp_path))
    assert File.objects.get().state == FileState.QUARANTINED
    assert Version.objects.get().vetting == "quarantined"


def test_a_file_whose_bytes_changed_is_read(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "ink.safetensors")
    settle(path)
    ingest(str(tmp_path))
    inode, size = path.stat().st_ino, path.stat().st_size
    content = write_lora(tmp_path / "other" / "b.safetensors", seed=9).read_bytes()
    shutil.rmtree(tmp_path / "other")
    with path.open("r+b") as file:
        file.write(content)
    assert (path.stat().st_ino, path.stat().st_size) == (inode, size)
    ingest(str(tmp_path))
    assert Version.objects.count() == 2


def test_another_file_under_the_same_name_is_read_though_size_and_time_agree(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "ink.safetensors")
    other = write_lora(tmp_path / "other.part", seed=9)
    settle(path)
    ingest(str(tmp_path))
    os.utime(other, ns=(0, path.stat().st_mtime_ns))
    other.replace(path)
    ingest(str(tmp_path))
    assert Version.objects.count() == 2


def test_a_link_is_the_file_it_leads_to_and_opens_nothing(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "a" / "ink.safetensors")
    settle(path)
    ingest(str(tmp_path))
    os.link(path, tmp_path / "hard.safetensors")
    (tmp_path / "soft.safetensors").symlink_to(path)
    (tmp_path / "chained.safetensors").symlink_to("soft.safetensors")
    with opened() as names:
        report = ingest(str(tmp_path))
    assert weights_among(names, tmp_path) == []
    assert report.failed == []
    assert (Adapter.objects.count(), Blob.objects.count()) == (1, 1)


def test_a_copy_with_the_time_of_its_original_is_read(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "ink.safetensors")
    settle(path)
    ingest(str(tmp_path))
    shutil.copy2(path, tmp_path / "copy.safetensors")
    assert scans.recall(tmp_path / "copy.safetensors") is None


def test_a_file_written_a_moment_ago_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_lora(tmp_path / "ink.safetensors")
    # As if the clock of the file system stood still since it was written.
    monkeypatch.setattr(time, "time_ns", lambda: path.stat().st_mtime_ns + 1_000_000)
    ingest(str(tmp_path))
    assert not ScannedPath.objects.exists()


def test_a_file_that_changes_while_it_is_read_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lora(tmp_path / "ink.safetensors")
    settle(path)
    stores = scans.storage.store

    def meanwhile(source: Path, *, container: str) -> Blob:
        blob = stores(source, container=container)
        os.utime(source)
        return blob

    monkeypatch.setattr(scans.storage, "store", meanwhile)
    ingest(str(tmp_path))
    assert not ScannedPath.objects.exists()


def test_a_stored_copy_that_was_lost_is_stored_again(tmp_path: Path, blobs: Path) -> None:
    settle(write_lora(tmp_path / "in" / "ink.safetensors"))
    ingest(str(tmp_path / "in"))
    stored = blobs / blob_name(Blob.objects.get().sha256)
    stored.unlink()
    ingest(str(tmp_path / "in"))
    assert stored.is_file()


def test_what_is_no_file_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for name in ("none", "loop", "a\0b", ""):
        assert scans.recall(tmp_path / name) is None
