"""Pulling from a second Kura that runs: claims stay claims, evidence comes along, circles do not grow."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker, Settings

from registry.models import ClaimKind, Snapshot, Source, Standing, TermsClaim, Version, Vetting
from registry.sources.kura import pages, place_of, read
from registry.sources.listing import Listing
from registry.sources.pages import Page, Unread
from registry.sources.save import save_version
from registry.sources.upstream_errors import BadAddress, NotFoundUpstream
from tests.registry.weight_files import civitai_info, write_json, write_lora
from tests.upstreams.kura import Kura, kura

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("blobs", "seeded")]


@pytest.fixture(scope="module")
def peer(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Kura]:
    """Another Kura with two vetted adapters, one of them with a Civitai sidecar, and one that waits."""
    folder = tmp_path_factory.mktemp("peer")
    loras = folder / "loras"
    write_lora(loras / "ink.safetensors")
    write_json(loras / "ink.civitai.info", civitai_info())
    write_lora(loras / "plain.safetensors", seed=1)
    write_lora(loras / "waits.safetensors", seed=2)
    with django_db_blocker.unblock(), kura(folder) as running:
        running.ingest(str(loras))
        running.run(
            """
            from django.contrib.auth.models import User
            from registry.models import Version
            from registry.vetting import review
            reviewer = User.objects.create(username="ada")
            for version in Version.objects.exclude(adapter__name="waits"):
                review(version, reviewer, "approve", "seen")
            """
        )
        yield running


@pytest.fixture(autouse=True)
def allowed(request: pytest.FixtureRequest, settings: Settings) -> None:
    if "peer" in request.fixturenames:
        settings.UPSTREAM_PRIVATE_HOSTS = [request.getfixturevalue("peer").host]


def catalog(peer: Kura, cursor: str | None = None) -> list[Page]:
    return list(pages("catalog", peer.url, cursor))


def listings(found: list[Page]) -> list[Listing]:
    return [each.read() for page in found for each in page.listings if isinstance(each, Unread)]


def take(listing: Listing) -> list[Version]:
    return [save_version(listing, each, [], actor="sync").version for each in listing.versions]


def ink(peer: Kura) -> Listing:
    return next(each for each in listings(catalog(peer)) if each.name == "Ink wash")


def test_only_vetted_adapters_are_listed(peer: Kura) -> None:
    assert sorted(each.name for each in listings(catalog(peer))) == ["Ink wash", "plain"]


def test_an_adapter_comes_with_its_facts_and_files(peer: Kura) -> None:
    listing = ink(peer)
    assert (listing.source, listing.creator, listing.tags) == (Source.KURA, "mika", ["style"])
    assert listing.source_key and listing.source_key.startswith(f"{peer.url}#")
    (version,) = listing.versions
    assert (version.declared_base, version.base_host) == ("SD 1.5", "civitai")
    assert version.trigger_words == ["inkwash", "brush"]
    (file,) = version.remote
    data = (peer.folder / "loras" / "ink.safetensors").read_bytes()
    assert (file.sha256, file.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert file.url == f"{peer.url}/api/v1/files/{file.sha256}/content?version={version.source_key}"
    assert dict(file.hashes)["SHA256"] == file.sha256.upper()


def test_claims_come_with_the_bytes_that_they_were_read_from(peer: Kura) -> None:
    (version,) = take(ink(peer))
    flags = TermsClaim.objects.get(version=version, kind=ClaimKind.CIVITAI_FLAGS)
    assert flags.standing == Standing.DECLARED
    assert flags.value["allowCommercialUse"] == ["Image", "RentCivit", "Rent", "Sell"]
    assert flags.snapshot is not None
    sidecar = (peer.folder / "loras" / "ink.civitai.info").read_bytes()
    assert bytes(flags.snapshot.body) == sidecar
    # Kept under the address where it was had, and never as if it had been read at its source by us.
    assert flags.snapshot.url.startswith(f"{peer.url}/api/v1/versions/")
    assert version.base_declared is not None and version.base_declared.slug == "sd-1-5"


def test_the_vetting_there_is_a_note_and_no_decision_here(peer: Kura) -> None:
    (version,) = take(ink(peer))
    assert version.vetting == Vetting.WAITING
    assert not TermsClaim.objects.filter(version=version, standing=Standing.DECIDED).exists()
    note = TermsClaim.objects.get(version=version, kind=ClaimKind.PEER_VETTING)
    assert (note.value["state"], note.value["address"]) == ("approved", peer.url)
    assert note.value["verdicts"]["use_privately"][0] in {"allowed", "conditional"}
    assert note.snapshot is not None and b'"vetting"' in bytes(note.snapshot.body)


def test_a_second_pull_of_the_same_changes_nothing(peer: Kura) -> None:
    first = catalog(peer)
    for listing in listings(first):
        take(listing)
    rows = (TermsClaim.objects.count(), Snapshot.objects.count(), Version.objects.count())
    second = catalog(peer)
    assert [each.fingerprint for page in second for each in page.listings] == [
        each.fingerprint for page in first for each in page.listings
    ]
    for listing in listings(second):
        for version in listing.versions:
            assert not save_version(listing, version, [], actor="sync").changed
    assert (TermsClaim.objects.count(), Snapshot.objects.count(), Version.objects.count()) == rows


def test_a_change_there_is_taken_over_and_the_earlier_reading_stays_readable(peer: Kura) -> None:
    (version,) = take(ink(peer))
    before = TermsClaim.objects.get(version=version, kind=ClaimKind.CIVITAI_FLAGS)
    info = civitai_info()
    info["model"]["allowCommercialUse"] = []
    write_json(peer.folder / "loras" / "ink.civitai.info", info)
    peer.ingest(str(peer.folder / "loras"))
    try:
        take(ink(peer))
    finally:
        write_json(peer.folder / "loras" / "ink.civitai.info", civitai_info())
        peer.ingest(str(peer.folder / "loras"))
    claims = TermsClaim.objects.filter(version=version, kind=ClaimKind.CIVITAI_FLAGS).order_by("pk")
    assert [(each.superseded, each.value["allowCommercialUse"]) for each in claims] == [
        (True, ["Image", "RentCivit", "Rent", "Sell"]),
        (False, []),
    ]
    before.refresh_from_db()
    assert before.snapshot is not None and bytes(before.snapshot.body)


def test_what_is_taken_back_there_is_marked_here_and_stays(peer: Kura) -> None:
    (version,) = take(ink(peer))
    there = int(version.source_key)
    peer.review("withdraw", version=there)
    try:
        (listed,) = ink(peer).versions
        assert (listed.availability, listed.remote) == ("taken_down", [])
        assert listed.availability_reason == f"withdrawn by the Kura at {peer.url}"
        assert len(listings(catalog(peer))) == 2
        assert TermsClaim.objects.filter(version=version, superseded=False).exists()
    finally:
        peer.review("reopen", version=there)
        peer.review("approve", version=there)


def test_one_adapter_or_version_can_be_named(peer: Kura) -> None:
    listing = ink(peer)
    key, version = listing.source_key, listing.versions[0].source_key
    for source in (f"kura:{key}", f"kura:{key}@{version}", f"KURA:{str(key).replace('#', '/#')}"):
        (found,) = read(source).listings
        assert (found.source_key, [each.source_key for each in found.versions]) == (key, [version])
    (page,) = pages("adapter", str(key), None)
    assert (page.cursor, [each.source_key for each in page.listings]) == (None, [key])
    with pytest.raises(NotFoundUpstream):
        read(f"kura:{peer.url}#999999")


def test_pages_go_on_at_their_cursor(peer: Kura, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.sources.kura.PAGE", 1)
    whole = catalog(peer)
    assert len(whole) == 3 and whole[-1].cursor is None
    rest = catalog(peer, whole[0].cursor)
    assert [each.source_key for page in rest for each in page.listings] == [
        each.source_key for page in whole[1:] for each in page.listings
    ]


@pytest.mark.parametrize(
    "source",
    ["kura:", "kura:host", "kura:ftp://x", "kura:http://", "kura:http://h#x", "kura:http://h#1@", "kura:http://a:b@h",
     "kura:http://h?x=1", "kura:http://h:x/"],
)  # fmt: skip
def test_what_is_no_address_is_refused_before_anything_is_asked(source: str) -> None:
    with pytest.raises(BadAddress):
        read(source)


@pytest.mark.parametrize(
    ("source", "base"),
    [
        ("kura:http://Kura.Example:80/", "http://kura.example"),
        ("https://kura.example:443/store/#7", "https://kura.example/store"),
        ("http://[::1]:8000#7@9", "http://[::1]:8000"),
    ],
)
def test_an_address_has_one_spelling(source: str, base: str) -> None:
    assert place_of(source).base == base


@pytest.mark.slow
def test_kuras_that_read_each_other_do_not_grow(tmp_path: Path, peer: Kura) -> None:
    def state(of: Kura) -> Any:
        return of.run(
            """
            from registry.models import Adapter, Snapshot, TermsClaim, Version, Change
            result = [each.objects.count() for each in (Adapter, Version, TermsClaim, Snapshot, Change)]
            """
        )

    with kura(tmp_path, UPSTREAM_PRIVATE_HOSTS=peer.host) as second:
        with_token = {"UPSTREAM_PRIVATE_HOSTS": peer.host, "UPSTREAM_TOKENS": f"{peer.host}={peer.token()}"}
        back = {"UPSTREAM_PRIVATE_HOSTS": second.host, "UPSTREAM_TOKENS": f"{second.host}={second.token()}"}
        taken = second.ingest(f"kura:{peer.url}", **with_token)
        assert taken["failed"] == [] and len(taken["adapters"]) == 2
        second.review("approve")
        at_peer, at_second = state(peer), state(second)
        for _ in range(2):
            peer.ingest(f"kura:{second.url}", **back)
            second.ingest(f"kura:{peer.url}", **with_token)
        assert (state(peer), state(second)) == (at_peer, at_second)
        files = {
            file["sha256"]
            for each in taken["adapters"]
            for version in each["versions"]
            for file in version["files"]
        }
        loras = peer.folder / "loras"
        assert files == {
            hashlib.sha256((loras / name).read_bytes()).hexdigest()
            for name in ("ink.safetensors", "plain.safetensors")
        }
