"""Numbers out of a safetensors data section, as numpy arrays."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from .errors import TensorReadError, Truncated, Unreadable
from .header import DTYPE_BITS, Header, TensorInfo
from .scalars import EIGHT_BIT_VALUES, SCALARS, read_scalar

Array = npt.NDArray[np.generic]

# The dtypes that numpy has itself; all are little-endian in the file.
_NATIVE: dict[str, str] = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "I16": "<i2", "U16": "<u2", "F16": "<f2", "I32": "<i4",
    "U32": "<u4",
    "F32": "<f4", "F64": "<f8", "I64": "<i8", "U64": "<u8", "C64": "<c8",
}  # fmt: skip
_TABLES = {name: np.array(values, np.float32) for name, values in EIGHT_BIT_VALUES.items()}


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
        if tensor is None or tensor.shape not in SCALARS:
            return None
        begin, end = self.header.data_start + tensor.begin, self.header.data_start + tensor.end
        return read_scalar(tensor.dtype, self._map[begin : min(end, begin + 9)])
