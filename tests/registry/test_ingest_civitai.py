"""`manage.py ingest` with whatever names something on Civitai, from the address to the stored bytes."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from PIL import Image
from pytest_django import Settings

from registry.errors import KuraError
from registry.models import (
    Blob,
    ClaimKind,
    File,
    OfferedFile,
    OfferState,
    Sample,
    Snapshot,
    TermsClaim,
    Version,
)
from registry.sources.errors import NotAnAdapter
from registry.sources.http import recorded_connections
from registry.verdicts import verdict_for
from tests.registry.sources.civitai_fixture import civitai
from tests.upstreams.civitai import CivitaiServer
from tests.upstreams.civitai_catalog import file, hashes, lora, model, stamp, version
from tests.upstreams.faults import Corrupt, Cut, Html

__all__ = ["civitai"]

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db,
    pytest.mark.usefixtures("blobs", "seeded", "lineage_folder"),
]
SPELLINGS: list[Callable[[CivitaiServer], str]] = [
    lambda server: "civitai:7",
    lambda server: "civitai:7@70",
    lambda server: "https://civitai.com/models/7/ink-wash?modelVersionId=70",
    lambda server: f"{server.url}/api/download/models/70",
    lambda server: "urn:air:sd1:lora:civitai:7@70",
    lambda server: f"sha256:{hashlib.sha256(lora(700)).hexdigest()}",
    lambda server: f"autov3:{hashes(lora(700))['AutoV3']}",
]


def take_in(source: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("ingest", source, "--json", stdout=out, stderr=io.StringIO())
    result: dict[str, Any] = json.loads(out.getvalue())
    return result


def codes(result: dict[str, Any]) -> set[str]:
    return {each["code"] for each in result["failed"]}


def sha256s() -> set[str]:
    return set(File.objects.values_list("blob_id", flat=True))


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "navy").save(out, "PNG")
    return out.getvalue()


def add_ink(server: CivitaiServer, **changes: Any) -> bytes:
    """Model 7 with one version, one file, one picture; the file's bytes."""
    meta = {"prompt": "<lora:file700:0.7> ink", "seed": 5, "steps": 20, "sampler": "Euler a", "cfgScale": 7}
    server.pictures["1.png"] = picture()
    shown = [{"url": f"{server.url}/pictures/1.png", "type": "image", "nsfwLevel": 1, "meta": meta}]
    own = version(70, [file(700)], images=shown, trainedWords=["inkwash", "brush"])
    server.catalog.add(model(7, [own], name="Ink wash", **changes))
    return lora(700)


@pytest.mark.parametrize("spell", SPELLINGS)
def test_whatever_names_it_brings_bytes_terms_pictures_and_settings(
    civitai: CivitaiServer, spell: Callable[[CivitaiServer], str]
) -> None:
    body = add_ink(civitai)
    with recorded_connections() as connections:
        result = take_in(spell(civitai))
    assert result["failed"] == []
    digest = hashlib.sha256(body).hexdigest()
    assert [each["sha256"] for one in result["adapters"][0]["versions"] for each in one["files"]] == [digest]
    found = Version.objects.get()
    assert (found.adapter.source, found.adapter.source_key, found.source_key) == ("civitai", "7", "70")
    assert (found.trigger_words, found.detected_family) == (["inkwash", "brush"], "sd1")
    assert found.settings["weight"] == {
        "min": 0.7,
        "default": 0.7,
        "max": 0.7,
        "source": "pictures",
        "count": 1,
    }
    assert {line["code"]: line["state"] for line in found.page["lines"]}["samples_reproducible"] == "yes"
    assert Sample.objects.get(version=found).parameters["loras"] == [{"name": "file700", "weight": 0.7}]
    flags = TermsClaim.objects.get(version=found, kind=ClaimKind.CIVITAI_FLAGS)
    # The claim cites the very bytes that were answered.
    assert flags.snapshot and json.loads(bytes(flags.snapshot.body))["id"] == 7
    assert {f"{each.host}:{each.port}" for each in connections} == {civitai.host}


def test_again_changes_nothing_and_fetches_nothing(civitai: CivitaiServer) -> None:
    add_ink(civitai)
    take_in("civitai:7")
    before = [Snapshot.objects.count(), TermsClaim.objects.count(), OfferedFile.objects.count()]
    civitai.requests.clear()
    result = take_in("civitai:7")
    assert (result["adapters"], result["failed"]) == ([], [])
    assert [Snapshot.objects.count(), TermsClaim.objects.count(), OfferedFile.objects.count()] == before
    assert not [each for each in civitai.requests if "/download/" in each.path or "/storage/" in each.path]


def test_a_version_of_four_files_gives_four_digests_by_file_id(civitai: CivitaiServer) -> None:
    told = {"format": "SafeTensor", "size": "pruned", "fp": "fp16"}
    same: dict[str, Any] = {"type": "Pruned Model", "metadata": told}
    four = [file(731), file(732, **same), file(733, **same), file(734, type="UNet")]
    civitai.catalog.add(model(7, [version(73, four)]))
    result = take_in("civitai:7")
    assert result["failed"] == []
    assert sha256s() == {hashlib.sha256(lora(number)).hexdigest() for number in (731, 732, 733, 734)}


