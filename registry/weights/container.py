"""What kind of file the bytes are, whatever the name says, and its safetensors header if it has one."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import errors
from .header import Header, parse_header
from .pickle_codes import imports_as_pickle, starts_as_pickle

# The official reader's own limit, and ours: real adapter headers are 35 kB to a few MB.
FORMAT_HEADER_LIMIT = 100_000_000
HEADER_LIMIT = 32 * 1024 * 1024

_JSON_SPACE = b" \t\n\r"
_SNIFFED = 512
_ZIP_END = b"PK\x05\x06"
_ZIP_END_LONGEST = 22 + 0xFFFF


@dataclass(frozen=True, slots=True)
class Container:
    """A file's container. `valid` is the official safetensors reader's verdict; `error` says why not."""

    size: int
    kind: str
    header: Header | None
    error: errors.WeightsError | None

    @property
    def valid(self) -> bool:
        return self.error is None and self.header is not None


def open_container(path: str | os.PathLike[str], *, header_limit: int = HEADER_LIMIT) -> Container:
    """Read no more of `path` than its header and say what it is. Raises Unreadable; anything else is a
    result.
    """
    try:
        # Asked before opening: to open a named pipe would wait for its writer.
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            raise errors.IsAFolder("This is a folder.")
        if not stat.S_ISREG(status.st_mode):
            raise errors.Unreadable("Not a plain file.")
        with Path(path).open("rb") as file:

            def read(start: int, end: int) -> bytes:
                file.seek(start)
                return file.read(end - start)

            return read_container(read, status.st_size, header_limit=header_limit)
    except OSError as error:
        raise errors.Unreadable(f"{error.strerror or 'It could not be read'}.") from None
    except ValueError:
        raise errors.Unreadable("No file can have this name.") from None


def read_container(
    read: Callable[[int, int], bytes], size: int, *, header_limit: int = HEADER_LIMIT
) -> Container:
    """Say what a file of `size` bytes is by its first bytes, wherever it lies: `read(start, end)` gives those
    from `start` up to `end`, and is asked for no more than the header. Raises what `read` raises.
    """
    start = read(0, min(_SNIFFED, size))
    kind = sniff(start, size)
    if kind != "safetensors":
        return Container(size, kind, None, _not_safetensors(kind, start, size))
    length = int.from_bytes(start[:8], "little")
    if 8 + length > size:
        missing = 8 + length - size
        error = errors.HeaderPastEnd(f"The header should be {length} bytes; {missing} are missing.")
        return Container(size, kind, None, error)
    if length > header_limit:
        over = errors.HeaderOverLimit(f"The header is {length} bytes; the limit is {header_limit}.")
        return Container(size, kind, None, over)
    raw = read(8, 8 + length)
    try:
        header = parse_header(raw, size)
    except errors.ContainerError as error:
        return Container(size, kind, None, error)
    return Container(size, kind, header, header.error)


def read_header(path: str | os.PathLike[str], *, header_limit: int = HEADER_LIMIT) -> Header:
    """The header of the safetensors file `path`. Raises Unreadable or a ContainerError.

    A truncated file or one with trailing bytes returns its header with `error` set.
    """
    container = open_container(path, header_limit=header_limit)
    if container.header is None:
        raise container.error or errors.ContainerError("Not a safetensors file.")
    return container.header


def sniff(start: bytes, size: int) -> str:
    """Name the container by its first bytes (512 are enough) and the file's size."""
    if size == 0:
        return "empty"
    if len(start) > 8 and int.from_bytes(start[:8], "little") <= FORMAT_HEADER_LIMIT:
        # A header's length may begin with any magic number, so the brace decides first.
        body = start[8:].lstrip(_JSON_SPACE)
        if body[:1] == b"{" or not body:
            return "safetensors"
    if start.startswith(b"GGUF"):
        return "gguf"
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return "zip"
    if start.startswith(b"\x1f\x8b"):
        return "gzip"
    if start.startswith((b"version https://git-lfs.github.com/", b"version https://hawser.github.com/")):
        return "git_lfs_pointer"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<!--", b"<?xml")):
        return "html"
    return "pickle" if starts_as_pickle(start) else "unknown"


def second_natures(path: str | os.PathLike[str]) -> list[str]:
    """As what else a safetensors file can be opened: zip, tar, pickle. Raises Unreadable.

    Old torch checkpoints are tar archives or pickles, newer ones zip archives; a file that is one of them and
    safetensors at once would show each reader something else.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(_SNIFFED)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _ZIP_END_LONGEST))
            tail = file.read()
    except OSError as error:
        raise errors.Unreadable(f"{error.strerror or 'It could not be read'}.") from None
    found = {"zip": _ends_as_zip(tail, size), "tar": _starts_as_tar(start), "pickle": imports_as_pickle(path)}
    return [kind for kind, there in found.items() if there]


def _ends_as_zip(tail: bytes, size: int) -> bool:
    """Whether a zip archive ends with `tail`, where the file of `size` bytes does: zip readers look there.

    APPNOTE 6.3.10, section 4.3.16: the end record, 22 bytes and a comment as long as it states.
    """
    at = tail.rfind(_ZIP_END)
    while at >= 0:
        comment = int.from_bytes(tail[at + 20 : at + 22], "little")
        directory = int.from_bytes(tail[at + 12 : at + 16], "little")
        if at + 22 + comment == len(tail) and directory < size:
            return True
        at = tail.rfind(_ZIP_END, 0, at)
    return False


def _starts_as_tar(start: bytes) -> bool:
    """Whether a tar archive begins with `start` (512 bytes): the checksum in its header fits.

    POSIX.1-1988, ustar: an octal number at byte 148, the sum of the block with itself counted as blanks.
    """
    try:
        stated = int(start[148:156].strip(b" \0"), 8)
    except ValueError:
        return False
    return len(start) == 512 and stated == sum(start) - sum(start[148:156]) + 8 * ord(" ")


def _not_safetensors(kind: str, start: bytes, size: int) -> errors.ContainerError:
    named: dict[str, tuple[type[errors.ContainerError], str]] = {
        "empty": (errors.EmptyFile, "The file is empty."),
        "pickle": (errors.PickleFile, "This is a Python pickle, not safetensors."),
        "zip": (errors.ZipFile, "This is a zip archive (perhaps a torch checkpoint), not safetensors."),
        "gzip": (errors.GzipFile, "This is a gzip file, not safetensors."),
        "html": (errors.HtmlPage, "This is a web page, not a weights file."),
        "git_lfs_pointer": (errors.LfsPointer, "This is a Git LFS pointer without its weights."),
        "gguf": (errors.GgufFile, "This is a GGUF model, not safetensors."),
    }
    if kind in named:
        cause, message = named[kind]
        return cause(message)
    if size < 8:
        return errors.HeaderTooSmall(f"The file has {size} bytes; a header's length alone takes 8.")
    length = int.from_bytes(start[:8], "little")
    if length > FORMAT_HEADER_LIMIT:
        return errors.HeaderTooLarge("The first 8 bytes are no header length, so it is not safetensors.")
    if 8 + length > size:
        missing = 8 + length - size
        return errors.HeaderPastEnd(f"The header should be {length} bytes; {missing} are missing.")
    return errors.HeaderNotJson("What follows the header's length is not a JSON object.")
