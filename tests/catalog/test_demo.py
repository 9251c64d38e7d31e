"""The demo's catalog: every vetting state and verdict is on show, and filling it again changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

from catalog.access import find
from catalog.demo import a_vetted_file, fill, keys
from inference.models import Sheet, SheetState
from registry.models import Version, Vetting
from registry.verdicts import verdict_for

pytestmark = pytest.mark.database

DEMO = Path(settings.BASE_DIR) / "demo"
SELL = "generate_and_sell_images"


def counts() -> dict[str, int]:
    """Rows of every table of ours."""
    ours = [
        model
        for app in ("registry", "inference", "catalog")
        for model in apps.get_app_config(app).get_models()
    ]
    return {model._meta.label: model._default_manager.count() for model in ours}


@pytest.fixture
def filled(db: None) -> None:
    fill(DEMO, lambda done, total, name: None)


def test_every_vetting_state_is_on_show(filled: None) -> None:
    assert set(Version.objects.values_list("vetting", flat=True)) == set(Vetting.values)


def test_every_verdict_on_selling_images_is_on_show(filled: None) -> None:
    outcomes = {verdict_for(version, SELL, {}).outcome for version in Version.objects.all()}
    assert outcomes == {"allowed", "conditional", "unknown", "forbidden"}


def test_a_sheet_is_planned_for_every_adapter_and_refused_on_the_wrong_base(filled: None) -> None:
    states = dict(Sheet.objects.values_list("version__files__name", "state"))
    assert states.pop("studio-portrait.safetensors") == SheetState.REFUSED
    assert len(states) >= 8
    assert set(states.values()) == {SheetState.WAITING}


def test_filling_again_changes_nothing(filled: None) -> None:
    before = counts()
    report = fill(DEMO, lambda done, total, name: None)
    assert counts() == before
    assert report.adapters == {} and report.failed == []


def test_password_and_token_stay_the_same_and_only_their_owner_reads_the_file(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path)
    first = keys()
    assert keys() == first
    assert find(first.token).user.username == first.user
    assert (tmp_path / "demo.json").stat().st_mode & 0o777 == 0o600


def test_a_damaged_key_file_is_replaced(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path)
    (tmp_path / "demo.json").write_text("not json")
    made = keys()
    assert json.loads((tmp_path / "demo.json").read_text()) == {
        "password": made.password,
        "token": made.token,
    }


def test_the_example_of_a_download_is_a_vetted_file(filled: None) -> None:
    file = a_vetted_file()
    assert file is not None and file.version.vetting == Vetting.APPROVED
