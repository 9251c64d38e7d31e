"""A real HTTP server on loopback that answers as told and misbehaves as planned; upstreams are built on it.

Subclass `FaultyServer` and write `answer(request) -> Reply`; `Reply.of_json`, `Reply.of_bytes` and
`Reply.of_file` make the usual ones, the last with Range, If-Range, ETag and 416 as RFC 9110 has them. A test
then plans what goes wrong, for how many requests and where:

    with CivitaiServer(catalog) as server:
        server.plan(TooMany(retry_after="2"), path=r"^/api/v1/models", times=1)
        server.plan(Cut(at=0.5), path=r"/api/download/", times=2)
        server.quotas.append(Quota(limit=100, window=3600))
        ...
        assert [each.path for each in server.requests] == [...]

Faults act in the order planned; each request takes the first one that is due. `server.url` is
`http://127.0.0.1:PORT`, `server.host` is `127.0.0.1:PORT`, what UPSTREAM_PRIVATE_HOSTS must name.
"""

from __future__ import annotations

import gzip
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

from tests.upstreams.replies import Reply, Request, blocks, bytes_of, range_of

__all__ = [
    "Broken",
    "Chunked",
    "Corrupt",
    "Cut",
    "Drip",
    "DripHead",
    "Fault",
    "FaultyServer",
    "Gzip",
    "Hang",
    "Hangup",
    "Html",
    "NoRanges",
    "Packed",
    "Quota",
    "RedirectTo",
    "Reply",
    "Request",
    "Status",
    "TooMany",
    "Truncated",
    "WrongLength",
    "WrongType",
]


Fault = Callable[[Request, Reply], Reply | None]
"""Given the request and the honest reply, what goes out instead; None closes the connection."""


def TooMany(retry_after: str | None = None, **headers: str) -> Fault:
    """429; `retry_after` in seconds or as an HTTP date; further headers such as RateLimit."""
    given = {"Retry_After": retry_after} if retry_after is not None else {}
    return lambda request, reply: Reply.of_json({"error": "Too many requests"}, 429).with_headers(
        **given, **headers
    )


def Broken(status: int = 503, retry_after: str | None = None) -> Fault:
    """A 5xx with the HTML page of a proxy."""
    given = {"Retry_After": retry_after} if retry_after is not None else {}
    page = b"<!DOCTYPE html><html><title>Bad gateway</title></html>"
    return lambda request, reply: Reply(status, {"Content-Type": "text/html"}, page).with_headers(**given)


def Status(status: int, value: Any = None, **headers: str) -> Fault:
    """Any status with a JSON body."""
    return lambda request, reply: Reply.of_json(value, status).with_headers(**headers)


def Cut(at: float = 0.5) -> Fault:
    """The connection ends after this share of what this reply would send."""
    return lambda request, reply: replace(reply, cut_at=at)


def Html(status: int = 200, media_type: str = "text/html; charset=utf-8") -> Fault:
    """A log-in page where a file or JSON should be."""
    page = b"<!DOCTYPE html>\n<html><head><title>Log in</title></head><body>Please log in.</body></html>\n"
    return lambda request, reply: Reply(status, {"Content-Type": media_type}, page)


def Truncated(by: int = 1) -> Fault:
    """The last bytes are missing, and Content-Length says so: only size or digest tell."""

    def shorten(request: Request, reply: Reply) -> Reply:
        return replace(reply, body=bytes_of(reply.body)[:-by])

    return shorten


def WrongLength(by: int) -> Fault:
    """Content-Length is off by so many bytes."""
    return lambda request, reply: replace(reply, length=reply.size + by, ranges=False)


def Corrupt(at: int = -1) -> Fault:
    """One byte is another one; everything else is as it should be."""

    def flip(request: Request, reply: Reply) -> Reply:
        body = bytearray(bytes_of(reply.body))
        body[at] ^= 0xFF
        return replace(reply, body=bytes(body))

    return flip


def RedirectTo(url: str, status: int = 307) -> Fault:
    """Elsewhere, another host perhaps."""
    return lambda request, reply: Reply(status, {"Location": url})


def Drip(block: int = 16, pause: float = 0.1) -> Fault:
    """`block` bytes every `pause` seconds."""
    return lambda request, reply: replace(reply, block=block, pause=pause)


def DripHead(pause: float = 0.1) -> Fault:
    """The status line and the headers come a byte at a time."""
    return lambda request, reply: replace(reply, head_pause=pause)


def Hang(seconds: float) -> Fault:
    """Nothing for so long, then the reply."""
    return lambda request, reply: replace(reply, silence=seconds)


def Gzip() -> Fault:
    """Content-Encoding: gzip, whether it was asked for or not."""

    def pack(request: Request, reply: Reply) -> Reply:
        packed = replace(reply, body=gzip.compress(bytes_of(reply.body)), ranges=False)
        return packed.with_headers(Content_Encoding="gzip")

    return pack


def Packed(encoding: str, pack: Callable[[bytes], bytes], blanks: int = 0) -> Fault:
    """Content-Encoding: whether it was asked for or not; `blanks` after the JSON make it a bomb."""

    def packed(request: Request, reply: Reply) -> Reply:
        body = pack(bytes_of(reply.body) + b" " * blanks)
        return replace(reply, body=body, ranges=False).with_headers(Content_Encoding=encoding)

    return packed


def WrongType(media_type: str) -> Fault:
    """Another Content-Type."""
    return lambda request, reply: reply.with_headers(Content_Type=media_type)


