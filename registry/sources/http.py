"""The one door to upstreams: ask, post, read a range, download. All of it obeys the policy of the settings.

Behind it: `transport/policy.py` (who may be asked), `guard.py` (at which address), `budgets.py` (how often),
`exchange.py` (one request), `refusals.py` (what was refused lately), `downloads.py` (files), `hub_client.py`
(the same for huggingface_hub). Everything raises kinds of UpstreamError; no token is in an address, a message
or a log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from registry.sources.transport.budgets import API, FILES
from registry.sources.transport.downloads import download
from registry.sources.transport.exchange import Ask, Patience, Received, exchange
from registry.sources.transport.guard import Connection, recorded_connections
from registry.sources.transport.hub_client import hub_client_factory
from registry.sources.transport.policy import (
    Credentials,
    Policy,
    credentials_for,
    current_policy,
    host_and_path,
    without_secrets,
)
from registry.sources.upstream_errors import (
    AnswerTooLarge,
    BadAddress,
    HtmlInsteadOfFile,
    UnexpectedAnswer,
    UpstreamError,
)

__all__ = [
    "ANY",
    "JSON",
    "TEXT",
    "Answer",
    "Connection",
    "Credentials",
    "credentials_for",
    "download",
    "get",
    "get_range",
    "hub_client_factory",
    "post_json",
    "recorded_connections",
]

JSON, TEXT, ANY = "json", "text", "any"
_ACCEPT = {JSON: "application/json", TEXT: "text/plain, text/markdown, */*;q=0.5", ANY: "*/*"}
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_BLOCK = 64 * 1024
Params = Mapping[str, str | int | Sequence[str | int]]


@dataclass(frozen=True)
class Answer:
    """What an upstream answered.

    `url` is the address asked, without secrets; `body` the exact bytes, unpacked; `headers` may be looked up
    in any case; `fetched` is when the answer began.
    """

    status: int
    url: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    fetched: datetime

    def json(self) -> Any:
        """The JSON value. Raises UnexpectedAnswer."""
        try:
            return json.loads(self.body.decode("utf-8-sig"), parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise UnexpectedAnswer(f"{host_and_path(self.url)} is not JSON.", status=self.status) from None

    def text(self) -> str:
        """The text; what is no UTF-8 is replaced."""
        return self.body.decode("utf-8-sig", errors="replace")


def get(
    url: str,
    *,
    params: Params | None = None,
    credentials: Credentials | None = None,
    headers: Mapping[str, str] | None = None,
    accept: str = JSON,
    cap: int | None = None,
    fresh: bool = False,
) -> Answer:
    """What the address answers, tried again where that can help. `cap` in bytes (UPSTREAM_ANSWER_MB).

    JSON that is none and a web page where text is expected count as failures; status 304 is an answer.
    `fresh` asks although the address was refused not long ago. Raises UpstreamError.
    """
    given = {"Accept": _ACCEPT[accept], **(headers or {})}
    ask = Ask("GET", _with(url, params), API, given, None, credentials, fresh)
    return _answer(ask, accept, cap)


def post_json(
    url: str,
    payload: Any,
    *,
    credentials: Credentials | None = None,
    headers: Mapping[str, str] | None = None,
    accept: str = JSON,
    cap: int | None = None,
) -> Answer:
    """What the address answers to `payload` as JSON. Only for questions: it may be asked more than once."""
    given = {"Accept": _ACCEPT[accept], "Content-Type": "application/json", **(headers or {})}
    body = json.dumps(payload, allow_nan=False).encode()
    return _answer(Ask("POST", url, API, given, body, credentials, fresh=True), accept, cap)


def get_range(
    url: str,
    start: int,
    end: int,
    *,
    credentials: Credentials | None = None,
    headers: Mapping[str, str] | None = None,
    fresh: bool = False,
) -> Answer:
    """Bytes `start` up to, not including, `end` of a file; fewer, or none with 416, where it ends before.

    `Content-Range` of the answer tells the file's size. A host that ignores the range is read no further than
    `end`. Raises UpstreamError, HtmlInsteadOfFile among them.
    """
    if not 0 <= start < end:
        raise BadAddress(f"{start}-{end} is no range of bytes.")
    usual = {"Accept": "*/*", "Accept-Encoding": "identity"}
    given = {**usual, "Range": f"bytes={start}-{end - 1}", **(headers or {})}
    policy = current_policy()
    patience = Patience(policy)
    ask = Ask("GET", url, FILES, given, None, credentials, fresh)
    while True:
        try:
            with exchange(ask, policy) as received:
                return _part(received, url, start, end, policy)
        except UpstreamError as error:
            patience.after(error)


def _answer(ask: Ask, accept: str, cap: int | None) -> Answer:
    policy = current_policy()
    patience = Patience(policy)
    while True:
        try:
            with exchange(ask, policy) as received:
                fetched = datetime.now(UTC)
                body = _read(received, policy.answer_cap if cap is None else cap, policy)
                answer = Answer(
                    received.status, without_secrets(ask.url), body, received.response.headers, fetched
                )
                _check(answer, received, accept)
                return answer
        except UpstreamError as error:
            patience.after(error)


def _read(received: Received, cap: int, policy: Policy) -> bytes:
    """The whole body. Raises AnswerTooLarge, UpstreamUnavailable."""
    body = bytearray()
    with received.in_time(policy.total_seconds):
        for block in received.blocks(_BLOCK, decode=True):
            body += block
            if len(body) > cap:
                raise AnswerTooLarge(f"{host_and_path(received.url)} sends more than {cap} bytes.")
            received.slot.keep()
    return bytes(body)


def _check(answer: Answer, received: Received, accept: str) -> None:
    if accept == ANY or answer.status == 304:
        return
    if received.media_type in _HTML:
        raise UnexpectedAnswer(f"{host_and_path(answer.url)} answers with a web page.", status=answer.status)
    if accept == JSON:
        answer.json()


def _part(received: Received, url: str, start: int, end: int, policy: Policy) -> Answer:
    fetched = datetime.now(UTC)
    place = host_and_path(received.url)
    if received.media_type in _HTML:
        raise HtmlInsteadOfFile(f"{place} answers with a web page.", status=received.status)
    if received.response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnexpectedAnswer(f"{place} is packed, so that its bytes cannot be counted.")
    told = received.response.headers.get("Content-Range", "")
    if received.status == 416:
        return Answer(416, without_secrets(url), b"", received.response.headers, fetched)
    if received.status not in {200, 206}:
        raise UnexpectedAnswer(f"{place} answers without a file.", status=received.status)
    if received.status == 206 and not told.startswith(f"bytes {start}-"):
        raise UnexpectedAnswer(f"{place} sends another range than was asked for.")
    skip = 0 if received.status == 206 else start
    if skip > policy.answer_cap:
        raise UnexpectedAnswer(f"{place} gives no ranges, and what was asked for lies too far inside.")
    body = bytearray()
    with received.in_time(policy.total_seconds):
        for block in received.blocks(_BLOCK, decode=False):
            body += block
            received.slot.keep()
            if len(body) >= skip + end - start:
                break
    part = bytes(body[skip : skip + end - start])
    return Answer(received.status, without_secrets(url), part, received.response.headers, fetched)


def _with(url: str, params: Params | None) -> str:
    """The address with these parameters after its own; a list repeats its name."""
    if not params:
        return url
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(params, doseq=True))))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, parts.fragment))


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON.")
