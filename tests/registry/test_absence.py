"""Asked for again, what is known here and refused there keeps all it has, with a state, a date and a reason.

The upstreams are servers on loopback; `manage.py ingest` asks them as a person does.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from registry.errors import KuraError
from registry.models import Adapter, AvailabilityChange, Check, File, OfferedFile, Sample, TermsClaim, Version
from registry.sync.subscriptions import subscribe
from registry.sync.worker import sync
from tests.registry.remote_source import rows
from tests.registry.sources.civitai_fixture import civitai
from tests.registry.sources.hub_fixture import CARD, hub
from tests.registry.weight_files import write_lora
from tests.upstreams.civitai import CivitaiServer
from tests.upstreams.civitai_catalog import file, model, stamp, version
from tests.upstreams.faults import FaultyServer, Html, Reply, Request, Status
from tests.upstreams.hub import HubServer

__all__ = ["civitai", "hub"]

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("blobs", "seeded", "lineage_folder"),
]
PAGE = r"/api/v1/models/7$"
# What a refusal may write: the state, its history, the check that follows, and the logs.
CHANGING = {"Version", "AvailabilityChange", "Change", "AuditEvent", "Check", "OfferedFile", "Snapshot"}
CHANGING |= {"TermsClaim", "ReviewItem", "Adapter"}


def take_in(source: str) -> str:
    """The code of the error that the command ends with, or nothing."""
    try:
        call_command("ingest", source, "--json", stdout=io.StringIO(), stderr=io.StringIO())
    except KuraError as error:
        return error.code
    return ""


def add_ink(server: CivitaiServer) -> dict[str, Any]:
    server.catalog.add(model(7, [version(70, [file(700)])], name="Ink wash"))
    own = server.catalog.get(7)
    assert own
    return own


def kept() -> dict[str, Any]:
    return {name: found for name, found in rows().items() if name not in CHANGING}


def changes() -> list[tuple[str, str]]:
    return [(each.before, each.after) for each in AvailabilityChange.objects.order_by("id")]


def shown(found: Version) -> None:
    """The badge with its date and the reason stand on the adapter's page and in the list of recalls."""
    client = Client()
    page = client.get(f"/adapters/{found.adapter_id}/").content.decode()
    recalls = client.get("/recalls/", {"state": found.availability}).content.decode()
    for place in (page, recalls):
        assert found.get_availability_display() in place
        assert f"{found.availability_since:%Y}" in place
        assert found.availability_reason.partition(" ")[0] in place
    assert found.adapter.name in recalls
    assert Check.objects.get(version=found, code="upstream_state").outcome == "warn"


def refuse_page(status: int) -> Callable[[CivitaiServer, dict[str, Any]], None]:
    def act(server: CivitaiServer, own: dict[str, Any]) -> None:
        server.plan(Status(status, {"error": "No longer here"}), path=PAGE)

    return act


def set_mode(mode: str) -> Callable[[CivitaiServer, dict[str, Any]], None]:
    def act(server: CivitaiServer, own: dict[str, Any]) -> None:
        own["mode"] = mode

    return act


OF_PAGES = {
    "not_found": (refuse_page(404), "not_found_upstream"),
    "gone": (refuse_page(410), "gone_upstream"),
    "archived": (set_mode("Archived"), ""),
    "taken_down": (set_mode("TakenDown"), ""),
}


@pytest.mark.parametrize("state", OF_PAGES)
def test_a_page_that_is_taken_back_sets_its_own_state_and_comes_back_with_its_history(
    civitai: CivitaiServer, state: str
) -> None:
    act, code = OF_PAGES[state]
    own = add_ink(civitai)
    assert take_in("civitai:7") == ""
    before = kept()
    act(civitai, own)
    assert take_in("civitai:7") == code
    found = Version.objects.select_related("adapter").get()
    assert found.availability == state
    assert found.availability_since is not None and found.availability_reason
    assert changes() == [("present", state)]
    assert kept() == before
    shown(found)
    # It answers again.
    own.pop("mode", None)
    assert take_in("civitai:7") == ""
    found.refresh_from_db()
    assert found.availability == "present"
    assert changes() == [("present", state), (state, "present")]
    assert kept() == before
    assert Check.objects.get(version=found, code="upstream_state").outcome == "ok"


