"""One file under many names, many files under one announced digest: identity is the SHA256 computed here."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from registry.models import Adapter, Blob, Check, File, ScannedPath, Version
from registry.services import ingest
from tests.registry.test_rescan import settle
from tests.registry.weight_files import civitai_info, write_json, write_lora

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("blobs", "seeded")]

# Names that people complained of: scripts, dots, signs of shells, right to left, the longest there are.
NAMES = (
    "수묵화_No2.safetensors",
    "モデル v1.0.1 (final).safetensors",
    "a$b&c.safetensors",
    "مرحبا بالعالم.safetensors",
    "-rf ~.safetensors",
    "x" * 243 + ".safetensors",
    "長" * 80 + ".safetensors",
)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def described(path: Path, announced: str, **changes: object) -> Path:
    """The sidecar of a file, with the SHA256 that it is said to have."""
    files = [{"name": path.name, "hashes": {"SHA256": announced.upper()}}]
    return write_json(path.parent / f"{path.stem}.civitai.info", civitai_info(files=files, **changes))


def outcome(version: Version) -> tuple[str, str]:
    check = Check.objects.get(version=version, code="announced_hash")
    return check.outcome, check.summary


def test_the_same_bytes_under_three_names_are_one_file_with_three_aliases(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "a.safetensors")
    (tmp_path / "soft.safetensors").symlink_to(path)
    os.link(path, tmp_path / "hard.safetensors")
    settle(path)
    report = ingest(str(tmp_path))
    assert report.failed == []
    assert (Adapter.objects.count(), Version.objects.count(), File.objects.count()) == (1, 1, 1)
    rows = Blob.objects.get().scanned_paths.order_by("path")
    assert [Path(row.path).name for row in rows] == ["a.safetensors", "hard.safetensors", "soft.safetensors"]


def test_copies_in_several_folders_are_aliases_too(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "a.safetensors")
    for name in ("sub/a.safetensors", "sub/b.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / name)
    settle(*tmp_path.rglob("*.safetensors"))
    ingest(str(tmp_path))
    assert File.objects.count() == 1
    assert ScannedPath.objects.filter(blob=Blob.objects.get()).count() == 3


def test_a_folder_under_two_names_gives_no_file_twice(tmp_path: Path) -> None:
    write_lora(tmp_path / "loras" / "a.safetensors")
    (tmp_path / "link").symlink_to(tmp_path / "loras")
    settle(tmp_path / "loras" / "a.safetensors")
    ingest(str(tmp_path / "loras"))
    report = ingest(str(tmp_path / "link"))
    assert (report.adapters, len(report.skipped)) == ({}, 1)
    assert ScannedPath.objects.count() == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stays_what_it_is(tmp_path: Path, name: str) -> None:
    settle(write_lora(tmp_path / name))
    assert ingest(str(tmp_path)).failed == []
    assert File.objects.get().name == name
    assert Path(ScannedPath.objects.get().path).name == name
    report = ingest(str(tmp_path))
    assert [Path(each["source"]).name for each in report.skipped] == [name]


def test_other_bytes_under_an_announced_digest_are_a_file_of_their_own_with_a_finding(tmp_path: Path) -> None:
    first = write_lora(tmp_path / "a" / "ink.safetensors")
    second = write_lora(tmp_path / "b" / "ink.safetensors", seed=1)
    for path in (first, second):
        described(path, sha256(first))
    report = ingest(str(tmp_path))
    assert report.failed == []
    files = {file.blob_id: file.announced for file in File.objects.all()}
    assert files == {sha256(first): sha256(first), sha256(second): sha256(first)}
    told, summary = outcome(Version.objects.get())
    assert told == "warn"
    assert f"{sha256(second)[:10]}…, its source announces {sha256(first)[:10]}…" in summary


def test_a_renamed_copy_is_judged_by_its_digest_and_not_by_its_name(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "renamed.safetensors")
    files = [
        {"name": "other.safetensors", "hashes": {"SHA256": "A" * 64}},
        {"name": "ink.safetensors", "hashes": {"SHA256": sha256(path).upper()}},
    ]
    write_json(tmp_path / "renamed.civitai.info", civitai_info(files=files))
    ingest(str(tmp_path))
    assert outcome(Version.objects.get()) == ("ok", "Each file has the SHA256 that its source announces.")


@pytest.mark.parametrize(
    ("suffix", "sidecar"),
    [
        (".metadata.json", {"sha256": "b" * 64, "model_name": "Ink"}),
        (".cm-info.json", {"Hashes": {"SHA256": "B" * 64}, "ModelName": "Ink"}),
        (".civitai.info", civitai_info(files=[{"name": "x", "hashes": {"SHA256": "B" * 64}}])),
    ],
)
def test_every_sidecar_that_states_a_digest_is_believed_to_state_one(
    tmp_path: Path, suffix: str, sidecar: dict[str, object]
) -> None:
    write_lora(tmp_path / "ink.safetensors")
    write_json(tmp_path / f"ink{suffix}", sidecar)
    ingest(str(tmp_path))
    assert File.objects.get().announced == "b" * 64
    assert outcome(Version.objects.get())[0] == "warn"


@pytest.mark.parametrize("digest", ["", "zz", "A" * 63, hashlib.sha256(b"").hexdigest()])
def test_what_is_no_digest_announces_nothing(tmp_path: Path, digest: str) -> None:
    path = write_lora(tmp_path / "ink.safetensors")
    described(path, digest)
    ingest(str(tmp_path))
    assert File.objects.get().announced == ""
    assert not Check.objects.filter(code="announced_hash").exists()
