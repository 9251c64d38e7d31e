"""One request under the policy, over its redirects to the answer: a success, or one of our errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode, urljoin, urlunsplit

import requests
import urllib3

from registry.sources.transport import refusals, statuses
from registry.sources.transport.budget_rules import Signs
from registry.sources.transport.budgets import API, FILES, Pause, Slot, reserve
from registry.sources.transport.deadlines import deadline
from registry.sources.transport.policy import (
    Credentials,
    Policy,
    host_and_path,
    origin,
    place_of,
    split,
    without_tokens,
)
from registry.sources.transport.rate_limits import announced, backoff, retry_after
from registry.sources.transport.sessions import session
from registry.sources.upstream_errors import (
    BadAddress,
    LoginRequired,
    RateLimited,
    TooManyRedirects,
    UnexpectedAnswer,
    UpstreamError,
    UpstreamUnavailable,
    UpstreamUnreachable,
)

logger = logging.getLogger(__name__)

MOST_REDIRECTS = 5
# How much of a refusal's body is read for its words.
WORDS = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
RETRIED = (UpstreamUnavailable, UpstreamUnreachable, UnexpectedAnswer)


@dataclass(frozen=True)
class Ask:
    """A request to make. `fresh`: ask although the answer was a refusal not long ago."""

    method: str
    url: str
    lane: str = API
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    credentials: Credentials | None = None
    fresh: bool = False


@dataclass
class Received:
    """A successful answer whose body is still to be read; `url` is the last address asked."""

    response: requests.Response
    url: str
    slot: Slot

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def media_type(self) -> str:
        """Content-Type without its parameters, in lower case."""
        return self.response.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def blocks(self, size: int, *, decode: bool) -> Iterator[bytes]:
        """The body as it comes, at most `size` bytes at once. Raises UpstreamUnavailable if it breaks off."""
        raw = self.response.raw
        try:
            while block := raw.read1(size, decode_content=decode):
                yield block
        except urllib3.exceptions.DecodeError:
            raise UnexpectedAnswer(f"{host_and_path(self.url)} sends what cannot be unpacked.") from None
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            raise UpstreamUnavailable(f"{host_and_path(self.url)} ended in the middle.") from None

    @contextmanager
    def in_time(self, seconds: float) -> Iterator[None]:
        """Read the body inside. Raises UpstreamUnavailable where that takes longer."""
        with deadline(seconds, self.response.raw.shutdown) as time:
            try:
                yield
            except UpstreamUnavailable:
                if not time.over:
                    raise
        if time.over:
            raise UpstreamUnavailable(f"{host_and_path(self.url)} is too slow.")


@contextmanager
def exchange(ask: Ask, policy: Policy, pause: Pause = time.sleep) -> Iterator[Received]:
    """The answer to `ask`, a status below 400; the connection is closed or kept for others on leaving.

    A redirect is followed only to what the policy allows; the token goes to the first address's origin alone.
    Raises UpstreamError and its kinds.
    """
    url = without_tokens(ask.url)
    policy.check(url)
    key = refusals.key_of(ask.method, url, ask.credentials)
    if not ask.fresh and (error := refusals.remembered(key)):
        raise error
    try:
        with _followed(ask, url, policy, pause) as received:
            if ask.fresh:
                refusals.forget(key)
            yield received
    except UpstreamError as error:
        refusals.remember(key, url, error, is_file=ask.lane == FILES)
        raise


class Patience:
    """How often and after which pauses one request is tried again."""

    def __init__(self, policy: Policy, pause: Pause = time.sleep) -> None:
        self._policy, self._pause = policy, pause
        self._failed = 0

    def after(self, error: UpstreamError) -> None:
        """Wait before the next try, or raise `error` when there is none.

        For a 429 the budget of the host does the waiting, for all processes.
        """
        told_by_host = isinstance(error, RateLimited) and error.status is not None
        if not told_by_host and not isinstance(error, RETRIED):
            raise error
        self._failed += 1
        if self._failed >= self._policy.tries:
            raise error
        if error.retry_after is not None and error.retry_after > self._policy.longest_wait:
            raise error
        logger.info("Asking again (try %d): %s", self._failed + 1, error.message)
        if error.retry_after is None:
            self._pause(backoff(self._failed, self._policy.backoff_seconds))

    def begin_anew(self) -> None:
        """The try made headway, so that the next failure is the first one."""
        self._failed = 0


@contextmanager
def _followed(ask: Ask, url: str, policy: Policy, pause: Pause) -> Iterator[Received]:
    first, method, body, credentials = origin(url), ask.method, ask.body, ask.credentials
    for _ in range(MOST_REDIRECTS + 1):
        slot = reserve(url, ask.lane, policy.longest_wait, pause)
        try:
            response = _send(method, url, body, _headers(ask, url, credentials, policy), policy)
            try:
                wait = _note(slot, response, policy)
                if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                    # Nothing of the range is there: the caller knows what that means for the file.
                    past_the_end = response.status_code == 416 and "Range" in ask.headers
                    if response.status_code >= 400 and not past_the_end:
                        raise _refusal(url, response, wait, policy)
                    if 300 <= response.status_code < 400 and not _is_unchanged(ask, response):
                        raise UnexpectedAnswer(f"{host_and_path(url)} leads nowhere.")
                    yield Received(response, url, slot)
                    return
                target = _target(ask, url, response, policy)
                if response.status_code == 303 or (response.status_code < 303 and method == "POST"):
                    method, body = "GET", None
                elif body is not None and origin(target) != first:
                    raise UnexpectedAnswer(f"{host_and_path(url)} sends what was posted to another host.")
                url = target
                if origin(url) != first:
                    # For good: another host may send us back to whatever it likes.
                    credentials = None
            finally:
                response.close()
        finally:
            slot.free()
    raise TooManyRedirects(f"{host_and_path(ask.url)} leads from one address to the next.")


def _headers(ask: Ask, url: str, credentials: Credentials | None, policy: Policy) -> dict[str, str]:
    headers = {"User-Agent": policy.user_agent, "Accept-Encoding": "gzip", **ask.headers}
    if credentials and credentials.covers(url):
        headers["Authorization"] = f"Bearer {credentials.token}"
    return headers


def _send(
    method: str, url: str, body: bytes | None, headers: Mapping[str, str], policy: Policy
) -> requests.Response:
    host = host_and_path(url).partition("/")[0]
    try:
        return session().request(
            method,
            url,
            data=body,
            headers=dict(headers),
            timeout=(policy.connect_seconds, policy.read_seconds),
            stream=True,
            allow_redirects=False,
            verify=policy.ca_bundle or True,
        )
    # The library's own texts hold the whole address.
    except requests.exceptions.SSLError:
        raise UpstreamUnreachable(f"{host} does not prove by its certificate who it is.") from None
    except requests.exceptions.ConnectTimeout:
        raise UpstreamUnreachable(f"{host} took no connection in time.") from None
    except requests.exceptions.Timeout:
        raise UpstreamUnavailable(f"{host_and_path(url)} did not answer in time.") from None
    except requests.exceptions.ConnectionError as error:
        if isinstance(getattr(error.args[0] if error.args else None, "reason", None), _NO_CONNECTION):
            raise UpstreamUnreachable(f"{host} has no address, or takes no connection.") from None
        raise UpstreamUnavailable(f"{host} ended the connection without an answer.") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
        raise BadAddress(f"{host_and_path(url)} is no address that can be asked.") from None
    except requests.exceptions.RequestException:
        raise UpstreamUnavailable(f"{host_and_path(url)} gave no usable answer.") from None


_NO_CONNECTION = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.NameResolutionError)


def _note(slot: Slot, response: requests.Response, policy: Policy) -> float | None:
    """Take down what the answer says about limits; the seconds to wait where it asks for a pause."""
    now = datetime.now(UTC)
    signs = signs_of(response.headers, now, policy)
    refused = asks_for_pause(response.status_code, signs)
    wait = slot.answered(signs, refused=refused)
    return wait if refused else None


def signs_of(headers: Mapping[str, str], now: datetime, policy: Policy) -> Signs:
    """What an answer's headers say about limits."""
    return Signs(announced(headers, now), retry_after(headers, now), policy.backoff_seconds)


