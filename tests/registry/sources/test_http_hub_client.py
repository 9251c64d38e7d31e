"""The real huggingface_hub under the same policy as every other request."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, close_session, hf_hub_download
from pytest_django import Settings

from registry.sources.http import hub_client_factory, recorded_connections
from registry.sources.upstream_errors import (
    AddressNotAllowed,
    AnswerTooLarge,
    HostNotAllowed,
    RateLimited,
    UpstreamUnavailable,
)
from tests.upstreams.faults import Broken, Drip, Fault, FaultyServer, Hangup, Quota, RedirectTo, TooMany
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


def test_a_public_name_that_leads_inside_is_not_connected_to(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inside(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", inside)
    with recorded_connections() as seen, pytest.raises(AddressNotAllowed):
        HfApi(endpoint="https://huggingface.co", token=False).model_info("me/ink")
    assert seen == []
