"""Adding from an address: what it would bring is shown first; nothing is kept or fetched before the word."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from registry import jobs
from registry.models import Adapter, File, Job, OfferedFile, Snapshot
from registry.preview import address_of
from registry.sources.errors import SourceNotSupported
from tests.registry.conftest import blobs, lineage_folder, seeded
from tests.registry.sources.hub_fixture import CARD, hub
from tests.registry.weight_files import write_lora
from tests.upstreams.hub import HubServer

__all__ = ["blobs", "hub", "lineage_folder", "seeded"]

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "wake", lambda queue, **_: None)


@pytest.fixture
def ink(hub: HubServer, tmp_path: Path) -> HubServer:
    hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": write_lora(tmp_path / "ink.safetensors")})
    return hub


def test_only_reviewers_add(client: Client, db: None) -> None:
    assert client.get("/add/").headers["Location"] == "/accounts/login/?next=/add/"
    client.force_login(User.objects.create_user("reader"))
    assert client.post("/add/", {"source": "hf:mika/ink", "action": "add"}).status_code == 403
    assert not Job.objects.exists()


def test_the_preview_shows_what_comes_and_keeps_nothing(desk: Client, ink: HubServer) -> None:
    page = desk.post("/add/", {"source": "hf:mika/ink", "action": "preview"}).content.decode()
    assert "ink.safetensors" in page, page[page.find("<h1") :][:3000]
    assert "1 file</strong> to fetch" in page
    for kept in (Adapter, OfferedFile, Snapshot, Job):
        assert not kept.objects.exists(), kept
    # Not one byte of the weights was asked for.
    assert not any("/resolve/" in request.path and "safetensors" in request.path for request in ink.requests)


@pytest.mark.django_db(transaction=True)
def test_the_word_makes_a_job_that_takes_it_in(
    desk: Client, ink: HubServer, blobs: Path, lineage_folder: Path, seeded: None
) -> None:
    answer = desk.post("/add/", {"source": "hf:mika/ink", "action": "add"}, follow=True)
    assert answer.redirect_chain == [("/jobs/", 302)]
    assert "hf:mika/ink" in answer.content.decode()
    job = jobs.run_next("cpu")
    assert job and (job.state, job.payload["actor"]) == ("done", "reviewer")
    assert File.objects.get().name == "ink.safetensors"
    # The file's own progress stays with the job, as history.
    assert job.transfers.get().percent == 100
    assert "is here already" in desk.post("/add/", {"source": "hf:mika/ink"}).content.decode()


@pytest.mark.parametrize("path", ["/etc", "../secrets", "C:\\loras", "file:///etc/passwd", "", "~/loras"])
def test_a_path_of_this_machine_is_refused(desk: Client, path: str) -> None:
    answer = desk.post("/add/", {"source": path, "action": "add"})
    assert answer.status_code == 422 or not Job.objects.exists()
    preview = desk.post("/add/", {"source": path, "action": "preview"})
    assert preview.status_code == 422
    assert "source_not_supported" in preview.content.decode()


def test_what_is_not_there_says_so(desk: Client, hub: HubServer) -> None:
    page = desk.post("/add/", {"source": "hf:mika/nothing"})
    assert page.status_code == 422
    assert 'role="alert"' in page.content.decode()


@pytest.mark.parametrize(
    ("pasted", "source"),
    [
        (" https://civitai.com/models/1 ", "https://civitai.com/models/1"),
        ("civitai.com/models/1?modelVersionId=2", "https://civitai.com/models/1?modelVersionId=2"),
        ("huggingface.co/mika/ink", "https://huggingface.co/mika/ink"),
        ("A" * 64, f"sha256:{'a' * 64}"),
        ("urn:air:sdxl:lora:civitai:1@2", "urn:air:sdxl:lora:civitai:1@2"),
        ("kura:http://other.test#5", "kura:http://other.test#5"),
        # A token in it would be kept with the job and shown with it.
        (
            "https://civitai.com/api/download/models/5?type=Model&token=secret",
            "https://civitai.com/api/download/models/5?type=Model",
        ),
        ("kura:http://me:secret@other.test/?api_key=secret#5", "kura:http://other.test/#5"),
    ],
)
def test_addresses_are_read_as_people_paste_them(pasted: str, source: str) -> None:
    assert address_of(pasted) == source


@pytest.mark.parametrize("pasted", ["hf:a\nb", "\x00", "loras", "./hf:a"])
def test_what_is_no_address_is_refused(pasted: str) -> None:
    with pytest.raises(SourceNotSupported):
        address_of(pasted)