def asks_for_pause(status: int, signs: Signs) -> bool:
    """Whether the host wants to be left alone for a while."""
    return status == 429 or (status == 503 and signs.retry_after is not None)


def _is_unchanged(ask: Ask, response: requests.Response) -> bool:
    """Whether this is the 304 that was asked for."""
    asked = {name.lower() for name in ask.headers} & {"if-none-match", "if-modified-since"}
    return response.status_code == 304 and bool(asked)


def _refusal(url: str, response: requests.Response, wait: float | None, policy: Policy) -> UpstreamError:
    body = b""
    with (
        suppress(urllib3.exceptions.HTTPError, OSError, ValueError),
        deadline(policy.read_seconds, response.raw.shutdown),
    ):
        body = response.raw.read(WORDS, decode_content=True)
    error = statuses.error_of(url, response.status_code, response.headers, body)
    error.retry_after = wait
    if isinstance(error, RateLimited) and wait:
        error.message = f"{error.message} It may be asked again in {wait:.0f} seconds."
    return error


def _target(ask: Ask, url: str, response: requests.Response, policy: Policy) -> str:
    """Where the answer sends us, checked. Raises HostNotAllowed and LoginRequired among others."""
    target = _joined(url, response.headers["Location"])
    try:
        parts = split(target)
    except BadAddress:
        raise UnexpectedAnswer(f"{host_and_path(url)} leads to what is no web address.") from None
    if parts.path.rstrip("/") in {"/login", "/signin"}:
        raise LoginRequired(f"{host_and_path(url)} leads to a log-in page.", status=response.status_code)
    policy.check(target, redirected_from=url)
    query = parts.query
    if ask.credentials and ask.credentials.token in query and origin(target) != origin(url):
        pairs = parse_qsl(query, keep_blank_values=True)
        query = urlencode([(name, value) for name, value in pairs if value != ask.credentials.token])
    return urlunsplit((parts.scheme, place_of(parts), parts.path, query, ""))


def _joined(url: str, location: str) -> str:
    # http.client reads headers as Latin-1; who writes an address unquoted writes UTF-8.
    with suppress(UnicodeError):
        location = location.encode("latin-1").decode("utf-8")
    try:
        return urljoin(url, location.strip())
    except ValueError:
        return ""
