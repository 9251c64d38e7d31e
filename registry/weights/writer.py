"""Writes safetensors files without torch: header and data streamed, and put in their place in one step.

Layout as the official writer's (huggingface/safetensors, `tensor.rs: prepare`): widest dtype first, then by
name, the header padded with spaces to eight bytes. A file whose tensors only get other names keeps its data
section byte for byte, so that the hashes of the data stay what they were.
"""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from .errors import WeightsError
from .header import DTYPE_BITS, Header, TensorInfo
from .tensors import Array

_BLOCK = 1 << 20
# numpy's names of the dtypes that arrays are written in; bfloat16 is packed by `as_bfloat16`.
_DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32", "int16": "I16",
    "int8": "I8", "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class OutputExists(WeightsError):
    """A file already has the name of the output; it was left as it is."""

    code = "output_exists"
    next_step = "Choose another name, or add --force to replace it."


class OutputUnwritable(WeightsError):
    """The output cannot be written where it was asked for; nothing was left behind."""

    code = "output_unwritable"
    next_step = "Check that the folder exists, may be written to and has room."


class TensorWriter:
    """Collects tensors of any number and writes them as one file. A context manager.

    Bytes wait in a file beside `target`, not in memory; `finish` orders them. Raises OutputUnwritable.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self._waiting: dict[str, TensorInfo] = {}
        self._at = 0
        with _failures_named(target):
            # Unlinked at once: nothing stays behind, however the process ends.
            self._spool: IO[bytes] = tempfile.TemporaryFile(dir=target.parent)  # noqa: SIM115

    def __enter__(self) -> TensorWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What could not be flushed was told by the write that failed.
        with suppress(OSError):
            self._spool.close()

    def add(self, name: str, dtype: str, shape: tuple[int, ...], data: bytes | memoryview) -> None:
        """Add one tensor by its bytes (row-major, little-endian), `dtype` as the format spells it."""
        size = memoryview(data).nbytes
        if name in self._waiting or name == "__metadata__":
            raise ValueError(f"A second tensor {name!r}.")
        if math.prod(shape) * DTYPE_BITS[dtype] != size * 8:
            raise ValueError(f"{size} bytes are no {dtype} tensor of {list(shape)}.")
        with _failures_named(self.target):
            self._spool.write(data)
        self._waiting[name] = TensorInfo(dtype, tuple(shape), self._at, self._at + size)
        self._at += size

    def add_array(self, name: str, values: Array) -> None:
        """Add one tensor by its numbers, in the dtype they have."""
        packed = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
        self.add(name, _DTYPES[values.dtype.name], values.shape, packed.tobytes())

    def finish(self, metadata: Mapping[str, str]) -> None:
        """Write the file. The target is replaced if it exists; `publish` is what never does."""
        ordered = sorted(self._waiting.items(), key=lambda item: (-DTYPE_BITS[item[1].dtype], item[0]))
        placed, at = {}, 0
        for name, tensor in ordered:
            size = tensor.end - tensor.begin
            placed[name] = TensorInfo(tensor.dtype, tensor.shape, at, at + size)
            at += size
        with _failures_named(self.target):
            self._spool.flush()
            with self.target.open("wb") as file:
                file.write(header_bytes(placed, metadata))
                for _, tensor in ordered:
                    self._spool.seek(tensor.begin)
                    _copy(self._spool, file, tensor.end - tensor.begin)
                _settle(file)


def header_bytes(tensors: Mapping[str, TensorInfo], metadata: Mapping[str, str]) -> bytes:
    """The header with its length before it, padded with spaces to a multiple of eight bytes."""
    document: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    for name, tensor in tensors.items():
        document[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [tensor.begin, tensor.end],
        }
    # Escaped to ASCII: a lone surrogate that JSON allows in a name has no bytes in UTF-8.
    raw = json.dumps(document, separators=(",", ":")).encode("ascii")
    raw += b" " * (-len(raw) % 8)
    return len(raw).to_bytes(8, "little") + raw


def write_renamed(
    source: Path, header: Header, target: Path, names: Mapping[str, str], metadata: Mapping[str, str]
) -> None:
    """Write `source` again with tensors called as `names` (old -> new; others keep theirs).

    The data section is copied as it is. Raises ValueError when two tensors would get one name.
    """
    renamed = {names.get(name, name): tensor for name, tensor in header.tensors.items()}
    if len(renamed) != len(header.tensors):
        raise ValueError("Two tensors would get one name.")
    end = max((tensor.end for tensor in renamed.values()), default=0)
    with _failures_named(target), source.open("rb") as old, target.open("wb") as new:
        new.write(header_bytes(renamed, metadata))
        old.seek(header.data_start)
        _copy(old, new, end)
        _settle(new)


def as_bfloat16(values: Array) -> bytes:
    """The numbers as bfloat16: rounded to nearest even, as the upper half of a float32; NaN stays NaN."""
    return bfloat16_codes(values).astype("<u2").tobytes()


def bfloat16_codes(values: Array) -> Array:
    """The 16-bit codes of the numbers in bfloat16, shaped as `values`."""
    wide = np.ascontiguousarray(values, dtype=np.float32)
    bits = wide.view(np.uint32).astype(np.uint64)
    rounded = (bits + np.uint64(0x7FFF) + ((bits >> np.uint64(16)) & np.uint64(1))) >> np.uint64(16)
    # Rounding up a NaN's mantissa could carry it into an infinity.
    quiet = (bits >> np.uint64(16)) | np.uint64(0x40)
    return np.where(np.isnan(wide), quiet, rounded).astype(np.uint16)


@contextmanager
def workplace(final: Path) -> Iterator[Path]:
    """A private folder beside the output, gone afterwards; renaming out of it stays on one file system."""
    with _failures_named(final):
        folder = Path(tempfile.mkdtemp(prefix=f".{final.name[:40]}.", dir=final.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_free(final: Path, *, overwrite: bool) -> None:
    """Raise OutputExists or OutputUnwritable before any work is done for an output that cannot be."""
    # To look can fail, too: a name too long, a folder that may not be entered.
    with _failures_named(final):
        if final.is_dir():
            raise OutputUnwritable(f"{final.name} is a folder.", next_step="Name a file.")
        if final.exists() and not overwrite:
            raise OutputExists(f"{final.name} is there already.")
        if not final.parent.is_dir():
            raise OutputUnwritable(f"There is no folder {final.parent}.")


def publish(finished: Path, final: Path, *, overwrite: bool) -> None:
    """Give a finished file its name in one step. Raises OutputExists, and OutputUnwritable."""
    with _failures_named(final):
        if overwrite:
            finished.replace(final)
            return
        try:
            # A link never replaces, whoever else makes the same name now.
            final.hardlink_to(finished)
        except FileExistsError:
            raise OutputExists(f"{final.name} is there already.") from None
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS}:
                raise
            # No hard links on this file system: the look before the rename is the best there is.
            check_free(final, overwrite=False)
            finished.replace(final)


def _copy(source: IO[bytes], target: IO[bytes], size: int) -> None:
    while size:
        block = source.read(min(size, _BLOCK))
        if not block:
            raise OSError(errno.EIO, "The file became shorter while it was read")
        target.write(block)
        size -= len(block)


def _settle(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _failures_named(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = "No room is left" if error.errno in _FULL else error.strerror or "It could not be written"
        raise OutputUnwritable(f"{target.name[:100]}: {why}.") from None
