"""The signing key: given, or made once and kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from config.env import ConfigError
from config.secret_key import load_secret_key


def test_a_given_key_wins_and_nothing_is_written(tmp_path: Path) -> None:
    assert load_secret_key("k" * 40, tmp_path / "key") == "k" * 40
    assert list(tmp_path.iterdir()) == []


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 32"):
        load_secret_key("short", tmp_path / "key")


def test_a_made_key_is_private_and_stays_the_same(tmp_path: Path) -> None:
    key = load_secret_key("", tmp_path / "var" / "key")
    assert len(key) >= 50
    assert load_secret_key("", tmp_path / "var" / "key") == key
    assert (tmp_path / "var" / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["key"]


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, config.secret_key as s; print(s.load_secret_key('', pathlib.Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "key")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate()[0] for process in started}) == 1


def test_a_folder_that_cannot_be_written_gives_a_key_for_this_process(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert len(load_secret_key("", tmp_path / "file" / "key")) >= 50
