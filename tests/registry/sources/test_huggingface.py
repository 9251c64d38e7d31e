"""A repository on the Hub is read into a listing through the real client, whatever shape its card has."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import _detect_agent
from pytest_django import Settings

from registry.errors import KuraError
from registry.models import Availability, ClaimKind
from registry.sources.errors import NoAdaptersFound, ReferenceUnclear
from registry.sources.http import recorded_connections
from registry.sources.huggingface import pages, read
from registry.sources.listing import ListedClaim, Listing
from registry.sources.pages import Unread
from registry.sources.upstream_errors import (
    LoginRequired,
    NotFoundUpstream,
    UnexpectedAnswer,
    UpstreamError,
    UpstreamUnavailable,
)
from tests.registry.licensing.claims.test_texts import MIT as MIT_TEXT
from tests.registry.sources.hub_fixture import CARD, hub
from tests.registry.weight_files import write_lora
from tests.upstreams.faults import Broken, Html, Quota, Reply, Request, Status, TooMany
from tests.upstreams.hub import HubServer

__all__ = ["hub"]

CARDS = Path(__file__).parents[2] / "data" / "cards"
MIT = MIT_TEXT.encode()


def only(source: str) -> Listing:
    (listing,) = read(source).listings
    return listing


def claims(listing: Listing, kind: str) -> list[ListedClaim]:
    return [claim for claim in listing.versions[0].claims if claim.kind == kind]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_lora(tmp_path / "ink.safetensors")


def test_a_repository_is_one_adapter_with_its_card_files_and_pictures(hub: HubServer, weights: Path) -> None:
    repo = hub.add(
        "mika/ink",
        {"README.md": CARD, "ink.safetensors": weights, "images/heron (1).png": b"png", "LICENSE.md": MIT},
        date=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    )
    sha = repo.head.sha
    listing = only("hf:mika/ink")
    assert (listing.source, listing.source_key, listing.name) == ("huggingface", "mika/ink", "ink")
    assert (listing.creator, listing.source_url) == ("mika", f"{hub.url}/mika/ink")
    assert listing.tags == ["ink wash"]
    (version,) = listing.versions
    assert version.name == "v1"
    assert version.trigger_words == ["inkwash", "brush"]
    assert version.declared_base == "stabilityai/stable-diffusion-xl-base-1.0"
    assert version.published == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    (file,) = version.remote
    assert file.url == f"{hub.url}/mika/ink/resolve/{sha}/ink.safetensors"
    assert (file.size, file.sha256) == (weights.stat().st_size, repo.head.files["ink.safetensors"].sha256)
    assert (file.primary, file.requires, version.availability) == (True, "", Availability.PRESENT)
    (sample,) = version.remote_samples
    assert sample.url == f"{hub.url}/mika/ink/resolve/{sha}/images/heron%20%281%29.png"
    assert sample.parameters == {"prompt": "inkwash, a heron", "negativePrompt": "photo"}


def test_the_evidence_is_the_very_answer_of_the_hub(hub: HubServer, weights: Path) -> None:
    hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": weights})
    documents = {each.url: each for each in only("hf:mika/ink").versions[0].documents}
    described = documents[f"{hub.url}/api/models/mika/ink"]
    assert json.loads(described.body)["siblings"][1]["rfilename"] == "ink.safetensors"
    assert documents[f"{hub.url}/mika/ink/blob/main/README.md"].body == CARD


def test_the_text_of_a_linked_license_is_kept_and_told(hub: HubServer, weights: Path) -> None:
    hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": weights, "LICENSE.md": MIT})
    listing = only("hf:mika/ink")
    text = next(each for each in listing.versions[0].documents if each.url.endswith("/blob/main/LICENSE.md"))
    assert text.body == MIT
    assert {claim.value for claim in claims(listing, ClaimKind.LICENSE)} == {"MIT"}


def test_a_license_link_to_another_repository_is_followed(hub: HubServer, weights: Path) -> None:
    link = b"https://huggingface.co/studio/base/blob/v1/LICENSE.md"
    hub.add("mika/ink", {"README.md": CARD.replace(b"LICENSE.md", link), "ink.safetensors": weights})
    hub.add("studio/base", {"LICENSE.md": b"old"})
    hub.push("studio/base", {"LICENSE.md": MIT}, tag="v1")
    listing = only("hf:mika/ink")
    assert any(each.url == link.decode() and each.body == MIT for each in listing.versions[0].documents)
    assert "MIT" in {claim.value for claim in claims(listing, ClaimKind.LICENSE)}


def test_a_license_link_that_may_not_be_followed_is_told_beside_the_license(
    hub: HubServer, weights: Path
) -> None:
    card = CARD.replace(b"LICENSE.md", b"https://license.example/terms")
    hub.add("mika/ink", {"README.md": card, "ink.safetensors": weights})
    (claim,) = claims(only("hf:mika/ink"), ClaimKind.LICENSE)
    assert claim.value is None
    assert claim.hints["license_link_error"] == "host_not_allowed"


def test_a_card_that_is_no_yaml_costs_nothing_but_itself(hub: HubServer, weights: Path) -> None:
    hub.add("mika/ink", {"README.md": b"---\nlicense: [mit\n---\n# Ink\n", "ink.safetensors": weights})
    findings = read("hf:mika/ink")
    (listing,) = findings.listings
    assert [failure.error.code for failure in findings.failures] == ["sidecar_unreadable"]
    assert listing.versions[0].remote
    assert not claims(listing, ClaimKind.LICENSE)


def test_without_a_card_the_hubs_tags_speak(hub: HubServer, weights: Path) -> None:
    hub.add("mika/ink", {"ink.safetensors": weights})
    told = {
        "tags": ["license:mit", "base_model:adapter:a/b", "base_model:a/b"],
        "sha": "0" * 40,
        "id": "mika/ink",
        "siblings": [{"rfilename": "ink.safetensors"}],
    }
    hub.plan(Status(200, told), path=r"^/api/models/mika/ink$")
    listing = only("hf:mika/ink")
    assert [claim.value for claim in claims(listing, ClaimKind.LICENSE)] == ["MIT"]
    (base,) = claims(listing, ClaimKind.BASE)
    assert (base.value, base.hints) == ("a/b", {"relation": "adapter"})


@pytest.mark.parametrize("card", sorted(CARDS.glob("*_*.md")), ids=lambda path: path.stem)
def test_every_recorded_card_is_read(hub: HubServer, weights: Path, card: Path) -> None:
    hub.add("mika/ink", {"README.md": card.read_bytes(), "ink.safetensors": weights})
    listing = only("hf:mika/ink")
    assert len(listing.versions) == 1


def test_a_revision_is_read_as_it_was_and_the_same_weights_are_no_new_version(
    hub: HubServer, weights: Path, tmp_path: Path
) -> None:
    hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": weights})
    first = hub.push("mika/ink", {"README.md": CARD + b"\nmore"}, tag="v1").sha
    hub.push("mika/ink", {"ink.safetensors": write_lora(tmp_path / "two.safetensors", seed=2)})
    newest, old = only("hf:mika/ink"), only("hf:mika/ink@v1")
    assert f"/resolve/{first}/" in old.versions[0].remote[0].url
    assert old.versions[0].source_key != newest.versions[0].source_key
    assert old.versions[0].source_key == only(f"hf:mika/ink@{first}").versions[0].source_key
    assert old.source_key == newest.source_key
    with pytest.raises(NotFoundUpstream):
        read("hf:mika/ink@nowhere")


def test_one_file_can_be_named(hub: HubServer, weights: Path, tmp_path: Path) -> None:
    night = write_lora(tmp_path / "night.safetensors", seed=3)
    hub.add("mika/ink", {"day.safetensors": weights, "night.safetensors": night})
    listing = only("hf:mika/ink:night.safetensors")
    assert [file.key for version in listing.versions for file in version.remote] == ["night.safetensors"]
    assert listing.versions[0].source_key == only("hf:mika/ink").versions[1].source_key
    with pytest.raises(NotFoundUpstream):
        read("hf:mika/ink:missing.safetensors")


@pytest.mark.database
@pytest.mark.django_db
def test_a_repository_without_weights_is_told_so(hub: HubServer) -> None:
    hub.add("mika/ink", {"README.md": CARD})
    with pytest.raises(NoAdaptersFound):
        read("hf:mika/ink")


def test_gated_files_are_listed_and_open_up_with_the_token(
    hub: HubServer, weights: Path, settings: Settings
) -> None:
    repo = hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": weights}, gated="manual")
    (version,) = only("hf:mika/ink").versions
    assert (version.availability, version.remote[0].requires) == (Availability.GATED, "gated")
    assert version.availability_reason
    # The Hub repeats the front matter, so that the terms are known before the files are.
    assert version.trigger_words == ["inkwash", "brush"]
    assert [each.kind for each in version.claims if each.kind == ClaimKind.LICENSE]
    assert not [each for each in hub.requests if "/resolve/" in each.path]
    hub.accounts["hf_secret"] = "noor"
    repo.readers.add("noor")
    settings.UPSTREAM_TOKENS = {hub.host: "hf_secret"}
    (version,) = only("hf:mika/ink").versions
    assert (version.availability, version.remote[0].requires) == (Availability.PRESENT, "")
    assert version.documents[1].body == CARD


def test_a_private_repository_is_not_found_without_the_token(hub: HubServer, weights: Path) -> None:
    hub.add("mika/ink", {"ink.safetensors": weights}, private=True)
    with pytest.raises(NotFoundUpstream) as caught:
        read("hf:mika/ink")
    assert caught.value.who_to_ask


def test_a_disabled_repository_is_taken_down_and_keeps_its_list_of_files(
    hub: HubServer, weights: Path
) -> None:
    hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": weights}, disabled=True)
    (version,) = only("hf:mika/ink").versions
    assert version.availability == Availability.TAKEN_DOWN
    assert version.remote


def test_a_renamed_repository_is_read_under_its_new_name(hub: HubServer, weights: Path) -> None:
    hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": weights})
    hub.rename("mika/ink", "mika/inkwash")
    assert only("hf:mika/ink").source_key == "mika/inkwash"


def test_a_bad_token_is_an_error_of_its_own_and_never_shown(
    hub: HubServer, weights: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": weights})
    settings.UPSTREAM_TOKENS = {hub.host: "hf_expired"}
    with pytest.raises(LoginRequired) as caught:
        read("hf:mika/ink")
    assert any(each.headers.get("authorization") == "Bearer hf_expired" for each in hub.requests)
    assert "hf_expired" not in str(caught.value) + caplog.text


def test_a_limit_that_is_soon_over_is_waited_for(hub: HubServer, weights: Path) -> None:
    hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": weights})
    hub.plan(TooMany(retry_after="0"), path="^/api/models/mika/ink$", times=1)
    hub.plan(Broken(502), path="/README.md$", times=1)
    assert only("hf:mika/ink").versions


def test_an_upstream_that_stays_broken_is_a_failure_that_may_pass(hub: HubServer, settings: Settings) -> None:
    settings.UPSTREAM_TRIES = 2
    hub.plan(Broken(503), times=None)
    with pytest.raises(UpstreamUnavailable) as caught:
        read("hf:mika/ink")
    assert not caught.value.permanent


@pytest.mark.parametrize("told", [None, [], "x", {"id": "mika/ink"}, {"id": None, "sha": "0" * 40}])
def test_a_description_that_is_none_is_one_clear_error(hub: HubServer, told: object) -> None:
    hub.plan(Status(200, told), path="^/api/models/mika/ink", times=None)
    with pytest.raises(UnexpectedAnswer):
        read("hf:mika/ink")


def test_a_web_page_in_place_of_the_description_is_one_clear_error(
    hub: HubServer, settings: Settings
) -> None:
    settings.UPSTREAM_TRIES = 1
    hub.plan(Html(), times=None)
    with pytest.raises(UpstreamError):
        read("hf:mika/ink")


def test_the_client_asks_for_nothing_of_its_own(
    hub: HubServer, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """huggingface_hub's telemetry asks ENDPOINT for a list of programs, to tell which of them runs it."""
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(_detect_agent, "_registry", None)
    monkeypatch.setattr(_detect_agent, "_read_cached_registry", lambda *_, **__: None)
    hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": weights})
    read("hf:mika/ink")
    assert {each.path.split("/")[1] for each in hub.requests} == {"api", "mika"}
    assert not [each for each in hub.requests if "harness" in each.path]
    assert {each.headers["user-agent"].split("/")[0] for each in hub.requests} == {"Kura"}