def test_the_error_says_that_what_is_kept_stays(civitai: CivitaiServer) -> None:
    add_ink(civitai)
    take_in("civitai:7")
    civitai.plan(Status(410, {"error": "Gone"}), path=PAGE)
    with pytest.raises(KuraError, match="Versions of it that stay here, marked: 1"):
        call_command("ingest", "civitai:7", stdout=io.StringIO(), stderr=io.StringIO())


def test_what_was_never_here_leaves_nothing_behind(civitai: CivitaiServer) -> None:
    before = rows()
    assert take_in("civitai:7") == "not_found_upstream"
    assert rows() == before


def test_a_version_that_is_missing_says_nothing_about_the_others(civitai: CivitaiServer) -> None:
    civitai.catalog.add(model(7, [version(70, [file(700)]), version(71, [file(710)])]))
    take_in("civitai:7")
    civitai.catalog.add(model(7, [version(70, [file(700)])]))
    assert take_in("civitai:7@71") == "not_found_upstream"
    states = dict(Version.objects.values_list("source_key", "availability"))
    assert states == {"70": "present", "71": "not_found"}
    # By its own number alone it is the same one.
    assert take_in("civitai:@70") == ""
    assert take_in("civitai:@71") == "not_found_upstream"
    assert changes() == [("present", "not_found")]


def test_a_version_that_its_page_lists_no_longer_is_marked_by_a_single_ingest_and_comes_back(
    civitai: CivitaiServer,
) -> None:
    civitai.catalog.add(model(7, [version(71, [file(710)]), version(70, [file(700)])]))
    own = civitai.catalog.get(7)
    assert own
    assert take_in("civitai:7") == ""
    before = kept()
    left_out = own["modelVersions"].pop()
    out = io.StringIO()
    call_command("ingest", "civitai:7", "--json", stdout=out, stderr=io.StringIO())
    found = Version.objects.select_related("adapter").get(source_key=str(left_out["id"]))
    assert found.availability == "not_found" and found.availability_since is not None
    assert found.availability_reason == "Its adapter is still there and lists it no longer."
    missed = json.loads(out.getvalue())["missed"]
    assert [(each["version"], each["state"]) for each in missed] == [(found.pk, "not_found")]
    assert changes() == [("present", "not_found")]
    assert kept() == before
    shown(found)
    # The same answer again is no news.
    assert take_in("civitai:7") == ""
    assert len(changes()) == 1
    own["modelVersions"].append(left_out)
    assert take_in("civitai:7") == ""
    assert changes() == [("present", "not_found"), ("not_found", "present")]
    assert Check.objects.get(version=found, code="upstream_state").outcome == "ok"


@pytest.mark.parametrize("reference", ["civitai:7@71", "civitai:@71", "sha256"])
def test_who_asks_for_one_version_says_nothing_about_the_others(
    civitai: CivitaiServer, reference: str
) -> None:
    civitai.catalog.add(model(7, [version(71, [file(710)]), version(70, [file(700)])]))
    take_in("civitai:7")
    digest = file(710)["hashes"]["SHA256"]
    assert take_in(f"sha256:{digest}" if reference == "sha256" else reference) == ""
    assert changes() == []


def test_a_page_that_lists_no_version_by_mistake_loses_none(civitai: CivitaiServer) -> None:
    own = add_ink(civitai)
    take_in("civitai:7")
    own["modelVersions"] = []
    take_in("civitai:7")
    assert changes() == []


