"""References to Civitai in every spelling, asked over HTTP from a server on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from registry.models import ClaimKind
from registry.sources import civitai_calls, read_source
from registry.sources.errors import NotAnAdapter, ReferenceUnclear, SourceNotSupported
from registry.sources.http import get_range
from registry.sources.listing import Listing
from registry.sources.rescans import Edition, Memory
from registry.sources.upstream_errors import GoneUpstream, NotFoundUpstream, UpstreamUnavailable
from tests.registry.sources.civitai_fixture import civitai
from tests.upstreams.civitai import CivitaiServer
from tests.upstreams.civitai_catalog import file, model, version
from tests.upstreams.faults import Broken, Html, TooMany

__all__ = ["civitai"]

pytestmark = pytest.mark.usefixtures("civitai")


EDITION = Edition("", "")


def listings(source: str) -> list[Listing]:
    found = read_source(source, Memory(EDITION))
    listed = list(found.listings)
    assert not found.failures
    return listed


def keys(listing: Listing) -> dict[str | None, list[str]]:
    return {each.source_key: [file.key for file in each.remote] for each in listing.versions}


# --- References ---------------------------------------------------------------------------------------------

SPELLINGS: list[tuple[Callable[[CivitaiServer], str], dict[str, list[str]]]] = [
    (lambda server: "civitai:7", {"71": ["710"], "70": ["700", "701"]}),
    (lambda server: "civitai:7@70", {"70": ["700", "701"]}),
    (lambda server: "civitai:@70", {"70": ["700", "701"]}),
    (lambda server: "CIVITAI:7@70+701", {"70": ["701"]}),
    (lambda server: "https://civitai.com/models/7", {"71": ["710"], "70": ["700", "701"]}),
    (lambda server: "https://www.civitai.red/models/7/ink-wash?modelVersionId=70", {"70": ["700", "701"]}),
    (lambda server: "http://civitai.green/models/7?modelVersionId=71#gallery", {"71": ["710"]}),
    (lambda server: "https://civitai.com/api/download/models/70?type=Model&format=SafeTensor",
     {"70": ["700", "701"]}),
    (lambda server: "https://civitai.com/api/download/models/70?fileId=701&token=secret", {"70": ["701"]}),
    (lambda server: f"{server.api}/models/7", {"71": ["710"], "70": ["700", "701"]}),
    (lambda server: f"{server.api}/model-versions/71", {"71": ["710"]}),
    (lambda server: "urn:air:sd1:lora:civitai:7@70", {"70": ["700", "701"]}),
    (lambda server: "urn:air:flux1:lycoris:civitai:7@70+701", {"70": ["701"]}),
    (lambda server: f"sha256:{sha256(710)}", {"71": ["710"]}),
    (lambda server: f"SHA256:{sha256(710).upper()}", {"71": ["710"]}),
    (lambda server: f"autov2:{sha256(701)[:10]}", {"70": ["700", "701"]}),
]  # fmt: skip


def sha256(id: int) -> str:
    return str(file(id)["hashes"]["SHA256"]).lower()


@pytest.fixture
def ink(civitai: CivitaiServer) -> CivitaiServer:
    """Model 7 with two versions, the older one with two files."""
    older = version(70, [file(700), file(701, type="Pruned Model", metadata={"format": "SafeTensor"})])
    civitai.catalog.add(model(7, [version(71, [file(710)]), older], name="Ink wash"))
    return civitai


@pytest.mark.parametrize(("spell", "files"), SPELLINGS)
def test_every_spelling_leads_to_its_versions_and_files_with_permissions(
    ink: CivitaiServer, spell: Callable[[CivitaiServer], str], files: dict[str, list[str]]
) -> None:
    (listing,) = listings(spell(ink))
    assert (listing.source_key, keys(listing)) == ("7", files)
    for each in listing.versions:
        assert ClaimKind.CIVITAI_FLAGS in {claim.kind for claim in each.claims}


@pytest.mark.parametrize(
    ("kind", "spelled"),
    [("CRC32", lambda digits: digits), ("CRC32", lambda digits: bytes.fromhex(digits)[::-1].hex())],
)
def test_a_crc_is_found_however_its_bytes_are_ordered(
    ink: CivitaiServer, kind: str, spelled: Callable[[str], str]
) -> None:
    (listing,) = listings(f"crc32:{spelled(file(710)['hashes'][kind])}")
    assert keys(listing) == {"71": ["710"]}


def test_many_hashes_cost_one_request_and_one_for_each_model(ink: CivitaiServer) -> None:
    ink.catalog.add(model(8))
    unknown = "0" * 64
    source = f"sha256:{sha256(710)},{sha256(700)} {sha256(800)},{unknown}"
    found = read_source(source, Memory(EDITION))
    assert {each.source_key: set(keys(each)) for each in found.listings} == {"7": {"70", "71"}, "8": {"80"}}
    assert [(each.source, each.error.code) for each in found.failures] == [
        (f"sha256:{unknown}", "not_found_upstream")
    ]
    # Hashes the bulk question does not know are asked for alone, in case it left them out.
    assert [each.path.rpartition("/")[2] for each in ink.requests if each.method == "POST"] == ["ids"]


def test_bulk_answers_are_put_in_order_and_their_broken_addresses_repaired(ink: CivitaiServer) -> None:
    asked = [sha256(710), "0" * 64, sha256(701), sha256(700)]
    found = civitai_calls.versions_by_hash(asked)
    assert {digest.lower(): each["id"] for digest, each in found.items()} == {
        sha256(710): 71, sha256(700): 70, sha256(701): 70,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("civitai:", ReferenceUnclear),
        ("civitai:ink-wash", ReferenceUnclear),
        ("civitai:0", ReferenceUnclear),
        ("https://civitai.com/articles/12", ReferenceUnclear),
        ("https://civitai.com/user/mika", ReferenceUnclear),
        ("sha256:abc", ReferenceUnclear),
        ("crc32:123456789", ReferenceUnclear),
        ("urn:air:flux1:lora:huggingface:alvdansen/ink@main", SourceNotSupported),
        ("urn:air:sdxl:lora:civitai", ReferenceUnclear),
        ("civitai:404404", NotFoundUpstream),
        ("civitai:7@9", NotFoundUpstream),
        ("civitai:7@80", ReferenceUnclear),
        ("civitai:7@70+5", NotFoundUpstream),
        ("civitai:9", NotAnAdapter),
    ],
)
def test_what_names_nothing_is_refused_with_its_own_reason(
    ink: CivitaiServer, source: str, error: type[Exception]
) -> None:
    ink.catalog.add(model(8), model(9, type="Checkpoint"))
    with pytest.raises(error):
        listings(source)


def test_another_host_is_a_matter_of_settings(ink: CivitaiServer, settings: Settings) -> None:
    with pytest.raises(SourceNotSupported):
        listings("https://civitai.example/models/7")
    settings.CIVITAI_SITES = ["civitai.com", "civitai.example"]
    (listing,) = listings("https://civitai.example/models/7")
    assert listing.source_key == "7"


def test_a_version_that_the_model_leaves_out_is_asked_for_alone(ink: CivitaiServer) -> None:
    whole = ink.catalog.get(7)
    assert whole
    hidden = whole["modelVersions"].pop()
    ink.catalog.add(model(6, [hidden]))
    real = ink.catalog.version
    ink.catalog.version = lambda id: (whole, hidden) if id == 70 else real(id)  # type: ignore[method-assign]
    (listing,) = listings("civitai:7@70")
    assert keys(listing) == {"70": ["700", "701"]}
    assert any(claim.kind == ClaimKind.CIVITAI_FLAGS for claim in listing.versions[0].claims)


# --- What is read -------------------------------------------------------------------------------------------


def test_the_snapshot_holds_the_bytes_of_the_answer(ink: CivitaiServer) -> None:
    (listing,) = listings("civitai:7@71")
    (document,) = listing.versions[0].documents
    assert document.url == f"{ink.api}/models/7"
    assert json.loads(document.body)["allowCommercialUse"] == ["Image", "RentCivit", "Rent", "Sell"]


@pytest.mark.parametrize("uses", ["list", "postgres", "ladder", "words"])
def test_every_shape_of_the_permission_is_read(ink: CivitaiServer, uses: str) -> None:
    ink.uses = uses
    ink.catalog.add(
        model(5, [version(50, publishedAt="2023-06-01T00:00:00.000Z")], allowCommercialUse=["Image"])
    )
    (listing,) = listings("civitai:5")
    (flags,) = [each for each in listing.versions[0].claims if each.kind == ClaimKind.CIVITAI_FLAGS]
    assert flags.value["allowCommercialUse"] == ["Image"]


def test_pictures_tell_their_parameters_by_a_second_question(ink: CivitaiServer) -> None:
    meta = {"prompt": "ink <lora:file720:0.7>", "seed": 5, "steps": 20, "sampler": "Euler a", "cfgScale": 7}
    picture = {"url": f"{ink.url}/pictures/1.png", "type": "image", "nsfwLevel": 1, "meta": meta}
    ink.catalog.add(model(8, [version(72, [file(720)], images=[picture, dict(picture, meta=None)])]))
    (listing,) = listings("civitai:8")
    (found,) = listing.versions
    assert found.settings["weight"] == {
        "min": 0.7, "default": 0.7, "max": 0.7, "source": "pictures", "count": 1,
    }  # fmt: skip
    assert found.settings["pictures"] == {"shown": 2, "told": 1, "reproducible": 1}
    assert [each.url for each in found.remote_samples] == [picture["url"], picture["url"]]
    assert [document.url.rpartition("/")[2] for document in found.documents] == ["8", "72"]


def test_four_files_of_a_version_have_four_addresses(ink: CivitaiServer) -> None:
    """Two of them share type, format and size, so that only the id tells them apart."""
    same: dict[str, Any] = {
        "type": "Pruned Model",
        "metadata": {"format": "SafeTensor", "size": "pruned", "fp": "fp16"},
    }
    files = [file(731), file(732, **same), file(733, **same), file(734, b"zip", type="Training Data")]
    ink.catalog.add(model(8, [version(73, files)]))
    (listing,) = listings("civitai:8")
    remote = listing.versions[0].remote
    assert len({each.url for each in remote}) == 4
    assert [each.role for each in remote] == ["weights", "weights", "weights", "training_data"]
    for each in remote:
        assert each.url.startswith(f"{ink.url}/api/download/models/73") and f"fileId={each.key}" in each.url


@pytest.mark.parametrize(
    ("fault", "error"), [(Broken(503), UpstreamUnavailable), (Html(), UpstreamUnavailable)]
)
def test_an_upstream_that_fails_is_told_as_such(
    ink: CivitaiServer, settings: Settings, fault: Any, error: type[Exception]
) -> None:
    settings.UPSTREAM_TRIES = 2
    ink.plan(fault, times=None)
    with pytest.raises(Exception) as caught:
        listings("civitai:7")
    assert not getattr(caught.value, "permanent", True)


def test_a_moment_of_refusal_is_waited_for(ink: CivitaiServer) -> None:
    ink.plan(TooMany(retry_after="0"), times=1)
    assert listings("civitai:7")


def test_the_files_of_an_archived_model_are_gone(ink: CivitaiServer) -> None:
    ink.catalog.add(model(8, [version(73, [file(731)])], mode="Archived"))
    with pytest.raises(GoneUpstream):
        get_range(f"{ink.url}/api/download/models/73", 0, 10)