# --- Lists --------------------------------------------------------------------------------------------------


def fill(hub: HubServer, count: int, weights: Path) -> None:
    for number in range(count):
        hub.add(
            f"mika/ink-{number}",
            {"README.md": CARD, "ink.safetensors": weights},
            date=datetime(2026, 5, 1 + number, tzinfo=UTC),
        )


def test_a_list_is_read_page_by_page_and_goes_on_from_its_cursor(hub: HubServer, weights: Path) -> None:
    hub.page = 4
    fill(hub, 10, weights)
    hub.add("noor/ink", {"README.md": CARD, "ink.safetensors": weights})
    stream = pages("creator", "mika", None)
    first = next(stream)
    rest = list(pages("creator", "mika", first.cursor))
    keys = [each.source_key for page in (first, *rest) for each in page.listings]
    assert keys == [f"mika/ink-{number}" for number in reversed(range(10))]
    assert rest[-1].cursor is None
    assert len([each for each in hub.requests if each.path == "/api/models"]) == 3


def test_only_what_changed_costs_requests_of_its_own(hub: HubServer, weights: Path) -> None:
    fill(hub, 3, weights)
    before = {
        each.source_key: each.fingerprint for page in pages("tag", "lora", None) for each in page.listings
    }
    hub.repos["mika/ink-1"].downloads += 5
    hub.push("mika/ink-2", {"README.md": CARD + b"\nchanged"})
    hub.requests.clear()
    listed = [each for page in pages("tag", "lora", None) for each in page.listings]
    changed = [each for each in listed if before[each.source_key or ""] != each.fingerprint]
    assert [each.source_key for each in changed] == ["mika/ink-2"]
    assert len(hub.requests) == 1


