"""A pickle in quarantine becomes a safetensors file of its version, beside it, with its history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from django.core.management import call_command

from inference.converter_errors import NotQuarantined, PickleRefused
from inference.quarantine import CONVERT_JOB, convert_blob, request_conversion
from registry.jobs import work
from registry.models import AuditEvent, Blob, File, FileState, Inspection, Job, JobState, Version, Vetting
from registry.services import ingest
from registry.sources.errors import NotAnAdapter
from tests.registry.conftest import blobs, seeded
from tests.registry.weight_files import civitai_info, write_json, write_pickle

__all__ = ["blobs", "seeded"]

pytestmark = [
    pytest.mark.engine,
    pytest.mark.database,
    pytest.mark.django_db,
    pytest.mark.usefixtures("blobs", "seeded"),
]


def lora() -> dict[str, torch.Tensor]:
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    return {
        f"{name}.lora_down.weight": torch.randn(4, 768),
        f"{name}.lora_up.weight": torch.randn(320, 4),
        f"{name}.alpha": torch.tensor(4.0),
    }


def quarantined(folder: Path, value: Any) -> Version:
    """The version that an ingest made of a pickle with a Civitai sidecar."""
    torch.save(value, folder / "ink.ckpt")
    write_json(folder / "ink.civitai.info", civitai_info())
    ingest(str(folder), actor="cli:mika")
    version = Version.objects.get()
    assert version.vetting == Vetting.QUARANTINED
    return version


def test_the_version_gets_a_clean_file_and_goes_back_to_review(tmp_path: Path) -> None:
    version = quarantined(tmp_path, lora())
    told = (version.adapter.name, version.name, version.trigger_words, version.base_declared)
    pickle = version.files.get()
    (file,) = convert_blob(pickle.blob, "aya")
    version.refresh_from_db()
    assert (file.version, file.name, file.state) == (version, "ink.safetensors", FileState.STORED)
    assert "ink.ckpt" in file.reason and pickle.blob_id in file.reason
    assert (version.vetting, version.detected_family) == (Vetting.WAITING, "sd1")
    assert (version.adapter.name, version.name, version.trigger_words, version.base_declared) == told
    assert Inspection.objects.get(blob=file.blob).valid
    # The pickle stays, for whoever wants to check.
    pickle.refresh_from_db()
    assert pickle.state == FileState.QUARANTINED
    assert {c.code: c.outcome for c in version.checks.all()}["pickle_free"] == "warn"


def test_who_did_it_and_from_what_is_in_the_audit_log(tmp_path: Path) -> None:
    version = quarantined(tmp_path, lora())
    (file,) = convert_blob(version.files.get().blob, "aya")
    event = AuditEvent.objects.get(action="convert")
    assert (event.actor, event.subject) == ("aya", f"version:{version.pk}")
    assert event.data["result"] == file.blob_id


def test_running_it_again_changes_nothing(tmp_path: Path) -> None:
    blob = quarantined(tmp_path, lora()).files.get().blob
    convert_blob(blob, "aya")
    before = (File.objects.count(), AuditEvent.objects.count(), Blob.objects.count())
    convert_blob(blob, "ben")
    assert (File.objects.count(), AuditEvent.objects.count(), Blob.objects.count()) == before


def test_what_is_no_adapter_is_not_stored(tmp_path: Path) -> None:
    blob = quarantined(tmp_path, {"decoder.conv_in.weight": torch.zeros(4, 4, 3, 3)}).files.get().blob
    with pytest.raises(NotAnAdapter):
        convert_blob(blob, "aya")
    assert (File.objects.count(), Blob.objects.count()) == (1, 1)


def test_only_what_is_in_quarantine_is_converted(tmp_path: Path) -> None:
    version = quarantined(tmp_path, lora())
    (file,) = convert_blob(version.files.get().blob, "aya")
    with pytest.raises(NotQuarantined):
        convert_blob(file.blob, "aya")


def test_a_worker_does_it_as_a_job(tmp_path: Path) -> None:
    version = quarantined(tmp_path, lora())
    request_conversion(version.files.get().blob, "aya")
    work("cpu")
    assert Job.objects.get(kind=CONVERT_JOB).state == JobState.DONE
    assert version.files.filter(state=FileState.STORED).count() == 1


def test_a_hostile_pickle_fails_its_job_once_and_runs_nothing(tmp_path: Path) -> None:
    write_pickle(tmp_path / "x.ckpt", tmp_path / "witness")
    ingest(str(tmp_path))
    blob = Blob.objects.get()
    request_conversion(blob, "aya")
    work("cpu")
    job = Job.objects.get(kind=CONVERT_JOB)
    assert (job.state, job.error_code, job.attempt) == (JobState.FAILED, PickleRefused.code, 1)
    assert not (tmp_path / "witness").exists()


def test_the_command_converts_what_is_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = quarantined(tmp_path, lora())
    call_command("convert", f"sha256:{version.files.get().blob_id}")
    assert f"version {version.pk}: ink.safetensors" in capsys.readouterr().out
    with pytest.raises(NotQuarantined):
        call_command("convert", f"sha256:{'0' * 64}")


def test_the_command_lists_the_files_it_made_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = quarantined(tmp_path, lora())
    source = f"sha256:{version.files.get().blob_id}"
    call_command("convert", source, "--json")
    (told,) = json.loads(capsys.readouterr().out)
    made = version.files.get(state=FileState.STORED)
    assert told == {
        "source": source, "output": "ink.safetensors", "version": version.pk, "sha256": made.blob_id,
    }  # fmt: skip
