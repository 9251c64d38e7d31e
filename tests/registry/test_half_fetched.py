"""What is left of downloads goes after a while, unless somebody has it in use or went on with it lately."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from pytest_django import Settings

from registry.half_fetched import folder, held, remove_abandoned
from registry.housekeeping import tidy
from registry.sources.transport.partial import Known, Partial

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def var(settings: Settings, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path / "var"
    return tmp_path / "var"


def age(*paths: Path, days: float = 8) -> None:
    for path in paths:
        os.utime(path, (time.time() - days * 86400,) * 2)


def write(path: Path, days: float = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    age(path, days=days)
    return path


def names(found: Path) -> list[str]:
    return sorted(path.name for path in found.iterdir())


@pytest.mark.parametrize("kind", ["bases", "layouts"])
def test_half_fetched_files_of_bases_are_tidied_away_and_whole_ones_stay(
    settings: Settings, tmp_path: Path, kind: str
) -> None:
    settings.VAR_DIR = tmp_path / "var"
    folder = tmp_path / "var" / kind / "sdxl" / "commit" / "unet"
    folder.mkdir(parents=True)
    for name in ("a.safetensors", "b.safetensors.part", "b.safetensors.part.json"):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - 8 * 86400,) * 2)
    assert remove_abandoned() == 2
    assert [path.name for path in folder.iterdir()] == ["a.safetensors"]


def test_downloads_that_nobody_went_on_with_are_tidied_away(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "var"
    folder = tmp_path / "var" / "fetching"
    folder.mkdir(parents=True)
    for name, days in (("old.part", 8), ("new.part", 1)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - days * 86400,) * 2)
    assert remove_abandoned() == 1
    assert [path.name for path in folder.iterdir()] == ["new.part"]


@pytest.mark.parametrize("base", [False, True])
def test_a_part_in_use_stays_however_long_nothing_came(var: Path, base: bool) -> None:
    target = (var / "bases" / "sdxl" / "commit" if base else folder()) / "7-abc"
    with Partial(target) as part:
        part.begin(Known("https://x.test/1", total=9))
        part.append(b"some")
        age(target.with_name("7-abc.part"), target.with_name("7-abc.part.json"), days=30)
        assert remove_abandoned() == 0
        assert names(target.parent) == ["7-abc.part", "7-abc.part.json"]
        part.append(b" more")
    assert remove_abandoned() == 0
    age(*target.parent.iterdir(), days=30)
    assert remove_abandoned() == 2
    assert names(target.parent) == []


def test_whatever_belongs_to_an_offer_that_is_being_fetched_stays(var: Path) -> None:
    whole, other = write(folder() / "7-abc"), write(folder() / "70-abc")
    with held(7) as mine:
        assert mine
        # Its bytes are verified: that takes longer than the clock of the file tells.
        assert remove_abandoned() == 1
        assert (whole.exists(), other.exists()) == (True, False)
    assert remove_abandoned() == 1
    assert names(folder()) == []


def test_a_part_and_what_is_known_of_it_go_together() -> None:
    write(folder() / "7-abc.part.json", days=30)
    part = write(folder() / "7-abc.part", days=1)
    assert remove_abandoned() == 0
    age(part)
    assert remove_abandoned() == 2


def test_the_lock_of_a_killed_process_holds_nothing() -> None:
    write(folder() / "7.lock")
    write(folder() / "7-abc.part")
    with held(7) as mine:
        assert mine
    write(folder() / "7.lock")
    remove_abandoned()
    assert names(folder()) == []


def test_one_process_at_a_time_has_an_offer() -> None:
    with held(7) as first, held(7) as second, held(8) as other:
        assert (first, second, other) == (True, False, True)
    with held(7) as again:
        assert again
    assert names(folder()) == []


def test_tidying_up_once_a_day_takes_what_no_ingest_came_by() -> None:
    write(folder() / "7-abc.part")
    write(folder() / "8-abc.part", days=6)
    assert tidy().files == 1
    assert names(folder()) == ["8-abc.part"]