def test_an_adapter_of_a_list_is_read_as_the_list_told_it(hub: HubServer, weights: Path) -> None:
    fill(hub, 1, weights)
    ((unread,),) = [page.listings for page in pages("query", "ink", None)]
    assert isinstance(unread, Unread)
    hub.push("mika/ink-0", {"README.md": CARD + b"\nlater"})
    listing = unread.read()
    assert (listing.source_key, listing.fingerprint) == (unread.source_key, unread.fingerprint)
    newer = only("hf:mika/ink-0")
    assert newer.fingerprint != unread.fingerprint
    assert [each.url for each in listing.versions[0].documents] == [
        each.url for each in newer.versions[0].documents
    ]


def test_conditions_can_be_joined(hub: HubServer, weights: Path) -> None:
    fill(hub, 2, weights)
    hub.add("noor/ink", {"README.md": CARD.replace(b"lora", b"dora"), "ink.safetensors": weights})

    def found(kind: str, target: str) -> set[str]:
        return {each.source_key or "" for page in pages(kind, target, None) for each in page.listings}

    base = "base_model:adapter:stabilityai/stable-diffusion-xl-base-1.0"
    assert found("tag", base) == {"mika/ink-0", "mika/ink-1"}
    assert found("tag", "dora") == {"noor/ink"}
    assert found("query", "ink-1 author:mika") == {"mika/ink-1"}
    assert found("creator", f"{hub.url}/mika") == {"mika/ink-0", "mika/ink-1"}
    assert found("creator", "mika tag:license:mit") == set()
    assert found("catalog", "all") == {"mika/ink-0", "mika/ink-1"}


