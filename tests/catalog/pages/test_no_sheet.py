"""A version that can have no sheet says why, on its page, on the reviewer's and by the API."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from catalog.pages.finding_words import finding_sentence
from inference.services import request_sheet
from registry.models import Inspection, Job, Version, Vetting
from tests.catalog.pages.rows import make_adapter
from tests.inference.rows import make_base

pytestmark = pytest.mark.database


@pytest.fixture
def video(db: None) -> Version:
    """A vetted adapter of a family that Kura does not render."""
    version = make_adapter("Slow Pan", sheet=False)
    Version.objects.filter(pk=version.pk).update(
        detected_family="wan21", base_declared=None, base_decided=None
    )
    return Version.objects.select_related("adapter").get(pk=version.pk)


def test_its_page_says_why_and_not_only_that_there_is_none(client: Client, video: Version) -> None:
    page = client.get(f"/adapters/{video.adapter_id}/").content.decode()
    assert "No sheet: Kura does not render the file&#x27;s family of base models." in page
    assert "no_base_weights" in page
    assert "the work has not been asked for" not in page


def test_the_reviewer_reads_it_too(desk: Client, video: Version) -> None:
    Version.objects.filter(pk=video.pk).update(vetting=Vetting.WAITING, vetted_at=None)
    page = desk.get(f"/review/{video.pk}/").content.decode()
    assert "Kura does not render the file&#x27;s family" in page


def test_the_api_tells_it_with_numbers_and_makes_no_job(client: Client, video: Version) -> None:
    told = client.get(f"/api/v1/versions/{video.pk}/sheet/").json()
    assert (told["id"], told["state"], told["code"]) == (None, "impossible", "no_base_weights")
    (finding,) = told["findings"]
    assert (finding["code"], finding["severity"]) == ("not_renderable", "info")
    assert finding["numbers"] == {"family_known": 1, "bases": 0, "recipes": 0, "modules": 192}
    assert "wan21" in told["message"] and told["next_step"]
    assert not Job.objects.exists()


def test_the_api_tells_of_the_sheet_where_there_is_one(client: Client, version: Version) -> None:
    sheet = version.sheets.get()
    told = client.get(f"/api/v1/versions/{version.pk}/sheet/").json()
    assert (told["id"], told["state"], told["code"], told["next_step"]) == (sheet.pk, "done", "", "")
    assert told["findings"] == [finding | {"where": ""} for finding in sheet.findings]


def test_a_refused_sheet_has_its_finding_on_the_version_page_and_by_the_api(
    client: Client, db: None, tmp_path: Path
) -> None:
    version = make_adapter("Wrong Way", sheet=False)
    (tmp_path / "model_index.json").write_text("{}")
    toybox = make_base(tmp_path)
    Version.objects.filter(pk=version.pk).update(base_decided=toybox)
    version = Version.objects.select_related("adapter", "base_decided").get(pk=version.pk)
    sheet = request_sheet(version=version)
    assert Inspection.objects.get(blob=sheet.blob).modules == 192
    sentence = "The file is for another family of base models, with all of its 192 modules."
    assert sentence in client.get(f"/adapters/{version.adapter_id}/").content.decode()
    assert sentence in client.get(f"/sheets/{sheet.pk}/").content.decode()
    told = client.get(f"/api/v1/versions/{version.pk}/sheet/").json()
    assert (told["id"], told["state"], told["code"]) == (sheet.pk, "refused", "wrong_base")
    assert told["next_step"] == "Choose a base model of the adapter's own family."
    assert told["findings"][0]["numbers"] == {"modules": 192.0}


def test_a_version_that_can_be_rendered_is_only_not_planned(client: Client, tmp_path: Path, db: None) -> None:
    version = make_adapter("Later", sheet=False)
    make_base(tmp_path, slug="here", family=version.detected_family)
    told = client.get(f"/api/v1/versions/{version.pk}/sheet/").json()
    assert (told["state"], told["findings"]) == ("not_planned", [])
    page = client.get(f"/adapters/{version.adapter_id}/").content.decode()
    assert "the work has not been asked for" in page


@pytest.mark.parametrize(
    ("known", "recipes", "words"),
    [(0.0, 0.0, "nobody knows"), (1.0, 0.0, "does not render"), (1.0, 1.0, "has its weights here")],
)
def test_the_sentence_says_what_is_lacking(known: float, recipes: float, words: str) -> None:
    numbers = {"family_known": known, "recipes": recipes, "bases": 0.0, "modules": 1.0}
    assert words in finding_sentence("not_renderable", numbers, "")