def test_a_version_missed_by_a_single_ingest_comes_back_with_a_list_that_says_the_same_as_before(
    civitai: CivitaiServer,
) -> None:
    civitai.catalog.add(model(7, [version(71, [file(710)]), version(70, [file(700)])]))
    own = civitai.catalog.get(7)
    assert own
    following = subscribe("civitai", "collection", "7", actor="mika", fetch=False)
    sync(following)
    left_out = own["modelVersions"].pop()
    assert take_in("civitai:7") == ""
    own["modelVersions"].append(left_out)
    sync(following)
    assert changes() == [("present", "not_found"), ("not_found", "present")]


def test_a_file_that_was_named_and_is_missing_says_nothing_about_its_version(
    civitai: CivitaiServer,
) -> None:
    add_ink(civitai)
    take_in("civitai:7")
    assert take_in("civitai:7@70+999") == "not_found_upstream"
    assert changes() == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Status(503), "upstream_unavailable"),
        (Html(), "unexpected_answer"),
        (Html(403), "upstream_unavailable"),
    ],
)
def test_an_upstream_that_fails_says_nothing_about_what_is_kept(
    civitai: CivitaiServer, fault: Any, code: str
) -> None:
    add_ink(civitai)
    take_in("civitai:7")
    before = kept()
    civitai.plan(fault, path=PAGE, times=None)
    assert take_in("civitai:7") == code
    assert (changes(), kept()) == ([], before)


def test_of_several_hashes_the_model_that_is_gone_is_noted_and_the_rest_goes_on(
    civitai: CivitaiServer,
) -> None:
    civitai.catalog.add(model(7, [version(70, [file(700)])]), model(8, [version(80, [file(800)])]))
    take_in("civitai:7")
    digests = [each["hashes"]["SHA256"] for each in (file(700), file(800))]
    civitai.plan(Status(410, {"error": "Gone"}), path=PAGE)
    assert take_in(f"sha256:{','.join(digests)}") == ""
    states = dict(Version.objects.values_list("source_key", "availability"))
    assert states == {"70": "gone", "80": "present"}


@pytest.mark.parametrize("status", [401, 403])
def test_early_access_that_a_file_tells_is_a_state_until_it_can_be_had(
    civitai: CivitaiServer, status: int
) -> None:
    add_ink(civitai)
    told = {"error": "Early Access", "deadline": "2027-01-02T03:04:05.000Z", "message": "Wait."}
    civitai.plan(Status(status, told), path="/api/download/", times=2)
    assert take_in("civitai:7") != ""
    found = Version.objects.get()
    assert (found.availability, found.files.count()) == ("early_access", 0)
    assert found.availability_until == datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    page = Client().get(f"/adapters/{found.adapter_id}/").content.decode()
    assert found.get_availability_display() in page and "is in early access until 2027-01-02" in page
    assert TermsClaim.objects.filter(version=found).exists()
    civitai._plans.clear()
    take_in("civitai:7")
    found.refresh_from_db()
    assert (found.availability, found.files.count()) == ("present", 1)
    assert changes() == [("present", "early_access"), ("early_access", "present")]


def test_a_page_that_goes_into_early_access_keeps_the_bytes_that_are_here(civitai: CivitaiServer) -> None:
    own = add_ink(civitai)
    take_in("civitai:7")
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    own["modelVersions"][0]["paidAccess"] = {"permanent": False, "endsAt": stamp(ends)}
    take_in("civitai:7")
    found = Version.objects.get()
    assert (found.availability, found.availability_until) == ("early_access", ends)
    assert (File.objects.count(), OfferedFile.objects.get(role="weights").state) == (1, "stored")


@pytest.fixture
def ink(hub: HubServer, tmp_path: Path) -> HubServer:
    hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": write_lora(tmp_path / "ink.safetensors")})
    return hub


def test_a_repository_that_becomes_gated_keeps_the_bytes_that_are_here(ink: HubServer) -> None:
    assert take_in("hf:mika/ink") == ""
    before = kept()
    ink.repos["mika/ink"].gated = "manual"
    take_in("hf:mika/ink")
    found = Version.objects.select_related("adapter").get()
    assert (found.availability, kept() == before) == ("gated", True)
    shown(found)
    ink.repos["mika/ink"].gated = False
    take_in("hf:mika/ink")
    assert changes() == [("present", "gated"), ("gated", "present")]