def NoRanges() -> Fault:
    """A Range is ignored: 200 and everything."""
    return lambda request, reply: replace(reply, ranges=False)


def Chunked() -> Fault:
    """Transfer-Encoding: chunked, so that no length is told."""
    return lambda request, reply: replace(reply, chunked=True)


def Hangup() -> Fault:
    """The connection ends before a word is said."""
    return lambda request, reply: None


@dataclass
class Quota:
    """At most `limit` requests in each fixed `window` of seconds, from the first one on; then 429.

    `announce` as the Hub does ("ratelimit"), by Retry-After alone ("retry-after"), or not at all (""). `over`
    counts the requests that came when nothing was left.
    """

    limit: int
    window: float
    announce: str = "ratelimit"
    path: str = ""
    over: int = 0
    _began: float = 0.0
    _used: int = 0

    def take(self, request: Request) -> tuple[bool, dict[str, str]]:
        """Whether the request is within the quota, and the headers that announce it."""
        if not self._used or request.at >= self._began + self.window:
            self._began, self._used = request.at, 0
        self._used += 1
        within = self._used <= self.limit
        self.over += not within
        left = max(1, round(self._began + self.window - request.at + 0.5))
        if self.announce == "ratelimit":
            return within, {
                "RateLimit": f'"api";r={max(0, self.limit - self._used)};t={left}',
                "RateLimit-Policy": f'"fixed window";"api";q={self.limit};w={max(1, round(self.window))}',
            }
        return within, {} if within or not self.announce else {"Retry-After": str(left)}


@dataclass
class _Plan:
    fault: Fault
    path: re.Pattern[str]
    times: int | None
    skip: int


class FaultyServer:
    """The server; a context manager. Every request is kept in `requests`, in order of arrival."""

    latency: ClassVar[float] = 0.0

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.quotas: list[Quota] = []
        self.sent = 0
        self._plans: list[_Plan] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        owner = self

        class Handler(_Handler):
            server_of_test = owner

        self._http = _Http(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._http.socket = tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def answer(self, request: Request) -> Reply:
        """The honest reply; a subclass says."""
        raise NotImplementedError

    def plan(self, fault: Fault, *, path: str = "", times: int | None = 1, skip: int = 0) -> None:
        """Let `fault` happen to the next `times` requests whose path matches (None: to all), after `skip`."""
        with self._lock:
            self._plans.append(_Plan(fault, re.compile(path), times, skip))

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self._http.server_address[1]}"

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, without a slash at the end."""
        return f"http://{self.host}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _reply(self, request: Request) -> Reply | None:
        with self._lock:
            self.requests.append(request)
            announced: dict[str, str] = {}
            for quota in self.quotas:
                if re.search(quota.path, request.path):
                    within, headers = quota.take(request)
                    announced.update(headers)
                    if not within:
                        return Reply.of_json({"error": "Too many requests"}, 429, announced)
            fault = self._due(request)
        reply: Reply | None = self.answer(request)
        assert reply is not None
        reply = replace(reply, headers={**reply.headers, **announced})
        return reply if fault is None else fault(request, reply)

    def _due(self, request: Request) -> Fault | None:
        for plan in self._plans:
            if not plan.path.search(request.path) or plan.times == 0:
                continue
            if plan.skip:
                plan.skip -= 1
                continue
            if plan.times is not None:
                plan.times -= 1
            return plan.fault
        return None


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is the test's own mistake and is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError | ssl.SSLError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of_test: ClassVar[FaultyServer]

    def setup(self) -> None:
        super().setup()
        with self.server_of_test._lock:
            self.server_of_test._open.add(self.connection)

    def finish(self) -> None:
        with self.server_of_test._lock:
            self.server_of_test._open.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Quiet: the requests are in the server's list."""

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = parse_qs(parts.query, keep_blank_values=True)
        body = self.rfile.read(length)
        request = Request(self.command, parts.path, query, headers, body, time.monotonic())
        if self.server_of_test.latency:
            time.sleep(self.server_of_test.latency)
        reply = self.server_of_test._reply(request)
        if reply is None:
            self.close_connection = True
            return
        self._send(request, reply)

    def _drip_head(self, pause: float) -> None:
        # As http.server keeps them until they are sent.
        head = b"".join([*self._headers_buffer, b"\r\n"])
        self._headers_buffer = []
        for at in range(len(head)):
            self.wfile.write(head[at : at + 1])
            time.sleep(pause)

    do_GET = do_HEAD = do_POST = do_OPTIONS = do_PUT = do_DELETE = _handle

    def _send(self, request: Request, reply: Reply) -> None:
        status, start, end, extra = range_of(request, reply)
        chunked = reply.chunked and request.method != "HEAD"
        time.sleep(reply.silence)
        self.send_response(status)
        for name, value in {**reply.headers, **extra}.items():
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif status not in {204, 304}:
            self.send_header("Content-Length", str(end - start if reply.length is None else reply.length))
        if reply.head_pause:
            self._drip_head(reply.head_pause)
        else:
            self.end_headers()
        if request.method == "HEAD" or status in {204, 304}:
            return
        most = end - start if reply.cut_at is None else round((end - start) * reply.cut_at)
        for block in blocks(reply.body, start, start + most, reply.block):
            time.sleep(reply.pause)
            # Counted before: whoever has read it may look at once.
            self.server_of_test.sent += len(block)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block) if chunked else block)
        if reply.cut_at is not None or (reply.length is not None and reply.length != end - start):
            self.close_connection = True
        elif chunked:
            self.wfile.write(b"0\r\n\r\n")
