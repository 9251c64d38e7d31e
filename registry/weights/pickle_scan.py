"""Lists what the pickle on standard input would import: a program of its own, run with limits by `pickles`.

It uses the standard library and picklescan alone, so that it can be started without this project on the
path. picklescan reads opcodes and runs none; what a hostile file can do is cost memory and time, and both are
limited here. Prints one JSON object `{imports: [[module, name, safety]], members, unpacked, pickles,
incomplete}`: safety is picklescan's innocuous, suspicious or dangerous, and `incomplete` says why something
was not looked at.
"""

from __future__ import annotations

import io
import json
import logging
import pickletools
import resource
import sys
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import IO

from picklescan.relaxed_zipfile import RelaxedZipFile
from picklescan.scanner import ScanResult, scan_pickle_bytes, scan_pytorch
from picklescan.torch import InvalidMagicError

MEMORY = 1024 * 1024 * 1024
CPU_SECONDS = 20
# A checkpoint's pickle holds names and shapes, some 50,000 opcodes; its numbers lie beside it.
LONGEST_PICKLE = 64 * 1024 * 1024
MOST_CODES = 2_000_000
MOST_MEMBERS = 20_000
MOST_IMPORTS = 200
_LONGEST_NAME = 120
# Names under which torch, joblib and numpy keep pickles inside of archives.
_PICKLE_NAMES = frozenset({".pkl", ".pickle", ".joblib", ".dat", ".data", ".pt", ".pth", ".bin", ".ckpt"})
_PROTOCOLS = tuple(bytes((0x80, protocol)) for protocol in range(6))
_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06")


class TooLarge(Exception):
    """A pickle of more opcodes than picklescan could keep within the memory allowed."""


@dataclass
class Scan:
    """What was found; see the module's docstring."""

    imports: list[tuple[str, str, str]] = field(default_factory=list)
    members: int = 0
    unpacked: int = 0
    pickles: int = 0
    incomplete: str = ""

    def add(self, result: ScanResult, where: str) -> None:
        self.pickles += result.scanned_files
        for found in result.globals:
            entry = (str(found.module)[:_LONGEST_NAME], str(found.name)[:_LONGEST_NAME], found.safety.value)
            if entry not in self.imports and len(self.imports) < MOST_IMPORTS:
                self.imports.append(entry)
        if result.scan_err:
            self.stop(f"{where} is damaged: what follows the damage was not looked at.")

    def stop(self, reason: str) -> None:
        """Note the first reason why something was not looked at."""
        self.incomplete = self.incomplete or reason


def scan(file: IO[bytes]) -> Scan:
    """What the pickle, or the archive of pickles, in the seekable `file` would import."""
    found = Scan()
    start = file.read(4)
    file.seek(0)
    try:
        if start in _ARCHIVES:
            _scan_archive(file, found)
        else:
            _scan_stream(file, found)
            if zipfile.is_zipfile(file):
                _scan_archive(file, found)
    except (MemoryError, TooLarge):
        found.stop("It takes more memory to read than is allowed.")
    except Exception as error:
        # Whatever a hostile file makes the scanner raise, the answer is the same: it was not looked at whole.
        found.stop(f"The scanner gave up on it ({type(error).__name__}).")
    found.imports.sort()
    return found


def _scan_stream(file: IO[bytes], found: Scan) -> None:
    """As torch.load sees what is no archive: five pickles and then plain numbers, else pickles to the end."""
    _measure(file)
    file.seek(0)
    try:
        result = scan_pytorch(file, "the file")
    except InvalidMagicError:
        file.seek(0)
        result = scan_pickle_bytes(file, "the file")
    found.add(result, "The file")


def _measure(content: IO[bytes]) -> None:
    """Walk the opcodes without keeping them. Raises TooLarge or MemoryError.

    picklescan keeps every opcode in memory, and takes a lack of memory for the end of the pickle.
    """
    codes = 0
    try:
        while True:
            for _ in pickletools.genops(content):
                codes += 1
                if codes > MOST_CODES:
                    raise TooLarge
    except (TooLarge, MemoryError):
        raise
    except Exception:
        # No pickle from here on, whatever pickletools stumbled over: nothing could load it either.
        return


def _scan_archive(file: IO[bytes], found: Scan) -> None:
    with RelaxedZipFile(file, "r") as archive:
        members = archive.infolist()
        found.members = len(members)
        found.unpacked = sum(member.file_size for member in members)
        if len(members) > MOST_MEMBERS:
            found.stop(f"It has {len(members)} members.")
        for member in members[:MOST_MEMBERS]:
            try:
                _scan_member(archive, member, found)
            except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError) as error:
                found.stop(f"A member cannot be unpacked ({type(error).__name__}).")


def _scan_member(archive: RelaxedZipFile, member: zipfile.ZipInfo, found: Scan) -> None:
    if member.is_dir():
        return
    name = member.filename[:_LONGEST_NAME]
    with archive.open(member) as content:
        start = content.read(8)
        if start[:4] in _ARCHIVES:
            found.stop(f"{name} is an archive within the archive.")
        named = PurePosixPath(member.filename).suffix.lower() in _PICKLE_NAMES
        if not named and not start.startswith(_PROTOCOLS):
            return
        # Never more than the limit is unpacked, whatever size the member claims.
        raw = start + content.read(LONGEST_PICKLE + 1 - len(start))
    if len(raw) > LONGEST_PICKLE:
        found.stop(f"{name} is longer than {LONGEST_PICKLE // 1024**2} MiB unpacked.")
        return
    _measure(io.BytesIO(raw))
    found.add(scan_pickle_bytes(io.BytesIO(raw), name), name)


def _limit() -> None:
    """Bound memory and time, and forbid this process to write any file."""
    for what, limit in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def main() -> None:
    """Scan standard input, print the result."""
    _limit()
    logging.disable(logging.CRITICAL)
    print(json.dumps(asdict(scan(sys.stdin.buffer))))  # noqa: T201


if __name__ == "__main__":
    main()
