"""The real huggingface_hub under the same policy as every other request."""

from __future__ import annotations

import gzip
import socket
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import HfApi, close_session, get_session, hf_hub_download
from pytest_django import Settings

from registry.sources.http import hub_client_factory, recorded_connections
from registry.sources.upstream_errors import (
    AddressNotAllowed,
    AnswerTooLarge,
    HostNotAllowed,
    RateLimited,
    UnexpectedAnswer,
    UpstreamUnavailable,
)
from tests.registry.sources.test_http_hostile import says, speaking
from tests.upstreams.faults import (
    Broken,
    Drip,
    DripHead,
    Fault,
    FaultyServer,
    Hangup,
    Packed,
    Quota,
    RedirectTo,
    Status,
    TooMany,
)
from tests.upstreams.replies import Reply, Request

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = bytes(range(256)) * 200


class Hub(FaultyServer):
    """One repository with one file, as little of the Hub as its client needs."""

    def answer(self, request: Request) -> Reply:
        if "/resolve/" in request.path:
            return Reply.of_file(WEIGHTS, '"blob"', {"X-Repo-Commit": COMMIT})
        return Reply.of_json({"id": "me/ink", "sha": COMMIT, "siblings": [{"rfilename": "ink.safetensors"}]})


@pytest.fixture
def hub(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with Hub() as server:
        settings.UPSTREAM_PRIVATE_HOSTS = [server.host]
        settings.UPSTREAM_TOKENS = {server.host: "hf_token"}
        # Afterwards the factory of registry.sources.huggingface_client is in its place again.
        monkeypatch.setattr("huggingface_hub.utils._http._GLOBAL_CLIENT_FACTORY", hub_client_factory)
        close_session()
        yield server
        close_session()


def test_the_hub_is_asked_by_kura_under_its_name(hub: Hub) -> None:
    with recorded_connections() as seen:
        found = HfApi(endpoint=hub.url, token="hf_token").model_info("me/ink")
    assert found.sha == COMMIT
    sent = hub.requests[0].headers
    assert sent["user-agent"].startswith("Kura/") and sent["authorization"] == "Bearer hf_token"
    assert {f"{each.address}:{each.port}" for each in seen} == {hub.host}


def test_a_file_comes_through_the_policy(hub: Hub, tmp_path: Path) -> None:
    found = hf_hub_download(
        "me/ink", "ink.safetensors", endpoint=hub.url, cache_dir=tmp_path, token=False, revision=COMMIT
    )
    assert Path(found).read_bytes() == WEIGHTS


@pytest.mark.parametrize("fault", [TooMany("0"), TooMany(RateLimit='"api";r=0;t=1'), Broken(502), Hangup()])
def test_what_passes_is_asked_again(hub: Hub, fault: Fault) -> None:
    hub.plan(fault)
    assert HfApi(endpoint=hub.url, token=False).model_info("me/ink").sha == COMMIT
    assert len(hub.requests) == 2


def test_an_announced_quota_is_kept(hub: Hub) -> None:
    quota = Quota(limit=3, window=1)
    hub.quotas.append(quota)
    for _ in range(7):
        HfApi(endpoint=hub.url, token=False).model_info("me/ink")
    assert quota.over == 0


def test_a_long_pause_is_for_the_job(hub: Hub) -> None:
    hub.plan(TooMany("3600"))
    api = HfApi(endpoint=hub.url, token=False)
    for _ in range(2):
        with pytest.raises(RateLimited) as limited:
            api.model_info("me/ink")
        assert limited.value.retry_after == pytest.approx(3600, abs=5)
    assert len(hub.requests) == 1


def test_a_redirect_leads_nowhere_else(hub: Hub) -> None:
    with Hub() as elsewhere, recorded_connections() as seen:
        hub.plan(RedirectTo(f"{elsewhere.url}/api/models/me/ink"))
        with pytest.raises(HostNotAllowed):
            HfApi(endpoint=hub.url, token="hf_token").model_info("me/ink")
        with pytest.raises(HostNotAllowed):
            HfApi(endpoint="https://hub.example.org", token=False).model_info("me/ink")
        assert elsewhere.requests == []
    assert {f"{each.address}:{each.port}" for each in seen} == {hub.host}


def test_the_token_stays_with_its_host(hub: Hub, settings: Settings) -> None:
    with Hub() as storage:
        settings.UPSTREAM_PRIVATE_HOSTS = [hub.host, storage.host]
        hub.plan(RedirectTo(f"{storage.url}/api/models/me/ink"))
        HfApi(endpoint=hub.url, token="hf_token").model_info("me/ink")
        assert "authorization" in hub.requests[0].headers
        assert "authorization" not in storage.requests[0].headers


def test_a_token_that_the_settings_do_not_give_to_the_host_is_not_sent(hub: Hub) -> None:
    HfApi(endpoint=hub.url, token="found_elsewhere").model_info("me/ink")
    assert "authorization" not in hub.requests[0].headers


def test_an_answer_of_the_hub_has_a_largest_size_and_a_longest_time(hub: Hub, settings: Settings) -> None:
    api = HfApi(endpoint=hub.url, token=False)
    settings.UPSTREAM_ANSWER_MB = 10 / 2**20
    with pytest.raises(AnswerTooLarge):
        api.model_info("me/ink")
    settings.UPSTREAM_ANSWER_MB = 64
    settings.UPSTREAM_TOTAL_SECONDS = 0.2
    hub.plan(Drip(1, 0.02))
    with pytest.raises(UpstreamUnavailable):
        api.model_info("me/ink")


def bare(body: bytes) -> bytes:
    """deflate as some send it: without the head and the checksum of zlib."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "members of gzip": ("gzip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("deflate", bare),
}
# What nobody asked for; which bytes follow no longer matters.
UNASKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "br": ("br", zlib.compress),
    "zstd": ("zstd", zlib.compress),
    "twice": ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
}


@pytest.mark.parametrize("way", PACKERS)
def test_a_packed_answer_is_read(hub: Hub, way: str) -> None:
    hub.plan(Packed(*PACKERS[way], blanks=300_000))
    assert HfApi(endpoint=hub.url, token=False).model_info("me/ink").sha == COMMIT
    assert hub.requests[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize("way", PACKERS)
def test_an_answer_that_becomes_too_large_when_it_is_unpacked_is_refused_before_it_is_held(
    hub: Hub, settings: Settings, way: str
) -> None:
    settings.UPSTREAM_ANSWER_MB = 1
    encoding, pack = PACKERS[way]
    # A hundred times the cap, in a tenth of it.
    body = pack(b'{"id": "me/ink"}' + b" " * (100 * 2**20))
    assert len(body) < 2**20 / 5
    hub.plan(lambda request, reply: replace(reply, body=body).with_headers(Content_Encoding=encoding))
    tracemalloc.start()
    try:
        with pytest.raises(AnswerTooLarge):
            HfApi(endpoint=hub.url, token=False).model_info("me/ink")
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert held < 8 * 2**20


@pytest.mark.parametrize("way", UNASKED)
def test_an_answer_packed_as_nobody_asked_for_is_refused_unread(hub: Hub, way: str) -> None:
    hub.plan(Packed(*UNASKED[way], blanks=10 * 2**20))
    with pytest.raises(UnexpectedAnswer):
        HfApi(endpoint=hub.url, token=False).model_info("me/ink")
    # Its place is free again.
    assert HfApi(endpoint=hub.url, token=False).model_info("me/ink").sha == COMMIT


@pytest.mark.parametrize("broken", [b"no gzip at all", gzip.compress(b"{}" * 999, mtime=0)[:-20]])
def test_a_packed_answer_that_is_broken_is_no_answer(hub: Hub, broken: bytes) -> None:
    hub.plan(Packed("gzip", lambda body: broken))
    with pytest.raises((UnexpectedAnswer, UpstreamUnavailable)):
        HfApi(endpoint=hub.url, token=False).model_info("me/ink")


@pytest.mark.parametrize(("encoding", "pack"), [PACKERS["gzip"], UNASKED["br"]])
def test_a_file_that_comes_packed_all_the_same_is_not_unpacked_without_end(
    hub: Hub, tmp_path: Path, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    hub.plan(Packed(encoding, pack), path="/resolve/", skip=1, times=None)
    with pytest.raises(UnexpectedAnswer):
        hf_hub_download(
            "me/ink", "ink.safetensors", endpoint=hub.url, cache_dir=tmp_path, token=False, revision=COMMIT
        )


def test_a_refused_file_has_a_largest_answer_too(hub: Hub, settings: Settings) -> None:
    settings.UPSTREAM_ANSWER_MB = 10 / 2**20
    hub.plan(Status(404, {"error": "x" * 100_000}), path="/resolve/", times=None)
    with pytest.raises(AnswerTooLarge):
        get_session().get(f"{hub.url}/me/ink/resolve/{COMMIT}/ink.safetensors")


@pytest.mark.parametrize("call", ["model_info", "auth_check"])
def test_a_head_that_drips_ends_in_time(hub: Hub, settings: Settings, call: str) -> None:
    settings.UPSTREAM_TRIES = 1
    settings.UPSTREAM_TOTAL_SECONDS = 0.3
    hub.plan(DripHead(0.05))
    with pytest.raises(httpx2.ReadTimeout):
        getattr(HfApi(endpoint=hub.url, token=False), call)("me/ink")
    assert HfApi(endpoint=hub.url, token=False).model_info("me/ink").sha == COMMIT


def test_the_head_of_a_file_that_drips_ends_in_time_and_its_body_may_take_longer(
    hub: Hub, settings: Settings, tmp_path: Path
) -> None:
    settings.UPSTREAM_TRIES = 1
    settings.UPSTREAM_TOTAL_SECONDS = 0.3
    hub.plan(Drip(10_000, 0.1), path="/resolve/", skip=1)
    found = hf_hub_download(
        "me/ink", "ink.safetensors", endpoint=hub.url, cache_dir=tmp_path, token=False, revision=COMMIT
    )
    assert Path(found).read_bytes() == WEIGHTS
    hub.plan(DripHead(0.05), path="/resolve/")
    with pytest.raises(httpx2.ReadTimeout):
        get_session().get(f"{hub.url}/me/ink/resolve/{COMMIT}/ink.safetensors")


def test_a_body_whose_chunks_are_never_whole_ends_in_time(hub: Hub, settings: Settings) -> None:
    settings.UPSTREAM_TRIES = 1
    settings.UPSTREAM_TOTAL_SECONDS = 0.3
    # The size of a chunk may be followed by what has no end (RFC 9112, 7.1.1), and is no part of the body.
    endless = says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", *[b"x"] * 200, pause=0.05)
    with speaking(endless) as host:
        settings.UPSTREAM_PRIVATE_HOSTS = [host]
        with pytest.raises(UpstreamUnavailable):
            HfApi(endpoint=f"http://{host}", token=False).model_info("me/ink")


def test_a_public_name_that_leads_inside_is_not_connected_to(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inside(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", inside)
    with recorded_connections() as seen, pytest.raises(AddressNotAllowed):
        HfApi(endpoint="https://huggingface.co", token=False).model_info("me/ink")
    assert seen == []
