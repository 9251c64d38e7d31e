"""Numbers of every dtype that a trainer writes, against torch where it is the judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from registry.weights.errors import TensorReadError, Truncated
from registry.weights.header import TensorInfo, parse_header
from registry.weights.tensors import TensorFile, decode
from tests.registry.weights.files import write_arrays, write_shapes

Arrays = dict[str, npt.NDArray[Any]]


def read(path: Path) -> TensorFile:
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    return TensorFile(path, parse_header(raw[8 : 8 + length], len(raw)))


@pytest.mark.engine
@pytest.mark.parametrize(
    ("dtype", "theirs"),
    [
        ("F8_E4M3", "float8_e4m3fn"),
        ("F8_E5M2", "float8_e5m2"),
        ("F8_E4M3FNUZ", "float8_e4m3fnuz"),
        ("F8_E5M2FNUZ", "float8_e5m2fnuz"),
        ("F8_E8M0", "float8_e8m0fnu"),
    ],
)
def test_every_eight_bit_code_means_what_torch_says(dtype: str, theirs: str) -> None:
    torch = pytest.importorskip("torch")
    codes = bytes(range(256))
    expected = (
        torch.frombuffer(bytearray(codes), dtype=torch.uint8).view(getattr(torch, theirs)).float().numpy()
    )
    np.testing.assert_array_equal(decode(codes, TensorInfo(dtype, (256,), 0, 256)), expected)


@pytest.mark.engine
def test_every_bfloat16_means_what_torch_says() -> None:
    torch = pytest.importorskip("torch")
    codes = np.arange(65536, dtype="<u2").tobytes()
    expected = torch.frombuffer(bytearray(codes), dtype=torch.bfloat16).float().numpy()
    np.testing.assert_array_equal(decode(codes, TensorInfo("BF16", (65536,), 0, 131072)), expected)


def test_bfloat16_is_the_upper_half_of_a_float() -> None:
    assert decode(b"\x80\x3f\x20\xc0", TensorInfo("BF16", (2,), 0, 4)).tolist() == [1.0, -2.5]


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    arrays: Arrays = {
        "half": np.arange(6, dtype=np.float16).reshape(2, 3),
        "single": np.asarray([[1.5]], np.float32),
        "whole": np.asarray([7], np.int64),
        "none": np.zeros((0, 4), np.float32),
    }
    with read(write_arrays(tmp_path / "a", arrays)) as file:
        for name, array in arrays.items():
            found = file.read(name)
            assert found.dtype == array.dtype
            np.testing.assert_array_equal(found, array)


def test_an_alpha_is_one_number_whatever_its_dtype_and_shape(tmp_path: Path) -> None:
    arrays: Arrays = {
        "a": np.asarray(8, np.float16),
        "b": np.asarray([0.5], np.float32),
        "c": np.asarray(16, np.int64),
        "d": np.zeros((2, 2), np.float32),
    }
    with read(write_arrays(tmp_path / "a", arrays)) as file:
        assert [file.read_number(name) for name in "abcde"] == [8.0, 0.5, 16.0, None, None]


def test_what_lies_past_the_end_of_the_file_cannot_be_read(tmp_path: Path) -> None:
    path = write_shapes(tmp_path / "a", {"a": (4,), "b": (4,)})
    path.write_bytes(path.read_bytes()[:-2])
    with read(path) as file:
        assert file.read("a").shape == (4,)
        with pytest.raises(Truncated):
            file.read("b")
        with pytest.raises(TensorReadError):
            file.read("c")


def test_dtypes_that_no_trainer_writes_are_refused_clearly() -> None:
    with pytest.raises(TensorReadError, match="F4"):
        decode(b"\0", TensorInfo("F4", (2,), 0, 1))
