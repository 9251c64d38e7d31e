"""The policy for huggingface_hub: an httpx client that asks whom, when and how everybody else here does.

`huggingface_hub.set_client_factory(hub_client_factory)` puts it to work. It does not reach `hf_xet`, which
brings a client of its own: HF_HUB_DISABLE_XET must be set where the library downloads.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import httpcore2
import httpx2
from httpcore2._backends.sync import SyncBackend, SyncStream
from huggingface_hub.utils._http import hf_request_event_hook

from registry.sources.transport.budgets import API, FILES, Slot, reserve
from registry.sources.transport.exchange import asks_for_pause, signs_of
from registry.sources.transport.guard import open_socket
from registry.sources.transport.policy import Policy, credentials_for, current_policy, host_and_path
from registry.sources.transport.rate_limits import backoff
from registry.sources.transport.statuses import BUSY
from registry.sources.transport.unpacking import ASKED_FOR, Unpacker, unpacker_of
from registry.sources.upstream_errors import AnswerTooLarge, RateLimited, UpstreamUnavailable

_REPLAYED = frozenset({"GET", "HEAD"})


def hub_client_factory() -> httpx2.Client:
    """A client under the policy. Raises UpstreamError where the policy forbids a request."""
    policy = current_policy()
    return httpx2.Client(
        transport=GuardedTransport(policy),
        event_hooks={"request": [hf_request_event_hook]},
        follow_redirects=True,
        trust_env=False,
        timeout=httpx2.Timeout(policy.read_seconds, connect=policy.connect_seconds),
    )


class GuardedTransport(httpx2.HTTPTransport):
    """Sends each request, and each one it is redirected to, under the policy of the moment."""

    def __init__(self, policy: Policy) -> None:
        context = ssl.create_default_context(cafile=policy.ca_bundle or None)
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context, max_connections=32, max_keepalive_connections=8, network_backend=_Backend()
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer; one that can be better next time is asked for again, as often as the policy says."""
        policy = current_policy()
        url = str(request.url)
        # A redirected request carries the extensions of the one before. A bare one may be for a file's
        # address that the Hub told.
        before = request.extensions.get("kura.redirected_from", url)
        policy.check(url, redirected_from=before)
        request.extensions = {**request.extensions, "kura.redirected_from": url}
        request.headers["User-Agent"] = policy.user_agent
        # A file is measured as it lies there; of anything else nothing may come that is not unpacked here.
        lane = FILES if "/resolve/" in request.url.path else API
        request.headers["Accept-Encoding"] = "identity" if lane == FILES else ASKED_FOR
        own = credentials_for(url)
        if request.headers.get("Authorization") != (f"Bearer {own.token}" if own else None):
            # The library may have found a token elsewhere, or carried one on to another host.
            request.headers.pop("Authorization", None)
        for failed in range(1, policy.tries + 1):
            last = failed == policy.tries or request.method not in _REPLAYED
            try:
                response = self._asked(request, url, lane, policy)
            except RateLimited as error:
                # Before the next try the budget waits. One too long ends here: the library would sit it out.
                if last or error.status is None or (error.retry_after or 0) > policy.longest_wait:
                    raise
                continue
            except httpx2.TransportError:
                if last:
                    raise
            else:
                if last or response.status_code not in BUSY:
                    return response
                response.close()
            time.sleep(backoff(failed, policy.backoff_seconds))
        raise AssertionError("the last try returns or raises")

    def _asked(self, request: httpx2.Request, url: str, lane: str, policy: Policy) -> httpx2.Response:
        """One answer, which holds its host's slot until it is closed. Raises RateLimited for a 429."""
        slot = reserve(url, lane, policy.longest_wait)
        try:
            with _until(time.monotonic() + policy.total_seconds):
                response = super().handle_request(request)
        except BaseException:
            slot.free()
            raise
        place = host_and_path(url)
        # The body of a file is as large as the file, and checked by whoever wants it.
        is_file = lane == FILES and response.is_success
        body = _Body(response, slot, None if is_file else _Bounds(place, policy))
        response.stream = body
        try:
            if request.method != "HEAD":
                encoding = response.headers.get("Content-Encoding", "")
                body.unpack(unpacker_of(encoding, place, is_file=is_file))
            signs = signs_of(response.headers, datetime.now(UTC), policy)
            wait = slot.answered(signs, refused=asks_for_pause(response.status_code, signs))
            if response.status_code == 429:
                raise RateLimited(f"{place} was asked too often.", status=429, retry_after=wait)
        except BaseException:
            response.close()
            raise
        return response


