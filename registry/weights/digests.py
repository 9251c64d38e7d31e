"""Every digest of a file that anyone asks for, in one pass over its bytes.

Recipes (bytes F, header length N, data section D = F[8+N:]), spelled as Civitai prints them, in upper case:
SHA256(F); BLAKE3(F); CRC-32(F) with its bytes reversed; AutoV1 = SHA256(F[0x100000:0x110000])[:8], absent
below 2 MiB; AutoV2 = SHA256(F)[:10]; AutoV3 = SHA256(D)[:12], where Civitai does not skip a header of 16
MiB or more.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from blake3 import blake3

from .container import FORMAT_HEADER_LIMIT
from .errors import Unreadable

BLOCK = 1024 * 1024
# So many blocks may wait for the slowest of the digests.
_UNDER_WAY = 8
_AUTOV1_FROM, _AUTOV1_TO, _AUTOV1_LEAST = 0x100000, 0x110000, 0x200000
_AUTOV3_HEADER_LIMIT = 16 * 1024 * 1024
# Below this a thread costs more than it saves.
_THREADED_FROM = 256 * 1024


@dataclass(frozen=True, slots=True)
class Digests:
    """The six digests as Civitai writes them, and the file's size in bytes."""

    size: int
    sha256: str
    blake3: str
    crc32: str
    autov1: str | None
    autov2: str
    autov3: str | None

    def as_dict(self) -> dict[str, str | None]:
        return {
            "sha256": self.sha256,
            "blake3": self.blake3,
            "crc32": self.crc32,
            "autov1": self.autov1,
            "autov2": self.autov2,
            "autov3": self.autov3,
        }


class Digester:
    """Takes a file's bytes in order, as they pass by, and ends in its `Digests`.

    Use it as a context manager, or call `finish`; both end its threads. Blocks of 1 MiB are best. The two
    SHA-256 are the work: each has a thread, BLAKE3 and CRC-32 share a third (all let go of the
    interpreter), and a few blocks may be under way at once, so that no thread waits for another while
    there is work.
    """

    def __init__(self) -> None:
        self._size = 0
        self._whole = hashlib.sha256()
        self._data = hashlib.sha256()
        self._autov1 = hashlib.sha256()
        self._blake3 = blake3()
        self._crc = 0
        self._start = b""
        self._data_from: int | None = None
        self._threads: list[ThreadPoolExecutor] = []
        self._pending: deque[list[Future[None]]] = deque()

    def __enter__(self) -> Digester:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def update(self, block: bytes | bytearray | memoryview) -> None:
        """Take the next bytes. `bytes` may still be being hashed on return; a mutable buffer never is."""
        self._take(memoryview(block))
        self._wait(_UNDER_WAY if isinstance(block, bytes) else 0)

    def _take(self, view: memoryview) -> None:
        """Take the next bytes; they may be read until `_wait`."""
        if not view:
            return
        at, self._size = self._size, self._size + len(view)
        self._read_start(view)
        # Until the header's length is known every byte belongs to it.
        skip = len(view) if self._data_from is None else max(0, self._data_from - at)
        if len(view) < _THREADED_FROM:
            # In order: what is under way came before.
            self._wait(0)
            self._whole.update(view)
            self._data.update(view[skip:])
            self._update_rest(view, at)
            return
        if not self._threads:
            self._threads = [ThreadPoolExecutor(1, thread_name_prefix="digest") for _ in range(3)]
        whole, data, rest = self._threads
        self._pending.append(
            [
                whole.submit(self._whole.update, view),
                data.submit(self._data.update, view[skip:]),
                rest.submit(self._update_rest, view, at),
            ]
        )

    def _update_rest(self, view: memoryview, at: int) -> None:
        if at < _AUTOV1_TO and at + len(view) > _AUTOV1_FROM:
            self._autov1.update(view[max(0, _AUTOV1_FROM - at) : _AUTOV1_TO - at])
        self._blake3.update(view)
        self._crc = zlib.crc32(view, self._crc)

    def finish(self) -> Digests:
        """The digests of everything taken so far."""
        self._stop()
        whole = self._whole.hexdigest().upper()
        return Digests(
            size=self._size,
            sha256=whole,
            blake3=self._blake3.hexdigest().upper(),
            crc32=self._crc.to_bytes(4, "little").hex().upper(),
            autov1=self._autov1.hexdigest()[:8].upper() if self._size >= _AUTOV1_LEAST else None,
            autov2=whole[:10],
            autov3=self._data.hexdigest()[:12].upper() if self._has_header() else None,
        )

    def _read_start(self, view: memoryview) -> None:
        """Learn where the data section starts from the first 8 bytes, which may come in pieces."""
        if len(self._start) >= 8:
            return
        held = len(self._start)
        self._start += bytes(view[: 8 - held])
        if len(self._start) < 8:
            return
        length = int.from_bytes(self._start, "little")
        # Data bytes below this offset are not hashed; none of them came before the eighth byte did.
        self._data_from = 8 if length >= _AUTOV3_HEADER_LIMIT else 8 + length

    def _has_header(self) -> bool:
        length = int.from_bytes(self._start, "little")
        return len(self._start) == 8 and length <= FORMAT_HEADER_LIMIT and 8 + length <= self._size

    def _wait(self, most: int) -> None:
        """Wait until at most `most` blocks are under way."""
        while len(self._pending) > most:
            for future in self._pending.popleft():
                future.result()

    def _stop(self) -> None:
        try:
            self._wait(0)
        finally:
            for thread in self._threads:
                thread.shutdown()
            self._threads = []


def digest_file(path: str | os.PathLike[str], *, block: int = BLOCK) -> Digests:
    """The digests of the file `path`, read once. Raises Unreadable."""
    # Buffers are used again and again: to get new memory from the system costs as much as to read.
    buffers: list[memoryview] = []
    number = 0
    try:
        with Path(path).open("rb", buffering=0) as file, Digester() as digester:
            while True:
                if number == len(buffers) <= _UNDER_WAY:
                    buffers.append(memoryview(bytearray(block)))
                buffer = buffers[number]
                read = file.readinto(buffer)
                if not read:
                    return digester.finish()
                digester._take(buffer[:read])
                digester._wait(_UNDER_WAY)
                number = (number + 1) % (_UNDER_WAY + 1)
    except OSError as error:
        raise Unreadable(f"{error.strerror or 'It could not be read'}.") from None
