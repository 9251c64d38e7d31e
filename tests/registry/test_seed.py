"""Seeding: the tables as the license engine knows them, without repeating or overwriting anything."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

import pytest
from django.apps import apps
from django.core.management import call_command

from registry import seed as module
from registry.bases import find_base
from registry.ledger import audit
from registry.licensing import base_models as table
from registry.licensing.table import LICENSES
from registry.models import BaseModel, License
from registry.seed import seed
from registry.verdicts import licensing_base, verdict_for
from tests.factories import ClaimFactory, VersionFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def test_every_license_and_base_of_the_engine_is_there() -> None:
    seed()
    assert set(License.objects.filter(current=True).values_list("license_id", flat=True)) == set(LICENSES)
    assert BaseModel.objects.exclude(parent=None).count() == len(table.BASE_MODELS)
    for base in BaseModel.objects.select_related("parent", "license"):
        if base.parent is None:
            assert base.license is None and not base.weights
        else:
            assert base.parent.parent is None and base.parent.family == base.family
            entry = table.BASE_MODELS[licensing_base(base) or ""]
            assert (base.license.license_id if base.license else None) == entry.license


def test_each_family_has_one_root() -> None:
    seed()
    roots = BaseModel.objects.filter(parent=None).values_list("family", flat=True)
    assert sorted(roots) == sorted(table.FAMILIES)


def test_the_demo_base_is_ready_to_render() -> None:
    seed()
    base = BaseModel.objects.select_related("license").get(slug="kura-toybox")
    assert (base.name, base.family, base.weights) == ("Kura Toybox", "toybox", "demo/toybox")
    assert base.license is not None and base.license.license_id == "CC0-1.0"
    assert find_base("kura toybox", "civitai") == find_base("Kura/Toybox", "huggingface") == base


def test_seeding_again_changes_no_row() -> None:
    seed()
    models = list(apps.get_app_config("registry").get_models())
    before = [list(model._default_manager.order_by("pk").values()) for model in models]
    assert seed().nothing
    call_command("seed")
    assert [list(model._default_manager.order_by("pk").values()) for model in models] == before


def test_changed_license_data_makes_a_new_revision_that_bases_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    seed()
    changed = dataclasses.replace(LICENSES["CC0-1.0"], sha256="f" * 64, url="https://example.org/new")
    monkeypatch.setattr(module, "LICENSES", MappingProxyType(dict(LICENSES) | {"CC0-1.0": changed}))
    assert seed().licenses == 1
    revisions = License.objects.filter(license_id="CC0-1.0").order_by("revision")
    assert [(row.revision, row.current) for row in revisions] == [(1, False), (2, True)]
    assert BaseModel.objects.get(slug="kura-toybox").license == revisions[1]
    assert seed().nothing


def test_a_base_that_a_person_edited_is_left_alone() -> None:
    seed()
    base = BaseModel.objects.get(slug="kura-toybox")
    BaseModel.objects.filter(pk=base.pk).update(weights="/models/better")
    audit("mika", "edit", f"base_model:{base.pk}")
    assert seed().nothing
    base.refresh_from_db()
    assert base.weights == "/models/better"


def test_a_base_that_nobody_edited_follows_the_data() -> None:
    seed()
    BaseModel.objects.filter(slug="kura-toybox").update(name="Old name")
    assert seed().base_models == 1
    assert BaseModel.objects.get(slug="kura-toybox").name == "Kura Toybox"


@pytest.mark.parametrize(
    ("name", "host", "family"),
    [
        ("SDXL 1.0", "civitai", "sdxl"),
        ("sd 1.5", "civitai", "sd1"),
        ("black-forest-labs/FLUX.1-dev", "huggingface", "flux1"),
        ("BLACK-FOREST-LABS/flux.1-DEV", "", "flux1"),
    ],
)
def test_a_base_is_found_by_the_names_upstreams_use(name: str, host: str, family: str) -> None:
    seed()
    found = find_base(name, host)
    assert found is not None and found.family == family and found.parent is not None


@pytest.mark.parametrize("name", ["", "  ", "SDXL 9.9", "'; DROP TABLE", "%"])
def test_a_name_that_is_in_no_table_finds_nothing(name: str) -> None:
    seed()
    assert find_base(name) is None


def test_a_base_that_becomes_known_settles_the_versions_that_named_it() -> None:
    version = VersionFactory.create(declared_base="kura/toybox", base_declared=None)
    ClaimFactory.create(version=version, value="MIT")
    seed()
    version.refresh_from_db()
    assert version.base_declared is not None and version.base_declared.slug == "kura-toybox"
    assert verdict_for(version, "use_privately", {}).outcome == "allowed"
    assert version.checks.get(code="base_known").outcome == "ok"
    assert version.changes.count() == 1
