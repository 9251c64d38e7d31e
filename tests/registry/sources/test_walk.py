"""Walking a folder: every directory once, whatever links to it, and nothing in it is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from registry.errors import KuraError
from registry.sources.walk import Failure, walk


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(top: Path) -> list[str]:
    failures: list[Failure] = []
    paths = [str(each.path.relative_to(top)) for each in walk(top, failures)]
    assert failures == []
    return paths


def test_files_come_in_a_stable_order_and_hidden_ones_are_left_out(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("b.safetensors", "a/z.pt", "a/y.ckpt", ".c.pt", ".d/e.pt", "x.txt")))
    assert found(tmp_path) == ["b.safetensors", "a/y.ckpt", "a/z.pt"]


def test_a_linked_folder_is_followed(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "sub" / "a.pt", tmp_path / "top" / "b.pt")
    (tmp_path / "top" / "link").symlink_to(tmp_path / "elsewhere")
    assert found(tmp_path / "top") == ["b.pt", "link/sub/a.pt"]


def test_a_folder_and_links_to_it_are_walked_once_under_its_own_name(tmp_path: Path) -> None:
    touch(tmp_path / "z" / "a.pt")
    for name in ("a", "b", "z/self"):
        (tmp_path / name).symlink_to(tmp_path / "z")
    assert found(tmp_path) == ["z/a.pt"]


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    touch(tmp_path / "out" / "one" / "a.pt", tmp_path / "out" / "two" / "b.pt")
    (tmp_path / "out" / "one" / "next").symlink_to(tmp_path / "out" / "two")
    (tmp_path / "out" / "two" / "next").symlink_to(tmp_path / "out" / "one")
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "in").symlink_to(tmp_path / "out" / "one")
    assert found(tmp_path / "top") == ["in/a.pt", "in/next/b.pt"]


def test_no_link_leads_upwards(tmp_path: Path) -> None:
    touch(tmp_path / "beside.pt", tmp_path / "top" / "sub" / "a.pt")
    (tmp_path / "top" / "sub" / "up").symlink_to("..")
    (tmp_path / "top" / "above").symlink_to(tmp_path)
    (tmp_path / "top" / "root").symlink_to("/")
    assert found(tmp_path / "top") == ["sub/a.pt"]


def test_a_link_to_nothing_or_to_itself_is_no_folder(tmp_path: Path) -> None:
    touch(tmp_path / "a.pt")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to("nowhere")
    assert found(tmp_path) == ["a.pt"]


def test_a_folder_that_cannot_be_read_costs_a_line_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "a" / "a.pt", tmp_path / "b" / "b.pt")
    listing = os.scandir

    def refused(path: str) -> object:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", path)
        return listing(path)

    # The tests may run as root, whom no permission stops.
    monkeypatch.setattr(os, "scandir", refused)
    failures: list[Failure] = []
    assert [each.path.name for each in walk(tmp_path, failures)] == ["b.pt"]
    told = failures[0].as_dict()
    assert (len(failures), told["source"], told["code"]) == (1, str(tmp_path / "a"), "path_not_found")
    assert "Permission denied" in told["message"]


def test_a_failure_keeps_nothing_alive_but_its_words() -> None:
    try:
        raise KuraError("x") from ValueError("y")
    except KuraError as error:
        failure = Failure("a", error)
    assert (failure.error.__traceback__, failure.error.__cause__, failure.error.__context__) == (None,) * 3
