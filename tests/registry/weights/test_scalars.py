"""Single numbers and NaN, read without numpy: numpy is the judge."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.weights.container import read_header
from registry.weights.header import TensorInfo
from registry.weights.scalars import ScalarFile
from registry.weights.tensors import decode
from tests.registry.weights.files import header_bytes, write_arrays

WIDTHS = {
    "F16": 2, "BF16": 2, "F32": 4, "F64": 8, "C64": 8, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E4M3FNUZ": 1,
    "F8_E5M2FNUZ": 1, "F8_E8M0": 1, "U8": 1, "I16": 2, "I64": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scalars") / "a.safetensors"


def write(path: Path, dtype: str, raw: bytes, shape: list[int]) -> Path:
    entry = {"dtype": dtype, "shape": shape, "data_offsets": [0, len(raw)]}
    path.write_bytes(header_bytes({"a": entry}) + raw)
    return path


def opened(path: Path) -> ScalarFile:
    return ScalarFile(path, read_header(path))


def wanted(dtype: str, raw: bytes) -> bool:
    """Whether numpy finds a number in `raw` that is not finite."""
    values = decode(raw, TensorInfo(dtype, (len(raw) // WIDTHS[dtype],), 0, len(raw)))
    return values.dtype.kind in "fc" and not bool(np.isfinite(values).all())


# Bytes that exponents are made of come more often than the rest.
BYTES = st.one_of(
    st.integers(0, 255), st.sampled_from([0x00, 0x7B, 0x7C, 0x7F, 0x80, 0xEF, 0xF0, 0xFC, 0xFF])
)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(sorted(WIDTHS)), st.lists(BYTES, max_size=48))
def test_a_nan_or_an_infinity_is_found_wherever_numpy_finds_one(
    path: Path, dtype: str, content: list[int]
) -> None:
    raw = bytes(content[: len(content) // WIDTHS[dtype] * WIDTHS[dtype]])
    with opened(write(path, dtype, raw, [len(raw) // WIDTHS[dtype]])) as file:
        assert file.not_finite(["a"]) == (["a"] if wanted(dtype, raw) else [])


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_every_half_is_judged_as_numpy_judges_it(path: Path, dtype: str) -> None:
    for code in range(65536):
        if code & 0x7FFF < 0x7B00:
            continue
        raw = struct.pack("<H", code)
        with opened(write(path, dtype, raw, [1])) as file:
            assert bool(file.not_finite(["a"])) == wanted(dtype, raw), hex(code)


def test_one_nan_in_a_long_tensor_is_found(tmp_path: Path) -> None:
    values: npt.NDArray[Any] = np.zeros(5_000_001, np.float32)
    values[-1] = np.nan
    others: npt.NDArray[Any] = np.full(5_000_001, np.finfo(np.float32).max)
    path = write_arrays(tmp_path / "a", {"bad": values, "good": others})
    with opened(path) as file:
        assert file.not_finite(["bad", "good"]) == ["bad"]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(WIDTHS)), st.binary(min_size=8, max_size=8), st.sampled_from([[], [1], [1, 1]]))
def test_a_scalar_is_the_number_numpy_reads(path: Path, dtype: str, raw: bytes, shape: list[int]) -> None:
    raw = raw[: WIDTHS[dtype]]
    with opened(write(path, dtype, raw, shape)) as file:
        found = file.read_number("a")
    if dtype == "C64":
        assert found is None
        return
    expected = float(decode(raw, TensorInfo(dtype, (), 0, len(raw))))
    assert found is not None
    np.testing.assert_equal(found, expected)


def test_what_is_no_single_number_is_none(path: Path) -> None:
    for dtype, raw, shape in (("F16", bytes(8), [4]), ("F4", bytes(1), [2]), ("F16", b"", [0])):
        with opened(write(path, dtype, raw, shape)) as file:
            assert file.read_number("a") is None
            assert file.read_number("missing") is None


def test_an_alpha_past_the_end_of_the_file_is_none(path: Path) -> None:
    whole = write(path, "F32", bytes(4), [])
    whole.write_bytes(whole.read_bytes()[:-1])
    with opened(whole) as file:
        assert file.read_number("a") is None
