"""Lineage: what is taken in is known again, with its kin, its parents, and whose terms are looser."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from pytest_django.fixtures import DjangoAssertNumQueries
from safetensors.numpy import load_file, save_file

from registry import lineage, lineage_index, vetting
from registry.lineage import kin_of
from registry.lineage_checks import assess_with_kin, looser_acts
from registry.lineage_partition import Partition, locked
from registry.models import AuditEvent, Blob, Check, Kinship, Sketch, TermsProfile, Version
from registry.services import ingest
from tests.factories import UserFactory
from tests.registry.weight_files import civitai_info, write_json, write_lora

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("blobs", "seeded")]

Tensors = dict[str, npt.NDArray[Any]]


@pytest.fixture(autouse=True)
def index(tmp_path: Path, settings: Settings) -> Path:
    """An index of this test's own."""
    settings.VAR_DIR = tmp_path / "var"
    return tmp_path / "var" / "lineage"


def fresh(seed: int) -> Tensors:
    """An adapter whose spectrum falls, as trained ones' do."""
    with TemporaryDirectory() as folder:
        tensors = load_file(write_lora(Path(folder) / "a.safetensors", seed=seed))
    fading = np.array([[1.0], [0.5], [0.3], [0.2]], np.float16)
    return {name: array * fading if "lora_down" in name else array for name, array in tensors.items()}


def rotated(tensors: Tensors) -> Tensors:
    """The same change from other factors: every rank-4 pair turned."""
    turn = np.linalg.qr(np.random.default_rng(7).normal(size=(4, 4)))[0]
    return {
        name: (
            turn.T @ array if name.endswith("down.weight") else array @ turn if ".lora_up" in name else array
        ).astype(array.dtype)
        for name, array in tensors.items()
    }


def resized(tensors: Tensors) -> Tensors:
    """The best factors of rank 3."""
    small: Tensors = {}
    for name in {name.partition(".")[0] for name in tensors}:
        up, down = (tensors[f"{name}.lora_{side}.weight"].astype(np.float64) for side in ("up", "down"))
        u, values, vt = np.linalg.svd(up @ down, full_matrices=False)
        small[f"{name}.lora_up.weight"] = (u[:, :3] * values[:3]).astype(np.float32)
        small[f"{name}.lora_down.weight"] = vt[:3].astype(np.float32)
    return small


def merged(one: Tensors, other: Tensors, ratio: float) -> Tensors:
    joined: Tensors = {}
    for name, array in one.items():
        if name.endswith(".alpha"):
            continue
        if ".lora_up" in name:
            joined[name] = np.hstack([array * ratio, other[name] * (1 - ratio)]).astype(np.float32)
        else:
            joined[name] = np.vstack([array, other[name]]).astype(np.float32)
    return joined


def taken_in(folder: Path, tensors: Tensors | int, license_id: str = "", name: str = "ink") -> Version:
    """The version made of one file in a folder of its own; a number is the seed of a fresh adapter."""
    path = folder / f"{name}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(fresh(tensors) if isinstance(tensors, int) else tensors, path)
    report = ingest(str(folder), license_id=license_id)
    assert not report.failed
    return Version.objects.select_related("adapter").order_by("-pk")[0]


def relations(version: Version) -> dict[int, str]:
    return {kin.version.pk: str(kin.relation) for kin in kin_of(version)}


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


# --- Looser terms -------------------------------------------------------------------------------------------


def conflict(version: Version) -> Check | None:
    return Check.objects.filter(version=version, code="license_conflict").first()


@pytest.mark.parametrize("original_first", [True, False])
def test_a_copy_with_looser_terms_is_a_conflict_whichever_came_first(
    tmp_path: Path, original_first: bool
) -> None:
    order = [("strict", fresh(1), "CC-BY-NC-4.0"), ("loose", rotated(fresh(1)), "MIT")]
    made = {
        name: taken_in(tmp_path / name, made_of, license_id)
        for name, made_of, license_id in (order if original_first else order[::-1])
    }
    found = conflict(made["loose"])
    assert found is not None and found.outcome == "fail"
    (twin,) = found.evidence["conflicts"]
    assert twin["version"] == made["strict"].pk
    assert twin["terms"]["theirs"]["license"] == "CC-BY-NC-4.0"
    assert twin["terms"]["ours"]["license"] == "MIT"
    acts = {change["act"]: change for change in twin["acts"]}
    assert acts["generate_and_sell_images"]["theirs"]["outcome"] == "forbidden"
    assert (
        acts["generate_and_sell_images"]["theirs"]["clause"]
        and acts["generate_and_sell_images"]["ours"]["outcome"] != "forbidden"
    )
    assert conflict(made["strict"]) is None
    events = AuditEvent.objects.filter(action="license_conflict")
    assert [event.subject for event in events] == [f"version:{made['loose'].pk}"]


@pytest.mark.parametrize(
    ("one", "other"), [("MIT", "MIT"), ("MIT", "CC-BY-NC-4.0"), ("", "MIT"), ("CC-BY-NC-4.0", "")]
)
def test_equal_stricter_or_missing_terms_are_no_conflict(tmp_path: Path, one: str, other: str) -> None:
    taken_in(tmp_path / "a", 1, one)
    copy = taken_in(tmp_path / "copy", rotated(fresh(1)), other)
    assert conflict(copy) is None


FLAGS = {"allowNoCredit": True, "allowDerivatives": True, "allowDifferentLicense": True}
SELL = FLAGS | {"allowCommercialUse": ["Image", "RentCivit", "Rent", "Sell"]}