@pytest.mark.parametrize(
    ("kind", "target"), [("collection", "x"), ("creator", " "), ("tag", ","), ("query", "")]
)
def test_what_cannot_be_followed_is_told(kind: str, target: str) -> None:
    with pytest.raises(ReferenceUnclear):
        next(pages(kind, target, None))


def test_one_repository_gives_one_page(hub: HubServer, weights: Path) -> None:
    fill(hub, 1, weights)
    (page,) = pages("adapter", "mika/ink-0", None)
    assert [each.source_key for each in page.listings] == ["mika/ink-0"]
    assert page.cursor is None


def test_a_next_page_elsewhere_is_asked_for_here(hub: HubServer, weights: Path, settings: Settings) -> None:
    """A mirror passes the Hub's own address on; whoever is named there gets neither request nor token."""
    hub.page = 1
    fill(hub, 3, weights)

    def mirrored(request: Request, reply: Reply) -> Reply:
        link = reply.headers.get("Link", "").replace(hub.url, "https://elsewhere.example")
        return replace(reply, headers={**reply.headers, "Link": link})

    hub.plan(mirrored, path="^/api/models$", times=None)
    with recorded_connections() as connections:
        listed = [each.source_key or "" for page in pages("catalog", "all", None) for each in page.listings]
    assert sorted(listed) == [f"mika/ink-{number}" for number in range(3)]
    assert {f"{each.host}:{each.port}" for each in connections} == {hub.host}


def test_broken_items_of_a_list_are_told_one_by_one(hub: HubServer) -> None:
    hub.plan(
        Status(200, [{"id": "mika/ink"}, {"id": "mika/ok", "sha": "0" * 40}, 5, {}]), path="^/api/models$"
    )
    (page,) = pages("catalog", "all", None)
    assert [each.source_key for each in page.listings] == ["mika/ok"]
    assert len(page.failures) == 2
    assert all(isinstance(each.error, KuraError) for each in page.failures)


def test_an_announced_quota_is_never_exceeded(hub: HubServer, weights: Path) -> None:
    hub.page = 1
    fill(hub, 3, weights)
    hub.quotas.append(Quota(limit=8, window=1.0))
    listed = [
        each.read()
        for page in pages("creator", "mika", None)
        for each in page.listings
        if isinstance(each, Unread)
    ]
    assert len(listed) == 3
    assert hub.quotas[0].over == 0
