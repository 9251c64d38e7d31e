"""Ingest: real files with their sidecars become rows, once, and what cannot be taken in costs one line."""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from PIL import Image

from registry import jobs
from registry.licensing.errors import UnknownLicense
from registry.models import (
    Adapter,
    AuditEvent,
    Blob,
    Change,
    Check,
    File,
    FileState,
    Inspection,
    Sample,
    Snapshot,
    Source,
    TermsClaim,
    Version,
    Vetting,
)
from registry.services import Report, ingest
from registry.sources.errors import NoAdaptersFound, PathNotFound, SourceError, UnknownBase
from tests.registry.weight_files import (
    civitai_info,
    write_json,
    write_lora,
    write_pickle,
    write_truncated,
    write_vae,
)

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("blobs", "seeded")]


def everything() -> dict[str, list[Any]]:
    """Every row of every registry table."""
    models = apps.get_app_config("registry").get_models()
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in models}


def codes(report: Report) -> dict[str, str]:
    return {Path(failure.source).name: failure.error.code for failure in report.failed}


def outcome(version: Version, code: str) -> str:
    return Check.objects.get(version=version, code=code).outcome


def test_a_file_with_a_civitai_sidecar_becomes_an_adapter_with_evidence(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "ink.safetensors")
    sidecar = write_json(tmp_path / "ink.civitai.info", civitai_info(706978, 1050496))
    report = ingest(str(tmp_path), actor="cli:mika")
    assert report.failed == []

    version = Version.objects.select_related("adapter__creator", "base_declared").get()
    adapter = version.adapter
    assert (adapter.source, adapter.source_key, adapter.name) == (Source.CIVITAI, "706978", "Ink wash")
    assert adapter.creator is not None and adapter.creator.name == "mika"
    assert (version.source_key, version.trigger_words) == ("1050496", ["inkwash", "brush"])
    assert version.base_declared is not None and version.base_declared.family == "sd1"
    assert (version.detected_family, version.base_decided, version.vetting) == ("sd1", None, Vetting.WAITING)

    file = File.objects.select_related("blob").get()
    assert file.blob.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (file.state, file.blob.container) == (FileState.STORED, "safetensors")
    reading = Inspection.objects.get()
    assert (reading.family, reading.dialect, reading.rank_max, reading.valid) == ("sd1", "kohya", 4, True)
    assert reading.data["hashes"]["sha256"] == file.blob.sha256.upper()

    snapshot = Snapshot.objects.get()
    assert bytes(snapshot.body) == sidecar.read_bytes()
    assert {claim.kind for claim in TermsClaim.objects.filter(snapshot=snapshot)} == {"base", "civitai_flags"}
    assert [change.kind for change in Change.objects.all()] == ["version_added"]
    event = AuditEvent.objects.get(subject=f"version:{version.pk}")
    assert (event.actor, event.action) == ("cli:mika", "ingest")


