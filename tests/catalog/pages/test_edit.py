"""Correcting by hand: who may, what is marked, what the source says beside it, and giving it back."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from registry.edits import change, keep_stated
from registry.models import Adapter, AuditEvent, BaseModel, Version
from tests.catalog.pages.rows import make_adapter, make_base

pytestmark = pytest.mark.database


def address(version: Version) -> str:
    return f"/adapters/{version.adapter_id}/edit/"


def page_of(client: Client, version: Version) -> str:
    return client.get(f"/adapters/{version.adapter_id}/").content.decode()


def form_of(client: Client, version: Version, **changes: str) -> dict[str, str]:
    """What a browser sends: all fields as the page shows them, lines ended by CR LF, and changes."""
    form = client.get(f"/adapters/{version.adapter_id}/").context["edit_form"]
    sent = {"version": str(version.pk)}
    for field in form:
        value = field.value()
        text = "" if value is None else str(value)
        sent[field.html_name] = sent[field.html_initial_name] = text.replace("\n", "\r\n")
    return sent | changes


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def fresh(version: Version) -> Version:
    return Version.objects.select_related("adapter", "base_decided").get(pk=version.pk)


def test_only_those_who_may_correct_see_the_form_and_can_send_it(client: Client, version: Version) -> None:
    assert 'id="edit"' not in page_of(client, version)
    assert (
        client.post(address(version), {"version": version.pk})
        .headers["Location"]
        .startswith("/accounts/login")
    )
    client.force_login(User.objects.create_user("reader"))
    assert 'id="edit"' not in page_of(client, version)
    assert client.post(address(version), {"version": version.pk, "name": "Mine"}).status_code == 403
    assert fresh(version).adapter.name == "Ink Lines"
    editor = User.objects.create_user("editor")
    editor.user_permissions.add(Permission.objects.get(codename="change_adapter"))
    client.force_login(editor)
    assert 'id="edit"' in page_of(client, version)
    sent = form_of(client, version, name="Ours")
    assert client.post(address(version), sent).status_code == 302
    assert fresh(version).adapter.name == "Ours"


def test_what_a_person_changes_is_set_marked_and_on_record(desk: Client, version: Version) -> None:
    make_base("pony-v6")
    base = BaseModel.objects.get(slug="pony-v6")
    sent = form_of(
        desk,
        version,
        name="Ours",
        tags="ink\r\nwashed, wet\r\n\r\n ink ",
        trigger_words="inkline\r\n墨, dry",
        base_decided=str(base.pk),
    )
    answer = desk.post(address(version), sent, follow=True)
    assert answer.redirect_chain[0][0] == f"/adapters/{version.adapter_id}/?version={version.pk}#edit"
    found = fresh(version)
    assert (found.adapter.name, found.adapter.tags) == ("Ours", ["ink", "washed, wet"])
    assert (found.trigger_words, found.base_decided) == (["inkline", "墨, dry"], base)
    assert (found.adapter.edited, found.edited) == (["name", "tags"], ["trigger_words"])
    events = AuditEvent.objects.filter(actor="reviewer").order_by("id")
    assert [(each.action, each.subject, each.data) for each in events] == [
        ("edit", f"adapter:{found.adapter_id}", {"fields": ["name", "tags"]}),
        ("decide_base", f"version:{found.pk}", {"base": "pony-v6"}),
        ("edit", f"version:{found.pk}", {"fields": ["trigger_words"]}),
    ]
    shown = text_of(answer.content.decode())
    assert "Saved. No later reading changes these fields." in shown
    assert "fields: name, tags" in shown


def test_a_form_sent_back_as_it_was_changes_nothing(desk: Client, version: Version) -> None:
    Adapter.objects.filter(pk=version.adapter_id).update(
        description="  Two lines,\nthe second \n", tags=["a, b", "c"]
    )
    before = Adapter.objects.values().get(), Version.objects.values().get()
    answer = desk.post(address(version), form_of(desk, version), follow=True)
    assert "Nothing changed." in answer.content.decode()
    assert (Adapter.objects.values().get(), Version.objects.values().get()) == before


def test_what_a_sync_changed_meanwhile_is_neither_undone_nor_taken_for_an_edit(
    desk: Client, version: Version
) -> None:
    sent = form_of(desk, version, name="Ours")
    Adapter.objects.filter(pk=version.adapter_id).update(description="The author wrote more.")
    desk.post(address(version), sent)
    found = fresh(version).adapter
    assert (found.name, found.description, found.edited) == ("Ours", "The author wrote more.", ["name"])


def test_the_source_s_own_words_stand_beside_and_come_back_with_one_button(
    desk: Client, version: Version
) -> None:
    change(version.adapter, "mika", {"name": "Ours"})
    adapter = fresh(version).adapter
    keep_stated(adapter, {"name": "Ink Lines Deluxe"})
    page = page_of(desk, version)
    shown = text_of(page)
    assert "edited by hand The source says Ink Lines Deluxe" in shown.replace("&nbsp;", " ")
    assert 'form="release-form" name="release" value="adapter.name"' in page
    # Everybody sees that it was set by hand.
    assert "edited by hand" in page_of(Client(), version)
    answer = desk.post(address(version), {"version": version.pk, "release": "adapter.name"}, follow=True)
    found = fresh(version).adapter
    assert (found.name, found.edited) == ("Ink Lines Deluxe", [])
    assert "Given back" in answer.content.decode()
    event = AuditEvent.objects.latest("id")
    assert (event.actor, event.action, event.data) == ("reviewer", "release_edit", {"fields": ["name"]})


def test_the_table_of_facts_tells_the_author_s_words_from_ours(desk: Client, version: Version) -> None:
    change(version, "mika", {"trigger_words": ["inkline", "wash"], "declared_base": "Pony"})
    page = desk.get(f"/adapters/{version.adapter_id}/")
    facts = {fact.name: fact for fact in page.context["page"].facts}
    assert (facts["Trigger words"].declared, facts["Trigger words"].decided) == ("inkline", "inkline, wash")
    assert facts["Base model"].declared.startswith("SDXL") or "XL" in facts["Base model"].declared
    assert facts["Base model"].decided.startswith("Pony")
    words = {word.word: word.source for word in page.context["training"].words}
    assert words == {"inkline": "the author", "wash": "a person here"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 301}, "name"),
        ({"tags": "x" * 101}, "tags"),
        ({"trigger_words": "\n".join(str(n) for n in range(201))}, "trigger_words"),
        ({"base_decided": "999999"}, "base_decided"),
        ({"description": "a\0b"}, "description"),
    ],
)
def test_what_cannot_be_kept_is_shown_again_with_what_is_wrong(
    desk: Client, version: Version, changes: dict[str, str], field: str
) -> None:
    before = Adapter.objects.values().get(), Version.objects.values().get()
    answer = desk.post(address(version), form_of(desk, version, notes="Kept in the form.", **changes))
    assert answer.status_code == 422
    page = answer.content.decode()
    assert set(answer.context["edit_form"].errors) == {field}
    assert f'id="id_{field}_error"' in page and 'aria-invalid="true"' in page
    assert "Kept in the form." in page
    assert (Adapter.objects.values().get(), Version.objects.values().get()) == before


@pytest.mark.parametrize("place", ["version.vetting", "adapter", "version.base_decided", "x.y"])
def test_what_is_no_field_cannot_be_given_back(desk: Client, version: Version, place: str) -> None:
    assert desk.post(address(version), {"version": version.pk, "release": place}).status_code == 404


@pytest.mark.parametrize("wanted", ["", "x", "999999"])
def test_a_version_that_is_not_there_is_not_found(desk: Client, version: Version, wanted: str) -> None:
    assert desk.post(address(version), {"version": wanted}).status_code == 404
    assert desk.get(address(version)).status_code == 405


def test_an_editor_s_page_asks_no_more_when_more_is_edited(desk: Client, version: Version) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert desk.get(f"/adapters/{version.adapter_id}/").status_code == 200
        return len(asked)

    count()
    few = count()
    values: dict[str, Any] = {"name": "Ours", "tags": ["a"], "description": "b"}
    change(version.adapter, "mika", values)
    change(version, "mika", {"name": "v", "notes": "n", "trigger_words": ["w"]})
    for number in range(5):
        make_base(["pony-v6", "sd-1-5", "flux-1-dev", "illustrious", "sdxl-turbo"][number])
    count()
    assert count() == few


def test_another_adapter_s_version_cannot_be_corrected_through_this_one(
    desk: Client, version: Version
) -> None:
    other = make_adapter("Other")
    assert desk.post(f"/adapters/{version.adapter_id}/edit/", {"version": other.pk}).status_code == 404
