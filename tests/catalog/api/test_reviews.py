"""A reviewer decides by API; others only see what was decided."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from catalog import access
from registry.models import Review, Version, Vetting
from tests.catalog import build
from tests.catalog.api.conftest import Caller

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def test_a_reviewer_rejects_with_a_reason(reviewer: Caller) -> None:
    version = build.version("Ink")
    response = reviewer.post(
        "reviews/", {"version": version.pk, "action": "reject", "reason": "No credit given."}
    )
    assert response.status_code == 201
    assert response.json()["reviewer"] == "reviewer"
    assert response.json()["reason"] == "No credit given."
    assert Version.objects.get(pk=version.pk).vetting == Vetting.REJECTED
    [listed] = reviewer.get("reviews/", {"version": str(version.pk)}).json()["results"]
    assert listed == response.json()


def test_a_rejection_without_a_reason_changes_nothing(reviewer: Caller) -> None:
    version = build.version("Ink")
    response = reviewer.post("reviews/", {"version": version.pk, "action": "reject"})
    assert (response.status_code, response.json()["code"]) == (400, "reason_required")
    assert not Review.objects.exists()


def test_a_gate_that_failed_cannot_be_overruled(reviewer: Caller) -> None:
    version = build.version("Never read")
    response = reviewer.post("reviews/", {"version": version.pk, "action": "approve"})
    assert (response.status_code, response.json()["code"]) == (409, "hard_gate_failed")
    assert Version.objects.get(pk=version.pk).vetting == Vetting.WAITING


def test_a_decision_that_was_taken_meanwhile_is_a_conflict(reviewer: Caller) -> None:
    version = build.version("Ink", vetting=Vetting.REJECTED)
    response = reviewer.post("reviews/", {"version": version.pk, "action": "reject", "reason": "Again."})
    assert (response.status_code, response.json()["code"]) == (409, "not_reviewable")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "version"),
        ({"version": "x", "action": "reject"}, "version"),
        ({"version": 2**64, "action": "reject"}, "version"),
        ({"version": 1, "action": "destroy"}, "action"),
        ({"version": 1, "action": "reject", "reason": "x" * 4001}, "reason"),
    ],
)
def test_a_body_that_cannot_be_used_names_its_field(reviewer: Caller, body: Any, field: str) -> None:
    response = reviewer.post("reviews/", body)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert field in response.json()["errors"]


def test_a_version_that_does_not_exist_is_404(reviewer: Caller) -> None:
    response = reviewer.post("reviews/", {"version": 1, "action": "reject", "reason": "x"})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_json_that_is_none_and_other_formats_are_problems(reviewer: Caller) -> None:
    assert reviewer.post("reviews/", "{").json()["code"] == "parse_error"


def test_others_do_not_decide(anybody: Caller, downloader: Caller) -> None:
    version = build.version("Ink")
    body = {"version": version.pk, "action": "reject", "reason": "No."}
    assert anybody.post("reviews/", body).status_code == 401
    assert anybody.get("reviews/").status_code == 401
    response = downloader.post("reviews/", body)
    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
    assert downloader.get("reviews/").status_code == 200
    assert not Review.objects.exists()


def test_a_reviewers_token_for_downloads_does_not_decide(reviewer: Caller) -> None:
    version = build.version("Ink")
    assert reviewer.user is not None
    other = Caller(reviewer.user, access.create(reviewer.user, "laptop")[1])
    response = other.post("reviews/", {"version": version.pk, "action": "reject", "reason": "No."})
    assert (response.status_code, response.json()["code"]) == (403, "scope_missing")


def test_the_permission_is_as_good_as_the_group_and_a_session_needs_its_csrf_token(client: Client) -> None:
    version = build.version("Ink")
    user = build.user("grace")
    user.user_permissions.add(Permission.objects.get(codename="add_review"))
    client.force_login(user)
    body = {"version": version.pk, "action": "reject", "reason": "No."}
    strict = type(client)(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.post("/api/v1/reviews/", body, content_type="application/json").status_code == 403
    assert client.post("/api/v1/reviews/", body, content_type="application/json").status_code == 201
