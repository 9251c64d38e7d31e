"""adapters/ID/ and versions/ID/: setting fields by hand and giving them back, by program."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from catalog import access
from registry.models import Adapter, AuditEvent, Version
from tests.catalog import build
from tests.catalog.api.conftest import Caller

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def patch(caller: Caller, path: str, body: Any) -> Any:
    headers = {"Authorization": f"Bearer {caller.token}"} if caller.token else {}
    return Client().patch(f"/api/v1/{path}", body, content_type="application/json", headers=headers)


def field(answer: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in answer.json() if each["field"] == name)
    return found


def test_a_field_is_set_marked_and_given_back(reviewer: Caller, anybody: Caller) -> None:
    version = build.version("Ink", trigger_words=["theirs"])
    answer = patch(reviewer, f"versions/{version.pk}/", {"trigger_words": ["ours", "a, b"]})
    assert answer.status_code == 200
    told = {"field": "trigger_words", "value": ["ours", "a, b"], "edited": True, "stated": ["theirs"]}
    assert field(answer, "trigger_words") == told
    assert field(anybody.get(f"versions/{version.pk}/edits/"), "trigger_words") == told
    event = AuditEvent.objects.latest("id")
    assert (event.actor, event.action, event.subject) == ("reviewer", "edit", f"version:{version.pk}")
    answer = patch(reviewer, f"versions/{version.pk}/", {"release": ["trigger_words"]})
    assert field(answer, "trigger_words") == {
        "field": "trigger_words", "value": ["theirs"], "edited": False, "stated": None,
    }  # fmt: skip


def test_an_adapter_s_page_and_a_version_s_base_are_set_too(reviewer: Caller) -> None:
    version = build.version("Ink", name="v1")
    base = build.base("sdxl")
    answer = patch(
        reviewer, f"adapters/{version.adapter_id}/", {"name": "墨", "description": " a\n b ", "tags": []}
    )
    assert [each["value"] for each in answer.json()] == ["墨", " a\n b ", [], ""]
    answer = patch(reviewer, f"versions/{version.pk}/", {"base_decided": "sdxl", "name": "v1 (ours)"})
    assert field(answer, "base_decided")["value"] == "sdxl"
    version.refresh_from_db()
    assert (version.base_decided, version.name) == (base, "v1 (ours)")
    patch(reviewer, f"versions/{version.pk}/", {"base_decided": None})
    version.refresh_from_db()
    assert version.base_decided is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"vetting": "approved"}, "not_editable"),
        ({"release": ["vetting"]}, "not_editable"),
        ({"name": "ours", "release": ["name"]}, "not_editable"),
        ({"name": ""}, "invalid"),
        ({"name": "x" * 201}, "invalid"),
        ({"trigger_words": "ink"}, "invalid"),
        ({"trigger_words": ["x" * 301]}, "invalid"),
        ({"base_decided": "no-such"}, "invalid"),
        (["name"], "invalid"),
        ({"notes": "a\0b"}, "invalid"),
    ],
)
def test_what_cannot_be_set_is_refused_with_a_code_and_nothing_is_kept(
    reviewer: Caller, body: Any, code: str
) -> None:
    version = build.version("Ink")
    before = Version.objects.values().get()
    answer = patch(reviewer, f"versions/{version.pk}/", body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["next_step"]
    assert Version.objects.values().get() == before


def test_only_reviewers_and_editors_set_anything(anybody: Caller, downloader: Caller) -> None:
    version = build.version("Ink")
    for path in (f"versions/{version.pk}/", f"adapters/{version.adapter_id}/"):
        assert patch(anybody, path, {"name": "Mine"}).status_code == 401
        assert patch(downloader, path, {"name": "Mine"}).status_code == 403
    assert (Adapter.objects.get().name, Version.objects.get().edited) == ("Ink", [])


def test_a_token_for_downloads_alone_sets_nothing_even_for_a_reviewer(reviewer: Caller) -> None:
    assert reviewer.user is not None
    version = build.version("Ink")
    weak = Caller(reviewer.user, access.create(reviewer.user, "laptop")[1])
    answer = patch(weak, f"versions/{version.pk}/", {"name": "Mine"})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_what_is_not_there_is_not_found(reviewer: Caller, anybody: Caller) -> None:
    for path in ("versions/999/", "adapters/999/"):
        assert patch(reviewer, path, {"name": "Mine"}).status_code == 404
        assert anybody.get(f"{path}edits/").status_code == 404


def test_reading_what_is_edited_costs_one_query(anybody: Caller) -> None:
    version = build.version("Ink", base_decided=build.base("sdxl"))
    for path in (f"versions/{version.pk}/edits/", f"adapters/{version.adapter_id}/edits/"):
        with CaptureQueriesContext(connection) as asked:
            assert anybody.get(path).status_code == 200
        assert len(asked) == 1
