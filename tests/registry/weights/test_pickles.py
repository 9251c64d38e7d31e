"""Pickles: what they would import is told, and nothing of them is ever run."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.weights import inspect_file
from registry.weights.errors import Unreadable
from registry.weights.pickle_scan import LONGEST_PICKLE, MOST_CODES, scan
from registry.weights.pickles import PickleReading, scan_pickles

MEBI = 1024 * 1024


class Runs:
    """Unpickling this runs a command that leaves a file behind."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.witness}",)


def codes(reading: PickleReading) -> dict[str, str]:
    return {finding.code: finding.severity for finding in reading.findings()}


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_command_is_found_in_every_protocol_and_not_run(tmp_path: Path, protocol: int) -> None:
    witness = tmp_path / "witness"
    path = tmp_path / "a.ckpt"
    path.write_bytes(pickle.dumps({"weights": [Runs(witness)]}, protocol=protocol))
    reading = scan_pickles(path)
    assert reading.dangerous == ("posix.system",)
    assert codes(reading)["pickle_dangerous_import"] == "error"
    assert not witness.exists()


def test_a_command_is_found_within_an_archive_and_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    path = archive(
        tmp_path / "a.pt", {"archive/data.pkl": pickle.dumps(Runs(witness)), "archive/data/0": b"0"}
    )
    reading = scan_pickles(path)
    assert (reading.dangerous, reading.members, reading.pickles) == (("posix.system",), 2, 1)
    assert not witness.exists()


def test_a_command_behind_a_harmless_pickle_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(pickle.dumps([1]) + pickle.dumps(Runs(tmp_path / "witness")))
    assert scan_pickles(path).dangerous == ("posix.system",)


def test_a_command_before_damage_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(pickle.dumps([Runs(tmp_path / "witness")])[:-1] + b"\xff\xff")
    assert scan_pickles(path).dangerous == ("posix.system",)


def test_a_pickle_that_ends_as_an_archive_is_read_as_both(tmp_path: Path) -> None:
    inner = archive(tmp_path / "zip", {"data.pkl": pickle.dumps(Runs(tmp_path / "witness"))}).read_bytes()
    path = tmp_path / "a.pt"
    path.write_bytes(pickle.dumps({"a": OrderedDict()}) + inner)
    reading = scan_pickles(path)
    assert (reading.dangerous, reading.harmless) == (("posix.system",), ("collections.OrderedDict",))


def test_an_import_that_no_checkpoint_needs_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    path.write_bytes(pickle.dumps(Path("a")))
    assert codes(scan_pickles(path)) == {"pickle_unknown_import": "warning", "pickle_imports": "info"}


@pytest.mark.engine
@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_as_torch_writes_it_has_harmless_imports_only(tmp_path: Path, zipped: bool) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "a.ckpt"
    weights = {f"lora_unet_{n}.lora_up.weight": torch.zeros(4, 4, dtype=torch.float16) for n in range(20)}
    torch.save(weights, path, _use_new_zipfile_serialization=zipped)
    reading = scan_pickles(path)
    assert codes(reading) == {"pickle_imports": "info"}
    assert "torch._utils._rebuild_tensor_v2" in reading.harmless


def test_an_archive_that_unpacks_to_far_more_is_not_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.pt", {"archive/data.pkl": bytes(LONGEST_PICKLE + MEBI)})
    assert path.stat().st_size < MEBI
    reading = scan_pickles(path)
    assert reading.unpacked == LONGEST_PICKLE + MEBI
    assert codes(reading)["pickle_scan_incomplete"] == "error"


def test_an_archive_within_an_archive_is_named(tmp_path: Path) -> None:
    inner = archive(tmp_path / "inner", {"data.pkl": b"N."}).read_bytes()
    reading = scan_pickles(archive(tmp_path / "a.pt", {"archive/more.bin": inner}))
    assert "archive/more.bin" in reading.incomplete


@pytest.mark.parametrize(
    "content",
    [
        # More opcodes than picklescan could keep.
        b"\x80\x02" + b"N" * (MOST_CODES + 10) + b".",
        # A string of 4 EiB, and behind it something that would run.
        b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"cos\nsystem\n.",
    ],
    ids=["opcodes", "string"],
)
def test_a_pickle_made_to_exhaust_the_scanner_is_not_called_harmless(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.ckpt"
    path.write_bytes(content)
    assert codes(scan_pickles(path))["pickle_scan_incomplete"] == "error"


def test_a_scanner_that_dies_leaves_the_file_unjudged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def times_out(*args: Any, **options: Any) -> None:
        raise subprocess.TimeoutExpired("scan", 1)

    path = tmp_path / "a.ckpt"
    path.write_bytes(pickle.dumps({}))
    monkeypatch.setattr("registry.weights.pickles._PROGRAM", Path("/nowhere.py"))
    assert codes(scan_pickles(path))["pickle_scan_incomplete"] == "error"
    monkeypatch.setattr(subprocess, "run", times_out)
    assert codes(scan_pickles(path))["pickle_scan_incomplete"] == "error"


def test_a_file_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        scan_pickles(tmp_path / "none")


@pytest.mark.parametrize("hashes", [True, False])
def test_inspect_tells_what_a_pickle_would_import(tmp_path: Path, hashes: bool) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(pickle.dumps(Runs(tmp_path / "witness")))
    got = inspect_file(path, hashes=hashes).as_dict()
    assert (got["container"], got["error"]["code"]) == ("pickle", "pickle_file")
    assert got["findings"][0]["code"] == "pickle_dangerous_import"
    assert "posix.system" in got["findings"][0]["message"]


WORDS = st.sampled_from(
    (
        b"cos\nsystem\n|\x8c\x02os|\x93|\x94|\x80\x04|\x8e|\x8a\xff|\x95|X\xff\xff\xff\xff|S'x'\n|I1\n|q\0|h\0"
        b"|(|t|R|.|}|l|i|PK\x03\x04|PK\x05\x06"
    ).split(b"|")
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(WORDS, st.binary(max_size=9)), max_size=20).map(b"".join))
def test_whatever_the_bytes_the_scanner_answers(content: bytes) -> None:
    found = scan(io.BytesIO(content))
    for _, _, safety in found.imports:
        assert safety in ("dangerous", "suspicious", "innocuous")


def zipped(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return target.getvalue()


WHOLE = zipped({"archive/data.pkl": pickle.dumps({"a": OrderedDict()}), "archive/data/0": bytes(40)})


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(WHOLE)), st.binary(max_size=4), st.integers(0, 3))
def test_whatever_is_wrong_with_an_archive_the_scanner_answers(at: int, put: bytes, cut: int) -> None:
    content = WHOLE[:at] + put + WHOLE[at + cut :]
    found = scan(io.BytesIO(content))
    assert found.incomplete or found.members or not content.startswith(b"PK")
