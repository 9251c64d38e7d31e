"""Numbers out of a safetensors data section, as numpy arrays."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from .errors import TensorReadError, Truncated, Unreadable
from .header import DTYPE_BITS, Header, TensorInfo

Array = npt.NDArray[np.generic]

# The dtypes that numpy has itself; all are little-endian in the file.
_NATIVE: dict[str, str] = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "I16": "<i2", "U16": "<u2", "F16": "<f2", "I32": "<i4",
    "U32": "<u4",
    "F32": "<f4", "F64": "<f8", "I64": "<i8", "U64": "<u8", "C64": "<c8",
}  # fmt: skip
# Eight-bit floats: exponent bits, mantissa bits, bias, and where the not-a-numbers are.
# E4M3 and E5M2: Micikevicius et al. 2022 (arXiv:2209.05433); FNUZ: Noune et al. 2022 (arXiv:2206.02915).
_EIGHT_BIT: dict[str, tuple[int, int, int, str]] = {
    "F8_E4M3": (4, 3, 7, "all_ones"),
    "F8_E5M2": (5, 2, 15, "ieee"),
    "F8_E4M3FNUZ": (4, 3, 8, "negative_zero"),
    "F8_E5M2FNUZ": (5, 2, 16, "negative_zero"),
}


def _eight_bit_table(exponent_bits: int, mantissa_bits: int, bias: int, nan: str) -> npt.NDArray[np.float32]:
    """The value of each of the 256 codes, shape (256,)."""
    codes = np.arange(256)
    sign = np.where(codes >= 128, -1.0, 1.0)
    exponent = (codes >> mantissa_bits) & ((1 << exponent_bits) - 1)
    mantissa = (codes & ((1 << mantissa_bits) - 1)) / (1 << mantissa_bits)
    normal = (1 + mantissa) * np.exp2(exponent.astype(np.float64) - bias)
    values = sign * np.where(exponent == 0, mantissa * 2.0 ** (1 - bias), normal)
    if nan == "all_ones":
        values[(codes & 0x7F) == 0x7F] = np.nan
    elif nan == "negative_zero":
        values[0x80] = np.nan
    else:
        top = exponent == (1 << exponent_bits) - 1
        values = np.where(top, np.where(mantissa == 0, sign * np.inf, np.nan), values)
    return values.astype(np.float32)


def _scale_table() -> npt.NDArray[np.float32]:
    """F8_E8M0 holds powers of two only (OCP Microscaling formats 1.0, section 5.4.1); 255 is not a number."""
    values = np.exp2(np.arange(256, dtype=np.float64) - 127)
    values[255] = np.nan
    return values.astype(np.float32)


_TABLES = {name: _eight_bit_table(*layout) for name, layout in _EIGHT_BIT.items()} | {
    "F8_E8M0": _scale_table()
}


def decode(raw: bytes | memoryview, tensor: TensorInfo) -> Array:
    """The numbers of one tensor in its own shape: bf16 and 8-bit floats as float32, the rest as they are.

    Raises TensorReadError for the 4-bit and 6-bit dtypes, which no trainer writes.
    """
    if tensor.dtype in _NATIVE:
        return np.frombuffer(raw, _NATIVE[tensor.dtype]).reshape(tensor.shape)
    if tensor.dtype == "BF16":
        # bfloat16 is the upper half of a float32.
        wide = np.frombuffer(raw, "<u2").astype(np.uint32) << np.uint32(16)
        return wide.view(np.float32).reshape(tensor.shape)
    if tensor.dtype in _TABLES:
        return _TABLES[tensor.dtype][np.frombuffer(raw, np.uint8)].reshape(tensor.shape)
    raise TensorReadError(f"Numbers of dtype {tensor.dtype} cannot be read here.")


class TensorFile:
    """The data section of one safetensors file, mapped rather than read. A context manager."""

    def __init__(self, path: str | os.PathLike[str], header: Header) -> None:
        self.header = header
        try:
            with Path(path).open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise Unreadable(f"{error}.") from None

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._map.close()

    def read(self, name: str) -> Array:
        """Tensor `name` as an array of its own. Raises TensorReadError or Truncated."""
        tensor = self.header.tensors.get(name)
        if tensor is None:
            raise TensorReadError(f"The file holds no tensor {name!r}.")
        begin, end = self.header.data_start + tensor.begin, self.header.data_start + tensor.end
        if end > len(self._map):
            raise Truncated(f"The file ends before tensor {name!r} does.")
        count = 1
        for dimension in tensor.shape:
            count *= dimension
        if end < begin or count * DTYPE_BITS[tensor.dtype] != 8 * (end - begin):
            raise TensorReadError(f"The byte range of tensor {name!r} does not fit its shape.")
        return decode(self._map[begin:end], tensor)

    def read_number(self, name: str) -> float | None:
        """The one number of a scalar tensor (shape [] or [1]); None when it is no single readable number."""
        tensor = self.header.tensors.get(name)
        if tensor is None or tensor.shape not in ((), (1,), (1, 1)):
            return None
        try:
            value = self.read(name)
        except (TensorReadError, Truncated):
            return None
        if np.iscomplexobj(value):
            return None
        return float(value.reshape(-1)[0])

    def not_finite(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that hold a NaN or an infinity."""
        bad = []
        for name in names:
            try:
                values = self.read(name)
            except (TensorReadError, Truncated):
                continue
            if values.dtype.kind in "fc" and not bool(np.isfinite(values).all()):
                bad.append(name)
        return bad
