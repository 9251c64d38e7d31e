"""Asking for files again: what failed for a while is fetched after all, what failed for good says so."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from registry import intake
from registry.jobs import run_next
from registry.models import File, OfferedFile, Version
from registry.services import ingest
from registry.sources.save import save_version
from tests.registry.remote_source import Shelf, Upstream, codes, offered, version
from tests.upstreams.faults import Fault, Html, Status

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("blobs", "seeded"),
]


def test_a_job_fetches_what_was_only_listed_and_may_run_twice(
    shelf: Shelf, upstream: Upstream, lora: bytes
) -> None:
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora))]
    listing = next(upstream.read("test:1").listings)
    kept = save_version(listing, listing.versions[0], [], actor="sync").version
    (job,) = intake.request(kept)
    assert OfferedFile.objects.get().state == "waiting"
    done = run_next("cpu")
    assert done is not None and (done.pk, done.state) == (job.pk, "done")
    assert File.objects.get().blob_id == hashlib.sha256(lora).hexdigest()
    assert intake.request(kept) == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Status(502), "upstream_unavailable"), (Status(404, {"error": "File not found"}), "not_found_upstream")],
)
def test_a_file_that_failed_for_a_while_is_asked_for_again_when_somebody_asks(
    shelf: Shelf, upstream: Upstream, lora: bytes, settings: Settings, fault: Fault, code: str
) -> None:
    settings.UPSTREAM_TRIES = 1
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora))]
    shelf.plan(fault, times=1)
    assert codes(ingest("test:1")) == [code]
    kept = Version.objects.get()
    (job,) = intake.request(kept, actor="mika")
    offer = OfferedFile.objects.get()
    assert (offer.state, offer.code, offer.reason) == ("waiting", "", "")
    done = run_next("cpu")
    assert done is not None and (done.pk, done.state, done.error_code) == (job.pk, "done", "")
    assert File.objects.get().blob_id == hashlib.sha256(lora).hexdigest()


def test_a_file_that_failed_for_good_is_left_and_its_reason_stays(
    shelf: Shelf, upstream: Upstream, lora: bytes
) -> None:
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora))]
    shelf.plan(Html(), times=1)
    assert codes(ingest("test:1")) == ["not_safetensors"]
    asked = len(shelf.requests)
    assert intake.request(Version.objects.get()) == []
    offer = OfferedFile.objects.get()
    assert (offer.state, offer.code) == ("failed", "not_safetensors") and offer.reason
    assert len(shelf.requests) == asked


def test_early_access_that_has_ended_is_asked_for_again_and_ends_here_too(
    shelf: Shelf, upstream: Upstream, lora: bytes
) -> None:
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora))]
    until = timezone.now() + timedelta(hours=1)
    told = {"error": "Early Access", "deadline": until.isoformat(), "message": "Wait."}
    shelf.plan(Status(403, told), times=1)
    assert codes(ingest("test:1")) == ["early_access"]
    kept = Version.objects.get()
    assert intake.request(kept) == []
    Version.objects.update(availability_until=timezone.now() - timedelta(hours=1))
    (job,) = intake.request(kept)
    done = run_next("cpu")
    assert done is not None and (done.pk, done.state) == (job.pk, "done")
    kept.refresh_from_db()
    assert (kept.availability, kept.files.count()) == ("present", 1)


def test_a_failed_file_is_tried_again_when_a_person_asks(
    shelf: Shelf, upstream: Upstream, lora: bytes
) -> None:
    upstream.versions = [version(offered(shelf, "ink.safetensors", lora))]
    shelf.plan(Html(), times=1)
    assert codes(ingest("test:1")) == ["not_safetensors"]
    assert ingest("test:1").failed == []
    assert File.objects.count() == 1
