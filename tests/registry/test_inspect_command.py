"""`manage.py inspect`: one object a path, the promised exit codes, and never a database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from tests.registry.weights.files import kohya_file, unet_attention, write_shapes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    layers = unet_attention((320, 640, 1280, 1280), 768)
    return write_shapes(
        tmp_path / "adapter.safetensors", kohya_file(layers), {"ss_base_model_version": "sd_v1"}
    )


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    # Nothing listens there: any attempt to connect would fail the command.
    environment = os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
    return subprocess.run(
        [sys.executable, "manage.py", "inspect", *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def objects(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    call_command("inspect", *arguments, "--json")
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_it_works_with_an_unreachable_database(adapter: Path) -> None:
    done = run(adapter, "--json", "--no-hash")
    assert (done.returncode, done.stderr) == (0, "")
    (got,) = json.loads(done.stdout)
    assert (got["path"], got["family"], got["hashes"]) == (str(adapter), "sd1", None)


def test_a_missing_path_is_an_object_one_line_and_exit_1(adapter: Path, tmp_path: Path) -> None:
    done = run(tmp_path / "none", adapter, tmp_path, "--json")
    assert done.returncode == 1
    assert [got["error"] and got["error"]["code"] for got in json.loads(done.stdout)] == [
        "unreadable",
        None,
        "is_a_folder",
    ]
    first, second = done.stderr.splitlines()
    assert first.startswith("unreadable: ")
    assert second.startswith("is_a_folder: ")


def test_no_path_is_wrong_usage() -> None:
    assert run().returncode == 2


def test_broken_files_are_data(capsys: pytest.CaptureFixture[str], adapter: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.safetensors"
    page.write_text("<html><body>Not found</body></html>")
    got, whole = objects(capsys, str(page), str(adapter))
    assert (got["container"], got["error"]["code"], got["kind"]) == ("html", "html_page", "unreadable")
    assert whole["valid"]


def test_a_name_that_is_no_text_can_still_be_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    name = os.fsdecode(os.fsencode(str(tmp_path)) + b"/\xff.safetensors")
    Path(name).touch()
    (got,) = objects(capsys, name)
    assert got["container"] == "empty"


def test_nothing_in_a_file_steers_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\udcff.safetensors"
    write_shapes(path, {"x": (1,)}, {"modelspec.title": "[red]\x1b]0;title\x07 \u202ereversed"})
    call_command("inspect", str(path))
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "[red]" in out


def test_the_text_for_people_names_what_matters(capsys: pytest.CaptureFixture[str], adapter: Path) -> None:
    call_command("inspect", str(adapter))
    out = capsys.readouterr().out
    for word in ("adapter.safetensors", "sd1", "lora, rank 4", "kohya", "sd_v1", "IN01", "sha256"):
        assert word in out
