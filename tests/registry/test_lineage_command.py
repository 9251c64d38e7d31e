"""`manage.py lineage`: of what a file or version is made, and looking anew."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from safetensors.numpy import save_file

from registry.models import Blob, Kinship, Sketch
from tests.registry.lineage_files import fresh, merged, relations, rotated, taken_in

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db,
    pytest.mark.usefixtures("blobs", "seeded", "lineage_folder"),
]


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


def test_reindexing_finds_what_was_taken_in_before_sketches_were(tmp_path: Path) -> None:
    original = taken_in(tmp_path / "a", 1)
    copy = taken_in(tmp_path / "copy", rotated(fresh(1)))
    Sketch.objects.all().delete()
    Kinship.objects.all().delete()
    assert lineage_json("--reindex") == {"sketched": 2, "partitions": {"sd1": 2}}
    assert relations(copy) == {original.pk: "re_upload"}
    assert lineage_json("--reindex") == {"sketched": 0, "partitions": {"sd1": 2}}


def test_reindexing_forgets_kin_of_an_older_edition(tmp_path: Path) -> None:
    original, copy = taken_in(tmp_path / "a", 1), taken_in(tmp_path / "copy", rotated(fresh(1)))
    stranger = taken_in(tmp_path / "b", 2)
    one, other = (version.files.get().blob for version in (original, stranger))
    for blob, kin in ((one, other), (other, one)):
        Kinship.objects.create(blob=blob, other=kin, relation="similar", cosine=0.4, share=0.16)
    Sketch.objects.filter(blob=other).update(edition="0")
    lineage_json("--reindex")
    assert relations(stranger) == {}
    assert relations(original) == {copy.pk: "re_upload"}
