"""Raising the edition of the numbers: what rotations did not change is kept, all else is measured anew."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection
from safetensors.numpy import save_file

from registry.analysis import analyze, unmeasured
from registry.lineage import reindex, relate
from registry.models import Adapter, Analysis, Sketch, Version, VersionDiff
from registry.storage import store
from registry.weights.statistics import EDITION
from registry.weights.versions import EDITION as DIFF_EDITION
from tests.factories import AdapterFactory, FileFactory, VersionFactory
from tests.registry.weight_files import write_lora, write_vae

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _own_storage(blobs: Path) -> None:
    """Every test here stores real files."""


def write_oft(path: Path) -> Path:
    """LyCORIS' rotation of one attention layer."""
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    blocks = np.random.default_rng(5).normal(0, 0.1, (4, 80, 80)).astype(np.float32)
    save_file({f"{name}.oft_blocks": blocks, f"{name}.alpha": np.array(1e-3, np.float32)}, path)
    return path


def held(adapter: Adapter, month: int, path: Path) -> Version:
    version: Version = VersionFactory.create(
        adapter=adapter, detected_family="sd1", published=datetime(2025, month, 1, tzinfo=UTC)
    )
    FileFactory.create(version=version, blob=store(path, container="safetensors"))
    return version


def carry_over() -> None:
    """What the migration does."""
    with connection.cursor() as cursor:
        for sql in import_module("registry.migrations.0023_rotations_anew").CARRY_OVER:
            cursor.execute(sql)


def by_version(model: Any, *versions: Version) -> list[set[str]]:
    return [
        set(model.objects.filter(blob__files__version=v).values_list("edition", flat=True)) for v in versions
    ]


def test_only_files_that_turn_weights_and_those_that_failed_are_measured_again(tmp_path: Path) -> None:
    adapter = AdapterFactory.create()
    first = held(adapter, 1, write_lora(tmp_path / "1.safetensors", seed=1))
    second = held(adapter, 2, write_lora(tmp_path / "2.safetensors", seed=2))
    turning = held(adapter, 3, write_oft(tmp_path / "3.safetensors"))
    failed = held(AdapterFactory.create(), 4, write_vae(tmp_path / "4.safetensors"))
    every = (first, second, turning, failed)
    for version in every:
        analyze(version)
        relate(version)
    assert Analysis.objects.get(blob__files__version=turning).data["relative"] == 1
    # As an instance of the release before has them.
    for model in (Analysis, VersionDiff):
        for row in model.objects.all():
            row.edition, row.data = "1", row.data | ({"edition": "1"} if row.data else {})
            row.save()
    kept = Analysis.objects.get(blob__files__version=first)
    carry_over()
    assert by_version(Analysis, *every) == [{EDITION}, {EDITION}, {"1"}, {"1"}]
    now = Analysis.objects.get(pk=kept.pk)
    assert (now.data, now.created) == (kept.data | {"edition": EDITION}, kept.created)
    assert list(unmeasured()) == [turning, failed]
    diffs = {(d.old_id, d.new_id): (d.edition, d.data["edition"]) for d in VersionDiff.objects.all()}
    blobs = [version.files.get().blob_id for version in (first, second, turning)]
    assert diffs == {
        (blobs[0], blobs[1]): (DIFF_EDITION, DIFF_EDITION),
        (blobs[1], blobs[2]): ("1", "1"),
    }
    assert [len(found) for found in by_version(Sketch, *every)] == [1, 1, 0, 0]
    # A second time changes nothing, and what was left behind is taken up.
    carry_over()
    for version in list(unmeasured()):
        analyze(version)
    reindex()
    assert not unmeasured().exists()
    assert VersionDiff.objects.filter(edition=DIFF_EDITION).count() == 2
    assert [len(found) for found in by_version(Sketch, *every)] == [1, 1, 1, 1]
