"""The admin pages: every list opens, bases can be edited with a trace, upstream rows cannot."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver, reverse

from registry.models import Adapter, AuditEvent, BaseModel, Change, License, Snapshot, TermsClaim, Version
from registry.verdicts import profile_of
from tests.factories import (
    ClaimFactory,
    FileFactory,
    InspectionFactory,
    SnapshotFactory,
    VersionFactory,
)

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("seeded")]

# The admin learns its models when the addresses of the site are read.
get_resolver().url_patterns  # noqa: B018
MODELS = [model for model in apps.get_app_config("registry").get_models() if admin.site.is_registered(model)]


@pytest.fixture
def site(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("mika"))
    return client


@pytest.fixture
def version() -> Version:
    version = VersionFactory.create(base_declared=BaseModel.objects.get(slug="kura-toybox"))
    InspectionFactory.create(blob=FileFactory.create(version=version).blob)
    ClaimFactory.create(version=version)
    SnapshotFactory.create(body=b"\xff\x00 not text")
    version.terms_profile = profile_of(version)
    version.save()
    return version


def test_the_admin_is_sound_and_knows_the_models_that_are_kept_there() -> None:
    assert {BaseModel, License, Version} <= set(MODELS)
    assert admin.site.check(None) == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_list_and_every_page_opens(site: Client, version: Version, model: type) -> None:
    name = f"admin:registry_{model.__name__.lower()}"
    assert site.get(reverse(f"{name}_changelist"), {"q": "a"}).status_code == 200
    for row in model._default_manager.all()[:3]:  # type: ignore[attr-defined]
        assert site.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200


def test_what_came_from_upstream_cannot_be_changed_or_deleted(site: Client, version: Version) -> None:
    for row in (*version.claims.all()[:1], *version.files.all()[:1]):
        if admin.site.is_registered(type(row)):
            change = reverse(f"admin:registry_{type(row).__name__.lower()}_change", args=[row.pk])
            assert site.post(change, {"name": "other"}).status_code == 403
    snapshot = reverse("admin:registry_snapshot_change", args=[Snapshot.objects.latest("pk").pk])
    assert site.post(snapshot, {"url": "other"}).status_code == 403
    delete = reverse("admin:registry_version_delete", args=[version.pk])
    assert site.post(delete, {"post": "yes"}).status_code == 403


def admin_form(site: Client, address: str) -> dict[str, str]:
    """What a browser sends back: the fields of the form as they are shown, lines ended by CR LF."""
    page = site.get(address)
    sent = {}
    for field in page.context["adminform"].form:
        value = field.value()
        sent[field.html_name] = "" if value is None else str(value).replace("\n", "\r\n")
    for formset in page.context["inline_admin_formsets"]:
        management = formset.formset.management_form
        sent |= {field.html_name: str(field.value()) for field in management}
    return sent


def test_a_correction_in_the_admin_goes_the_way_of_every_other_one(site: Client, version: Version) -> None:
    Version.objects.filter(pk=version.pk).update(trigger_words=["a, b", "c"], notes="One,\n two \n")
    change = reverse("admin:registry_version_change", args=[version.pk])
    sent = admin_form(site, change)
    assert set(sent) >= {"name", "notes", "trigger_words", "declared_base"}
    assert not {"vetting", "base_decided", "stated", "edited"} & set(sent)
    before = Version.objects.values().get(pk=version.pk)
    assert site.post(change, sent).status_code == 302
    assert Version.objects.values().get(pk=version.pk) == before
    assert site.post(change, sent | {"trigger_words": "a, b\r\nd", "vetting": "approved"}).status_code == 302
    version.refresh_from_db()
    assert (version.trigger_words, version.edited, version.vetting) == (
        ["a, b", "d"],
        ["trigger_words"],
        before["vetting"],
    )
    assert version.stated == {"trigger_words": ["a, b", "c"]}
    event = AuditEvent.objects.get(subject=f"version:{version.pk}", action="edit")
    assert (event.actor, event.data) == ("mika", {"fields": ["trigger_words"]})
    page = reverse("admin:registry_adapter_change", args=[version.adapter_id])
    assert site.post(page, admin_form(site, page) | {"name": "Ours"}).status_code == 302
    assert Adapter.objects.get(pk=version.adapter_id).edited == ["name"]


def test_an_edited_base_leaves_a_trace_and_its_versions_follow(site: Client, version: Version) -> None:
    base = BaseModel.objects.get(slug="kura-toybox")
    other = License.objects.get(license_id="CC-BY-NC-4.0", current=True)
    before = version.terms_profile
    aliases = list(base.aliases.all())
    form: dict[str, object] = {
        "parent": base.parent_id,
        "slug": base.slug,
        "name": base.name,
        "family": base.family,
        "weights": base.weights,
        "license": other.pk,
        "aliases-TOTAL_FORMS": len(aliases),
        "aliases-INITIAL_FORMS": len(aliases),
    }
    for number, alias in enumerate(aliases):
        row = {"id": alias.pk, "base_model": base.pk, "host": alias.host, "name": alias.name}
        form |= {f"aliases-{number}-{key}": value for key, value in row.items()}
    answer = site.post(reverse("admin:registry_basemodel_change", args=[base.pk]), form)
    assert answer.status_code == 302
    event = AuditEvent.objects.get(subject=f"base_model:{base.pk}")
    assert (event.actor, event.action, event.data) == ("mika", "edit", {"fields": ["license"]})
    version.refresh_from_db()
    assert version.terms_profile != before
    assert version.terms_profile is not None
    assert version.terms_profile.terms["base_license"] == "CC-BY-NC-4.0"
    assert Change.objects.get().kind == "version_updated"


def test_a_corrected_license_link_is_a_new_revision(site: Client) -> None:
    row = License.objects.get(license_id="CC0-1.0", current=True)
    address = reverse("admin:registry_license_change", args=[row.pk])
    answer = site.post(address, {"name": row.name, "url": "https://example.org/cc0"})
    assert answer.status_code == 302
    revisions = License.objects.filter(license_id="CC0-1.0").order_by("revision")
    assert [(each.revision, each.current, each.url) for each in revisions] == [
        (1, False, row.url),
        (2, True, "https://example.org/cc0"),
    ]
    assert AuditEvent.objects.get(subject="license:CC0-1.0").actor == "mika"
    assert site.post(address, {"name": "old", "url": ""}).status_code == 403


def test_nobody_can_write_claims_in_the_admin(site: Client, version: Version) -> None:
    assert TermsClaim not in admin.site._registry