@pytest.mark.parametrize(
    ("theirs", "mine", "looser"),
    [
        ({"civitai": FLAGS | {"allowCommercialUse": []}}, {"license": "MIT"}, "generate_and_sell_images"),
        ({"license": "CC-BY-4.0"}, {"license": "CC0-1.0"}, "redistribute_adapter"),
        ({"license": "unknown"}, {"license": "MIT"}, "sell_adapter"),
        # Silence contradicts nothing: Civitai's flags do not speak on training with outputs.
        ({"civitai": SELL}, {"license": "MIT"}, ""),
        ({"license": "MIT"}, {"license": "CC-BY-NC-4.0"}, ""),
    ],
)
def test_terms_are_looser_where_they_grant_what_the_others_withhold(
    theirs: dict[str, Any], mine: dict[str, Any], looser: str
) -> None:
    stated: dict[str, Any] = {"base_license": None, "license": None, "civitai": None}
    acts = looser_acts(TermsProfile(terms=stated | theirs), TermsProfile(terms=stated | mine))
    assert looser in {change.act for change in acts} if looser else not acts


def test_strangers_may_have_any_terms(tmp_path: Path) -> None:
    taken_in(tmp_path / "a", 1, "CC-BY-NC-4.0")
    assert conflict(taken_in(tmp_path / "b", 2, "MIT")) is None


def test_a_conflict_blocks_approval_until_a_reason_is_written(tmp_path: Path) -> None:
    taken_in(tmp_path / "a", 1, "CC-BY-NC-4.0")
    copy = taken_in(tmp_path / "copy", rotated(fresh(1)), "MIT")
    reviewer = UserFactory.create()
    for reason in ("", "  ", "ok"):
        with pytest.raises(vetting.ReasonRequired, match="license_conflict"):
            vetting.review(copy, reviewer, "approve", reason)
    assert Version.objects.get(pk=copy.pk).vetting == "waiting"
    review = vetting.review(copy, reviewer, "approve", "Same author on both sites, by mail of 1 May.")
    kept = {check["code"]: check["outcome"] for check in review.checks}
    assert kept["license_conflict"] == "fail"


def test_a_conflict_is_settled_when_the_terms_are_decided(tmp_path: Path) -> None:
    strict = taken_in(tmp_path / "a", 1, "CC-BY-NC-4.0")
    copy = taken_in(tmp_path / "copy", rotated(fresh(1)), "MIT")
    # The strict one's file is found to be under MIT as well.
    taken_in(tmp_path / "a", 1, "MIT")
    copy.terms_profile = Version.objects.get(pk=strict.pk).terms_profile
    copy.save()
    vetting.review(copy, UserFactory.create(), "approve")
    found = conflict(copy)
    assert found is not None and found.outcome == "ok"


# --- The command and the index ------------------------------------------------------------------------------


def lineage_json(*args: str) -> Any:
    out = StringIO()
    call_command("lineage", *args, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_the_command_says_of_what_a_file_is_made(tmp_path: Path) -> None:
    first, second = taken_in(tmp_path / "a", 1), taken_in(tmp_path / "b", 2)
    taken_in(tmp_path / "c", 3)
    path = tmp_path / "m.safetensors"
    save_file(merged(fresh(1), fresh(2), 0.6), path)
    told = lineage_json(str(path))
    assert (told["family"], told["modules"], told["copies"]) == ("sd1", 12, [])
    weights = {part["versions"][0]["id"]: part["weight"] for part in told["ingredients"]}
    assert weights == {first.pk: pytest.approx(0.6, abs=0.05), second.pk: pytest.approx(0.4, abs=0.05)}
    assert told["residual"] < 0.05
    assert not Blob.objects.filter(size=path.stat().st_size).exists()


def test_the_command_takes_the_id_of_a_version(tmp_path: Path) -> None:
    original = taken_in(tmp_path / "a", 1)
    copy = taken_in(tmp_path / "copy", rotated(fresh(1)))
    told = lineage_json(str(copy.pk))
    assert [each["versions"][0]["id"] for each in told["copies"]] == [original.pk]
    with pytest.raises(Exception, match="version_not_found"):
        lineage_json("999999")


def test_reindexing_finds_what_was_taken_in_before_sketches_were(tmp_path: Path, index: Path) -> None:
    original = taken_in(tmp_path / "a", 1)
    copy = taken_in(tmp_path / "copy", rotated(fresh(1)))
    Sketch.objects.all().delete()
    Kinship.objects.all().delete()
    assert lineage_json("--reindex") == {"sketched": 2, "partitions": {"sd1": 2}}
    assert relations(copy) == {original.pk: "re_upload"}
    assert lineage_json("--reindex") == {"sketched": 0, "partitions": {"sd1": 2}}


def test_a_lost_or_foreign_index_is_built_anew(tmp_path: Path, index: Path) -> None:
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
    tmp_path: Path, index: Path
) -> None:
    index.parent.mkdir(parents=True)
    index.write_text("a file where the folder should be")
    path = tmp_path / "a" / "a.safetensors"
    path.parent.mkdir()
    save_file(fresh(1), path)
    report = ingest(str(path))
    assert [failure.error.code for failure in report.failed] == ["lineage_index_unusable"]
    assert Version.objects.count() == 1 and not Sketch.objects.exists()
    index.unlink()
    assert not ingest(str(path)).failed
    assert Sketch.objects.get().modules == 12


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
