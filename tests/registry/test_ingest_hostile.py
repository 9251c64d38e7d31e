"""Ingest of folders that somebody made to break it, or that a file system made strange."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from django.core.management import call_command

from registry.models import Adapter, File, Version
from registry.services import ingest
from registry.sources.errors import PathNotFound
from tests.registry.weight_files import civitai_info, write_json, write_lora

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("blobs", "seeded")]


def test_names_that_are_no_utf8_are_shown_with_a_replacement_sign(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe-ink.safetensors"))
    write_lora(odd)
    write_json(odd.with_name(odd.stem + ".civitai.info"), civitai_info())
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.safetensors")).touch()
    out, err = io.StringIO(), io.StringIO()
    call_command("ingest", str(tmp_path), "--json", stdout=out, stderr=err)
    result = json.loads(out.getvalue())
    assert len(result["adapters"]) == 1 and result["failed"][0]["code"] == "empty_file"
    (out.getvalue() + err.getvalue()).encode("utf-8")
    assert File.objects.get().name == "��-ink.safetensors"


def test_named_pipes_are_not_waited_for(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    for name in ("pipe.safetensors", "ink.civitai.info", "ink.png", "README.md"):
        os.mkfifo(tmp_path / name)
    report = ingest(str(tmp_path))
    assert sorted((Path(each.source).name, each.error.code) for each in report.failed) == [
        ("README.md", "sidecar_unreadable"),
        ("ink.civitai.info", "sidecar_unreadable"),
        ("ink.png", "picture_unreadable"),
        ("pipe.safetensors", "unreadable"),
    ]
    assert Adapter.objects.get().name == "ink"


def test_a_broken_link_costs_a_line(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    (tmp_path / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    report = ingest(str(tmp_path))
    assert [each.error.code for each in report.failed] == ["unreadable"]
    assert Version.objects.count() == 1


def test_a_folder_that_links_to_itself_ends(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    (tmp_path / "again").symlink_to(tmp_path)
    ingest(str(tmp_path))
    assert Version.objects.count() == 1


@pytest.mark.parametrize("source", ["x" * 5000, "a\0b", "", "  "])
def test_a_path_that_cannot_be_one_has_a_code(source: str) -> None:
    with pytest.raises(PathNotFound):
        ingest(source)


def test_text_that_the_database_cannot_hold_is_cleaned(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors", metadata={"modelspec.title": "a", "ss_output_name": "b"})
    info = civitai_info(
        name="v\x001\ud800", trainedWords=["in\x00k", "\u202eevil"], description="x" * 200_000
    )
    info["model"]["name"] = "\x00" * 5 + "Ink" + "k" * 1000
    info["model"]["tags"] = ["t" * 500, "\ud83d", 7, None]
    info["images"] = [{"url": "https://x/1.png", "meta": {"prompt": "\x00", "seed": float("nan")}}]
    write_json(tmp_path / "ink.civitai.info", info)
    report = ingest(str(tmp_path))
    assert report.failed == []
    version = Version.objects.select_related("adapter").get()
    assert version.name == "v1" and version.trigger_words == ["ink", "evil"]
    assert version.adapter.name.startswith("Ink") and len(version.adapter.name) <= 300


def test_a_sidecar_that_is_far_too_large_is_left_out(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    with (tmp_path / "ink.civitai.info").open("wb") as file:
        file.truncate(9 * 1024 * 1024)
    report = ingest(str(tmp_path))
    assert [each.error.code for each in report.failed] == ["sidecar_too_large"]
    assert Version.objects.count() == 1


def test_nothing_in_a_folder_is_written_moved_or_dated(tmp_path: Path) -> None:
    folder = tmp_path / "loras"
    write_lora(folder / "sub" / "ink.safetensors")
    write_json(folder / "sub" / "ink.civitai.info", civitai_info())
    (folder / "cut.safetensors").write_bytes(b"cut")
    (folder / "link.safetensors").symlink_to("sub/ink.safetensors")

    def state() -> dict[str, tuple[int, ...]]:
        found = {str(path): path.lstat() for path in [folder, *folder.rglob("*")]}
        return {
            name: (each.st_ino, each.st_mode, each.st_nlink, each.st_size, each.st_mtime_ns, each.st_ctime_ns)
            for name, each in found.items()
        }

    before = state()
    for _ in range(2):
        ingest(str(folder))
    assert state() == before
