"""Ingest from an upstream: metadata first, then the bytes that are worth it, verified and never twice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from pytest_django import Settings

from registry import vetting
from registry.models import (
    Blob,
    Check,
    File,
    FileState,
    OfferedFile,
    Sample,
    TermsClaim,
    Version,
    Vetting,
)
from registry.services import Report, ingest
from registry.sources.errors import NoAdaptersFound
from registry.verdicts import verdict_for
from tests.registry import remote_source as remote
from tests.registry.remote_source import Shelf, Upstream, codes, offered, rows, version
from tests.registry.weight_files import write_lora, write_pickle, write_vae
from tests.upstreams.faults import Corrupt, Cut, Html

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("blobs", "seeded"),
]


def lora_of(tmp_path: Path, seed: int) -> bytes:
    return write_lora(tmp_path / "made" / f"{seed}.safetensors", seed=seed).read_bytes()


def skips(report: Report) -> list[tuple[str, str | None]]:
    return [(line["code"], line.get("why")) for line in report.skipped]


def left_behind(settings: Settings) -> list[str]:
    return [path.name for path in (Path(settings.VAR_DIR) / "fetching").rglob("*") if path.is_file()]


# --- Fetching -----------------------------------------------------------------------------------------------


def test_a_page_with_a_file_becomes_a_version_with_bytes_claims_and_pictures(
    shelf: Shelf, upstream: Upstream, lora: bytes, settings: Settings
) -> None:
    shown = remote.sample(shelf.put("1.png", remote.picture()), seed=7)
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora), remote_samples=[shown])]
    report = ingest("test:1")
    assert (report.failed, report.skipped) == ([], [])

    kept = Version.objects.select_related("adapter").get()
    assert (kept.adapter.source_key, kept.source_key, kept.detected_family) == ("1", "11", "sd1")
    assert kept.vetting == Vetting.WAITING
    file = File.objects.get()
    digest = hashlib.sha256(lora).hexdigest()
    assert (file.name, file.blob_id, file.announced, file.state) == (
        "ink.safetensors",
        digest,
        digest,
        FileState.STORED,
    )
    assert Sample.objects.get().parameters == {"seed": 7}
    assert {claim.kind for claim in TermsClaim.objects.all()} == {"license"}
    offer = OfferedFile.objects.get(role="weights")
    assert (offer.state, offer.blob_id, offer.saved) == ("stored", digest, 0)
    assert report.as_dict()["adapters"][0]["versions"][0]["files"] == [{"sha256": digest, "state": "stored"}]
    assert left_behind(settings) == []


def test_a_second_run_changes_and_fetches_nothing(shelf: Shelf, upstream: Upstream, lora: bytes) -> None:
    shown = remote.sample(shelf.put("1.png", remote.picture()))
    gated = offered(shelf, "other.safetensors", lora, "2", requires="early_access")
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora), gated, remote_samples=[shown])]
    ingest("test:1")
    before, requests = rows(), len(shelf.requests)
    report = ingest("test:1")
    assert (report.adapters, report.failed) == ({}, [])
    assert skips(report) == [("already_stored", None), ("passed_by", "early_access")]
    assert rows() == before
    assert len(shelf.requests) == requests


def test_four_files_of_one_version_are_four_digests(shelf: Shelf, upstream: Upstream, tmp_path: Path) -> None:
    bodies = [lora_of(tmp_path, seed) for seed in range(4)]
    # All four have one name, as upstreams give it; only the key tells them apart.
    upstream.versions = [
        version(
            *(
                offered(shelf, f"{n}.safetensors", body, str(n), name="ink.safetensors")
                for n, body in enumerate(bodies)
            )
        )
    ]
    assert ingest("test:1").failed == []
    found = {offer.key: offer.blob_id for offer in OfferedFile.objects.all()}
    assert found == {str(n): hashlib.sha256(body).hexdigest() for n, body in enumerate(bodies)}
    assert File.objects.count() == Blob.objects.count() == 4


@pytest.mark.parametrize("read_header", [True, False])
def test_a_web_page_in_place_of_the_file_stores_nothing_and_says_so(
    shelf: Shelf, upstream: Upstream, lora: bytes, settings: Settings, read_header: bool
) -> None:
    settings.TRIAGE_READ_HEADER = read_header
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora))]
    shelf.plan(Html(), times=None)
    report = ingest("test:1")
    assert codes(report) == ["not_safetensors"]
    assert "web page" in report.failed[0].error.message
    assert (report.adapters, File.objects.count(), Blob.objects.count()) == ({}, 0, 0)
    assert left_behind(settings) == []
    with pytest.raises(NoAdaptersFound, match="not_safetensors"):
        call_command("ingest", "test:1")


def test_a_web_page_that_calls_itself_a_file_stores_nothing(
    shelf: Shelf, upstream: Upstream, lora: bytes
) -> None:
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora))]
    shelf.plan(Html(media_type="application/octet-stream"), times=None)
    assert codes(ingest("test:1")) == ["not_safetensors"]
    assert Blob.objects.count() == 0


@pytest.mark.parametrize("announce", ["sha256", "blake3", "autov2", "autov3", "crc32"])
def test_bytes_with_another_digest_than_announced_are_not_stored(
    shelf: Shelf, upstream: Upstream, lora: bytes, settings: Settings, announce: str
) -> None:
    value = str(getattr(remote.digests(lora), announce))
    wrong = ("0" if value[0] != "0" else "1") + value[1:]
    file = offered(shelf, "ink.safetensors", lora, sha256="", hashes=((announce, wrong),))
    upstream.versions = [version(file)]
    report = ingest("test:1")
    assert codes(report) == ["hash_mismatch"]
    assert (File.objects.count(), Blob.objects.count(), left_behind(settings)) == (0, 0, [])
    offer = OfferedFile.objects.get()
    assert (offer.state, offer.code, offer.blob) == ("failed", "hash_mismatch", None)
    assert wrong in offer.reason or "SHA256" in offer.reason


@pytest.mark.parametrize("announce", ["sha256", "blake3", "autov2", "autov3", "crc32"])
@pytest.mark.parametrize("spell", [str.upper, str.lower, lambda digits: f" {digits} "])
def test_a_digest_is_recognized_however_it_is_spelled(
    shelf: Shelf, upstream: Upstream, lora: bytes, announce: str, spell: Any
) -> None:
    value = spell(str(getattr(remote.digests(lora), announce)))
    upstream.versions = [
        version(offered(shelf, "ink.safetensors", lora, sha256="", hashes=((announce, value),)))
    ]
    assert ingest("test:1").failed == []
    assert OfferedFile.objects.get().triage["digests"]["agree"] == {announce: True}


@pytest.mark.parametrize("value", ["", "not a hash", "ab", hashlib.sha256(b"").hexdigest()])
def test_what_is_no_digest_refuses_nothing(shelf: Shelf, upstream: Upstream, lora: bytes, value: str) -> None:
    upstream.versions = [
        version(offered(shelf, "ink.safetensors", lora, sha256="", hashes=(("SHA256", value),)))
    ]
    assert ingest("test:1").failed == []
    assert File.objects.get().announced == ""


def test_a_rewritten_header_is_accepted_by_autov3_and_marked(
    shelf: Shelf, upstream: Upstream, tmp_path: Path, lora: bytes
) -> None:
    written = write_lora(
        tmp_path / "made" / "new.safetensors", metadata={"sshs_model_hash": "1"}
    ).read_bytes()
    assert remote.digests(written).autov3 == remote.digests(lora).autov3 and written != lora
    told = remote.digests(lora)
    hashes = (("SHA256", told.sha256), ("AutoV3", str(told.autov3)))
    upstream.versions = [version(offered(shelf, "ink.safetensors", written, sha256="", hashes=hashes))]
    assert ingest("test:1").failed == []
    file = File.objects.get()
    assert (file.blob_id, file.announced) == (hashlib.sha256(written).hexdigest(), told.sha256.lower())
    assert OfferedFile.objects.get().triage["digests"]["rewritten"] is True
    assert Check.objects.get(code="announced_hash").outcome == "warn"


def test_other_bytes_under_one_announced_digest_are_two_files_and_a_finding(
    shelf: Shelf, upstream: Upstream, tmp_path: Path, lora: bytes
) -> None:
    written = write_lora(
        tmp_path / "made" / "new.safetensors", metadata={"sshs_model_hash": "1"}
    ).read_bytes()
    told = remote.digests(lora)
    hashes = (("SHA256", told.sha256), ("AutoV3", str(told.autov3)))
    files = [
        offered(shelf, f"{n}.safetensors", body, str(n), hashes=hashes, sha256="")
        for n, body in enumerate((lora, written))
    ]
    upstream.versions = [version(files[0], key="11"), version(files[1], key="12")]
    assert ingest("test:1").failed == []
    assert {file.blob_id for file in File.objects.all()} == {
        hashlib.sha256(body).hexdigest() for body in (lora, written)
    }
    outcomes = {
        check.version.source_key: check.outcome for check in Check.objects.filter(code="announced_hash")
    }
    assert outcomes == {"11": "ok", "12": "warn"}


def test_a_cut_connection_goes_on_where_it_ended(shelf: Shelf, upstream: Upstream, lora: bytes) -> None:
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora))]
    for share in (0.1, 0.5, 0.9):
        # The first request reads the header alone.
        shelf.plan(Cut(share), skip=1 if share == 0.1 else 0)
    assert ingest("test:1").failed == []
    assert File.objects.get().blob_id == hashlib.sha256(lora).hexdigest()
    assert shelf.sent < 2.5 * len(lora) + 65536


def test_a_pickle_goes_into_quarantine_unopened(shelf: Shelf, upstream: Upstream, tmp_path: Path) -> None:
    body = write_pickle(tmp_path / "old.pt", tmp_path / "ran").read_bytes()
    upstream.versions = [version(offered(shelf, "old.pt", body, format="PickleTensor"))]
    ingest("test:1")
    assert (File.objects.get().state, Version.objects.get().vetting) == (
        FileState.QUARANTINED,
        Vetting.QUARANTINED,
    )
    assert not (tmp_path / "ran").exists()


def test_a_picture_that_is_none_costs_one_line(shelf: Shelf, upstream: Upstream, lora: bytes) -> None:
    shown = [
        remote.sample(shelf.put(f"{n}.png", body)) for n, body in enumerate((b"<html>", remote.picture()))
    ]
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora), remote_samples=shown)]
    report = ingest("test:1")
    assert codes(report) == ["picture_unreadable"]
    assert Sample.objects.count() == File.objects.count() == 1


def test_no_more_pictures_are_fetched_than_the_settings_say(
    shelf: Shelf, upstream: Upstream, lora: bytes, settings: Settings
) -> None:
    settings.SAMPLES_PER_VERSION = 2
    colors = ("red", "green", "blue")
    shown = [remote.sample(shelf.put(f"{color}.png", remote.picture(color))) for color in colors]
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora), remote_samples=shown)]
    ingest("test:1")
    assert Sample.objects.count() == 2
    assert shelf.asked("blue.png") == 0


def test_a_replaced_file_is_fetched_beside_the_one_before(
    shelf: Shelf, upstream: Upstream, tmp_path: Path
) -> None:
    old, new = (lora_of(tmp_path, seed) for seed in range(2))
    upstream.versions = [version(offered(shelf, "ink.safetensors", old))]
    ingest("test:1")
    upstream.versions = [version(offered(shelf, "ink.safetensors", new))]
    ingest("test:1")
    assert {file.blob_id for file in File.objects.all()} == {
        hashlib.sha256(body).hexdigest() for body in (old, new)
    }
    assert OfferedFile.objects.get().blob_id == hashlib.sha256(new).hexdigest()


def test_a_corrupt_byte_is_found(shelf: Shelf, upstream: Upstream, lora: bytes) -> None:
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora))]
    shelf.plan(Corrupt(at=len(lora) - 5), times=None)
    assert codes(ingest("test:1")) == ["hash_mismatch"]
    assert Blob.objects.count() == 0


# --- No bytes, no terms -------------------------------------------------------------------------------------


def test_a_version_without_bytes_stands_with_its_claims_and_cannot_be_approved(
    shelf: Shelf, upstream: Upstream, lora: bytes
) -> None:
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora, requires="early_access"))]
    report = ingest("test:1")
    kept = Version.objects.get()
    assert skips(report) == [("passed_by", "early_access")]
    assert list(report.adapters[kept.adapter_id]) == [kept.pk]
    assert TermsClaim.objects.filter(version=kept).exists()
    check = Check.objects.get(version=kept, code="bytes_stored")
    assert check.outcome == "todo" and "No bytes" in check.summary
    assert kept not in vetting.queue()
    with pytest.raises(vetting.HardGateFailed):
        vetting.review(kept, User.objects.create(username="r"), "approve")
    assert shelf.requests == []


def test_a_page_without_terms_never_becomes_usable(shelf: Shelf, upstream: Upstream, lora: bytes) -> None:
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora), licensed=False)]
    ingest("test:1")
    kept = Version.objects.select_related("adapter").get()
    for act in ("use_privately", "generate_and_sell_images", "redistribute_adapter"):
        assert verdict_for(kept, act, {}).outcome not in {"allowed", "conditional"}
    assert verdict_for(kept, "use_privately", {}).outcome == "unknown"
    file = File.objects.select_related("version__adapter", "blob").get()
    assert vetting.may_fetch(file).code == "unvetted"
    vetting.review(kept, User.objects.create(username="r"), "approve", "It looks fine.")
    file = File.objects.select_related("version__adapter", "blob").get()
    decision = vetting.may_fetch(file)
    assert (decision.allowed, decision.code) == (False, "license_blocked")


# --- Reports ------------------------------------------------------------------------------------------------


def test_the_command_tells_what_was_passed_by(
    shelf: Shelf, upstream: Upstream, tmp_path: Path, lora: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    vae = write_vae(tmp_path / "vae.safetensors").read_bytes()
    upstream.versions = [
        version(offered(shelf, "ink.safetensors", lora), offered(shelf, "vae.safetensors", vae, "2"))
    ]
    call_command("ingest", "test:1", "--json")
    told = json.loads(capsys.readouterr().out)
    assert [(line["code"], line["why"]) for line in told["skipped"]] == [("passed_by", "not_an_adapter")]
    assert len(told["adapters"][0]["versions"][0]["files"]) == 1
