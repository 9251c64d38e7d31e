"""Measuring stored files: rows that say what the weights tell or why not, once for each edition."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry import analysis, jobs
from registry.analysis import (
    ANALYZE_JOB,
    analyze,
    compare,
    measured,
    measured_diff,
    request_analysis,
    request_diff,
    request_missing,
)
from registry.models import Analysis, Blob, FileState, Job, JobState, Version, VersionDiff
from registry.storage import BlobMissing, blob_name, store
from registry.weights.statistics import statistics_of
from tests.factories import AdapterFactory, FileFactory, VersionFactory
from tests.registry.weight_files import write_lora, write_vae

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _own_storage(blobs: Path) -> None:
    """Every test here stores real files."""


def held(version: Version, path: Path) -> Blob:
    """The file at `path`, stored and held by the version."""
    blob = store(path, container="safetensors")
    FileFactory.create(version=version, blob=blob)
    return blob


@pytest.fixture
def version(tmp_path: Path) -> Version:
    """A version with one sound LoRA."""
    made: Version = VersionFactory.create(detected_family="sd1")
    held(made, write_lora(tmp_path / "one.safetensors"))
    return made


def run_all() -> None:
    jobs.work("cpu")


def test_the_row_holds_what_the_statistics_of_the_file_are(version: Version, tmp_path: Path) -> None:
    [row] = analyze(version)
    expected = statistics_of(tmp_path / "one.safetensors").as_dict()
    assert (row.state, row.data["frobenius"], row.data["blocks"]) == (
        "done",
        expected["frobenius"],
        expected["blocks"],
    )


def test_measuring_again_changes_nothing_unless_asked_for(version: Version) -> None:
    [first] = analyze(version)
    [second] = analyze(version)
    assert (second.pk, second.created) == (first.pk, first.created)
    [third] = analyze(version, again=True)
    assert third.pk == first.pk
    assert third.created > first.created


def test_a_file_without_modules_gets_a_row_that_says_why(tmp_path: Path) -> None:
    version = VersionFactory.create()
    held(version, write_vae(tmp_path / "vae.safetensors"))
    [row] = analyze(version)
    assert (row.state, row.code) == ("failed", "no_modules")
    assert row.message


def test_a_blob_whose_bytes_are_lost_gets_a_row_that_says_so(version: Version, blobs: Path) -> None:
    (blobs / blob_name(version.files.get().blob_id)).unlink()
    [row] = analyze(version)
    assert (row.state, row.code) == ("failed", BlobMissing.code)


def test_what_is_in_quarantine_is_never_opened(version: Version) -> None:
    version.files.update(state=FileState.QUARANTINED, reason="a pickle")
    assert analyze(version) == []
    assert request_analysis(version) is None


def test_versions_are_compared_with_those_before_and_after(tmp_path: Path) -> None:
    adapter = AdapterFactory.create()
    # An upstream lists its newest version first, so the middle one comes last here.
    versions = {
        month: VersionFactory.create(
            adapter=adapter, detected_family="sd1", published=datetime(2025, month, 1, tzinfo=UTC)
        )
        for month in (3, 1, 2)
    }
    blobs = {
        month: held(versions[month], write_lora(tmp_path / f"{month}.safetensors", seed=month))
        for month in versions
    }
    analyze(versions[2])
    pairs = set(VersionDiff.objects.values_list("old", "new"))
    assert pairs == {(blobs[1].pk, blobs[2].pk), (blobs[2].pk, blobs[3].pk)}


def test_the_same_bytes_in_two_versions_are_not_compared(version: Version) -> None:
    newer = VersionFactory.create(adapter=version.adapter, detected_family="sd1")
    FileFactory.create(version=newer, blob=version.files.get().blob)
    analyze(newer)
    assert not VersionDiff.objects.exists()


def test_a_job_measures_and_asking_twice_makes_one(version: Version) -> None:
    request_analysis(version)
    request_analysis(version)
    run_all()
    assert Job.objects.get(kind=ANALYZE_JOB).state == JobState.DONE
    assert Analysis.objects.get().blob == version.files.get().blob


def test_new_bytes_are_asked_for_though_the_old_job_is_over(version: Version, tmp_path: Path) -> None:
    request_analysis(version)
    run_all()
    held(version, write_lora(tmp_path / "two.safetensors", seed=2))
    request_analysis(version)
    run_all()
    assert Analysis.objects.count() == 2


def test_a_job_for_a_version_that_is_gone_ends_quietly(db: None) -> None:
    jobs.enqueue(ANALYZE_JOB, "1:x", payload={"version": 1})
    run_all()
    assert Job.objects.get().state == JobState.DONE


def test_only_what_nobody_measured_is_missing(version: Version, tmp_path: Path) -> None:
    other = VersionFactory.create(detected_family="sd1")
    held(other, write_lora(tmp_path / "two.safetensors", seed=2))
    VersionFactory.create()
    analyze(version)
    assert request_missing() == 1
    run_all()
    assert request_missing() == 0
    assert Analysis.objects.count() == 2


def test_a_failure_is_not_tried_for_ever(tmp_path: Path) -> None:
    held(VersionFactory.create(), write_vae(tmp_path / "vae.safetensors"))
    request_missing()
    run_all()
    assert request_missing() == 0


def test_the_standing_goes_from_missing_over_queued_to_done(version: Version) -> None:
    blob = version.files.get().blob
    assert measured(version, blob).state == "missing"
    request_analysis(version)
    assert measured(version, blob).state == "queued"
    run_all()
    found = measured(version, blob)
    assert found.state == "done"
    assert found.data is not None
    assert found.data["modules"] > 0


def test_numbers_of_an_older_edition_are_better_than_a_newer_failure(version: Version) -> None:
    blob = version.files.get().blob
    Analysis.objects.create(blob=blob, edition="0", state="done", data={"modules": 7})
    Analysis.objects.create(blob=blob, edition="1", state="failed", code="no_modules", message="None.")
    assert measured(version, blob).data == {"modules": 7}


def test_a_failed_job_is_told_where_no_row_could_be_written(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(analysis, "statistics_of", broken)
    job = request_analysis(version)
    assert job is not None
    Job.objects.filter(pk=job.pk).update(max_attempts=1)
    run_all()
    found = measured(version, version.files.get().blob)
    assert (found.state, found.code) == ("failed", "internal_error")


def test_a_comparison_is_made_when_it_is_asked_for(version: Version, tmp_path: Path) -> None:
    # Not neighbors: they are for different families, so nothing compares them by itself.
    newer = VersionFactory.create(adapter=version.adapter, detected_family="unknown")
    old, new = version.files.get().blob, held(newer, write_lora(tmp_path / "two.safetensors", seed=2))
    analyze(newer)
    assert measured_diff(version, newer, old, new).state == "missing"
    request_diff(newer, version)
    assert measured_diff(version, newer, old, new).state == "queued"
    run_all()
    assert measured_diff(version, newer, old, new).row == VersionDiff.objects.get()


def test_files_of_other_families_are_not_compared_but_told_apart(version: Version, tmp_path: Path) -> None:
    other = VersionFactory.create(adapter=version.adapter, detected_family="sd2")
    held(other, write_lora(tmp_path / "two.safetensors", family="sd2"))
    row = compare(version, other)
    assert row is not None
    assert (row.state, row.code) == ("failed", "different_families")
