"""House licenses in the admin: written as text, previewed, kept as revisions, and named by verdicts."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from registry.basis import current_basis
from registry.house_licenses import as_toml, blank, read_text
from registry.licensing import ACTS, LICENSES, AdapterTerms, Question, decide, license_from_row, row_of
from registry.models import AuditEvent, License, Version
from registry.verdicts import verdict_for
from tests.factories import ClaimFactory, VersionFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("seeded")]

ADD = reverse("admin:registry_license_add")


@pytest.fixture
def site(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("mika", password="secret"))
    return client


def text(name: str = "Studio-1", **cells: dict[str, object]) -> str:
    """A house license that allows everything but what is given."""
    acts = {act: {"status": "allowed", "clause": "1"} for act in ACTS} | cells
    head = {"id": name, "name": "Studio license", "family": "custom", "confidence": "read_in_text"}
    return json.dumps({**head, "acts": acts})


def edit(license: License) -> str:
    return reverse("admin:registry_license_change", args=[license.pk])


def current() -> License:
    return License.objects.get(license_id="Studio-1", current=True)


def test_a_house_license_can_be_written_and_then_decides(site: Client) -> None:
    assert site.get(ADD).status_code == 200
    written = text(sell_adapter={"status": "conditional", "conditions": ["attribution"], "clause": "4"})
    assert site.post(ADD, {"text": written}).status_code == 302
    row = current()
    assert (row.revision, row.name) == (1, "Studio license")
    event = AuditEvent.objects.get(subject="license:Studio-1")
    assert (event.actor, event.action, event.data["revision"]) == ("mika", "add", 1)
    verdict = decide(Question("sell_adapter", "CC0-1.0", [AdapterTerms("studio-1")]), current_basis().table)
    assert verdict.conditions == ("attribution",)
    entry = verdict.ledger[-1]
    assert (entry.license, entry.revision, entry.sha256) == ("Studio-1", 1, row.sha256)


def test_an_edit_is_a_new_revision_and_verdicts_follow(site: Client) -> None:
    site.post(ADD, {"text": text()})
    version: Version = VersionFactory.create()
    ClaimFactory.create(version=version, value="Studio-1")
    first = current()
    refusing = text(use_privately={"status": "forbidden", "clause": "9"})
    assert site.post(edit(first), {"text": refusing}).status_code == 302

    revisions = License.objects.filter(license_id="Studio-1").order_by("revision")
    assert [(each.revision, each.current) for each in revisions] == [(1, False), (2, True)]
    assert revisions[0].data == first.data
    assert revisions[0].sha256 == first.sha256
    event = AuditEvent.objects.filter(subject="license:Studio-1").latest("id")
    assert (event.action, event.data["revision"], event.data["acts"]) == ("edit", 2, ["use_privately"])
    verdict = verdict_for(version, "use_privately", {})
    assert verdict.outcome == "forbidden"
    assert {entry.revision for entry in verdict.ledger if entry.license == "Studio-1"} == {2}
    assert site.post(edit(first), {"text": text()}).status_code == 403


def test_saving_the_same_again_makes_no_revision(site: Client) -> None:
    site.post(ADD, {"text": text()})
    row = current()
    assert as_toml(row.data) in site.get(edit(row)).context["adminform"].form.fields["text"].initial
    assert site.post(edit(row), {"text": as_toml(row.data)}).status_code == 302
    assert License.objects.filter(license_id="Studio-1").count() == 1


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("id = ", "neither TOML nor JSON"),
        ("{}", "id: id is missing"),
        (text("MIT"), "id: MIT is a built-in license"),
        (text("mit"), "id: mit is a built-in license"),
        (text("my license"), "id: id takes letters"),
        (
            text(sell_adapter={"status": "maybe", "clause": "1"}),
            "acts.sell_adapter.status: status &#x27;maybe&#x27;",
        ),
        (text(sell_adapter={"status": "allowed"}), "acts.sell_adapter.clause: allowed needs the clause"),
        (
            text(sell_adapter={"status": "conditional", "conditions": ["cake"], "clause": "1"}),
            "acts.sell_adapter.conditions: There is no condition &#x27;cake&#x27;",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_nothing_is_saved(
    site: Client, written: str, said: str
) -> None:
    before = License.objects.count()
    for answer in (
        site.post(ADD, {"text": written}),
        site.post(reverse("admin:registry_license_preview"), {"text": written}),
    ):
        assert answer.status_code == 200
        assert said in answer.content.decode().replace("<code>", "").replace("</code>", "")
    assert License.objects.count() == before


def test_another_license_of_the_same_name_in_any_case_is_refused(site: Client) -> None:
    site.post(ADD, {"text": text()})
    assert "there is a house license" in site.post(ADD, {"text": text("STUDIO-1")}).content.decode()
    renamed = site.post(edit(current()), {"text": text("Studio-2")})
    assert "the id Studio-1 stays" in renamed.content.decode()


def test_the_preview_shows_every_act_and_saves_nothing(site: Client) -> None:
    page = site.post(reverse("admin:registry_license_preview"), {"text": text()}).content.decode()
    for act in ACTS.values():
        assert act.label in page
    assert not License.objects.filter(license_id="Studio-1").exists()
    assert site.get(reverse("admin:registry_license_preview")).status_code == 405


def test_who_may_not_edit_licenses_may_not_preview_them(client: Client) -> None:
    client.force_login(User.objects.create_user("kai", is_staff=True))
    assert client.post(reverse("admin:registry_license_preview"), {"text": text()}).status_code == 403


def test_a_built_in_license_shows_its_acts_and_takes_no_other_text(site: Client) -> None:
    row = License.objects.get(license_id="MIT", current=True)
    page = site.get(edit(row))
    assert "permission and notice" in page.content.decode()
    assert set(page.context["adminform"].form.fields) == {"name", "url"}
    site.post(edit(row), {"name": row.name, "url": row.url, "text": text()})
    assert current_basis().table.revision == LICENSES.revision


def test_toml_written_here_is_read_back_the_same() -> None:
    for row in LICENSES.values():
        plain = row_of(row)
        again, found = read_text(as_toml({**plain, "id": f"House-{row.id}"}))
        assert found == ()
        assert again is not None
        assert row_of(again)["acts"] == plain["acts"]
        assert again.notes == row.notes


def test_a_new_license_starts_silent_on_everything() -> None:
    row, found = read_text(blank())
    assert row is None
    assert {where for where, _ in found} == {"id", "name"}
    filled = blank().replace('id = ""', 'id = "House"').replace('name = ""', 'name = "House"')
    row, found = read_text(filled)
    assert found == ()
    assert row is not None
    assert {cell.status for cell in row.summary.values()} == {"silent"}
    assert license_from_row(row_of(row)).summary == row.summary
