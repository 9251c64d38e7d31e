"""Single numbers and non-finite ones of a safetensors data section, found without numpy.

Reading an adapter for its facts needs an alpha here and there, two bytes each; importing numpy for that would
cost more memory and time than all the rest of the reading.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

from .errors import Unreadable
from .header import Header, TensorInfo

# Of one number, for the dtypes that `struct` knows; all are little-endian in the file.
_FORMATS: dict[str, str] = {
    "BOOL": "<?", "U8": "<B", "I8": "<b", "I16": "<h", "U16": "<H", "F16": "<e", "I32": "<i", "U32": "<I",
    "F32": "<f", "F64": "<d", "I64": "<q", "U64": "<Q",
}  # fmt: skip
# Shapes of a tensor that holds one number.
SCALARS = ((), (1,), (1, 1))
_BLOCK = 4 * 1024 * 1024


def _eight_bit(code: int, exponent_bits: int, mantissa_bits: int, bias: int, nan: str) -> float:
    """The value of one eight-bit float; `nan` names which codes are not numbers."""
    sign = -1.0 if code & 0x80 else 1.0
    exponent = (code >> mantissa_bits) & ((1 << exponent_bits) - 1)
    mantissa = (code & ((1 << mantissa_bits) - 1)) / (1 << mantissa_bits)
    if nan == "all_ones" and code & 0x7F == 0x7F:
        return math.nan
    if nan == "negative_zero" and code == 0x80:
        return math.nan
    if nan == "ieee" and exponent == (1 << exponent_bits) - 1:
        return math.nan if mantissa else sign * math.inf
    if exponent == 0:
        return float(sign * mantissa * 2.0 ** (1 - bias))
    return float(sign * (1 + mantissa) * 2.0 ** (exponent - bias))


# Exponent bits, mantissa bits, bias, and where the not-a-numbers are.
# E4M3 and E5M2: Micikevicius et al. 2022 (arXiv:2209.05433); FNUZ: Noune et al. 2022 (arXiv:2206.02915).
_EIGHT_BIT: dict[str, tuple[int, int, int, str]] = {
    "F8_E4M3": (4, 3, 7, "all_ones"),
    "F8_E5M2": (5, 2, 15, "ieee"),
    "F8_E4M3FNUZ": (4, 3, 8, "negative_zero"),
    "F8_E5M2FNUZ": (5, 2, 16, "negative_zero"),
}
# The value of each of the 256 codes. F8_E8M0 holds powers of two only, and 255 is not a number (OCP
# Microscaling formats 1.0, section 5.4.1).
EIGHT_BIT_VALUES: dict[str, tuple[float, ...]] = {
    name: tuple(_eight_bit(code, *layout) for code in range(256)) for name, layout in _EIGHT_BIT.items()
} | {"F8_E8M0": (*(2.0 ** (code - 127) for code in range(255)), math.nan)}


@dataclass(frozen=True, slots=True)
class _NotFinite:
    """Where a float's exponent is all ones: codes of its top byte, and of the byte below (None: any)."""

    width: int
    top: bytes
    below: bytes | None = None

    def within(self, block: bytes) -> bool:
        """Whether any number of `block`, a whole number of them, is a NaN or an infinity."""
        top = block[self.width - 1 :: self.width]
        if self.below is None:
            return len(top.translate(None, self.top)) != len(top)
        if not any(code in top for code in self.top):
            return False
        # Two bytes decide: flag each of them, then see whether any number has both flags.
        below = block[self.width - 2 :: self.width]
        flags = int.from_bytes(top.translate(_flags(self.top)), "little")
        return bool(flags & int.from_bytes(below.translate(_flags(self.below)), "little"))


def _flags(codes: bytes) -> bytes:
    return bytes(code in codes for code in range(256))


_EXPONENT_ONES = b"\x7f\xff"
_NOT_FINITE: dict[str, _NotFinite] = {
    "F16": _NotFinite(2, bytes((*range(0x7C, 0x80), *range(0xFC, 0x100)))),
    "BF16": _NotFinite(2, _EXPONENT_ONES, bytes(range(0x80, 0x100))),
    "F32": _NotFinite(4, _EXPONENT_ONES, bytes(range(0x80, 0x100))),
    "C64": _NotFinite(4, _EXPONENT_ONES, bytes(range(0x80, 0x100))),
    "F64": _NotFinite(8, _EXPONENT_ONES, bytes((*range(0xF0, 0x100),))),
} | {
    name: _NotFinite(1, bytes(code for code, value in enumerate(values) if not math.isfinite(value)))
    for name, values in EIGHT_BIT_VALUES.items()
}


class ScalarFile:
    """The data section of one safetensors file, read piece by piece where asked. A context manager."""

    def __init__(self, path: str | os.PathLike[str], header: Header) -> None:
        self.header = header
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            raise Unreadable(f"{error}.") from None

    def __enter__(self) -> ScalarFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def read_number(self, name: str) -> float | None:
        """The one number of a scalar tensor (shape [], [1] or [1, 1]); None when it is no single readable
        number.
        """
        tensor = self.header.tensors.get(name)
        if tensor is None or tensor.shape not in SCALARS or tensor.end - tensor.begin > 8:
            return None
        return read_scalar(tensor.dtype, next(self._blocks(tensor), b""))

    def not_finite(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that hold a NaN or an infinity. Reads them whole, in blocks of 4 MiB."""
        bad = []
        for name in names:
            tensor = self.header.tensors[name]
            rule = _NOT_FINITE.get(tensor.dtype)
            if rule is not None and any(rule.within(block) for block in self._blocks(tensor)):
                bad.append(name)
        return bad

    def _blocks(self, tensor: TensorInfo) -> Iterator[bytes]:
        """The tensor's bytes in blocks; nothing where the file ends early or cannot be read on."""
        at, end = self.header.data_start + tensor.begin, self.header.data_start + tensor.end
        while at < end:
            try:
                block = os.pread(self._file, min(_BLOCK, end - at), at)
            except (OSError, OverflowError):
                return
            if len(block) < min(_BLOCK, end - at):
                return
            yield block
            at += len(block)


def read_scalar(dtype: str, raw: bytes) -> float | None:
    """The one number in `raw`; None for complex, 4-bit and 6-bit numbers and for another number of bytes."""
    if dtype == "BF16" and len(raw) == 2:
        # bfloat16 is the upper half of a float32.
        return float(struct.unpack("<f", b"\0\0" + raw)[0])
    if dtype in EIGHT_BIT_VALUES and len(raw) == 1:
        return EIGHT_BIT_VALUES[dtype][raw[0]]
    form = _FORMATS.get(dtype)
    if form is None or len(raw) != struct.calcsize(form):
        return None
    return float(struct.unpack(form, raw)[0])
