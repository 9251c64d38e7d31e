"""Plans by API: a stack's verdict and its outputs; what does not exist is a problem listing what does."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from django.test import Client
from pytest_django import Settings

from registry.models import Version
from tests.catalog.api.conftest import Caller
from tests.catalog.pages.rows import CLOSED_FLAGS, OPEN_FLAGS, make_adapter

pytestmark = [pytest.mark.database, pytest.mark.django_db]
SELL = "generate_and_sell_images"


@pytest.fixture
def ink(db: None) -> Version:
    return make_adapter("Ink Lines", flags={**OPEN_FLAGS, "allowNoCredit": False}, sheet=False)


@pytest.fixture
def gold(db: None) -> Version:
    return make_adapter("Gold Leaf", flags=CLOSED_FLAGS, sheet=False)


def body(*versions: Version, **more: Any) -> dict[str, Any]:
    adapters = [{"version": version.pk, "weight": 0.8} for version in versions]
    return {"base": "sdxl-1-0", "adapters": adapters, "act": SELL, "facts": {}, **more}


def test_a_plan_says_what_is_in_the_way_and_what_would_help(
    anybody: Caller, ink: Version, gold: Version
) -> None:
    better = make_adapter("Gilt", flags=OPEN_FLAGS, sheet=False)
    told = anybody.post("plans/", body(ink, gold)).json()
    assert (told["passes"], told["verdict"]["outcome"]) == (False, "forbidden")
    assert told["removals"] == [[gold.pk]]
    assert [each["without"]["outcome"] for each in told["contributions"]] == ["forbidden", "conditional"]
    [offered] = told["alternatives"]
    assert (offered["replaces"], offered["version"], offered["tags"]) == (gold.pk, better.pk, ["style"])


def test_a_plan_that_follows_its_own_advice_passes(anybody: Caller, ink: Version, gold: Version) -> None:
    make_adapter("Gilt", flags=OPEN_FLAGS, sheet=False)
    told = anybody.post("plans/", body(ink, gold)).json()
    [offered] = told["alternatives"]
    better = Version.objects.get(pk=offered["version"])
    assert anybody.post("plans/", body(ink, better)).json()["verdict"]["outcome"] == offered["outcome"]
    assert anybody.post("plans/", body(ink)).json()["passes"]


def test_the_credit_comes_in_every_form(anybody: Caller, ink: Version) -> None:
    told = anybody.post("plans/credit/", body(ink, medium="video", language="ja")).json()
    assert told["required"] is True
    assert "mika" in told["text"]
    assert told["description"]
    assert told["duties_met"] == ["attribution"]


def test_the_bundle_is_a_zip_to_save(anybody: Caller, ink: Version) -> None:
    answer = anybody.post("plans/notice/", body(ink))
    assert answer["Content-Type"] == "application/zip"
    assert 'filename="notice.zip"' in answer["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert json.loads(archive.read("verdict.json"))["outcome"] == "conditional"
    assert anybody.post("plans/notice/", body(ink)).content == answer.content


def test_the_bill_of_materials_is_valid_cyclonedx(anybody: Caller, ink: Version) -> None:
    answer = anybody.post("plans/bom/", body(ink))
    assert answer["Content-Type"].startswith("application/vnd.cyclonedx+json")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(answer.content.decode()) is None


@pytest.mark.parametrize(
    ("address", "change", "status", "code", "told"),
    [
        ("plans/", {"adapters": [{"version": 999999}]}, 404, "version_not_found", "Ink Lines"),
        ("plans/", {"base": "sdxl-1"}, 400, "unknown_base", "sdxl-1-0"),
        ("plans/", {"act": "sell"}, 400, "unknown_act", SELL),
        ("plans/", {"facts": {"revenue": 1}}, 400, "unknown_fact", "annual_revenue_usd"),
        ("plans/", {"facts": {"mau": "many"}}, 400, "bad_fact", "mau"),
        ("plans/", {"adapters": [{"version": 1, "weight": 99}]}, 400, "bad_stack", "99"),
        ("plans/", {"adapters": [{"version": 1}] * 2}, 400, "bad_stack", "more than once"),
        ("plans/", {"adapters": "all"}, 400, "invalid", "fields"),
        ("plans/", {"facts": []}, 400, "invalid", "fields"),
        ("plans/credit/", {"medium": "radio"}, 400, "unknown_medium", "web, print, video"),
        ("plans/credit/", {"language": "fr"}, 400, "unknown_language", "en, ja"),
    ],
)
def test_what_does_not_exist_is_a_problem_that_lists_what_does(
    anybody: Caller, ink: Version, address: str, change: dict[str, Any], status: int, code: str, told: str
) -> None:
    answer = anybody.post(address, body(ink) | change)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert told in answer.json()["detail"]


@pytest.mark.parametrize(
    "facts", ['{"host": "\\ud800"}', '{"\\ud800": 1}', "[" * 3000, '{"mau": NaN}', f'{{"mau": {"9" * 5000}}}']
)
def test_a_body_that_could_not_be_stored_or_answered_is_no_body(client: Client, facts: str, db: None) -> None:
    body = f'{{"base": "sdxl-1-0", "adapters": [], "act": "{SELL}", "facts": {facts}'
    response = client.post("/api/v1/plans/", body + "}", content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (400, "parse_error")


def test_a_plan_may_name_the_program_it_runs_in(anybody: Caller, ink: Version) -> None:
    assert anybody.post("plans/", body(ink, facts={"tool": "comfyui"})).json()["verdict"]["outcome"] == (
        "conditional"
    )
    told = anybody.post("plans/", body(ink, facts={"tool": "my own program"})).json()
    assert told["verdict"]["outcome"] == "unknown"


def test_where_a_login_is_required_nobody_else_asks(
    anybody: Caller, downloader: Caller, ink: Version, settings: Settings
) -> None:
    settings.REQUIRE_LOGIN = True
    assert anybody.post("plans/", body(ink)).status_code == 401
    assert downloader.post("plans/", body(ink)).status_code == 200
