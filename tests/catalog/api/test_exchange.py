"""What another Kura reads here: the feed of changes, a version's export, its claims, and their evidence."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from registry.ledger import note_change
from registry.models import Change, ClaimKind, File, FileState, Instance, Snapshot, TermsClaim, Version
from tests.catalog import build
from tests.catalog.api.conftest import Caller

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def keep(body: bytes, url: str = "https://example.org/card") -> Snapshot:
    return Snapshot.objects.create(url=url, sha256=hashlib.sha256(body).hexdigest(), body=body)


def claim(version: Version, kind: str, snapshot: Snapshot | None = None, **fields: Any) -> TermsClaim:
    return TermsClaim.objects.create(version=version, kind=kind, snapshot=snapshot, **fields)


def changed(*versions: Version) -> None:
    for version in versions:
        note_change(version, "version_added")


def follow(caller: Caller, **query: Any) -> tuple[list[dict[str, Any]], str]:
    """All pages from here on, and the cursor after the last."""
    rows: list[dict[str, Any]] = []
    while True:
        page = caller.get("changes/", query).json()
        rows += page["results"]
        query["after"] = page["cursor"]
        if page["next"] is None:
            return rows, page["cursor"]


def test_each_adapter_is_told_once_at_its_newest_change(anybody: Caller) -> None:
    first, second = build.version("A"), build.version("B")
    changed(first, second, first)
    rows, _ = follow(anybody, limit=1)
    assert [row["adapter"] for row in rows] == [second.adapter_id, first.adapter_id]
    assert rows[1]["versions"] == [
        {
            "id": first.pk,
            "vetting": "waiting",
            "change": Change.objects.filter(version=first).latest("id").pk,
            "path": [str(Instance.objects.get().identity)],
        }
    ]


def test_the_cursor_gives_only_what_came_after_it(anybody: Caller) -> None:
    first, second = build.version("A"), build.version("B")
    changed(first, second)
    _, cursor = follow(anybody)
    assert follow(anybody, after=cursor)[0] == []
    changed(first)
    rows, later = follow(anybody, after=cursor)
    assert [row["adapter"] for row in rows] == [first.adapter_id]
    assert later != cursor


def test_one_adapter_can_be_asked_for_alone(anybody: Caller) -> None:
    first, second = build.version("A"), build.version("B")
    changed(first, second)
    rows, _ = follow(anybody, adapter=first.adapter_id)
    assert [row["adapter"] for row in rows] == [first.adapter_id]
    assert follow(anybody, adapter=0)[0] == []
    assert anybody.get("changes/", {"adapter": "x"}).json()["parameter"] == "adapter"


def test_an_adapter_that_changes_while_pages_are_read_is_not_lost(anybody: Caller) -> None:
    versions = [build.version(name) for name in "ABC"]
    changed(*versions)
    page = anybody.get("changes/", {"limit": 1}).json()
    changed(versions[1])
    rows, _ = follow(anybody, after=page["cursor"], limit=1)
    assert [row["adapter"] for row in [*page["results"], *rows]] == [
        versions[number].adapter_id for number in (0, 2, 1)
    ]


@pytest.mark.parametrize("foreign", [True, False])
def test_a_cursor_of_another_kura_or_of_a_lost_time_begins_anew(anybody: Caller, foreign: bool) -> None:
    version = build.version("A")
    changed(version)
    own = anybody.get("changes/").json()["kura"]
    cursor = f"{'0' * 8}-0000-4000-8000-000000000000.1" if foreign else f"{own}.999999"
    page = anybody.get("changes/", {"after": cursor}).json()
    assert page["restarted"] is True
    assert [row["adapter"] for row in page["results"]] == [version.adapter_id]


def test_a_backup_that_was_put_back_and_went_on_begins_anew(anybody: Caller) -> None:
    version = build.version("A")
    changed(version, version, version)
    _, cursor = follow(anybody)
    Change.objects.filter(pk=Change.objects.latest("id").pk).update(at=timezone.now())
    page = anybody.get("changes/", {"after": cursor}).json()
    assert (page["restarted"], len(page["results"])) == (True, 1)


@pytest.mark.parametrize("cursor", ["x", "1", ".", "a.b", "a.-1", "a." + "9" * 90])
def test_what_is_no_cursor_is_refused(anybody: Caller, cursor: str) -> None:
    answer = anybody.get("changes/", {"after": cursor})
    assert (answer.status_code, answer.json()["parameter"]) == (400, "after")


def test_a_page_of_changes_costs_as_many_queries_for_many_as_for_few(anybody: Caller) -> None:
    anybody.get("changes/")
    counts = []
    for number in range(12):
        changed(build.version(f"A{number}"))
        if number in (2, 11):
            with CaptureQueriesContext(connection) as queries:
                anybody.get("changes/")
            counts.append(len(queries))
    assert counts[0] == counts[1]


def test_an_export_tells_what_sources_state_with_its_evidence(anybody: Caller) -> None:
    version = build.version("Ink", notes="first", trigger_words=["ink"])
    card = keep(b"license: cc0-1.0")
    claim(version, ClaimKind.LICENSE, card, value="CC0-1.0", wording="cc0-1.0", hints={"a": 1}, unread=["x"])
    told = anybody.get(f"versions/{version.pk}/export/").json()
    assert told["adapter"]["name"] == "Ink" and told["version"]["trigger_words"] == ["ink"]
    blob = version.files.get().blob
    assert [(each["sha256"], each["size"]) for each in told["files"]] == [(blob.sha256, blob.size)]
    (stated,) = told["claims"]
    assert (stated["kind"], stated["value"], stated["wording"]) == ("license", "CC0-1.0", "cc0-1.0")
    assert (stated["hints"], stated["unread"]) == ({"a": 1}, ["x"])
    evidence = anybody.get(f"snapshots/{stated['snapshot']['id']}/content")
    assert hashlib.sha256(evidence.content).hexdigest() == stated["snapshot"]["sha256"]
    assert evidence["Content-Type"] == "application/octet-stream"


def test_the_same_rows_make_the_same_document(anybody: Caller) -> None:
    version = build.version("Ink")
    changed(version)
    first = anybody.get(f"versions/{version.pk}/export/").content
    assert anybody.get(f"versions/{version.pk}/export/", Host="127.0.0.1").content == first


def test_letters_and_who_decided_stay_here(anybody: Caller) -> None:
    version = build.version("Ink")
    letter = keep(b"Dear Sir, I agree.", "mail:1")
    claim(version, ClaimKind.RIGHTS, letter, standing="decided", value={"subject": "person"}, wording="Ada")
    claim(version, ClaimKind.CONCLUSION, letter, standing="decided", value={"item": "x"}, wording="because")
    claim(version, ClaimKind.RIGHTS, value={"subject": "person", "state": "unknown"}, wording="poi: true")
    answer = anybody.get(f"versions/{version.pk}/export/")
    text = answer.content.decode()
    assert "Dear Sir" not in text and "mail:1" not in text and "because" not in text and "Ada" not in text
    told = answer.json()
    assert told["vetting"]["conclusions"] == [{"kind": "conclusion", "value": {"item": "x"}}]
    # A sign of rights that a source shows is told: without it the terms would look looser there.
    assert [each["kind"] for each in told["claims"]] == ["rights"]
    assert anybody.get(f"snapshots/{letter.pk}/").status_code == 404
    assert anybody.get(f"snapshots/{letter.pk}/content").status_code == 404


def test_files_that_are_locked_away_are_not_offered(anybody: Caller) -> None:
    version = build.version("Ink")
    File.objects.filter(version=version).update(state=FileState.QUARANTINED, reason="a pickle")
    assert anybody.get(f"versions/{version.pk}/export/").json()["files"] == []


def test_replaced_claims_are_told_by_the_list_and_not_by_the_export(anybody: Caller) -> None:
    version = build.version("Ink")
    old, new = keep(b"1"), keep(b"2")
    claim(version, ClaimKind.LICENSE, old, value="MIT", superseded=True)
    claim(version, ClaimKind.LICENSE, new, value="CC0-1.0")
    claim(version, ClaimKind.LICENSE, keep(b"3", "https://elsewhere.example/"), value="MIT")
    assert [each["value"] for each in anybody.get(f"versions/{version.pk}/export/").json()["claims"]] == [
        "CC0-1.0",
        "MIT",
    ]
    listed = anybody.get(f"versions/{version.pk}/claims/", {"source": old.url}).json()
    assert [(each["value"], each["superseded"]) for each in listed] == [("MIT", True), ("CC0-1.0", False)]


@pytest.mark.parametrize("path", ["changes/", "versions/{}/export/", "versions/{}/claims/", "snapshots/{}/"])
def test_a_site_that_asks_for_a_login_tells_nobody_else(
    anybody: Caller, downloader: Caller, settings: Settings, path: str
) -> None:
    version = build.version("Ink")
    snapshot = keep(b"1")
    claim(version, ClaimKind.LICENSE, snapshot)
    address = path.format(snapshot.pk if "snapshots" in path else version.pk)
    settings.REQUIRE_LOGIN = True
    assert anybody.get(address).status_code == 401
    assert downloader.get(address).status_code == 200


@pytest.mark.parametrize("path", ["versions/999/export/", "versions/999/claims/", f"snapshots/{10**30}/"])
def test_what_does_not_exist_is_not_found(anybody: Caller, path: str) -> None:
    answer = anybody.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_misspelled_parameter_is_refused(anybody: Caller) -> None:
    assert json.loads(anybody.get("changes/", {"since": "1"}).content)["parameter"] == "since"
