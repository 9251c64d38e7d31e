"""The index of lineage sketches: lost, foreign, cut short or refused, it finds what a full scan finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from registry import lineage_index
from registry.lineage_partition import Partition, locked
from registry.models import Sketch, Version
from registry.services import ingest
from tests.registry.lineage_files import fresh, taken_in

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db,
    pytest.mark.usefixtures("blobs", "seeded", "lineage_folder"),
]


def test_a_lost_or_foreign_index_is_built_anew(tmp_path: Path, lineage_folder: Path) -> None:
    taken_in(tmp_path / "a", 1)
    row = Sketch.objects.get()
    wanted = np.frombuffer(row.signature, np.int8)
    here = lineage_index.refresh("sd1")
    here.clear()
    assert lineage_index.nearest(wanted, ["sd1"], 5) == [row.pk]
    # The files of another database: an id of ours with somebody else's signature.
    with locked(here.folder):
        here.clear()
        here.append(np.array([row.pk], np.int64), -wanted[None])
    assert lineage_index.nearest(wanted, ["sd1"], 5) == [row.pk]
    assert here.search(wanted, 1)[0][1] == pytest.approx(1.0)


def test_a_writer_killed_in_mid_append_leaves_a_sound_index(tmp_path: Path) -> None:
    taken_in(tmp_path / "a", 1)
    here = lineage_index.refresh("sd1")
    for name in ("signatures", "bits"):
        with (here.folder / name).open("ab") as file:
            file.write(b"half of a row")
    taken_in(tmp_path / "b", 2)
    for row in Sketch.objects.all():
        wanted = np.frombuffer(row.signature, np.int8)
        assert lineage_index.nearest(wanted, ["sd1"], 1) == [row.pk]


def test_the_first_stage_finds_what_a_full_scan_finds(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(30_000, 512)).astype(np.float32)
    signatures = np.clip(np.rint(vectors * 22), -127, 127).astype(np.int8)
    partition = Partition(tmp_path / "p")
    for at in range(0, len(signatures), 12_000):
        ids = np.arange(at, min(at + 12_000, len(signatures))) + 1
        partition.append(ids, signatures[at : at + 12_000])
    child = 0.5 * signatures[100] + 0.5 * signatures[20_000]
    wanted = np.clip(np.rint(child), -127, 127).astype(np.int8)
    scores = signatures.astype(np.float32) @ wanted.astype(np.float32)
    scores /= np.linalg.norm(signatures.astype(np.float32), axis=1)
    exact = [int(at) + 1 for at in np.argsort(-scores)[:10]]
    found = [pk for pk, _ in partition.search(wanted, 10)]
    assert found[:2] == exact[:2] == [101, 20_001] or found[:2] == exact[:2] == [20_001, 101]
    assert len(set(found) & set(exact)) >= 8


def test_an_index_that_cannot_be_written_costs_one_line_and_is_made_up_for(
    tmp_path: Path, lineage_folder: Path
) -> None:
    lineage_folder.parent.mkdir(parents=True)
    lineage_folder.write_text("a file where the folder should be")
    path = tmp_path / "a" / "a.safetensors"
    path.parent.mkdir()
    save_file(fresh(1), path)
    report = ingest(str(path))
    assert [failure.error.code for failure in report.failed] == ["lineage_index_unusable"]
    assert Version.objects.count() == 1 and not Sketch.objects.exists()
    lineage_folder.unlink()
    assert not ingest(str(path)).failed
    assert Sketch.objects.get().modules == 12
