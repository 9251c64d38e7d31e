"""`manage.py ingest hf:...` takes a repository in from a Hub server, by the real client and the door."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from registry.errors import KuraError
from registry.models import (
    Adapter,
    Availability,
    Blob,
    ClaimKind,
    File,
    FileState,
    OfferedFile,
    OfferState,
    Snapshot,
    TermsClaim,
    Version,
)
from registry.sources.http import recorded_connections
from tests.registry.sources.hub_fixture import CARD, hub
from tests.registry.weight_files import write_lora, write_pickle, write_vae
from tests.upstreams.faults import Corrupt, Cut, Html
from tests.upstreams.hub import CdnServer, HubServer

__all__ = ["hub"]

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db,
    pytest.mark.usefixtures("blobs", "seeded", "lineage_folder"),
]
SDXL = b"stabilityai/stable-diffusion-xl-base-1.0"
SD1 = b"stable-diffusion-v1-5/stable-diffusion-v1-5"
HERE = (
    CARD.replace(SDXL, SD1)
    .replace(b"license: other", b"license: creativeml-openrail-m")
    .replace(b"license_name: ink-license\nlicense_link: LICENSE.md\n", b"")
)


def take_in(source: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("ingest", source, "--json", stdout=out, stderr=io.StringIO())
    result: dict[str, Any] = json.loads(out.getvalue())
    return result


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_lora(tmp_path / "ink.safetensors")


def test_a_repository_becomes_an_adapter_with_its_bytes_terms_and_evidence(
    hub: HubServer, weights: Path
) -> None:
    repo = hub.add("mika/ink", {"README.md": HERE, "ink.safetensors": weights})
    with recorded_connections() as connections:
        result = take_in("hf:mika/ink")
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    ((adapter,),) = [result["adapters"]]
    assert [file["sha256"] for version in adapter["versions"] for file in version["files"]] == [sha256]
    version = Version.objects.get()
    assert (version.adapter.source, version.adapter.source_key) == ("huggingface", "mika/ink")
    assert (version.detected_family, version.base_declared and version.base_declared.family) == ("sd1", "sd1")
    assert TermsClaim.objects.get(kind=ClaimKind.LICENSE).value == "creativeml-openrail-m"
    card = Snapshot.objects.get(url=f"{hub.url}/mika/ink/blob/main/README.md")
    assert bytes(card.body) == HERE
    offer = OfferedFile.objects.get(role="weights")
    assert (offer.state, offer.blob_id, offer.triage["algorithm"]) == (OfferState.STORED, sha256, "lora")
    assert repo.head.sha in offer.url
    assert {f"{each.host}:{each.port}" for each in connections} == {hub.host}


def test_again_changes_nothing_and_fetches_no_bytes(hub: HubServer, weights: Path) -> None:
    hub.add("mika/ink", {"README.md": HERE, "ink.safetensors": weights})
    take_in("hf:mika/ink")
    hub.requests.clear()
    result = take_in("hf:mika/ink")
    assert result["adapters"] == [] and result["failed"] == []
    assert not [each for each in hub.requests if each.path.endswith(".safetensors")]
    assert (Adapter.objects.count(), Version.objects.count(), Blob.objects.count()) == (1, 1, 1)


def test_new_weights_are_a_new_version_and_a_new_card_is_not(
    hub: HubServer, weights: Path, tmp_path: Path
) -> None:
    hub.add("mika/ink", {"README.md": HERE, "ink.safetensors": weights})
    take_in("hf:mika/ink")
    hub.push("mika/ink", {"README.md": HERE.replace(b"creativeml-openrail-m", b"cc-by-nc-4.0")})
    take_in("hf:mika/ink")
    version = Version.objects.get()
    current = TermsClaim.objects.filter(version=version, kind=ClaimKind.LICENSE, superseded=False)
    assert [claim.value for claim in current] == ["CC-BY-NC-4.0"]
    hub.push("mika/ink", {"ink.safetensors": write_lora(tmp_path / "two.safetensors", seed=2)})
    take_in("hf:mika/ink")
    assert Version.objects.count() == 2
    assert version.files.count() == 1


def test_a_revision_and_one_file_can_be_named(hub: HubServer, weights: Path, tmp_path: Path) -> None:
    hub.add("mika/ink", {"README.md": HERE, "day.safetensors": weights})
    hub.push("mika/ink", {"night.safetensors": write_lora(tmp_path / "n.safetensors", seed=2)}, tag="v2")
    take_in("hf:mika/ink@v2:night.safetensors")
    assert [offer.key for offer in OfferedFile.objects.filter(role="weights")] == ["night.safetensors"]


def test_large_files_come_from_another_host_and_the_token_stays_at_the_hub(
    settings: Settings, hub: HubServer, weights: Path
) -> None:
    with CdnServer() as cdn:
        hub.cdn = cdn
        hub.accounts["hf_secret"] = "noor"
        hub.add("mika/ink", {"README.md": HERE, "ink.safetensors": weights}, gated="auto", readers={"noor"})
        settings.UPSTREAM_TOKENS = {hub.host: "hf_secret"}
        settings.UPSTREAM_PRIVATE_HOSTS = [hub.host, cdn.host]
        take_in("hf:mika/ink")
        assert OfferedFile.objects.get(role="weights").state == OfferState.STORED
        assert cdn.requests and not any("authorization" in each.headers for each in cdn.requests)
    assert not any(b"hf_secret" in bytes(each.body) for each in Snapshot.objects.all())


def test_a_cut_connection_is_gone_on_with(hub: HubServer, weights: Path) -> None:
    hub.add("mika/ink", {"README.md": HERE, "ink.safetensors": weights})
    hub.plan(Cut(0.5), path=r"\.safetensors$", skip=1)
    take_in("hf:mika/ink")
    ranges = [each.headers.get("range") for each in hub.requests if each.path.endswith(".safetensors")]
    assert len(ranges) == 3
    assert Blob.objects.get().sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_a_gated_repository_is_kept_without_bytes(hub: HubServer, weights: Path) -> None:
    hub.add("mika/ink", {"README.md": HERE, "ink.safetensors": weights}, gated="manual")
    take_in("hf:mika/ink")
    version = Version.objects.get()
    assert (version.availability, version.files.count()) == (Availability.GATED, 0)
    assert version.availability_since is not None


def test_what_its_header_shows_to_be_no_adapter_is_not_fetched(hub: HubServer, tmp_path: Path) -> None:
    path = write_vae(tmp_path / "ink.safetensors")
    hub.add("mika/ink", {"README.md": HERE, "ink.safetensors": path})
    take_in("hf:mika/ink")
    offer = OfferedFile.objects.get(role="weights")
    assert (offer.state, offer.triage["kind"]) == (OfferState.PASSED_BY, "vae")
    assert not Blob.objects.exists()


def test_a_pickle_never_becomes_a_file_that_leaves(hub: HubServer, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    hub.add("mika/ink", {"README.md": HERE, "ink.bin": write_pickle(tmp_path / "ink.bin", witness)})
    take_in("hf:mika/ink")
    assert not File.objects.filter(state=FileState.STORED).exists()
    assert not witness.exists()


@pytest.mark.parametrize("fault", [Html(), Corrupt(at=-1)])
def test_a_web_page_or_other_bytes_are_never_stored(hub: HubServer, weights: Path, fault: Any) -> None:
    hub.add("mika/ink", {"README.md": HERE, "ink.safetensors": weights})
    hub.plan(fault, path=r"\.safetensors$", times=None)
    with pytest.raises(KuraError):
        take_in("hf:mika/ink")
    assert not Blob.objects.exists()


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("hf:mika/missing", "not_found_upstream"),
        ("hf:mika/ink@nowhere", "not_found_upstream"),
        ("https://huggingface.co/mika/ink", "host_not_allowed"),
    ],
)
def test_what_cannot_be_had_is_one_clear_error(
    hub: HubServer, weights: Path, source: str, code: str, settings: Settings
) -> None:
    hub.add("mika/ink", {"README.md": HERE, "ink.safetensors": weights})
    if code == "host_not_allowed":
        settings.HF_ENDPOINT = "https://huggingface.co"
    with pytest.raises(KuraError) as caught:
        take_in(source)
    assert caught.value.code == code
    assert not Adapter.objects.exists()
