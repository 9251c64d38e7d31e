"""The policy for huggingface_hub: an httpx client that asks whom, when and how everybody else here does.

`huggingface_hub.set_client_factory(hub_client_factory)` puts it to work. It does not reach `hf_xet`, which
brings a client of its own: HF_HUB_DISABLE_XET must be set where the library downloads.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

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
        own = credentials_for(url)
        if request.headers.get("Authorization") != (f"Bearer {own.token}" if own else None):
            # The library may have found a token elsewhere, or carried one on to another host.
            request.headers.pop("Authorization", None)
        for failed in range(1, policy.tries + 1):
            last = failed == policy.tries or request.method not in _REPLAYED
            try:
                response = self._asked(request, url, policy)
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

    def _asked(self, request: httpx2.Request, url: str, policy: Policy) -> httpx2.Response:
        """One answer, which holds its host's slot until it is closed. Raises RateLimited for a 429."""
        lane = FILES if "/resolve/" in request.url.path else API
        slot = reserve(url, lane, policy.longest_wait)
        try:
            response = super().handle_request(request)
        except BaseException:
            slot.free()
            raise
        response = _held(response, slot, _Bounds(host_and_path(url), policy) if lane == API else None)
        try:
            signs = signs_of(response.headers, datetime.now(UTC), policy)
            wait = slot.answered(signs, refused=asks_for_pause(response.status_code, signs))
            if response.status_code == 429:
                place = host_and_path(url)
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
            return SyncStream(open_socket(host, port, timeout))
        except TimeoutError:
            raise httpcore2.ConnectTimeout(f"{host} took no connection in time.") from None
        except OSError:
            raise httpcore2.ConnectError(f"{host} has no address, or takes no connection.") from None


class _Bounds:
    """How long an answer may take and be, from now on; it is counted as it is sent."""

    def __init__(self, place: str, policy: Policy) -> None:
        self._place, self._left = place, policy.answer_cap
        self._end = time.monotonic() + policy.total_seconds

    def came(self, count: int) -> None:
        """Raises AnswerTooLarge, UpstreamUnavailable."""
        self._left -= count
        if self._left < 0:
            raise AnswerTooLarge(f"{self._place} sends more than an answer may have.")
        if time.monotonic() > self._end:
            raise UpstreamUnavailable(f"{self._place} is too slow.")


class _Freeing(httpx2.SyncByteStream):
    """The body of an answer; the host's slot is free when it has been read or closed."""

    def __init__(self, stream: httpx2.SyncByteStream, slot: Slot, bounds: _Bounds | None) -> None:
        self._stream, self._slot, self._bounds, self._open = stream, slot, bounds, True

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            self._slot.keep()
            if self._bounds is not None:
                self._bounds.came(len(part))
            yield part

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            if self._open:
                self._open = False
                self._slot.free()


def _held(response: httpx2.Response, slot: Slot, bounds: _Bounds | None) -> httpx2.Response:
    stream = response.stream
    assert isinstance(stream, httpx2.SyncByteStream)
    response.stream = _Freeing(stream, slot, bounds)
    return response
