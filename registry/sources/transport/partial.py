"""A half-fetched file beside its target: `NAME.part` and what is known of it in `NAME.part.json`.

Bytes are handed to the system in whole blocks, so a process that is killed loses what it had not handed over
and nothing else. After a crash of the machine the end of a file may be missing or zero; then only a file
whose SHA256 is known is gone on with.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType

from registry.sources.upstream_errors import (
    DownloadFolderUnusable,
    DownloadRunning,
    NotEnoughDisk,
    UpstreamError,
)
from registry.weights.digests import BLOCK, Digester, Digests

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# What must stay free beside the file: the database may live on the same disk.
SPARE = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Known:
    """What a half-fetched file is a part of. `etag` strong, or empty; `total` in bytes, 0 when not known."""

    address: str = ""
    etag: str = ""
    modified: str = ""
    total: int = 0
    sha256: str = ""
    boot: str = ""


class Partial:
    """The half-fetched file, held by one process at a time; a context manager.

    `size`: bytes that are there and hashed. Raises DownloadRunning where another one holds it.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._path = target.with_name(f"{target.name}.part")
        self._notes = target.with_name(f"{target.name}.part.json")
        self._digester: Digester | None = None
        self._file = -1
        self.size = 0
        self.known = Known()

    def __enter__(self) -> Partial:
        try:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._held()
            self.size = os.fstat(self._file).st_size
            self.known = self._read_notes()
        except OSError as error:
            self._close()
            raise folder_error(error, self._target) from None
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.size:
            # Nothing came: leave nothing behind, unless the name is another file's by now.
            with suppress(OSError):
                if self._path.stat().st_ino == os.fstat(self._file).st_ino:
                    self._notes.unlink(missing_ok=True)
                    self._path.unlink()
        self._close()

    def may_go_on(self, address: str, sha256: str) -> bool:
        """Whether what is there belongs to this file, as far as can be told before asking."""
        if not self.size:
            return False
        if sha256 and self.known.sha256:
            return self.known.sha256 == sha256
        return self.known.address == address and (sha256 != "" or self.known.boot == boot())

    def begin(self, known: Known) -> None:
        """Start anew with a file of which this is known."""
        try:
            os.ftruncate(self._file, 0)
            self.size = 0
            self._end_digester()
            self.note(known)
        except OSError as error:
            raise folder_error(error, self._target) from None

    def note(self, known: Known) -> None:
        """Write down what is known; whole or not at all."""
        self.known = replace(known, boot=boot())
        written = self._notes.with_name(f"{self._notes.name}.new")
        try:
            written.write_text(json.dumps(asdict(self.known)), encoding="utf-8")
            written.replace(self._notes)
        except OSError as error:
            raise folder_error(error, self._target) from None

    def read_back(self) -> None:
        """Hash what an earlier process fetched."""
        if self._digester is not None:
            return
        self._digester = Digester()
        at = 0
        try:
            while at < self.size:
                block = os.pread(self._file, min(BLOCK, self.size - at), at)
                if not block:
                    break
                self._digester.update(block)
                at += len(block)
        except OSError as error:
            raise folder_error(error, self._target) from None
        self.size = at

    def append(self, block: bytes) -> None:
        """Take the next bytes, write and hash them."""
        if self._digester is None:
            self._digester = Digester()
        try:
            written = 0
            view = memoryview(block)
            while written < len(block):
                written += os.pwrite(self._file, view[written:], self.size + written)
        except OSError as error:
            # What did not fit whole is not there at all.
            os.ftruncate(self._file, self.size)
            raise folder_error(error, self._target) from None
        self._digester.update(block)
        self.size += len(block)

    def digests(self) -> Digests:
        """The digests of all that is there; nothing can be appended after."""
        self.read_back()
        assert self._digester is not None
        found, self._digester = self._digester.finish(), None
        return found

    def finish(self) -> None:
        """The file is whole: give it its name."""
        try:
            self._path.replace(self._target)
            self._notes.unlink(missing_ok=True)
        except OSError as error:
            raise folder_error(error, self._target) from None

    def need(self, total: int) -> None:
        """Check that the disk has room for the rest of a file of `total` bytes. Raises NotEnoughDisk."""
        try:
            free = shutil.disk_usage(self._target.parent).free
        except OSError as error:
            raise folder_error(error, self._target) from None
        rest = max(0, total - self.size)
        if free < rest + SPARE:
            raise NotEnoughDisk(
                f"{self._target.name} needs {rest} more bytes and {SPARE} to spare; {free} are free."
            )

    def _held(self) -> int:
        while True:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                raise DownloadRunning(f"{self._target.name} is being fetched.") from None
            # Another one may have finished, and given the file its name, since it was opened.
            try:
                if self._path.stat().st_ino == os.fstat(file).st_ino:
                    return file
            except FileNotFoundError:
                pass
            os.close(file)

    def _read_notes(self) -> Known:
        try:
            value = json.loads(self._notes.read_text(encoding="utf-8"))
            return Known(**{name: type(usual)(value[name]) for name, usual in asdict(Known()).items()})
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return Known()

    def _end_digester(self) -> None:
        if self._digester is not None:
            self._digester.finish()
            self._digester = None

    def _close(self) -> None:
        self._end_digester()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def boot() -> str:
    """Names this run of the machine; empty where it cannot be told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def folder_error(error: OSError, target: Path) -> UpstreamError:
    """What a failure of the disk means for the download."""
    if error.errno in _FULL:
        return NotEnoughDisk(f"The disk became full while {target.name} was fetched.")
    return DownloadFolderUnusable(f"{target.parent}: {error.strerror or 'it cannot be written'}.")