def test_a_second_run_changes_no_row(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    write_json(tmp_path / "ink.civitai.info", civitai_info())
    Image.new("RGB", (8, 8)).save(tmp_path / "ink.preview.png")
    write_lora(tmp_path / "carded" / "a.safetensors", seed=1)
    (tmp_path / "carded" / "README.md").write_text("---\nlicense: mit\ntags: [celebrity]\n---\n# Carded\n")
    write_pickle(tmp_path / "old.ckpt", tmp_path / "witness")
    write_lora(tmp_path / "bare.safetensors", seed=2)
    for path in tmp_path.rglob("*.*"):
        # Files of tomorrow are never trusted to be unchanged, so that the second run reads all of it again.
        os.utime(path, (time.time() + 86400, time.time() + 86400))
    first = ingest(str(tmp_path), license_id="CC0-1.0", base="SD 1.5")
    before = everything()
    second = ingest(str(tmp_path), license_id="CC0-1.0", base="SD 1.5")
    assert len(first.adapters) == 4
    assert (second.adapters, second.failed) == ({}, [])
    assert {entry["code"] for entry in second.skipped} == {"already_stored"} and len(second.skipped) == 4
    assert everything() == before


def test_a_moved_folder_is_recognized_by_its_bytes(tmp_path: Path) -> None:
    write_lora(tmp_path / "here" / "ink.safetensors")
    ingest(str(tmp_path / "here"))
    (tmp_path / "here").rename(tmp_path / "there")
    report = ingest(str(tmp_path / "there"))
    assert len(report.skipped) == 1
    assert Adapter.objects.count() == 1


def test_two_versions_of_one_civitai_model_are_one_adapter(tmp_path: Path) -> None:
    for number in (1, 2):
        write_lora(tmp_path / f"f{number}" / "ink.safetensors", seed=number)
        write_json(tmp_path / f"f{number}" / "ink.civitai.info", civitai_info(100, 1000 + number))
    ingest(str(tmp_path))
    assert [adapter.versions.count() for adapter in Adapter.objects.all()] == [2]


def test_files_that_share_a_card_are_versions_of_one_adapter(tmp_path: Path) -> None:
    for number in (1, 2):
        write_lora(tmp_path / "ink" / f"v{number}.safetensors", seed=number)
    (tmp_path / "ink" / "README.md").write_text("---\nlicense: mit\nbase_model: kura/toybox\n---\n# Ink\n")
    ingest(str(tmp_path))
    adapter = Adapter.objects.get()
    assert (adapter.name, adapter.versions.count()) == ("Ink", 2)
    assert {claim.value for claim in TermsClaim.objects.filter(kind="license")} == {"MIT"}


def test_a_file_added_to_a_carded_folder_joins_its_adapter(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# Ink\n")
    write_lora(tmp_path / "v2.safetensors", seed=2)
    ingest(str(tmp_path))
    write_lora(tmp_path / "v1.safetensors", seed=1)
    report = ingest(str(tmp_path))
    assert len(report.adapters) == len(report.skipped) == 1
    assert Adapter.objects.get().versions.count() == 2


def test_files_that_only_share_a_folder_are_adapters_of_their_own(tmp_path: Path) -> None:
    for number in (1, 2):
        write_lora(tmp_path / f"v{number}.safetensors", seed=number)
    (tmp_path / "README.md").write_text("# My collection\n")
    ingest(str(tmp_path))
    assert Adapter.objects.count() == 2
    assert not Snapshot.objects.exists()


def test_a_pickle_is_kept_in_quarantine_and_never_loaded(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    write_pickle(tmp_path / "old.ckpt", witness)
    write_pickle(tmp_path / "renamed.safetensors", tmp_path / "other")
    report = ingest(str(tmp_path))
    assert report.failed == []
    assert {version.vetting for version in Version.objects.all()} == {Vetting.QUARANTINED}
    for file in File.objects.select_related("version"):
        assert file.state == FileState.QUARANTINED and file.reason
        assert outcome(file.version, "pickle_free") == "fail"
    assert not witness.exists() and not (tmp_path / "other").exists()
    for reading in Inspection.objects.all():
        # The reviewer sees what loading it would import.
        assert not reading.valid
        assert "pathlib.Path.touch" in reading.data["findings"][0]["message"]
    assert Inspection.objects.count() == 2


def test_bad_files_cost_a_line_each_and_the_rest_goes_on(tmp_path: Path) -> None:
    write_lora(tmp_path / "good.safetensors")
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "page.safetensors").write_text("<!DOCTYPE html><html><body>Sign in</body></html>")
    (tmp_path / "pointer.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    )
    write_truncated(tmp_path / "cut.safetensors")
    write_vae(tmp_path / "vae.safetensors")
    (tmp_path / "good.civitai.info").write_text("{not json")
    (tmp_path / "good.png").write_bytes(b"no picture")
    report = ingest(str(tmp_path))
    assert codes(report) == {
        "empty.safetensors": "empty_file",
        "page.safetensors": "html_page",
        "pointer.safetensors": "git_lfs_pointer",
        "cut.safetensors": "truncated",
        "vae.safetensors": "not_an_adapter",
        "good.civitai.info": "sidecar_unreadable",
        "good.png": "picture_unreadable",
    }
    assert Version.objects.count() == Blob.objects.count() == 1
    # The bytes that could not be read are kept all the same.
    assert bytes(Snapshot.objects.get().body) == b"{not json"
    for failure in report.failed:
        assert failure.as_dict()["message"] and "\n" not in str(failure.error)


def test_a_file_of_an_unknown_family_is_stored_with_a_warning(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "odd.safetensors")
    header_length = int.from_bytes(path.read_bytes()[:8], "little")
    body = path.read_bytes()
    header = body[8 : 8 + header_length].replace(b"down_blocks", b"some_blocks")
    path.write_bytes(body[:8] + header + body[8 + header_length :])
    report = ingest(str(path))
    assert report.failed == []
    version = Version.objects.get()
    assert version.detected_family == "unknown"
    assert outcome(version, "base_known") == "warn"


def test_new_bytes_in_an_approved_version_send_it_back_to_the_queue(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    write_json(tmp_path / "ink.civitai.info", civitai_info())
    ingest(str(tmp_path))
    Version.objects.update(vetting=Vetting.APPROVED, vetted_at="2026-01-01T00:00:00Z")
    write_lora(tmp_path / "more" / "ink.safetensors", seed=5)
    write_json(tmp_path / "more" / "ink.civitai.info", civitai_info())
    ingest(str(tmp_path / "more"))
    version = Version.objects.get()
    assert (version.vetting, version.files.count()) == (Vetting.WAITING, 2)


def test_pictures_beside_the_file_and_in_the_card_become_samples(tmp_path: Path) -> None:
    folder = tmp_path / "ink"
    write_lora(folder / "ink.safetensors")
    Image.new("RGB", (8, 8), "red").save(folder / "ink.png")
    Image.new("RGB", (8, 8), "blue").save(folder / "cat.png")
    Image.new("RGB", (8, 8), "green").save(tmp_path / "outside.png")
    inside = "- {text: a cat, output: {url: cat.png}}"
    outside = "- {text: x, output: {url: ../outside.png}}"
    (folder / "README.md").write_text(f"---\nwidget:\n{inside}\n{outside}\n---\n")
    ingest(str(tmp_path))
    samples = Sample.objects.order_by("position")
    assert [sample.parameters for sample in samples] == [{}, {"prompt": "a cat"}]


def test_a_diffusers_pipeline_is_one_line(tmp_path: Path) -> None:
    write_lora(tmp_path / "base" / "unet" / "diffusion_pytorch_model.safetensors")
    (tmp_path / "base" / "model_index.json").write_text("{}")
    write_lora(tmp_path / "ink.safetensors")
    report = ingest(str(tmp_path))
    assert codes(report) == {"base": "not_an_adapter"}
    assert Adapter.objects.get().name == "ink"


def test_a_single_file_brings_its_own_sidecars_and_no_neighbours(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "a.safetensors")
    write_json(tmp_path / "a.civitai.info", civitai_info())
    write_lora(tmp_path / "b.safetensors", seed=1)
    ingest(str(path))
    assert [version.source_key for version in Version.objects.all()] == ["1000"]


def test_a_source_that_is_not_there_has_a_code(tmp_path: Path) -> None:
    with pytest.raises(PathNotFound):
        ingest(str(tmp_path / "nothing"))
    with pytest.raises(NoAdaptersFound):
        ingest(str(tmp_path))


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("https://huggingface.co/datasets/a/b", "source_not_supported"),
        ("https://example.org/ink.safetensors", "source_not_supported"),
        ("sha256:00", "reference_unclear"),
        ("civitai:ink", "reference_unclear"),
    ],
)
def test_an_address_that_names_no_adapter_says_what_to_do_instead(source: str, code: str) -> None:
    with pytest.raises(SourceError) as caught:
        ingest(source)
    assert caught.value.code == code and caught.value.next_step


def test_an_unknown_license_or_base_stops_before_anything_is_stored(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    with pytest.raises(UnknownLicense):
        ingest(str(tmp_path), license_id="my-own")
    with pytest.raises(UnknownBase):
        ingest(str(tmp_path), base="nothing like it")
    assert not Blob.objects.exists()


def test_the_command_prints_the_contract_as_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_lora(tmp_path / "ink.safetensors")
    (tmp_path / "empty.safetensors").touch()
    out = io.StringIO()
    call_command("ingest", str(tmp_path), "--json", stdout=out, stderr=io.StringIO())
    result = json.loads(out.getvalue())
    version = Version.objects.get()
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    files = [{"sha256": sha256, "state": "stored"}]
    assert result["adapters"] == [
        {"id": version.adapter_id, "versions": [{"id": version.pk, "state": "waiting", "files": files}]}
    ]
    assert result["skipped"] == []
    (failure,) = result["failed"]
    assert failure["source"].endswith("empty.safetensors") and failure["code"] == "empty_file"
    assert failure["message"]


def test_the_command_fails_when_nothing_is_usable(tmp_path: Path) -> None:
    (tmp_path / "empty.safetensors").touch()
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(NoAdaptersFound):
        call_command("ingest", str(tmp_path), "--json", stdout=out, stderr=err)
    assert json.loads(out.getvalue())["adapters"] == []
    assert "empty_file" in err.getvalue()


def test_an_ingest_can_be_left_to_a_worker(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    job = jobs.enqueue("registry.ingest", "test", payload={"source": str(tmp_path), "actor": "mika"})
    jobs.run_next("cpu")
    job.refresh_from_db()
    assert (job.state, job.progress_done, job.progress_total) == ("done", 1, 1)
    assert AuditEvent.objects.get(action="ingest").actor == "mika"


def test_a_job_whose_source_is_gone_fails_for_good(tmp_path: Path) -> None:
    job = jobs.enqueue("registry.ingest", "test", payload={"source": str(tmp_path / "gone")})
    jobs.run_next("cpu")
    job.refresh_from_db()
    assert (job.state, job.error_code, job.attempt) == ("failed", "path_not_found", 1)
