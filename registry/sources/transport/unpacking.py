"""Unpacks an answer's body block by block, so that what it becomes can be counted before it is held.

Whoever unpacks a part at a time gets all that the part becomes at once: of deflate up to a thousand times as
much (RFC 1951).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, Protocol

from registry.sources.upstream_errors import UnexpectedAnswer, UpstreamUnavailable

BLOCK: Final = 64 * 1024
"""At most so many bytes come out at once."""
ASKED_FOR: Final = "gzip"
"""What Accept-Encoding names."""
_GZIP: Final = zlib.MAX_WBITS | 16


class Unpacker(Protocol):
    """Takes a body as it comes."""

    def take(self, data: bytes) -> Iterator[bytes]:
        """What these bytes become, in blocks. Raises UnexpectedAnswer where they cannot be unpacked."""

    def end(self) -> None:
        """No more bytes come. Raises UpstreamUnavailable where some are missing."""


def unpacker_of(encoding: str, place: str, *, is_file: bool = False) -> Unpacker | None:
    """What unpacks a body with this Content-Encoding; None where it is not packed.

    gzip, and deflate in both its forms (RFC 9110, 8.4.1.2): zlib's, and bare as some send it. Raises
    UnexpectedAnswer for what nobody asked for: everything else, a body that is packed twice, a packed file.
    """
    names = [name for part in encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if not names:
        return None
    if is_file or len(names) > 1 or names[0] not in ("gzip", "x-gzip", "deflate"):
        raise UnexpectedAnswer(f"{place} sends what is packed as {encoding[:40]!r}, which was not asked for.")
    return _Zlib(place, is_gzip=names[0] != "deflate")


class _Zlib:
    """gzip, of which several members may follow each other (RFC 1952, 2.2), or deflate."""

    def __init__(self, place: str, *, is_gzip: bool) -> None:
        self._place, self._is_gzip = place, is_gzip
        self._inner = zlib.decompressobj(_GZIP) if is_gzip else None
        self._held = b""
        self._members = 0
        self._came = self._over = False

    def take(self, data: bytes) -> Iterator[bytes]:
        self._came = self._came or bool(data)
        data, self._held = self._held + data, b""
        if self._inner is None:
            if len(data) < 2:
                self._held = data
                return
            self._inner = zlib.decompressobj(zlib.MAX_WBITS if _has_zlib_head(data) else -zlib.MAX_WBITS)
        more = False
        while (data or more) and not self._over:
            if self._inner.eof:
                if not self._is_gzip:
                    return
                self._inner = zlib.decompressobj(_GZIP)
            try:
                block = self._inner.decompress(data, BLOCK)
            except zlib.error:
                if self._members:
                    # What follows a whole member and is none is left out, as gzip itself does.
                    self._over = True
                    return
                raise UnexpectedAnswer(f"{self._place} sends what cannot be unpacked.") from None
            if block:
                yield block
            self._members += self._inner.eof
            # A full block may have left some of what it stands for behind, though all bytes were taken.
            more = len(block) == BLOCK and not self._inner.eof
            data = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail

    def end(self) -> None:
        # An answer without a body may name an encoding all the same, as redirects do.
        if self._came and not self._over and (self._inner is None or not self._inner.eof):
            raise UpstreamUnavailable(f"{self._place} ended in the middle.")


def _has_zlib_head(data: bytes) -> bool:
    """RFC 1950, 2.2: the method is 8, and the first two bytes are a multiple of 31."""
    return data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
