"""A remote file is known by its header: the same facts as of the whole file, for a fraction of its bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.sources.triage import Ranges, triage
from registry.weights import inspect_file
from tests.registry.weight_files import write_lora, write_pickle, write_truncated, write_vae

# What only the bytes after the header tell.
_ELSEWHERE = {"path", "hashes"}


def ranges_of(path: Path, asked: list[tuple[int, int]]) -> Ranges:
    def read(start: int, end: int) -> bytes:
        asked.append((start, end))
        return path.read_bytes()[start:end]

    return read


def test_the_header_tells_the_same_as_the_whole_file(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "ink.safetensors", metadata={"ss_base_model_version": "sd_v1"})
    asked: list[tuple[int, int]] = []
    told = triage(ranges_of(path, asked), path.name, path.stat().st_size)
    whole = inspect_file(path, hashes=False).as_dict()
    assert {key: value for key, value in told.inspection.as_dict().items() if key not in _ELSEWHERE} == {
        key: value for key, value in whole.items() if key not in _ELSEWHERE
    }
    assert told.inspection.family == "sd1"
    assert told.metadata["ss_network_dim"] == "4"
    assert len(asked) == 1


def test_a_long_header_takes_a_second_request_for_the_rest_of_it_only(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "ink.safetensors", metadata={"ss_tag_frequency": "x" * 100_000})
    asked: list[tuple[int, int]] = []
    told = triage(ranges_of(path, asked), path.name, path.stat().st_size)
    length = int.from_bytes(path.read_bytes()[:8], "little")
    assert asked == [(0, 65536), (65536, 8 + length)]
    assert told.read == 8 + length
    assert told.inspection.valid
    assert "ss_tag_frequency" not in told.as_dict()["metadata"]
    assert len(told.metadata["ss_tag_frequency"]) == 100_000


@pytest.mark.parametrize(
    ("content", "container", "code"),
    [
        (b"<!doctype html><title>Sign in</title>" + b" " * 600, "html", "html_page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
            "git_lfs_pointer",
            "git_lfs_pointer",
        ),
        (b"", "empty", "empty_file"),
        ((2**40).to_bytes(8, "little") + b"{}", "unknown", "header_too_large"),
        ((50_000_000).to_bytes(8, "little") + b"{}", "safetensors", "header_past_end"),
    ],
)
def test_what_is_no_safetensors_is_named(tmp_path: Path, content: bytes, container: str, code: str) -> None:
    path = tmp_path / "ink.safetensors"
    path.write_bytes(content)
    told = triage(ranges_of(path, []), path.name, len(content)).inspection
    assert (told.container, told.error and told.error["code"], told.kind) == (container, code, "unreadable")


def test_a_pickle_is_seen_without_its_rest_and_never_unpickled(tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    path = write_pickle(tmp_path / "ink.pt", witness)
    told = triage(ranges_of(path, []), path.name, path.stat().st_size).inspection
    assert told.container == "pickle"
    assert not witness.exists()


def test_a_truncated_file_is_known_before_it_is_fetched(tmp_path: Path) -> None:
    path = write_truncated(tmp_path / "ink.safetensors")
    told = triage(ranges_of(path, []), path.name, path.stat().st_size).inspection
    assert told.error is not None
    assert told.error["code"] == "truncated"


def test_another_kind_of_model_is_told_apart(tmp_path: Path) -> None:
    path = write_vae(tmp_path / "ink.safetensors")
    assert triage(ranges_of(path, []), path.name, path.stat().st_size).inspection.kind == "vae"


def test_what_is_kept_with_an_offer_is_json_that_the_database_takes(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "ink.safetensors", metadata={"modelspec.title": "a\0b"})
    kept = triage(ranges_of(path, []), path.name, path.stat().st_size).as_dict()
    assert json.loads(json.dumps(kept)) == kept
    assert kept["metadata"]["modelspec.title"] == "ab"
    assert (kept["family"], kept["algorithm"], kept["rank"]["max"], kept["dialect"]) == (
        "sd1",
        "lora",
        4,
        "kohya",
    )
    assert 0 < kept["read"] <= kept["size"]
