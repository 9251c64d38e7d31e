"""Recognizes a pickle by its opcodes: nothing is run, nothing is built, and no argument is kept.

The table of opcodes is the standard library's (`pickletools`, which implements PEP 3154 and the protocols
before it).
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import pickletools
from collections.abc import Iterator
from pathlib import Path

from .errors import Unreadable

Bytes = bytes | mmap.mmap

# The opcodes that import something, and so may run something. EXT1, EXT2 and EXT4 take theirs from a registry
# (`copyreg`) that is empty unless the loading program fills it.
IMPORTS = frozenset({"GLOBAL", "STACK_GLOBAL", "INST"})
_CODES = {ord(code.code): code for code in pickletools.opcodes}
# Width in bytes and sign of the length that precedes an argument.
_LENGTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: (1, False),
    pickletools.TAKEN_FROM_ARGUMENT4: (4, True),
    pickletools.TAKEN_FROM_ARGUMENT4U: (4, False),
    pickletools.TAKEN_FROM_ARGUMENT8U: (8, False),
}
_TWO_LINES = frozenset({"GLOBAL", "INST"})
_LONGEST_LINE = 64 * 1024
_MOST_CODES = 200_000
# So many opcodes in a row, one that pickles are made of among them, are no accident.
_ENOUGH = 3
_TELLING = IMPORTS | {"MARK", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "PUT", "BINPUT", "MEMOIZE"}


class _NotPickle(Exception):
    """A byte that is no opcode, or an argument that is none."""


class _Exhausted(Exception):
    """The bytes end within an opcode."""


def starts_as_pickle(start: bytes) -> bool:
    """Whether a file whose first bytes are `start` is a pickle of any protocol.

    Protocol 2 and later announce themselves; 0 and 1 begin with their first opcode.
    """
    if start[:1] == b"\x80" and start[1:2] and start[1] <= pickle.HIGHEST_PROTOCOL:
        return True
    names: list[str] = []
    try:
        for code in _walk(start):
            if not names and code.stack_before:
                return False
            names.append(code.name)
    except _NotPickle:
        return False
    except _Exhausted:
        return len(names) >= _ENOUGH and not _TELLING.isdisjoint(names)
    return len(names) > 1


def imports_as_pickle(path: str | os.PathLike[str]) -> bool:
    """Whether unpickling the file `path` from its first byte would import anything, whatever else it is.

    Raises Unreadable. Only the opcodes' own bytes are touched, and no more than 200,000 of them.
    """
    try:
        with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for number, code in enumerate(_walk(data)):
                if number == 0 and code.stack_before:
                    return False
                # STACK_GLOBAL takes its two names from the stack, where two opcodes must have put them.
                if code.name in IMPORTS and (code.name != "STACK_GLOBAL" or number >= 2):
                    return True
    except (_NotPickle, _Exhausted):
        pass
    except (OSError, ValueError) as error:
        raise Unreadable(f"{error}.") from None
    return False


def _walk(data: Bytes) -> Iterator[pickletools.OpcodeInfo]:
    """The opcodes from the first byte to STOP. Raises _NotPickle or _Exhausted."""
    at = 0
    for _ in range(_MOST_CODES):
        if at >= len(data):
            raise _Exhausted
        code = _CODES.get(data[at])
        if code is None:
            raise _NotPickle
        at = _after_argument(data, at + 1, code)
        yield code
        if code.name == "STOP":
            return


def _after_argument(data: Bytes, at: int, code: pickletools.OpcodeInfo) -> int:
    """Where the argument of `code`, which begins at `at`, ends."""
    if code.arg is None:
        return at
    width = code.arg.n
    if width == pickletools.UP_TO_NEWLINE:
        return _after_lines(data, at, code)
    if width < 0:
        size, signed = _LENGTHS[width]
        if at + size > len(data):
            raise _Exhausted
        width = int.from_bytes(data[at : at + size], "little", signed=signed)
        at += size
        if width < 0:
            raise _NotPickle
    if at + width > len(data):
        raise _Exhausted
    return at + width


def _after_lines(data: Bytes, at: int, code: pickletools.OpcodeInfo) -> int:
    end = at
    for _ in range(2 if code.name in _TWO_LINES else 1):
        found = data.find(b"\n", end, at + _LONGEST_LINE)
        if found < 0:
            raise _Exhausted if len(data) - at <= _LONGEST_LINE else _NotPickle
        end = found + 1
    assert code.arg is not None
    try:
        code.arg.reader(io.BytesIO(data[at:end]))
    except ValueError:
        raise _NotPickle from None
    return end
