"""`manage.py analyze`: named versions or all that are missing, as text or as JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from registry.errors import VersionNotFound
from registry.models import Analysis, Version
from registry.storage import store
from tests.factories import FileFactory, VersionFactory
from tests.registry.weight_files import write_lora, write_vae

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def version(tmp_path: Path, blobs: Path) -> Version:
    """A version with one sound LoRA."""
    made: Version = VersionFactory.create(detected_family="sd1")
    blob = store(write_lora(tmp_path / "one.safetensors"), container="safetensors")
    FileFactory.create(version=made, blob=blob)
    return made


def run(*args: Any, **options: Any) -> str:
    out = io.StringIO()
    call_command("analyze", *args, stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


def test_a_named_version_is_measured(version: Version) -> None:
    assert "12 modules" in run(version.pk)
    assert Analysis.objects.get().blob == version.files.get().blob


def test_json_is_the_only_thing_on_stdout(version: Version) -> None:
    [result] = json.loads(run(version.pk, as_json=True))
    [row] = result["rows"]
    assert (result["version"], row["kind"], row["state"]) == (version.pk, "statistics", "done")
    assert row["data"] == Analysis.objects.get().data


def test_missing_takes_what_nobody_has_measured(version: Version, tmp_path: Path) -> None:
    other = VersionFactory.create()
    blob = store(write_vae(tmp_path / "vae.safetensors"), container="safetensors")
    FileFactory.create(version=other, blob=blob)
    run(version.pk)
    assert "no_modules" in run(missing=True)
    assert run(missing=True) == ""


def test_a_version_that_is_not_there_changes_nothing(version: Version) -> None:
    with pytest.raises(VersionNotFound):
        run(version.pk, version.pk + 1)
    assert not Analysis.objects.exists()


@pytest.mark.parametrize("options", [{}, {"missing": True, "versions": [1]}])
def test_it_must_be_told_what_to_measure(db: None, options: dict[str, Any]) -> None:
    with pytest.raises(CommandError):
        run(*options.pop("versions", []), **options)
