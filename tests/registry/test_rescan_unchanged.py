"""A second scan passes by what it took in before, and reads again whatever may tell something else by now."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image

from registry import storing
from registry.models import (
    Adapter,
    BaseModel,
    BaseModelAlias,
    Blob,
    File,
    License,
    ScannedPath,
    TermsClaim,
    Version,
)
from registry.services import Report, ingest
from registry.sources import rescans
from tests.registry.test_rescan import opened, settle
from tests.registry.weight_files import civitai_info, write_json, write_lora, write_truncated, write_vae

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("blobs", "seeded")]


def scan(folder: Path, **options: str) -> tuple[Report, list[str]]:
    """Scan the folder; the report, and the names of the files in it that were opened."""
    with opened() as names:
        report = ingest(str(folder), **options)
    return report, [Path(name).name for name in names if name.startswith(str(folder))]


def told(folder: Path) -> Path:
    """A LoRA with a sidecar, a picture, a license text and a card that shows another picture."""
    write_lora(folder / "ink.safetensors")
    write_json(folder / "ink.civitai.info", civitai_info())
    Image.new("RGB", (8, 8), "red").save(folder / "ink.png")
    Image.new("RGB", (8, 8), "blue").save(folder / "cat.png")
    (folder / "README.md").write_text(
        "---\nlicense: other\nlicense_link: terms.txt\nwidget:\n- output: {url: cat.png}\n---\n# Ink\n"
    )
    (folder / "LICENSE").write_text("My own terms: ask me first.")
    settle(*(path for path in folder.rglob("*") if path.is_file()))
    return folder


def change_sidecar(folder: Path) -> None:
    path = write_json(folder / "ink.civitai.info", civitai_info(trainedWords=["stroke"]))
    os.utime(path, ns=(0, 10**18))


def add_sidecar(folder: Path) -> None:
    settle(write_json(folder / "ink.json", {"activation text": "brush"}))


def remove_sidecar(folder: Path) -> None:
    (folder / "ink.civitai.info").unlink()


def change_card(folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Ink\n")
    os.utime(folder / "README.md", ns=(0, 10**18))


def change_license_text(folder: Path) -> None:
    (folder / "LICENSE").write_text("Do what you like.")
    os.utime(folder / "LICENSE", ns=(0, 10**18))


def change_own_picture(folder: Path) -> None:
    Image.new("RGB", (9, 9), "red").save(folder / "ink.png")
    os.utime(folder / "ink.png", ns=(0, 10**18))


def change_shown_picture(folder: Path) -> None:
    Image.new("RGB", (9, 9), "blue").save(folder / "cat.png")
    os.utime(folder / "cat.png", ns=(0, 10**18))


def add_what_the_card_links_to(folder: Path) -> None:
    (folder / "terms.txt").write_text("Ask me first.")
    settle(folder / "terms.txt")


def withdraw_claim(_: Path) -> None:
    TermsClaim.objects.filter(kind="license").update(superseded=True)


def edit_claim(_: Path) -> None:
    TermsClaim.objects.filter(kind="civitai_flags").update(value={})


def lose_sample(_: Path) -> None:
    Version.objects.get().samples.all().delete()


def add_house_license(_: Path) -> None:
    source = License.objects.get(license_id="MIT")
    License.objects.create(
        license_id="HOUSE-1", name="House", data=source.data | {"id": "HOUSE-1"}, sha256="0" * 64
    )


def add_base_name(_: Path) -> None:
    base = BaseModel.objects.get(slug="sd-1-5")
    BaseModelAlias.objects.create(base_model=base, host="civitai", name="SD one and a half")


CHANGES = [
    change_sidecar,
    add_sidecar,
    remove_sidecar,
    change_card,
    change_license_text,
    change_own_picture,
    change_shown_picture,
    add_what_the_card_links_to,
    withdraw_claim,
    edit_claim,
    lose_sample,
    add_house_license,
    add_base_name,
]


def test_nothing_beside_an_unchanged_file_is_opened(tmp_path: Path) -> None:
    folder = told(tmp_path / "loras")
    first, names = scan(folder)
    assert (first.failed, len(first.adapters)) == ([], 1)
    assert {"ink.civitai.info", "README.md", "LICENSE"} <= set(names)
    version = Version.objects.get()
    second, names = scan(folder)
    assert names == []
    assert second.skipped == [
        {
            "source": str(folder / "ink.safetensors"),
            "code": "already_stored",
            "adapter": version.adapter_id,
            "version": version.pk,
            "sha256": Blob.objects.get(container="safetensors").sha256,
        }
    ]


@pytest.mark.parametrize("change", CHANGES)
def test_what_may_tell_something_else_is_read_again_without_the_weights(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder = told(tmp_path / "loras")
    scan(folder)
    assert scan(folder)[1] == []
    change(folder)
    report, names = scan(folder)
    assert "README.md" in names and "ink.safetensors" not in names
    assert report.failed == []
    # Once it has been read, it is known again.
    assert scan(folder)[1] == []


def test_a_changed_sidecar_changes_the_version(tmp_path: Path) -> None:
    folder = told(tmp_path / "loras")
    scan(folder)
    change_sidecar(folder)
    report, _ = scan(folder)
    assert len(report.adapters) == 1
    assert Version.objects.get().trigger_words == ["stroke"]


def test_a_claim_that_was_edited_is_brought_back_to_what_the_source_says(tmp_path: Path) -> None:
    folder = told(tmp_path / "loras")
    scan(folder)
    stated = TermsClaim.objects.get(kind="civitai_flags").value
    edit_claim(folder)
    scan(folder)
    assert TermsClaim.objects.get(kind="civitai_flags", superseded=False).value == stated


def test_a_declared_license_is_noted_for_files_that_have_not_changed(tmp_path: Path) -> None:
    folder = told(tmp_path / "loras")
    scan(folder)
    report, _ = scan(folder, license_id="CC0-1.0", base="SDXL 1.0")
    assert len(report.adapters) == 1
    assert TermsClaim.objects.filter(kind="license", snapshot=None).get().value == "CC0-1.0"
    assert scan(folder, license_id="CC0-1.0", base="SDXL 1.0")[0].adapters == {}


def test_a_new_edition_of_the_reader_reads_the_stored_weights_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = told(tmp_path / "loras")
    scan(folder)
    monkeypatch.setattr(storing, "READER", "next")
    report, names = scan(folder)
    assert len(report.adapters) == 1 and "ink.safetensors" not in names
    assert Blob.objects.get(container="safetensors").inspections.count() == 2


def test_a_release_whose_readers_differ_reads_everything_beside_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = told(tmp_path / "loras")
    scan(folder)
    monkeypatch.setattr(rescans, "_code", lambda: "another")
    assert "ink.civitai.info" in scan(folder)[1]


def test_a_picture_that_the_storage_lost_is_stored_again(tmp_path: Path, blobs: Path) -> None:
    folder = told(tmp_path / "loras")
    scan(folder)
    pictures = list(Blob.objects.filter(container="png"))
    assert len(pictures) == 2
    for picture in pictures:
        (blobs / picture.sha256[:2] / picture.sha256[2:4] / picture.sha256).unlink()
    scan(folder)
    assert all((blobs / p.sha256[:2] / p.sha256[2:4] / p.sha256).is_file() for p in pictures)


def test_a_file_that_joins_a_folder_with_a_card_joins_its_adapter(tmp_path: Path) -> None:
    folder = told(tmp_path / "loras")
    (folder / "ink.civitai.info").unlink()
    scan(folder)
    settle(write_lora(folder / "more.safetensors", seed=3))
    report, _ = scan(folder)
    assert report.failed == []
    assert Adapter.objects.get().versions.count() == 2
    assert scan(folder)[1] == []


def test_a_broken_sidecar_is_told_at_each_scan(tmp_path: Path) -> None:
    folder = told(tmp_path / "loras")
    (folder / "ink.civitai.info").write_text("{not json")
    settle(folder / "ink.civitai.info")
    for _ in range(2):
        assert [failure.error.code for failure in scan(folder)[0].failed] == ["sidecar_unreadable"]


def test_a_refused_file_is_told_again_without_being_opened(tmp_path: Path) -> None:
    folder = tmp_path / "loras"
    write_lora(folder / "good.safetensors")
    write_vae(folder / "vae.safetensors")
    write_truncated(folder / "cut.safetensors")
    (folder / "page.safetensors").write_text("<!DOCTYPE html><html></html>")
    settle(*folder.iterdir())
    first, _ = scan(folder)
    second, names = scan(folder)
    assert names == []
    assert [each.as_dict() for each in second.failed] == [each.as_dict() for each in first.failed]
    assert {each.error.code for each in second.failed} == {"not_an_adapter", "truncated", "html_page"}


def test_a_refused_file_is_read_again_when_it_was_repaired(tmp_path: Path) -> None:
    folder = tmp_path / "loras"
    folder.mkdir()
    settle(write_truncated(folder / "ink.safetensors"))
    ingest(str(folder))
    whole = write_lora(tmp_path / "whole.safetensors")
    shutil.copy(whole, folder / "ink.safetensors")
    os.utime(folder / "ink.safetensors", ns=(0, 10**18))
    report = ingest(str(folder))
    assert (report.failed, len(report.adapters)) == ([], 1)
    assert not ScannedPath.objects.exclude(refusal=None).exists()


def test_a_refused_file_is_read_again_by_another_edition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "loras"
    folder.mkdir()
    settle(write_vae(folder / "vae.safetensors"))
    ingest(str(folder))
    monkeypatch.setattr(storing, "READER", "next")
    assert scan(folder)[1] != []


def test_aliases_of_one_file_keep_its_first_name(tmp_path: Path) -> None:
    folder = tmp_path / "loras"
    path = write_lora(folder / "b.safetensors")
    settle(path)
    ingest(str(folder))
    shutil.copy(path, folder / "a.safetensors")
    os.utime(folder / "a.safetensors", ns=(0, 10**18))
    os.link(path, folder / "c.safetensors")
    (folder / "d.safetensors").symlink_to(path)
    for _ in range(2):
        report = ingest(str(folder))
        assert (report.failed, report.adapters) == ([], {})
        assert len(report.skipped) == 4
        version = Version.objects.select_related("adapter").get()
        assert (version.adapter.name, version.name) == ("b", "v1")
    assert File.objects.count() == Blob.objects.count() == 1
    names = {Path(row.path).name for row in Blob.objects.get().scanned_paths.all()}
    assert names == {"a.safetensors", "b.safetensors", "c.safetensors", "d.safetensors"}


def test_a_scan_of_unchanged_files_asks_the_database_as_often_for_many_as_for_few(tmp_path: Path) -> None:
    folder = tmp_path / "loras"
    counts = []
    for number in range(12):
        settle(write_lora(folder / f"ink{number}.safetensors", seed=number))
        if number in (2, 11):
            ingest(str(folder))
            with CaptureQueriesContext(connection) as queries:
                assert ingest(str(folder)).adapters == {}
            counts.append(len(queries))
    assert counts[0] == counts[1]
