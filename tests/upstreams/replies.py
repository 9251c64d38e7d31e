"""What a server on loopback is asked and answers: requests, replies, and ranges of a reply's body."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

BLOCK = 256 * 1024


@dataclass(frozen=True)
class Request:
    """What came in. `headers` have lower-case names; `query` keeps repeated values."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    at: float

    def first(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return self.query.get(name, [default])[0]


@dataclass(frozen=True)
class Reply:
    """What goes out: `body` is bytes or a file's path. `ranges`: whether a Range of it may be asked for.

    `length` overrides Content-Length, `cut_at` closes the connection after that share of the body, `pause`
    seconds pass before each `block` bytes, `silence` seconds before the first, `head_pause` seconds between
    two bytes of the head.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Path = b""
    ranges: bool = False
    length: int | None = None
    cut_at: float | None = None
    block: int = BLOCK
    pause: float = 0.0
    silence: float = 0.0
    head_pause: float = 0.0
    chunked: bool = False

    @classmethod
    def of_json(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
        body = json.dumps(value).encode()
        return cls(status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, body)

    @classmethod
    def of_bytes(
        cls,
        body: bytes,
        media_type: str = "application/octet-stream",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        return cls(200, {"Content-Type": media_type, **(headers or {})}, body)

    @classmethod
    def of_file(
        cls,
        body: bytes | Path,
        etag: str = "",
        headers: Mapping[str, str] | None = None,
        modified: float | None = None,
    ) -> Reply:
        """A file that may be asked for in ranges. `etag` as it goes out, quotes included."""
        given = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", **(headers or {})}
        if etag:
            given["ETag"] = etag
        if modified is not None:
            given["Last-Modified"] = formatdate(modified, usegmt=True)
        return cls(200, given, body, ranges=True)

    def with_headers(self, **headers: str) -> Reply:
        """The same with these headers too; `Retry_After` stands for Retry-After."""
        return replace(self, headers={**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}})

    @property
    def size(self) -> int:
        return self.body.stat().st_size if isinstance(self.body, Path) else len(self.body)


def range_of(request: Request, reply: Reply) -> tuple[int, int, int, dict[str, str]]:
    """Status, first byte, end, and the headers that a Range adds (RFC 9110, 13.1.5 and 14)."""
    size = reply.size
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if not reply.ranges or reply.status != 200 or not asked or asked[0] == "bytes=-":
        return reply.status, 0, size, {}
    if (condition := request.headers.get("if-range")) is not None:
        known = {reply.headers.get("ETag"), reply.headers.get("Last-Modified")}
        if condition not in known or condition.startswith("W/"):
            return 200, 0, size, {}
    first, last = asked.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= size or start >= end:
        return 416, 0, 0, {"Content-Range": f"bytes */{size}"}
    return 206, start, end, {"Content-Range": f"bytes {start}-{end - 1}/{size}"}


def blocks(body: bytes | Path, start: int, end: int, block: int) -> Iterator[bytes]:
    if isinstance(body, bytes):
        for at in range(start, end, block):
            yield body[at : min(end, at + block)]
        return
    with body.open("rb") as file:
        file.seek(start)
        while start < end and (read := file.read(min(block, end - start))):
            start += len(read)
            yield read


def bytes_of(body: bytes | Path) -> bytes:
    return body.read_bytes() if isinstance(body, Path) else body
