"""versions/ID/weights/, diff/ and similar/: what is stored is served, and what is not says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.analysis import analyze, request_analysis
from registry.lineage import relate
from registry.models import Inspection, Version
from registry.storage import store
from tests.catalog import build
from tests.catalog.api.conftest import Caller
from tests.factories import inspection_data
from tests.registry.weight_files import write_lora

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def with_file(path: Path, of: object = "", **fields: object) -> Version:
    """A version that holds the file at `path`, read as a LoRA for Stable Diffusion 1."""
    blob = store(path, container="safetensors")
    made = build.version(of, blob=blob, detected_family="sd1", **fields)  # type: ignore[arg-type]
    training = {"steps": 900, "distinct_images": 24}
    data = inspection_data(family="sd1", training=training)
    Inspection.objects.get_or_create(
        blob=blob, reader="1", defaults={"data": data, "valid": True, "kind": "adapter", "family": "sd1"}
    )
    return made


@pytest.fixture
def version(tmp_path: Path) -> Version:
    return with_file(tmp_path_file(tmp_path, 1), "Ink", terms=build.APACHE)


def tmp_path_file(folder: Path, seed: int) -> Path:
    return write_lora(folder / f"{seed}.safetensors", seed=seed)


def test_numbers_come_as_they_are_stored_with_their_edition(anybody: Caller, version: Version) -> None:
    [row] = analyze(version)
    found = anybody.get(f"versions/{version.pk}/weights/").json()
    assert found["sha256"] == version.files.get().blob_id
    assert found["statistics"]["state"] == "done"
    assert found["statistics"]["edition"] == row.edition
    assert found["statistics"]["numbers"] == row.data


def test_what_is_not_there_yet_says_where_it_stands(anybody: Caller, version: Version) -> None:
    address = f"versions/{version.pk}/weights/"
    assert anybody.get(address).json()["statistics"]["state"] == "missing"
    request_analysis(version)
    found = anybody.get(address).json()["statistics"]
    assert (found["state"], found["numbers"], found["code"]) == ("queued", None, None)


def test_a_version_without_a_file_has_no_numbers(anybody: Caller, version: Version) -> None:
    version.files.all().delete()
    found = anybody.get(f"versions/{version.pk}/weights/").json()
    assert (found["sha256"], found["statistics"]["state"]) == (None, "no_file")


def test_training_comes_with_its_scorecard(anybody: Caller, version: Version) -> None:
    found = anybody.get(f"versions/{version.pk}/weights/").json()
    standing = {line["code"]: line["standing"] for line in found["scorecard"]["lines"]}
    assert found["training"] == {"steps": 900, "distinct_images": 24}
    assert (standing["image_count"], standing["steps"]) == ("good", "low")
    assert standing["learning_rate"] == "not_stated"


def test_a_difference_goes_from_the_older_to_the_newer_from_either_side(
    anybody: Caller, version: Version, tmp_path: Path
) -> None:
    newer = with_file(tmp_path_file(tmp_path, 2), version.adapter, terms=build.NOT_COMMERCIAL)
    analyze(newer)
    forth = anybody.get(f"versions/{newer.pk}/diff/").json()
    back = anybody.get(f"versions/{version.pk}/diff/", {"against": newer.pk}).json()
    assert forth == back
    assert (forth["old"], forth["new"]) == (version.pk, newer.pk)
    assert forth["weights"]["state"] == "done"
    assert forth["weights"]["numbers"]["same_weights"] is False
    directions = {change["act"]: change["direction"] for change in forth["terms"]["acts"]}
    assert directions["generate_and_sell_images"] == "tighter"
    assert forth["metadata"]["changed"] == {}


@pytest.mark.parametrize("against", ["", "x", "-1", "0", "999999", "9" * 30])
def test_what_cannot_be_compared_is_refused(anybody: Caller, version: Version, against: str) -> None:
    build.version("Another adapter")
    answer = anybody.get(f"versions/{version.pk}/diff/", {"against": against} if against else {})
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_query"


def test_a_version_is_not_compared_with_itself_or_another_adapters(anybody: Caller, version: Version) -> None:
    for other in (version, build.version("Another adapter")):
        answer = anybody.get(f"versions/{version.pk}/diff/", {"against": other.pk})
        assert answer.status_code == 400


def test_kin_are_versions_of_other_adapters_with_their_relation(
    anybody: Caller, version: Version, tmp_path: Path
) -> None:
    copy = write_lora(tmp_path / "copy.safetensors", seed=1, metadata={"ss_output_name": "mine"})
    twin = with_file(copy, "A copy")
    other = with_file(tmp_path_file(tmp_path, 3), "Unrelated")
    for each in (version, twin, other):
        relate(each)
    [kin] = anybody.get(f"versions/{version.pk}/similar/").json()
    assert (kin["version"], kin["adapter"]) == (twin.pk, twin.adapter_id)
    assert kin["cosine"] > 0.99
    assert anybody.get(f"versions/{other.pk}/similar/").json() == []


@pytest.mark.parametrize("what", ["weights", "diff", "similar"])
def test_a_version_that_is_not_there_is_not_found(anybody: Caller, what: str) -> None:
    assert anybody.get(f"versions/99/{what}/").status_code == 404
