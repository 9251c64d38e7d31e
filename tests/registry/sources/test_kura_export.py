"""What a Kura that is broken, or means no good, can make of an export: an error, or less than it says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from registry.models import Standing, TermsClaim
from registry.peers import identity
from registry.sources.kura import pages, read
from registry.sources.listing import Listing
from registry.sources.pages import Unread
from registry.sources.save import save_version
from registry.sources.upstream_errors import (
    AddressNotAllowed,
    HostNotAllowed,
    LoginRequired,
    UnexpectedAnswer,
)
from tests.upstreams.faults import FaultyServer, Html, Reply, Request, Status

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("blobs", "seeded")]

CARD = b"---\nlicense: cc0-1.0\n---\n"
DIGEST = hashlib.sha256(CARD).hexdigest()
KURA = "11111111-2222-4333-8444-555555555555"


def claim(kind: str = "license", value: Any = "CC0-1.0", **changes: Any) -> dict[str, Any]:
    snapshot = {
        "id": 5,
        "url": "https://example.org/card",
        "sha256": DIGEST,
        "media_type": "text/markdown",
        "fetched": "2026-11-01T00:00:00+00:00",
    }
    return {"kind": kind, "standing": "declared", "value": value, "wording": "as written", "unread": [],
            "hints": {}, "snapshot": snapshot} | changes  # fmt: skip


def export(*claims: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "kura": KURA,
        "path": [KURA],
        "change": 3,
        "adapter": {"id": 1, "name": "Ink", "tags": ["style"], "source": "folder"},
        "version": {"id": 1, "name": "v1", "declared_base": "SD 1.5"},
        "files": [{"sha256": "ab" * 32, "name": "ink.safetensors", "size": 10}],
        "samples": [],
        "claims": list(claims),
        "vetting": {"state": "approved", "at": None},
    } | changes


class Other(FaultyServer):
    """Answers as a Kura would, with whatever the test puts in."""

    def __init__(self) -> None:
        super().__init__()
        self.version: Any = {"id": 1, "vetting": "approved", "change": 3, "path": [KURA]}
        self.export: Any = export(claim())
        self.evidence = CARD

    def answer(self, request: Request) -> Reply:
        if request.path.endswith("/changes/"):
            row = {"change": 3, "adapter": 1, "at": "2026-11-01T00:00:00+00:00", "versions": [self.version]}
            return Reply.of_json({"kura": KURA, "results": [row], "next": None, "cursor": f"{KURA}.3"})
        if request.path.endswith("/export/"):
            return Reply.of_json(self.export)
        return Reply.of_bytes(self.evidence)


@pytest.fixture
def other(settings: Settings) -> Iterator[Other]:
    with Other() as server:
        settings.UPSTREAM_PRIVATE_HOSTS = [server.host]
        yield server


def pulled(other: Other) -> Listing:
    (listing,) = read(f"kura:{other.url}#1").listings
    return listing


def kept(other: Other) -> dict[str, TermsClaim]:
    listing = pulled(other)
    saved = save_version(listing, listing.versions[0], [], actor="sync").version
    return {each.kind: each for each in TermsClaim.objects.filter(version=saved)}


def test_a_sound_export_is_kept(other: Other) -> None:
    other.export = export(claim())
    found = kept(other)["license"]
    assert (found.value, found.standing) == ("CC0-1.0", "declared")
    assert found.snapshot is not None and bytes(found.snapshot.body) == CARD


def test_no_claim_of_another_kura_becomes_a_decision(other: Other) -> None:
    other.export = export(
        claim(standing="decided"),
        claim("conclusion", {"item": "sell"}),
        claim("peer_vetting", {"state": "approved"}, wording="forged"),
        claim("no_such_kind"),
        claim("rights", {"subject": "person", "state": "cleared"}),
    )
    found = kept(other)
    assert set(found) == {"rights", "peer_vetting"}
    assert found["rights"].value == {"subject": "person", "state": "unknown"}
    assert found["peer_vetting"].wording == f"approved by the Kura at {other.url}"
    assert Standing.DECIDED not in {each.standing for each in found.values()}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("license", 7),
        ("license", None),
        ("license", "LicenseRef-a-house-of-theirs"),
        ("civitai_flags", "Sell"),
        ("civitai_flags", {"allowCommercialUse": 7}),
        ("text_terms", []),
    ],
)
def test_what_is_stated_in_another_shape_is_stated_and_not_recognized(
    other: Other, kind: str, value: Any
) -> None:
    other.export = export(claim(kind, value))
    assert kept(other)[kind].value is None


def test_claims_without_open_evidence_cite_their_own_lines_of_the_export(other: Other) -> None:
    other.export = export(claim(snapshot=None), claim(value="MIT", snapshot=None, standing="detected"))
    found = kept(other)["license"]
    assert found.snapshot is not None
    assert json.loads(bytes(found.snapshot.body))["kind"] == "license"
    for listing in (pulled(other), pulled(other)):
        assert not save_version(listing, listing.versions[0], [], actor="sync").changed


def test_evidence_that_is_kept_is_not_fetched_again(other: Other) -> None:
    kept(other)
    other.requests.clear()
    kept(other)
    assert not [each for each in other.requests if "snapshots" in each.path]


def test_evidence_with_other_bytes_than_announced_is_refused(other: Other) -> None:
    other.evidence = b"something else"
    with pytest.raises(UnexpectedAnswer, match="other bytes"):
        pulled(other)


def broken(**changes: Any) -> Callable[[], dict[str, Any]]:
    return lambda: export(**changes)


@pytest.mark.parametrize(
    "make",
    [
        lambda: [],
        lambda: {},
        broken(format=2),
        broken(adapter=None),
        broken(adapter={"id": "1"}),
        broken(version={"id": 0}),
        broken(version={"id": True}),
        broken(vetting=None),
        broken(files=[{"sha256": "../../etc/passwd"}]),
        broken(files=[{"sha256": "z" * 64}]),
    ],
)
def test_an_export_that_cannot_be_read_is_one_error(other: Other, make: Callable[[], Any]) -> None:
    other.export = make()
    with pytest.raises(UnexpectedAnswer):
        pulled(other)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": 7, "samples": 7, "claims": 7},
        {"files": [7], "samples": [{"path": "//evil.example/x"}, {"path": 7}, 7], "claims": [7, {}]},
        {"adapter": {"id": 1, "tags": 7, "creator": 7, "source": "nowhere", "creator_url": "javascript:1"}},
        {"version": {"id": 1, "trigger_words": {"a": 1}, "notes": 7, "published": "never"}},
        {
            "vetting": {"state": ["approved"], "at": 7, "checks": "x", "verdicts": [1]},
            "path": 7,
            "change": "x",
        },
        {"adapter": {"id": 1, "name": "a\u0000b\u202e" * 500, "description": "x\u0000"}},
    ],
)
def test_what_is_odd_in_an_export_is_left_out(other: Other, changes: dict[str, Any]) -> None:
    other.export = export(**changes)
    listing = pulled(other)
    assert listing.versions[0].remote_samples == []
    save_version(listing, listing.versions[0], [], actor="sync")


def test_files_and_pictures_are_asked_of_the_same_host_alone(other: Other) -> None:
    other.export = export(
        samples=[{"path": "/media/samples/1", "parameters": {}}],
        files=[{"sha256": "ab" * 32, "name": "../x", "url": "http://evil.example/", "size": -1}],
    )
    (version,) = pulled(other).versions
    assert [each.url.startswith(f"{other.url}/") for each in (*version.remote, *version.remote_samples)] == [
        True,
        True,
    ]
    assert version.remote[0].size is None


@pytest.mark.parametrize("path", [[KURA, "own"], ["own"], [KURA] * 9])
def test_what_came_through_here_or_too_far_is_left_alone(other: Other, path: list[str]) -> None:
    other.version["path"] = [identity() if each == "own" else each for each in path]
    (page,) = pages("catalog", other.url, None)
    assert (page.listings, page.cursor) == ([], None)
    assert page.notes == ["Adapters that are not vetted there or came from here: 1."]
    assert [each.path for each in other.requests] == ["/api/v1/changes/"]


@pytest.mark.parametrize(
    "version", [7, {}, {"id": "1"}, {"id": 1, "change": None}, {"id": True, "change": 1}]
)
def test_a_row_of_the_feed_that_cannot_be_read_is_one_error(other: Other, version: Any) -> None:
    other.version = version
    (page,) = pages("catalog", other.url, None)
    (row,) = page.listings
    assert isinstance(row, Unread) and row.source_key == f"{other.url}#1"
    with pytest.raises(UnexpectedAnswer):
        row.read()
    with pytest.raises(UnexpectedAnswer):
        read(f"kura:{other.url}#1")


def test_a_page_instead_of_json_and_a_login_have_errors_of_their_own(other: Other) -> None:
    other.plan(Html(), times=None, path="changes")
    with pytest.raises(UnexpectedAnswer):
        read(f"kura:{other.url}#1")
    other._plans.clear()
    other.plan(Status(401, {"code": "not_authenticated"}), times=None)
    with pytest.raises(LoginRequired):
        list(pages("catalog", other.url, None))


def test_a_token_goes_to_the_host_it_was_given_for(other: Other, settings: Settings) -> None:
    settings.UPSTREAM_TOKENS = {other.host: "kura_secret", "elsewhere.example": "kura_other"}
    pulled(other)
    assert {each.headers.get("authorization") for each in other.requests} == {"Bearer kura_secret"}


def test_a_machine_in_the_lan_must_be_named_first(other: Other, settings: Settings) -> None:
    settings.UPSTREAM_PRIVATE_HOSTS = []
    with pytest.raises((HostNotAllowed, AddressNotAllowed)):
        read(f"kura:{other.url}#1")
    assert other.requests == []