class _Backend(SyncBackend):
    """Opens every connection through the guard."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            return _Timed(SyncStream(open_socket(host, port, timeout)))
        except TimeoutError:
            raise httpcore2.ConnectTimeout(f"{host} took no connection in time.") from None
        except OSError:
            raise httpcore2.ConnectError(f"{host} has no address, or takes no connection.") from None


_end: ContextVar[float | None] = ContextVar("when what is being read must have come", default=None)


@contextmanager
def _until(end: float | None) -> Iterator[None]:
    """Let every read inside end at that time of the monotonic clock."""
    token = _end.set(end)
    try:
        yield
    finally:
        _end.reset(token)


class _Timed(httpcore2.NetworkStream):
    """A connection whose reads end with the time for the whole: each one's own begins anew with each byte."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        end = _end.get()
        if end is None:
            return self._stream.read(max_bytes, timeout)
        left = end - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("The answer did not come in time.")
        return self._stream.read(max_bytes, left if timeout is None else min(timeout, left))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Bounds:
    """How long an answer may take and be, from now on: as it is sent, and as it is unpacked."""

    def __init__(self, place: str, policy: Policy) -> None:
        self._place, self._cap = place, policy.answer_cap
        self._sent = self._unpacked = 0
        self.end = time.monotonic() + policy.total_seconds

    def sent(self, count: int) -> None:
        """Raises AnswerTooLarge, UpstreamUnavailable."""
        self._sent += count
        self._check(self._sent)

    def unpacked(self, count: int) -> None:
        """Raises AnswerTooLarge, UpstreamUnavailable."""
        self._unpacked += count
        self._check(self._unpacked)

    def too_slow(self) -> UpstreamUnavailable:
        return UpstreamUnavailable(f"{self._place} is too slow.")

    def _check(self, size: int) -> None:
        if size > self._cap:
            raise AnswerTooLarge(f"{self._place} sends more than an answer may have.")
        if time.monotonic() > self.end:
            raise self.too_slow()


class _Body(httpx2.SyncByteStream):
    """The body of an answer, unpacked; the host's slot is free when it has been read or closed."""

    def __init__(self, response: httpx2.Response, slot: Slot, bounds: _Bounds | None) -> None:
        stream = response.stream
        assert isinstance(stream, httpx2.SyncByteStream)
        self._response, self._stream, self._slot, self._bounds = response, stream, slot, bounds
        self._unpacker: Unpacker | None = None
        self._open = True

    def unpack(self, unpacker: Unpacker | None) -> None:
        """Unpack the body here, where it is counted: the library would do it a part at a time, however much
        that becomes.
        """
        self._unpacker = unpacker
        if unpacker is not None:
            del self._response.headers["Content-Encoding"]
            self._response.headers.pop("Content-Length", None)

    def __iter__(self) -> Iterator[bytes]:
        for part in self._sent():
            if self._unpacker is None:
                yield part
                continue
            for block in self._unpacker.take(part):
                if self._bounds is not None:
                    self._bounds.unpacked(len(block))
                yield block
        if self._unpacker is not None:
            self._unpacker.end()

    def _sent(self) -> Iterator[bytes]:
        parts = iter(self._stream)
        while (part := self._next(parts)) is not None:
            self._slot.keep()
            if self._bounds is not None:
                self._bounds.sent(len(part))
            yield part

    def _next(self, parts: Iterator[bytes]) -> bytes | None:
        bounds = self._bounds
        try:
            with _until(bounds.end if bounds else None):
                return next(parts, None)
        except httpx2.ReadTimeout:
            if bounds is not None and time.monotonic() >= bounds.end:
                raise bounds.too_slow() from None
            raise

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            if self._open:
                self._open = False
                self._slot.free()
