"""What a hostile or broken upstream may try: each attempt is one clear error and harms nothing."""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from registry.sources.http import ANY, Credentials, download, get, get_range, recorded_connections
from registry.sources.remote_header import remote_header
from registry.sources.transport.guard import open_socket
from registry.sources.upstream_errors import (
    AnswerTooLarge,
    BadAddress,
    HostNotAllowed,
    NotFoundUpstream,
    SizeMismatch,
    TooManyRedirects,
    UnexpectedAnswer,
    UpstreamError,
    UpstreamUnavailable,
)
from tests.upstreams.faults import FaultyServer, RedirectTo, Reply, Request, Status

Speak = Callable[[socket.socket], None]


@contextmanager
def speaking(speak: Speak) -> Iterator[str]:
    """A server that says whatever bytes it likes to every connection; `127.0.0.1:PORT`."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)
        over = threading.Event()

        def one(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.recv(65536)
                speak(connection)

        def serve() -> None:
            while not over.is_set():
                with suppress(TimeoutError):
                    connection, _ = listening.accept()
                    threading.Thread(target=one, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


def says(*parts: bytes, pause: float = 0.0) -> Speak:
    def speak(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)

    return speak


def head(status: str = "200 OK", **headers: object) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


@pytest.fixture(autouse=True)
def quick(settings: Settings) -> None:
    settings.UPSTREAM_TRIES = 1


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org\\.civitai.com/",
        "https://example.org\\@x\\.civitai.com/",
        "https://example.org%2f.civitai.com/",
        "https://example.org%00.civitai.com/",
        "https://example.org;.civitai.com/",
        "https://a..civitai.com/",
        f"https://{'a' * 64}.civitai.com/",
        "https://[fe80::1%25eth0]/",
    ],
)
def test_a_name_that_two_programs_read_differently_is_no_address(url: str) -> None:
    with recorded_connections() as seen, pytest.raises(BadAddress):
        get(url)
    assert seen == []


@given(st.text(st.sampled_from("abc.:/\\@#?%;&=[]-_~!$'()*+, \t\n。．ß\u200d"), max_size=12))
def test_whatever_stands_around_the_name_only_listed_hosts_are_looked_up(noise: str) -> None:
    asked: list[str] = []

    def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> list[Any]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        patch.setattr("django.conf.settings.UPSTREAM_TRIES", 1)
        for url in (f"https://example.org{noise}.civitai.com/", f"https://civitai.com{noise}example.org/"):
            with pytest.raises(UpstreamError):
                get(url)
    assert all(host == "civitai.com" or host.endswith(".civitai.com") for host in asked)


def test_no_connection_is_opened_to_a_host_that_is_not_listed_however_it_was_read() -> None:
    with pytest.raises(HostNotAllowed):
        open_socket("example.org", 443, 1.0)
    with pytest.raises(HostNotAllowed):
        open_socket("civitai.com", 8443, 1.0)


def test_a_redirect_that_cannot_be_read_is_one_clear_error(settings: Settings) -> None:
    with speaking(says(head("302 Found", Location="http://["))) as host:
        settings.UPSTREAM_PRIVATE_HOSTS = [host]
        with pytest.raises(UnexpectedAnswer):
            get(f"http://{host}/")


class Echo(FaultyServer):
    """Says which headers came; a refusal repeats them, as some proxies do."""

    def answer(self, request: Request) -> Reply:
        if request.path == "/refused":
            return Reply.of_json({"message": f"Bad credentials: {request.headers.get('authorization')}"}, 403)
        return Reply.of_json({"authorization": request.headers.get("authorization", "")})


@pytest.fixture
def upstream(settings: Settings) -> Iterator[Echo]:
    with Echo() as server:
        settings.UPSTREAM_PRIVATE_HOSTS = [server.host]
        yield server


def test_a_token_does_not_come_back_by_way_of_another_host(upstream: Echo, settings: Settings) -> None:
    with Echo() as other:
        settings.UPSTREAM_PRIVATE_HOSTS = [upstream.host, other.host]
        upstream.plan(RedirectTo(f"{other.url}/there"), path="^/first$")
        other.plan(RedirectTo(f"{upstream.url}/back"), path="^/there$")
        account = Credentials((upstream.host, other.host), "secret-token")
        assert get(f"{upstream.url}/first", credentials=account).json() == {"authorization": ""}
        told = [each.headers.get("authorization", "") for each in (*upstream.requests, *other.requests)]
        assert told == ["Bearer secret-token", "", ""]


def test_a_token_that_an_upstream_repeats_is_in_no_message(
    upstream: Echo, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.UPSTREAM_TOKENS = {upstream.host: "secret-token"}
    with caplog.at_level(logging.DEBUG), pytest.raises(UpstreamError) as refused:
        get(f"{upstream.url}/refused", credentials=Credentials((upstream.host,), "secret-token"))
    assert "Bad credentials" in refused.value.message
    assert "secret-token" not in refused.value.message + caplog.text


def test_an_address_with_letters_of_all_languages_is_followed(upstream: Echo) -> None:
    upstream.plan(
        lambda request, reply: Reply(302, {"Location": "/蔵".encode().decode("latin-1")}), path="^/a$"
    )
    get(f"{upstream.url}/a")
    assert upstream.requests[-1].path == "/%E8%94%B5"


@pytest.mark.parametrize(
    "status", ["204 No Content", "205 Reset Content", "304 Not Modified", "302 Found", "300 Multiple Choices"]
)
def test_an_answer_without_a_file_is_no_file(status: str, settings: Settings, tmp_path: Path) -> None:
    with speaking(says(head(status))) as host:
        settings.UPSTREAM_PRIVATE_HOSTS = [host]
        with pytest.raises(UnexpectedAnswer):
            download(f"http://{host}/a", tmp_path / "a")
        with pytest.raises(UnexpectedAnswer):
            get_range(f"http://{host}/a", 0, 10)
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_that_leads_nowhere_is_no_answer(settings: Settings) -> None:
    with speaking(says(head("302 Found"))) as host:
        settings.UPSTREAM_PRIVATE_HOSTS = [host]
        with pytest.raises(UnexpectedAnswer):
            get(f"http://{host}/a", accept=ANY)


def test_more_bytes_than_the_answer_announced_are_not_the_file(settings: Settings, tmp_path: Path) -> None:
    body = b"a\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"
    told = head("206 Partial Content", Content_Range="bytes 0-9/10", Transfer_Encoding="chunked")
    with speaking(says(told + body)) as host:
        settings.UPSTREAM_PRIVATE_HOSTS = [host]
        with pytest.raises(SizeMismatch):
            download(f"http://{host}/a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_part_whose_whole_nobody_knows_is_not_the_file(settings: Settings, tmp_path: Path) -> None:
    told = head("206 Partial Content", Content_Range="bytes 0-9/*", Content_Length=10)
    with speaking(says(told + b"0123456789")) as host:
        settings.UPSTREAM_PRIVATE_HOSTS = [host]
        with pytest.raises(UnexpectedAnswer):
            download(f"http://{host}/a", tmp_path / "a")
        digest = hashlib.sha256(b"0123456789").hexdigest()
        assert download(f"http://{host}/b", tmp_path / "b", sha256=digest).size == 10


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5000, "-1"])
def test_a_size_that_no_file_has_is_not_believed(number: str, settings: Settings, tmp_path: Path) -> None:
    told = head("206 Partial Content", Content_Range=f"bytes 0-9/{number}", Content_Length=10)
    with speaking(says(told + b"0123456789")) as host:
        settings.UPSTREAM_PRIVATE_HOSTS = [host]
        with pytest.raises(UpstreamError):
            download(f"http://{host}/a", tmp_path / "a")
        assert remote_header(f"http://{host}/a", "a.safetensors").size == 10
    with speaking(says(head(Content_Length=number) + b"0123456789")) as host:
        settings.UPSTREAM_PRIVATE_HOSTS = [host]
        with pytest.raises(UpstreamError):
            download(f"http://{host}/a", tmp_path / "a", size=11)


def test_a_file_without_an_end_leaves_nothing_behind(settings: Settings, tmp_path: Path) -> None:
    settings.UPSTREAM_FILE_GB = 1 / 2**10

    def endless(connection: socket.socket) -> None:
        connection.sendall(head(Transfer_Encoding="chunked"))
        while True:
            connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")

    with speaking(endless) as host:
        settings.UPSTREAM_PRIVATE_HOSTS = [host]
        with pytest.raises(AnswerTooLarge):
            download(f"http://{host}/a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def drip(beginning: bytes, drop: bytes, pause: float = 0.05) -> Speak:
    def speak(connection: socket.socket) -> None:
        connection.sendall(beginning)
        while True:
            connection.sendall(drop)
            time.sleep(pause)

    return speak


@pytest.mark.parametrize(
    "speak",
    [
        drip(b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drip(head("404 Not Found", Content_Length=10**6), b"x"),
        drip(head(Content_Length=10**6), b"x"),
        # Empty blocks of deflate: bytes come for ever and nothing comes out.
        drip(
            head(Content_Length=10**6, Content_Encoding="gzip") + b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
            b"\0\0\0\xff\xff",
        ),
    ],
    ids=["headers", "interim answers", "a refusal's words", "a body", "packed nothing"],
)
def test_an_answer_that_never_ends_ends_here(speak: Speak, settings: Settings) -> None:
    settings.UPSTREAM_TOTAL_SECONDS = settings.UPSTREAM_READ_SECONDS = 0.5
    with speaking(speak) as host:
        settings.UPSTREAM_PRIVATE_HOSTS = [host]
        # Without an end the test would run into its own time limit.
        with pytest.raises((UpstreamUnavailable, NotFoundUpstream)):
            get(f"http://{host}/a")


def test_the_body_of_a_redirect_is_not_read(settings: Settings) -> None:
    settings.UPSTREAM_TOTAL_SECONDS = settings.UPSTREAM_READ_SECONDS = 60
    with speaking(drip(head("302 Found", Location="/a", Content_Length=10**9), bytes(1000))) as host:
        settings.UPSTREAM_PRIVATE_HOSTS = [host]
        with pytest.raises(TooManyRedirects):
            get(f"http://{host}/a")


def test_headers_without_end_are_one_clear_error(settings: Settings) -> None:
    with speaking(says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000)) as host:
        settings.UPSTREAM_PRIVATE_HOSTS = [host]
        with pytest.raises(UpstreamUnavailable):
            get(f"http://{host}/a")


@pytest.mark.parametrize(
    "value",
    [
        "Fri, 31 Dec 99999999999999999999 23:59:59 GMT",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "-5",
        "9" * 400,
        "1e400",
        "nan",
        "",
    ],
)
def test_a_pause_that_makes_no_sense_is_no_traceback(value: str, upstream: Echo) -> None:
    upstream.plan(Status(429, {}, Retry_After=value), times=None)
    with pytest.raises(UpstreamError) as refused:
        get(f"{upstream.url}/a")
    assert refused.value.code == "rate_limited"
