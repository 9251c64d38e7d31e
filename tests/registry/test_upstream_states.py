"""What an upstream answers for a version is a state of its own, with a date; it erases nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.models import AvailabilityChange, Check, File, OfferedFile, Version
from registry.offers import keep_availability, note_absence, recalled
from registry.services import ingest
from registry.sources import upstream_errors
from tests.registry.remote_source import Shelf, Upstream, codes, offered, rows, version
from tests.registry.weight_files import civitai_info, write_json, write_lora
from tests.upstreams.faults import Status

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("blobs", "seeded"),
]

CHANGING = {"Version", "AvailabilityChange", "Change", "AuditEvent", "Check"}

STATES = {
    "not_found_upstream": "not_found",
    "gone_upstream": "gone",
    "gated_upstream": "gated",
    "early_access": "early_access",
}


@pytest.mark.parametrize("code", STATES)
def test_a_page_that_is_refused_sets_a_dated_state_and_erases_nothing(
    shelf: Shelf, upstream: Upstream, lora: bytes, code: str
) -> None:
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora))]
    ingest("test:1")
    before = {name: found for name, found in rows().items() if name not in CHANGING}
    error = next(each for each in vars(upstream_errors).values() if getattr(each, "code", "") == code)
    (kept,) = note_absence("civitai", "1", error("It says no."))
    kept.refresh_from_db()
    assert (kept.availability, kept.availability_reason) == (STATES[code], "It says no.")
    assert kept.availability_since is not None
    change = AvailabilityChange.objects.get()
    assert (change.before, change.after, change.reason) == ("present", STATES[code], "It says no.")
    assert {name: found for name, found in rows().items() if name not in CHANGING} == before
    assert (kept in recalled()) == (code != "early_access")
    # The same answer again is no news.
    note_absence("civitai", "1", error("It says no."))
    assert AvailabilityChange.objects.count() == 1


@pytest.mark.parametrize("state", ["archived", "taken_down"])
def test_a_mode_of_the_page_sets_a_state_and_the_way_back_is_dated_too(
    shelf: Shelf, upstream: Upstream, lora: bytes, state: str
) -> None:
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora))]
    ingest("test:1")
    # Archived: the page lists no files any more.
    upstream.versions = [version(availability=state, availability_reason="The page says so.")]
    ingest("test:1")
    kept = Version.objects.get()
    assert (kept.availability, File.objects.count(), OfferedFile.objects.count()) == (state, 1, 1)
    assert Check.objects.get(version=kept, code="upstream_state").outcome == "warn"
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora))]
    ingest("test:1")
    assert [(each.before, each.after) for each in AvailabilityChange.objects.order_by("id")] == [
        ("present", state),
        (state, "present"),
    ]
    assert shelf.asked("ink.safetensors") == 2


REFUSALS = {
    "gone_upstream": (Status(410, {"error": "Archived"}), "gone"),
    "early_access": (
        Status(403, {"error": "Early Access", "deadline": "2027-01-02T03:04:05.000Z", "message": "Wait."}),
        "early_access",
    ),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refused_file_tells_its_version_s_state(
    shelf: Shelf, upstream: Upstream, lora: bytes, code: str
) -> None:
    fault, state = REFUSALS[code]
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora))]
    shelf.plan(fault, times=None)
    report = ingest("test:1")
    assert codes(report) == [code]
    kept = Version.objects.get()
    assert kept.availability == state
    if code == "early_access":
        assert kept.availability_until == datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    # The page still says present; the file says otherwise, so the state does not go back and forth.
    ingest("test:1")
    assert AvailabilityChange.objects.count() == 1


def test_a_file_that_is_not_found_says_nothing_about_its_version(
    shelf: Shelf, upstream: Upstream, lora: bytes
) -> None:
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora))]
    shelf.plan(Status(404, {"error": "File not found"}), times=None)
    assert codes(ingest("test:1")) == ["not_found_upstream"]
    assert Version.objects.get().availability == "present"


def test_a_scan_of_a_folder_says_nothing_about_the_upstream(tmp_path: Path) -> None:
    write_lora(tmp_path / "in" / "ink.safetensors")
    write_json(tmp_path / "in" / "ink.civitai.info", civitai_info())
    ingest(str(tmp_path / "in"))
    kept = Version.objects.get()
    keep_availability(kept, "gone", "404")
    write_json(tmp_path / "in" / "ink.civitai.info", civitai_info(description="new"))
    ingest(str(tmp_path / "in"))
    kept.refresh_from_db()
    assert kept.availability == "gone"