def test_a_file_that_is_gated_tells_its_state_until_it_can_be_had(ink: HubServer) -> None:
    refused = Status(403, {"error": "Access is restricted"}, X_Error_Code="GatedRepo")
    ink.plan(refused, path=r"/resolve/.*\.safetensors$", times=1)
    assert take_in("hf:mika/ink") != ""
    found = Version.objects.select_related("adapter").get()
    assert (found.availability, found.files.count()) == ("gated", 0)
    assert "is gated by its author" in found.availability_reason
    page = Client().get(f"/adapters/{found.adapter_id}/").content.decode()
    assert found.get_availability_display() in page and "is gated by its author" in page
    assert take_in("hf:mika/ink") == ""
    assert (Version.objects.get().availability, File.objects.count()) == ("present", 1)
    assert changes() == [("present", "gated"), ("gated", "present")]


def test_a_repository_that_is_removed_is_not_found_and_a_revision_is_not(ink: HubServer) -> None:
    take_in("hf:mika/ink")
    assert take_in("hf:mika/ink@nowhere") == "not_found_upstream"
    assert changes() == []
    del ink.repos["mika/ink"]
    assert take_in("hf:mika/ink") == "not_found_upstream"
    found = Version.objects.select_related("adapter").get()
    assert found.availability == "not_found"
    shown(found)


def test_weights_that_a_repository_holds_no_longer_are_marked_and_kept(
    ink: HubServer, tmp_path: Path
) -> None:
    night = write_lora(tmp_path / "night.safetensors", seed=3)
    ink.push("mika/ink", {"night.safetensors": night})
    assert take_in("hf:mika/ink") == ""
    assert take_in("hf:mika/ink:night.safetensors") == ""
    assert changes() == []
    before = kept()
    ink.push("mika/ink", {"night.safetensors": None})
    assert take_in("hf:mika/ink") == ""
    found = Version.objects.select_related("adapter").get(name="night")
    assert (found.availability, kept() == before) == ("not_found", True)
    assert found.availability_since is not None
    ink.push("mika/ink", {"ink.safetensors": None})
    assert take_in("hf:mika/ink") == ""
    assert set(Version.objects.values_list("availability", flat=True)) == {"not_found"}
    ink.push("mika/ink", {"night.safetensors": night})
    assert take_in("hf:mika/ink") == ""
    assert Version.objects.get(name="night").availability == "present"
    assert changes() == [("present", "not_found")] * 2 + [("not_found", "present")]


class Peer(FaultyServer):
    """Another Kura that knows one adapter no longer, or not at all; it only has to say so."""

    def answer(self, request: Request) -> Reply:
        return Reply.of_json({"results": [], "next": None, "cursor": "0"})


def test_another_kura_that_has_an_adapter_no_longer_is_taken_at_its_word(settings: Settings) -> None:
    with Peer() as peer:
        settings.UPSTREAM_PRIVATE_HOSTS = [peer.host]
        settings.UPSTREAM_SHARED_BUDGETS = False
        settings.UPSTREAM_REMEMBER_REFUSALS_SECONDS = 0
        found = kura_version(f"{peer.url}#3")
        assert take_in(f"kura:{peer.url}#4") == "not_found_upstream"
        assert changes() == []
        assert take_in(f"kura:{peer.url}#3") == "not_found_upstream"
        found.refresh_from_db()
        assert found.availability == "not_found"
        peer.plan(Status(410, {"detail": "Gone"}))
        assert take_in(f"kura:{peer.url}#3") == "gone_upstream"
        assert changes() == [("present", "not_found"), ("not_found", "gone")]
        assert Sample.objects.count() == 0


def kura_version(key: str) -> Version:
    """A version as it was taken in from another Kura."""
    adapter = Adapter.objects.create(source="kura", source_key=key, name="Ink")
    return Version.objects.create(adapter=adapter, source_key="9", name="v1")
