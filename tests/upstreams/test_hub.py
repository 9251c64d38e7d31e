"""The Hub server of the tests is one to the official client: listing, revisions, downloads and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
from huggingface_hub import HfApi, close_session, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import _http

from tests.registry.weight_files import write_lora
from tests.upstreams.hub import CdnServer, HubServer

CARD = b"""---
license: other
license_name: ink-license
license_link: LICENSE.md
base_model: stabilityai/stable-diffusion-xl-base-1.0
tags: [lora, text-to-image]
instance_prompt: inkwash
---
# Ink
"""


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The client asks as it does without Kura's door, though the tests as a whole run with HF_HUB_OFFLINE."""
    close_session()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(_http, "_GLOBAL_CLIENT_FACTORY", _http.default_client_factory)
    yield
    close_session()


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def api(hub: HubServer, token: str | bool = False) -> HfApi:
    return HfApi(endpoint=hub.url, token=token)


def test_all_pages_of_a_list_are_followed(hub: HubServer) -> None:
    hub.page = 7
    for number in range(20):
        hub.add(f"mika/ink-{number}", {"README.md": CARD})
    hub.add("mika/other", {"README.md": b"plain"})
    found = list(api(hub).list_models(filter="lora", author="mika", sort="last_modified", full=True))
    assert {each.id for each in found} == {f"mika/ink-{number}" for number in range(20)}
    assert len(hub.requests) == 3
    assert all(each.sha and each.last_modified for each in found)


def test_a_model_is_described_with_sizes_digests_and_derived_tags(hub: HubServer, tmp_path: Path) -> None:
    weights = write_lora(tmp_path / "ink.safetensors")
    hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": weights}, gated="auto")
    info = api(hub).model_info("mika/ink", files_metadata=True)
    assert info.gated == "auto"
    assert "base_model:adapter:stabilityai/stable-diffusion-xl-base-1.0" in (info.tags or [])
    file = next(each for each in info.siblings or [] if each.rfilename == "ink.safetensors")
    assert file.size == weights.stat().st_size
    assert file.lfs is not None


def test_tags_full_and_short_revisions_lead_to_their_commit(hub: HubServer) -> None:
    repo = hub.add("mika/ink", {"README.md": b"one"})
    first = repo.head.sha
    hub.push("mika/ink", {"README.md": b"two", "sub/notes.txt": b"x"}, tag="v2")
    client = api(hub)
    assert client.model_info("mika/ink", revision=first).sha == first
    assert client.model_info("mika/ink", revision=first[:8]).sha == first
    assert client.model_info("mika/ink", revision="v2").sha == repo.head.sha
    refs = client.list_repo_refs("mika/ink")
    assert [tag.name for tag in refs.tags] == ["v2"]
    assert set(client.list_repo_files("mika/ink")) == {"README.md", "sub/notes.txt"}
    paths = client.get_paths_info("mika/ink", ["sub/notes.txt", "missing"], expand=True)
    assert [each.path for each in paths] == ["sub/notes.txt"]
    assert paths[0].last_commit is not None
    with pytest.raises(RevisionNotFoundError):
        client.model_info("mika/ink", revision="nope")


def test_files_arrive_whole_also_by_way_of_another_host(tmp_path: Path) -> None:
    weights = write_lora(tmp_path / "ink.safetensors")
    with CdnServer() as cdn, HubServer(cdn=cdn) as hub:
        hub.accounts["hf_secret"] = "mika"
        hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": weights})
        got = hf_hub_download(
            "mika/ink", "ink.safetensors", endpoint=hub.url, cache_dir=tmp_path / "cache", token="hf_secret"
        )
        assert Path(got).read_bytes() == weights.read_bytes()
        assert any(each.headers.get("authorization") for each in hub.requests)
        assert cdn.requests
        assert not any("authorization" in each.headers for each in cdn.requests)


def test_a_snapshot_holds_every_file(hub: HubServer, tmp_path: Path) -> None:
    hub.add("mika/ink", {"README.md": CARD, "sub/a b.txt": b"blank"})
    folder = Path(snapshot_download("mika/ink", endpoint=hub.url, cache_dir=tmp_path, token=False))
    assert (folder / "README.md").read_bytes() == CARD
    assert (folder / "sub/a b.txt").read_bytes() == b"blank"


def test_a_header_is_read_by_range(hub: HubServer, tmp_path: Path) -> None:
    weights = write_lora(tmp_path / "ink.safetensors", metadata={"ss_base_model_version": "sd_v1"})
    hub.add("mika/ink", {"ink.safetensors": weights})
    told = api(hub).parse_safetensors_file_metadata("mika/ink", "ink.safetensors")
    assert told.metadata["ss_base_model_version"] == "sd_v1"


def test_refusals_are_the_hubs_own(hub: HubServer, tmp_path: Path) -> None:
    hub.accounts |= {"hf_mika": "mika", "hf_other": "other"}
    hub.add("mika/gated", {"a.txt": b"a"}, gated="manual", readers={"mika"})
    hub.add("mika/private", {"a.txt": b"a"}, private=True, readers={"mika"})
    hub.add("mika/off", {"a.txt": b"a"}, disabled=True)

    def fetch(repo: str, path: str = "a.txt", token: str | bool = False) -> str:
        return hf_hub_download(repo, path, endpoint=hub.url, cache_dir=tmp_path / str(token), token=token)

    with pytest.raises(RepositoryNotFoundError):
        api(hub).model_info("mika/missing")
    with pytest.raises(RepositoryNotFoundError):
        api(hub, "hf_other").model_info("mika/private")
    assert api(hub, "hf_mika").model_info("mika/private").private
    with pytest.raises(GatedRepoError):
        fetch("mika/gated")
    with pytest.raises(GatedRepoError):
        fetch("mika/gated", token="hf_other")
    assert Path(fetch("mika/gated", token="hf_mika")).read_bytes() == b"a"
    with pytest.raises(EntryNotFoundError):
        fetch("mika/gated", "b.txt", token="hf_mika")
    with pytest.raises(DisabledRepoError):
        api(hub).auth_check("mika/off")
    with pytest.raises(GatedRepoError):
        api(hub).auth_check("mika/gated")
    api(hub, "hf_mika").auth_check("mika/gated")
    assert api(hub, "hf_mika").whoami()["name"] == "mika"


def test_a_renamed_repository_is_found_under_its_old_name(hub: HubServer, tmp_path: Path) -> None:
    hub.add("mika/ink", {"a.txt": b"a"})
    hub.rename("mika/ink", "mika/inkwash")
    assert api(hub).model_info("mika/ink", revision="main").id == "mika/inkwash"
    got = hf_hub_download("mika/ink", "a.txt", endpoint=hub.url, cache_dir=tmp_path, token=False)
    assert Path(got).read_bytes() == b"a"
