"""The safetensors header: every rule of the official reader, in its order, one named error each.

Rules and their order: huggingface/safetensors, safetensors/src/tensor.rs (`read_metadata`,
`Metadata::validate`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import errors
from .strict_json import Pairs, check_depth, parse

# Bits per number.
DTYPE_BITS: dict[str, int] = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32,
    "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip
FIELDS = ("dtype", "shape", "data_offsets")
USIZE_MAX = 2**64 - 1


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor as the header gives it; `begin` and `end` are bytes from the start of the data section."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says, and the rule it breaks if any.

    `length` is the header's own length in bytes; the data section starts at `8 + length`. `error` is set
    when the layout is wrong though the JSON was understood: the names are then still worth reading.
    `repeated` are tensor names and metadata keys given more than once, of which the last counts here as in
    the official reader; other readers may take the first.
    """

    length: int
    tensors: dict[str, TensorInfo]
    metadata: dict[str, str]
    error: errors.ContainerError | None = None
    repeated: tuple[str, ...] = ()

    @property
    def data_start(self) -> int:
        return 8 + self.length


def parse_header(raw: bytes, file_size: int) -> Header:
    """Read the header's JSON `raw` of a file of `file_size` bytes.

    Raises a ContainerError where nothing can be told; returns a Header with `error` set where the names can
    be.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise errors.HeaderNotUtf8(f"The header is not UTF-8 (byte {error.start}).") from None
    document = parse(text)
    if not isinstance(document, Pairs):
        raise errors.HeaderNotAnObject("The header is JSON, but not an object.")
    metadata: dict[str, str] | None = None
    tensors: dict[str, TensorInfo] = {}
    repeated: set[str] = set()
    for name, value in document:
        if name == "__metadata__":
            if metadata is not None:
                raise errors.MetadataTwice("__metadata__ is given more than once.")
            metadata = _metadata(value, repeated)
        else:
            if name in tensors:
                repeated.add(name)
            tensors[name] = _tensor(name, value)
    broken = _layout_error(tensors, 8 + len(raw), file_size)
    return Header(len(raw), tensors, metadata or {}, broken, tuple(sorted(repeated)))


def _metadata(value: Any, repeated: set[str]) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Pairs):
        raise errors.MetadataNotText("__metadata__ is not an object.")
    metadata: dict[str, str] = {}
    for key, inner in value:
        if not isinstance(inner, str):
            raise errors.MetadataNotText(f"__metadata__ holds something other than text under {key[:80]!r}.")
        if key in metadata:
            repeated.add(key)
        metadata[key] = inner
    return metadata


def _tensor(name: str, value: Any) -> TensorInfo:
    fields: dict[str, Any] = {}
    if isinstance(value, Pairs):
        for key, inner in value:
            if key not in FIELDS:
                check_depth(inner, 3)
            elif key in fields:
                raise errors.TensorFieldTwice(f"Tensor {name[:80]!r} gives {key} twice.")
            else:
                fields[key] = inner
    elif isinstance(value, list):
        # The official reader takes the three fields as a plain list, too.
        check_depth(value, 2)
        if len(value) != len(FIELDS):
            raise errors.TensorEntryMalformed(f"Tensor {name[:80]!r} is not an object.")
        fields = dict(zip(FIELDS, value, strict=True))
    else:
        raise errors.TensorEntryMalformed(f"Tensor {name[:80]!r} is not an object.")
    missing = [field for field in FIELDS if field not in fields]
    if missing:
        raise errors.TensorEntryMalformed(f"Tensor {name[:80]!r} lacks {missing[0]}.")
    shape, offsets = fields["shape"], fields["data_offsets"]
    if not _whole_numbers(shape):
        check_depth(shape, 3)
        raise errors.BadShape(f"The shape of tensor {name[:80]!r} is not a list of whole numbers.")
    if not _whole_numbers(offsets) or len(offsets) != 2:
        check_depth(offsets, 3)
        raise errors.BadOffsets(f"The data_offsets of tensor {name[:80]!r} are not two whole numbers.")
    return TensorInfo(_dtype(name, fields["dtype"]), tuple(shape), offsets[0], offsets[1])


def _dtype(name: str, value: Any) -> str:
    # serde also reads an enum spelled as {"F32": null}.
    if isinstance(value, Pairs) and len(value) == 1 and value[0][1] is None:
        value = value[0][0]
    if not isinstance(value, str) or value not in DTYPE_BITS:
        raise errors.UnknownDtype(f"Tensor {name[:80]!r} has the unknown dtype {str(value)[:40]!r}.")
    return value


def _whole_numbers(value: Any) -> bool:
    # `type is int`: True is an int to isinstance, and an object of no pairs is a list.
    return type(value) is list and all(type(n) is int and n >= 0 for n in value)


def _layout_error(tensors: dict[str, TensorInfo], start: int, file_size: int) -> errors.ContainerError | None:
    """The first rule of the data section that the tensors break: they must tile it, no hole, no overlap."""
    at = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        shown = repr(name[:80])
        if tensor.end < tensor.begin:
            return errors.OffsetsOutOfOrder(f"Tensor {shown} ends before it begins.")
        if tensor.begin > at:
            return errors.HoleInData(f"{tensor.begin - at} bytes before tensor {shown} belong to none.")
        if tensor.begin < at:
            return errors.TensorsOverlap(f"Tensor {shown} begins {at - tensor.begin} bytes inside another.")
        at = tensor.end
        count = 1
        for dimension in tensor.shape:
            count *= dimension
            if count > USIZE_MAX:
                return errors.SizeOverflow(f"The shape of tensor {shown} overflows.")
        bits = count * DTYPE_BITS[tensor.dtype]
        if bits > USIZE_MAX:
            return errors.SizeOverflow(f"The size of tensor {shown} overflows.")
        if bits % 8:
            return errors.NotWholeBytes(f"Tensor {shown} does not end on a byte.")
        if bits // 8 != tensor.end - tensor.begin:
            need, have = bits // 8, tensor.end - tensor.begin
            return errors.TensorSizeMismatch(f"Tensor {shown} needs {need} bytes and has {have}.")
    promised = start + at
    if promised > file_size:
        missing = promised - file_size
        return errors.Truncated(f"The header promises {promised} bytes; {missing} of them are missing.")
    if promised < file_size:
        return errors.TrailingBytes(f"{file_size - promised} bytes follow the last tensor.")
    return None