def test_one_file_alone_can_be_named(civitai: CivitaiServer) -> None:
    civitai.catalog.add(model(7, [version(73, [file(731), file(732, type="Pruned Model")])]))
    take_in("civitai:7@73+732")
    assert sha256s() == {hashlib.sha256(lora(732)).hexdigest()}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Html(), "not_safetensors"),
        # A page that says it is a file.
        (Html(media_type="application/octet-stream"), "not_safetensors"),
        (Corrupt(), "hash_mismatch"),
    ],
)
def test_bytes_that_are_not_those_announced_are_refused_and_not_kept(
    civitai: CivitaiServer, fault: Any, code: str
) -> None:
    add_ink(civitai)
    civitai.plan(fault, path="/storage/", times=None)
    with pytest.raises(KuraError, match=code):
        take_in("civitai:7")
    assert not File.objects.exists()
    assert not Blob.objects.filter(files__isnull=False).exists()
    # What was said about it stands all the same.
    assert TermsClaim.objects.filter(kind=ClaimKind.CIVITAI_FLAGS).exists()


def test_a_download_that_is_cut_off_goes_on_where_it_stopped(civitai: CivitaiServer) -> None:
    body = add_ink(civitai)
    civitai.plan(Cut(at=0.5), path="/storage/", times=2)
    assert take_in("civitai:7")["failed"] == []
    assert sha256s() == {hashlib.sha256(body).hexdigest()}


def test_the_token_goes_to_civitai_and_not_to_its_storage(civitai: CivitaiServer, settings: Settings) -> None:
    """The storage of the server refuses a request that brings a second credential, as real ones do."""
    body = add_ink(civitai)
    civitai.login.add(70)
    with pytest.raises(KuraError, match="login_required"):
        take_in("civitai:7")
    with CivitaiServer(civitai.catalog) as storage:
        civitai.storage = storage.url
        settings.UPSTREAM_PRIVATE_HOSTS = [civitai.host, storage.host]
        settings.UPSTREAM_TOKENS = {civitai.host: "only-for-tests"}
        assert take_in("civitai:7")["failed"] == []
        assert sha256s() == {hashlib.sha256(body).hexdigest()}
        assert storage.requests and not any("authorization" in each.headers for each in storage.requests)
    kept = "".join(str(row) for row in OfferedFile.objects.values_list("url", "reason", "triage"))
    assert "only-for-tests" not in kept and "Signature" not in kept


def test_early_access_keeps_what_is_said_with_the_day_it_opens(civitai: CivitaiServer) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    add_ink(civitai)
    own = civitai.catalog.get(7)
    assert own
    own["modelVersions"][0]["paidAccess"] = {"permanent": False, "endsAt": stamp(ends)}
    civitai.early[70] = stamp(ends)
    take_in_or_fail("civitai:7")
    found = Version.objects.get()
    assert (found.availability, found.availability_until) == ("early_access", ends)
    assert found.availability_since is not None and not File.objects.exists()
    # It opens: the same command takes the bytes in.
    own["modelVersions"][0]["paidAccess"] = None
    civitai.early.clear()
    take_in("civitai:7")
    found.refresh_from_db()
    assert (found.availability, File.objects.count()) == ("present", 1)


def test_what_is_archived_or_taken_down_later_keeps_everything_here(civitai: CivitaiServer) -> None:
    body = add_ink(civitai)
    take_in("civitai:7")
    own = civitai.catalog.get(7)
    assert own
    for mode, state in (("Archived", "archived"), ("TakenDown", "taken_down")):
        own["mode"] = mode
        take_in_or_fail("civitai:7")
        found = Version.objects.get()
        assert (found.availability, found.trigger_words) == (state, ["inkwash", "brush"])
        assert found.availability_since is not None and found.availability_reason
        assert sha256s() == {hashlib.sha256(body).hexdigest()}
        assert OfferedFile.objects.get(role="weights").state == OfferState.STORED


def take_in_or_fail(source: str) -> None:
    """What cannot be had now ends the command with an error, or with nothing to report."""
    with suppress(KuraError):
        take_in(source)


def test_a_page_that_states_no_terms_never_becomes_usable(civitai: CivitaiServer) -> None:
    add_ink(civitai)
    own = civitai.catalog.get(7)
    assert own
    for key in ("allowNoCredit", "allowCommercialUse", "allowDerivatives", "allowDifferentLicense"):
        del own[key]
    take_in("civitai:7")
    found = Version.objects.get()
    assert not TermsClaim.objects.filter(version=found, kind=ClaimKind.CIVITAI_FLAGS).exists()
    for act in ("generate_and_sell_images", "redistribute_adapter", "run_as_paid_service"):
        assert verdict_for(found, act, {}).outcome in {"unknown", "forbidden"}


def test_a_checkpoint_is_refused_before_anything_is_fetched(civitai: CivitaiServer) -> None:
    add_ink(civitai, type="Checkpoint")
    with pytest.raises(NotAnAdapter):
        take_in("civitai:7")
    assert not [each for each in civitai.requests if "/download/" in each.path]
    assert not Version.objects.exists()
