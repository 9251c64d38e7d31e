"""Container: what a file is, whatever its name says, and whether the official reader would take it."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest

from registry.weights import errors
from registry.weights.container import HEADER_LIMIT, open_container, read_header
from tests.registry.weights.files import header_bytes, kohya, write_shapes

MALFORMED = Path(__file__).parents[2] / "data" / "malformed"
VERDICTS: dict[str, bool] = json.loads((MALFORMED / "verdicts.json").read_text())


@pytest.mark.parametrize(("name", "accepted"), VERDICTS.items())
def test_the_official_readers_verdict_is_ours(name: str, accepted: bool) -> None:
    container = open_container(MALFORMED / f"{name}.safetensors")
    assert container.valid is accepted
    assert (container.error is None) is accepted


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("file_7_bytes", "header_too_small"),
        ("len_100mb_plus1", "header_too_large"),
        ("len_past_eof", "header_past_end"),
        ("header_nan", "header_not_json"),
        ("nul_padding", "header_not_json"),
        ("deep_nesting", "header_too_deep"),
        ("metadata_nested", "metadata_not_text"),
        ("metadata_string", "metadata_not_text"),
        ("missing_field", "tensor_entry_malformed"),
        ("unknown_dtype", "unknown_dtype"),
        ("lowercase_dtype", "unknown_dtype"),
        ("float_dim", "bad_shape"),
        ("hole", "hole_in_data"),
        ("starts_after_zero", "hole_in_data"),
        ("overlap_partial", "tensors_overlap"),
        ("two_names_share_range", "tensors_overlap"),
        ("size_mismatch", "tensor_size_mismatch"),
        ("f4_odd", "not_whole_bytes"),
        ("trailing_bytes", "trailing_bytes"),
        ("html_page", "html_page"),
        ("pickle", "pickle_file"),
    ],
)
def test_each_broken_rule_has_its_own_code(name: str, code: str) -> None:
    error = open_container(MALFORMED / f"{name}.safetensors").error
    assert error is not None
    assert error.code == code


def test_every_container_error_has_a_code_of_its_own() -> None:
    causes = errors.ContainerError.__subclasses__()
    assert len({cause.code for cause in causes}) == len(causes)


def test_a_truncated_file_still_tells_its_header(tmp_path: Path) -> None:
    whole = write_shapes(
        tmp_path / "whole.safetensors", kohya("lora_unet_mid_block_attentions_0_proj_in", 1280, 1280)
    )
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole.read_bytes()[:-1000])
    container = open_container(cut)
    assert not container.valid
    assert isinstance(container.error, errors.Truncated)
    assert container.header is not None
    assert list(container.header.tensors) == sorted(read_header(whole).tensors)


def zip_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("empty", b""),
        ("pickle", pickle.dumps({"a": 1}, protocol=2)),
        ("pickle", pickle.dumps({"a": 1}, protocol=4)),
        ("gzip", gzip.compress(b"weights", mtime=0)),
        ("html", b"\n<!DOCTYPE HTML><html><body>Sign in</body></html>"),
        ("git_lfs_pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"),
        ("gguf", b"GGUF\x03\x00\x00\x00" + b"\0" * 16),
        ("unknown", b"\r\n"),
        ("unknown", b"what is this? no one knows"),
    ],
)
def test_content_decides_what_a_file_is(tmp_path: Path, kind: str, content: bytes) -> None:
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(content)
    container = open_container(path)
    assert container.kind == kind
    assert container.error is not None


def test_a_torch_checkpoint_is_a_zip_whatever_its_name(tmp_path: Path) -> None:
    zip_archive(tmp_path / "adapter.safetensors")
    assert open_container(tmp_path / "adapter.safetensors").kind == "zip"


def test_a_header_length_that_looks_like_gzip_is_still_safetensors(tmp_path: Path) -> None:
    raw = b"{}" + b" " * (0x8B1F - 2)
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(raw).to_bytes(8, "little") + raw)
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    container = open_container(path)
    assert (container.kind, container.valid) == ("safetensors", True)


def test_a_header_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(header_bytes({"a": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}}))
    container = open_container(path, header_limit=16)
    assert isinstance(container.error, errors.HeaderOverLimit)
    assert open_container(path).valid


def test_a_header_of_many_values_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    raw = b'{"a":[' + b"[]," * 2_100_000 + b"[]]}"
    assert len(raw) < HEADER_LIMIT
    path.write_bytes(header_bytes(raw))
    assert isinstance(open_container(path).error, errors.HeaderOverLimit)


@pytest.mark.parametrize("name", ["missing.safetensors", "na\0me"])
def test_a_path_that_is_not_there_is_unreadable(tmp_path: Path, name: str) -> None:
    with pytest.raises(errors.Unreadable):
        open_container(f"{tmp_path}/{name}")


def test_a_folder_and_a_pipe_are_not_files(tmp_path: Path) -> None:
    with pytest.raises(errors.IsAFolder):
        open_container(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(errors.Unreadable):
        open_container(tmp_path / "pipe")
