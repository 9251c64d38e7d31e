"""Vetting: who may decide what from where, what may never be approved, and what may leave."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from registry import vetting
from registry.models import (
    AuditEvent,
    BaseModel,
    Change,
    Check,
    File,
    FileState,
    Review,
    Version,
    Vetting,
)
from tests.factories import ClaimFactory, FileFactory, InspectionFactory, UserFactory, VersionFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("seeded")]


@pytest.fixture
def reviewer() -> User:
    return UserFactory.create(username="mika")


@pytest.fixture
def file() -> File:
    """The one file of a sound version that waits for review."""
    base = BaseModel.objects.get(slug="kura-toybox")
    file = FileFactory.create(version=VersionFactory.create(base_declared=base))
    InspectionFactory.create(blob=file.blob)
    ClaimFactory.create(version=file.version, value="MIT")
    return file


def approve(file: File, reviewer: User, reason: str = "") -> None:
    vetting.review(file.version, reviewer, "approve", reason)


def checks(version: Version) -> dict[str, str]:
    return {check.code: check.outcome for check in vetting.assess(version)}


def test_a_sound_version_passes_its_gates(file: File) -> None:
    assert checks(file.version) == {
        "base_conflict": "ok",
        "base_known": "ok",
        "container_valid": "ok",
        "license_known": "ok",
        "material_rights": "todo",
        "pickle_free": "ok",
        "sheet": "todo",
        "weights_finite": "ok",
    }


def test_assessing_again_touches_no_row(file: File) -> None:
    vetting.assess(file.version)
    before = list(Check.objects.order_by("pk").values())
    vetting.assess(file.version)
    assert list(Check.objects.order_by("pk").values()) == before


def test_a_sheet_that_was_checked_elsewhere_is_left_alone(file: File) -> None:
    vetting.assess(file.version)
    Check.objects.filter(code="sheet").update(outcome="ok", summary="Rendered.")
    assert checks(file.version)["sheet"] == "ok"


def test_approval_is_kept_with_reviewer_checks_audit_and_change(file: File, reviewer: User) -> None:
    vetting.review(file.version, reviewer, "approve", "looks right")
    version = Version.objects.get(pk=file.version_id)
    assert version.vetting == Vetting.APPROVED and version.vetted_at is not None
    review = Review.objects.get()
    assert (review.reviewer, review.action, review.reason) == (reviewer, "approve", "looks right")
    assert {"code": "pickle_free", "outcome": "ok", "summary": "No file is a pickle."} in review.checks
    event = AuditEvent.objects.get(subject=f"version:{version.pk}")
    assert (event.actor, event.action, event.data["after"]) == ("mika", "approve", "approved")
    assert Change.objects.get().kind == "version_approved"
    # The caller's own object is up to date as well.
    assert file.version.vetting == Vetting.APPROVED


ALLOWED = {
    ("waiting", "approve"): "approved",
    ("waiting", "reject"): "rejected",
    ("quarantined", "reject"): "rejected",
    ("approved", "withdraw"): "withdrawn",
    ("rejected", "reopen"): "waiting",
    ("withdrawn", "reopen"): "waiting",
}


@pytest.mark.parametrize("state", Vetting.values)
@pytest.mark.parametrize("action", ["approve", "reject", "withdraw", "reopen", "burn"])
def test_a_decision_leads_where_it_may_and_nowhere_else(
    file: File, reviewer: User, state: str, action: str
) -> None:
    Version.objects.update(vetting=state, vetted_at="2026-01-01T00:00:00Z")
    leads_to = ALLOWED.get((state, action))
    if leads_to is None:
        with pytest.raises(vetting.NotReviewable) as caught:
            vetting.review(file.version, reviewer, action, "because")
        assert caught.value.code == "not_reviewable" and caught.value.next_step
        assert not Review.objects.exists() and not Change.objects.exists()
    else:
        vetting.review(file.version, reviewer, action, "because")
    assert Version.objects.get().vetting == (leads_to or state)


@pytest.mark.parametrize(
    ("state", "action"), [("waiting", "reject"), ("approved", "withdraw"), ("rejected", "reopen")]
)
def test_a_refusal_needs_a_reason(file: File, reviewer: User, state: str, action: str) -> None:
    Version.objects.update(vetting=state, vetted_at="2026-01-01T00:00:00Z")
    with pytest.raises(vetting.ReasonRequired) as caught:
        vetting.review(file.version, reviewer, action, "  \n ")
    assert caught.value.code == "reason_required"
    assert Version.objects.get().vetting == state


@pytest.mark.parametrize(
    "changes",
    [
        {"valid": False, "error": {"code": "trailing_bytes", "message": "x"}},
        {"findings": [{"code": "not_finite", "severity": "error", "message": "x"}]},
        {"findings": [{"code": "damaged_modules", "severity": "error", "message": "x"}]},
    ],
)
def test_a_version_that_fails_a_hard_gate_cannot_be_approved(
    file: File, reviewer: User, changes: dict[str, Any]
) -> None:
    InspectionFactory.create(blob=file.blob, reader="2", changes=changes)
    with pytest.raises(vetting.HardGateFailed) as caught:
        approve(file, reviewer)
    assert caught.value.code == "hard_gate_failed"
    assert Version.objects.get().vetting == Vetting.WAITING


def test_a_version_nobody_inspected_cannot_be_approved(file: File, reviewer: User) -> None:
    FileFactory.create(version=file.version, name="second.safetensors")
    with pytest.raises(vetting.HardGateFailed):
        approve(file, reviewer)


def test_a_pickle_alone_cannot_be_approved_whatever_its_state(file: File, reviewer: User) -> None:
    file.blob.container = "pickle"
    file.blob.save()
    with pytest.raises(vetting.HardGateFailed, match="pickle_free"):
        approve(file, reviewer)


def test_a_reopened_pickle_goes_back_to_quarantine(file: File, reviewer: User) -> None:
    File.objects.update(state=FileState.QUARANTINED, reason="a pickle")
    Version.objects.update(vetting=Vetting.REJECTED)
    vetting.review(file.version, reviewer, "reopen", "look again")
    assert Version.objects.get().vetting == Vetting.QUARANTINED


def test_the_queue_holds_what_waits_with_the_oldest_first(file: File) -> None:
    newer = VersionFactory.create()
    VersionFactory.create(approved=True)
    VersionFactory.create(vetting="rejected")
    assert list(vetting.queue()) == [file.version, newer]


def fetch(file: File) -> tuple[bool, str | None]:
    decision = vetting.may_fetch(File.objects.select_related("version").get(pk=file.pk))
    assert decision.allowed or decision.reason
    return decision.allowed, decision.code


def test_only_an_approved_version_leaves(file: File, reviewer: User) -> None:
    assert fetch(file) == (False, "unvetted")
    approve(file, reviewer)
    assert fetch(file) == (True, None)
    vetting.review(file.version, reviewer, "withdraw", "its author asked")
    assert fetch(file) == (False, "withdrawn")


def test_a_rejected_version_does_not_leave(file: File, reviewer: User) -> None:
    vetting.review(file.version, reviewer, "reject", "a real person")
    assert fetch(file) == (False, "unvetted")


def test_a_quarantined_file_does_not_leave_an_approved_version(file: File, reviewer: User) -> None:
    approve(file, reviewer)
    File.objects.update(state=FileState.QUARANTINED, reason="a pickle")
    assert fetch(file) == (False, "quarantined")


def test_a_withdrawn_file_does_not_leave_an_approved_version(file: File, reviewer: User) -> None:
    approve(file, reviewer)
    File.objects.update(state=FileState.WITHDRAWN, reason="replaced")
    assert fetch(file) == (False, "withdrawn")


def test_terms_that_forbid_the_act_of_downloading_block_it(
    file: File, reviewer: User, settings: Settings
) -> None:
    settings.DOWNLOAD_ACT = "run_as_paid_service"
    ClaimFactory.create(version=file.version, value="CC-BY-NC-4.0")
    # MIT and CC-BY-NC contradict each other, so approving needs a reason; the stricter binds all the same.
    with pytest.raises(vetting.ReasonRequired, match="license_conflict"):
        approve(file, reviewer)
    approve(file, reviewer, "Both are stated; we keep to the stricter one.")
    decision = vetting.may_fetch(File.objects.select_related("version").get())
    assert (decision.allowed, decision.code) == (False, "license_blocked")
    assert "adapter:1" in decision.reason


def test_unknown_terms_do_not_block_private_use_of_a_vetted_file(file: File, reviewer: User) -> None:
    file.version.claims.all().delete()
    approve(file, reviewer)
    assert fetch(file) == (True, None)
