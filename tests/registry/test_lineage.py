"""Lineage: what is taken in is known again, with its kin and its parents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import DjangoAssertNumQueries
from safetensors.numpy import save_file

from registry import lineage
from registry.lineage import kin_of
from registry.lineage_checks import assess_with_kin
from registry.models import Check, Kinship, Sketch, Version
from registry.services import ingest
from tests.registry.lineage_files import Tensors, fresh, merged, relations, resized, rotated, taken_in
from tests.registry.weight_files import civitai_info, write_json

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db,
    pytest.mark.usefixtures("blobs", "seeded", "lineage_folder"),
]


def test_a_file_that_is_taken_in_has_a_sketch(tmp_path: Path) -> None:
    taken_in(tmp_path / "a", 1)
    row = Sketch.objects.get()
    assert (row.family, row.modules, row.skipped) == ("sd1", 12, 0)
    assert len(row.signature) == 512 and row.norm > 0


@pytest.mark.parametrize(("disguise", "relation"), [(rotated, "re_upload"), (resized, "resized")])
def test_a_copy_is_known_again_whatever_it_looks_like(
    tmp_path: Path, disguise: Callable[[Tensors], Tensors], relation: str
) -> None:
    original = taken_in(tmp_path / "a", 1)
    for seed in range(2, 6):
        taken_in(tmp_path / f"stranger{seed}", seed)
    copy = taken_in(tmp_path / "copy", disguise(fresh(1)))
    assert relations(copy) == {original.pk: relation}
    assert relations(original) == {copy.pk: relation}
    assert kin_of(copy)[0].cosine > 0.9
    check = Check.objects.get(version=copy, code="lineage")
    assert check.outcome == "ok"
    assert [kin["version"] for kin in check.evidence["kin"]] == [original.pk]


def test_edited_metadata_leaves_the_same_weights(tmp_path: Path) -> None:
    original = taken_in(tmp_path / "a", 1)
    path = tmp_path / "b.safetensors"
    save_file(fresh(1), path, metadata={"modelspec.author": "Somebody"})
    ingest(str(path))
    copy = Version.objects.order_by("-pk")[0]
    assert copy.pk != original.pk
    assert relations(copy) == {original.pk: "same_weights"}


def test_the_very_same_bytes_under_another_adapter_are_kin(tmp_path: Path) -> None:
    original = taken_in(tmp_path / "a", 1)
    (tmp_path / "b").mkdir()
    save_file(fresh(1), tmp_path / "b" / "b.safetensors")
    write_json(tmp_path / "b" / "b.civitai.info", civitai_info(1, 2))
    ingest(str(tmp_path / "b"))
    copy = Version.objects.exclude(pk=original.pk).get()
    assert relations(copy) == {original.pk: "same_weights"}


def test_a_merge_is_part_of_both_parents_in_whatever_order_they_come(tmp_path: Path) -> None:
    first = taken_in(tmp_path / "a", 1)
    child = taken_in(tmp_path / "m", merged(fresh(1), fresh(2), 0.5))
    second = taken_in(tmp_path / "later", 2)
    assert relations(child) == {first.pk: "part_of", second.pk: "part_of"}
    assert relations(first) == {child.pk: "part_of"}
    assert sum(kin.share for kin in kin_of(child)) == pytest.approx(1.0, abs=0.05)


def test_strangers_are_no_kin_and_have_no_check(tmp_path: Path) -> None:
    for seed in range(6):
        taken_in(tmp_path / f"s{seed}", seed)
    assert not Kinship.objects.exists()
    assert not Check.objects.filter(code__in=["lineage", "license_conflict"]).exists()


def test_kin_are_read_in_a_fixed_number_of_queries(
    tmp_path: Path, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    original = taken_in(tmp_path / "a", 1)
    for n in range(3):
        turned = rotated(fresh(1)) | {f"x{n}": np.zeros(1, np.float32)}
        taken_in(tmp_path / f"copy{n}", turned)
    with django_assert_num_queries(3):
        kin = kin_of(original)
        assert [each.version.adapter.name for each in kin] and len(kin) == 3


def test_assessing_kin_takes_as_many_queries_for_many_as_for_few(tmp_path: Path) -> None:
    original = taken_in(tmp_path / "a", 1)
    counts = []
    for n in range(5):
        taken_in(tmp_path / f"copy{n}", rotated(fresh(1)) | {f"x{n}": np.zeros(1, np.float32)})
        if n in (1, 4):
            with CaptureQueriesContext(connection) as queries:
                assess_with_kin(original)
            counts.append(len(queries))
    assert counts[1] <= counts[0]


def test_a_file_that_cannot_be_sketched_is_taken_in_all_the_same(tmp_path: Path) -> None:
    version = taken_in(tmp_path / "z", {name: np.zeros_like(array) for name, array in fresh(1).items()})
    assert version.vetting == "waiting"
    assert Sketch.objects.get().modules == 0
    assert kin_of(version) == []


def test_taking_in_again_computes_nothing_again(tmp_path: Path) -> None:
    taken_in(tmp_path / "a", 1)
    before = list(Sketch.objects.values_list("pk", "created"))
    ingest(str(tmp_path / "a"))
    assert list(Sketch.objects.values_list("pk", "created")) == before


def test_relating_twice_changes_nothing(tmp_path: Path) -> None:
    original = taken_in(tmp_path / "a", 1)
    taken_in(tmp_path / "copy", rotated(fresh(1)))
    before = list(Kinship.objects.order_by("blob", "other").values("blob", "other", "relation", "cosine"))
    assert lineage.relate(original) is False
    for row in Sketch.objects.all():
        lineage.note_kin(row)
    assert (
        list(Kinship.objects.order_by("blob", "other").values("blob", "other", "relation", "cosine"))
        == before
    )
