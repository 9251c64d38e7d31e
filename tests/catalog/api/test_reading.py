"""The lists and details: shapes of the contract, keyset pages, a fixed number of queries."""

from __future__ import annotations

import json

import pytest
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from inference.models import Cell, SheetCell
from registry.models import (
    AliasHost,
    BaseModelAlias,
    Check,
    Job,
    License,
    UpstreamIdentity,
    Version,
    Vetting,
)
from tests.catalog import build
from tests.catalog.api.conftest import Caller

pytestmark = [pytest.mark.database, pytest.mark.django_db]

SELL = "generate_and_sell_images"


def test_a_version_has_exactly_the_shape_of_the_contract(anybody: Caller) -> None:
    sdxl = build.base("sdxl")
    version = build.version(
        "Ink", declared_base="SDXL 1.0", detected_family="sdxl", base_decided=sdxl, sheet_on=sdxl, name="v2"
    )
    file = version.files.get()
    assert anybody.get(f"versions/{version.pk}/").json() == {
        "id": version.pk,
        "adapter": version.adapter_id,
        "name": "v2",
        "base": {"declared": "SDXL 1.0", "detected": "sdxl", "decided": "sdxl"},
        "vetting": "waiting",
        "files": [
            {
                "sha256": file.blob_id,
                "name": "adapter.safetensors",
                "size": 1,
                "download_url": f"http://testserver/api/v1/files/{file.blob_id}/content",
            }
        ],
        "sheet": version.sheets.get().pk,
    }


def test_what_nobody_said_is_null_and_what_the_bytes_do_not_tell_is_unknown(anybody: Caller) -> None:
    version = build.version("Ink")
    found = anybody.get(f"versions/{version.pk}/").json()
    assert found["base"] == {"declared": None, "detected": "unknown", "decided": None}
    assert found["sheet"] is None


def test_the_search_answers_with_hits_verdicts_and_an_exact_count(anybody: Caller) -> None:
    build.version("Free", terms=build.APACHE)
    sold = build.version("Not for sale", terms=build.NOT_COMMERCIAL)
    answer = anybody.get("adapters/", {"act": SELL, "outcome": "forbidden"}).json()
    assert set(answer) == {"results", "next", "count"}
    assert (answer["count"], answer["next"]) == (1, None)
    [hit] = answer["results"]
    assert (hit["id"], hit["outcome"], hit["version"]["id"]) == (sold.adapter_id, "forbidden", sold.pk)


@pytest.mark.parametrize("path", ["adapters/", "versions/", "files/"])
def test_next_leads_through_all_pages(anybody: Caller, path: str) -> None:
    for number in range(5):
        build.version(f"Number {number}")
    seen, url = [], f"http://testserver/api/v1/{path}?limit=2"
    while url:
        page = anybody.get(url.removeprefix("http://testserver/api/v1/")).json()
        assert page["count"] == 5
        seen += [json.dumps(row) for row in page["results"]]
        url = page["next"]
    assert len(set(seen)) == len(seen) == 5


def test_the_facets_come_on_their_own_address(anybody: Caller) -> None:
    build.version("Ink", algorithm="lora", terms=build.APACHE)
    answer = anybody.get("adapters/facets/", {"act": SELL}).json()
    assert answer["count"] == 1
    assert sum(answer["outcome_counts"].values()) == 1
    facets = {facet["name"]: facet for facet in answer["facets"]}
    assert facets["algorithm"]["values"] == [
        {"value": "lora", "label": "lora", "count": 1, "selected": False}
    ]


def test_an_adapter_shows_its_versions(anybody: Caller) -> None:
    adapter = build.adapter("Ink", tags=["style"], creator=build.creator("Ada"))
    older, newer = build.version(adapter), build.version(adapter)
    found = anybody.get(f"adapters/{adapter.pk}/").json()
    assert (found["name"], found["creator"], found["tags"]) == ("Ink", "Ada", ["style"])
    assert [version["id"] for version in found["versions"]] == [newer.pk, older.pk]


def test_an_adapter_tells_its_former_names_the_newest_first(anybody: Caller) -> None:
    adapter = build.adapter("wash-3", source="huggingface", source_key="mika/wash-3")
    build.version(adapter)
    # The last one was given here, when somebody else had taken the name.
    former = ["sora/charcoal", "mika/charcoal", "mika/charcoal#65f0"]
    UpstreamIdentity.objects.create(adapter=adapter, source="huggingface", identity="65f0", former=former)
    told = ["mika/charcoal", "sora/charcoal"]
    assert anybody.get(f"adapters/{adapter.pk}/").json()["formerly"] == told
    assert [each["formerly"] for each in anybody.get("adapters/").json()["results"]] == [told]


def test_an_adapter_that_was_never_renamed_has_no_former_name(anybody: Caller) -> None:
    version = build.version("Ink")
    assert anybody.get(f"adapters/{version.adapter_id}/").json()["formerly"] == []


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("adapters/?outcomes=allowed", "outcomes"),
        ("adapters/?base=nope", "base"),
        ("adapters/?limit=0", "limit"),
        ("adapters/facets/?act=steal", "act"),
        ("versions/?vetted=true", "vetted"),
        ("versions/?after=x", "after"),
        ("versions/?after=ImFiYyI", "after"),
        ("versions/?limit=201", "limit"),
        ("licenses/?after=MQ", "after"),
        ("files/?version=1&version=2", "version"),
        ("verdicts/?act=sell_adapter", "version"),
        ("verdicts/?version=1", "act"),
        ("verdicts/?version=1&act=steal", "act"),
        ("verdicts/?version=1&act=sell_adapter&facts=[]", "facts"),
        ("verdicts/?version=1&act=sell_adapter&fact={}", "fact"),
    ],
)
def test_a_bad_parameter_is_named(anybody: Caller, path: str, parameter: str) -> None:
    response = anybody.get(path)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert (response.json()["code"], response.json()["parameter"]) == ("bad_query", parameter)


def test_a_filter_value_of_the_wrong_kind_is_a_problem_too(anybody: Caller) -> None:
    response = anybody.get("versions/?vetting=maybe")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert "vetting" in response.json()["errors"]


@pytest.mark.parametrize(
    "path",
    [
        "adapters/0/",
        "adapters/x/",
        "versions/99999999999999999999/",
        "licenses/none-such/",
        "nowhere",
        "sheets/1/",
    ],
)
def test_what_does_not_exist_is_a_problem(anybody: Caller, path: str) -> None:
    response = anybody.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert response["Content-Type"] == "application/problem+json"


def test_a_method_that_is_not_offered_is_a_problem(anybody: Caller, reviewer: Caller) -> None:
    response = reviewer.post("licenses/", {})
    assert response.status_code in {403, 405}
    assert response["Content-Type"] == "application/problem+json"
    assert anybody.post("licenses/", {}).status_code == 401


def test_versions_are_found_by_the_bytes_they_hold(anybody: Caller) -> None:
    wanted = build.version("Ink")
    build.version("Other")
    found = anybody.get("versions/", {"sha256": wanted.files.get().blob_id}).json()
    assert [version["id"] for version in found["results"]] == [wanted.pk]


def test_the_checks_of_a_version_say_why_it_is_not_vetted(anybody: Caller) -> None:
    version = build.version("Ink")
    Check.objects.create(version=version, code="container_valid", outcome="fail", summary="truncated")
    [check] = anybody.get(f"versions/{version.pk}/checks/").json()
    assert (check["code"], check["outcome"], check["summary"]) == ("container_valid", "fail", "truncated")


def test_a_verdict_is_the_decide_object(anybody: Caller) -> None:
    version = build.version("Not for sale", terms=build.NOT_COMMERCIAL)
    found = anybody.get(
        "verdicts/", {"version": str(version.pk), "act": SELL, "facts": '{"territory": "DE"}'}
    ).json()
    assert set(found) == {
        "id", "outcome", "conditions", "standing", "deciding", "reasons", "ledger", "ignored",
    }  # fmt: skip
    assert (found["id"], found["outcome"]) == (version.pk, "forbidden")
    assert found["reasons"]
    assert anybody.get("verdicts/", {"version": "1", "act": SELL}).status_code == 404


def test_licenses_and_base_models_are_listed_in_their_own_order(anybody: Caller) -> None:
    old = {"license_id": "Apache-2.0", "name": "Apache 2.0", "sha256": "0" * 64}
    License.objects.create(**old, revision=1, current=False)
    license = License.objects.create(**old, revision=2, data={"acts": {}})
    License.objects.create(license_id="CC0-1.0", name="CC0", sha256="1" * 64)
    sdxl = build.base("sdxl")
    pony = build.base("pony", parent=sdxl)
    pony.license = license
    pony.save()
    BaseModelAlias.objects.create(base_model=pony, host=AliasHost.CIVITAI, name="Pony")
    page = anybody.get("licenses/", {"limit": "1"}).json()
    assert [row["id"] for row in page["results"]] == ["Apache-2.0"]
    following = anybody.get(page["next"].removeprefix("http://testserver/api/v1/")).json()
    assert [row["id"] for row in following["results"]] == ["CC0-1.0"]
    assert anybody.get("licenses/Apache-2.0/").json()["data"] == {"acts": {}}
    assert anybody.get("base-models/pony/").json() == {
        "slug": "pony",
        "name": "PONY",
        "family": "sdxl",
        "parent": "sdxl",
        "license": "Apache-2.0",
        "renderable": False,
        "aliases": [{"host": "civitai", "name": "Pony"}],
    }


def test_a_sheet_shows_its_cells_with_their_pictures(anybody: Caller) -> None:
    toybox = build.base("toybox")
    version = build.version("Ink", sheet_on=toybox)
    sheet = version.sheets.get()
    cell = Cell.objects.create(key="a" * 64, inputs={"seed": 1}, image=build.picture("blue"))
    SheetCell.objects.create(sheet=sheet, cell=cell, row=0, column=1, role="control", metrics={"ssim": 1.0})
    [head] = anybody.get("sheets/", {"version": str(version.pk)}).json()["results"]
    assert "cells" not in head
    found = anybody.get(f"sheets/{sheet.pk}/").json()
    assert found["base"] == "toybox"
    assert found["cells"] == [
        {
            "row": 0,
            "column": 1,
            "role": "control",
            "key": "a" * 64,
            "inputs": {"seed": 1},
            "metrics": {"ssim": 1.0},
            "image_url": f"http://testserver/media/cells/{'a' * 64}.png",
        }
    ]


def test_jobs_are_for_known_callers(anybody: Caller, downloader: Caller) -> None:
    Job.objects.create(kind="inference.render", key="1")
    assert anybody.get("jobs/").status_code == 401
    [job] = downloader.get("jobs/", {"state": "queued"}).json()["results"]
    assert (job["kind"], job["state"]) == ("inference.render", "queued")


def test_a_site_that_requires_a_login_shows_nothing_to_strangers(
    anybody: Caller, downloader: Caller, settings: Settings
) -> None:
    settings.REQUIRE_LOGIN = True
    for path in ("adapters/", "versions/", "licenses/", "schema/", "files/"):
        assert anybody.get(path).status_code == 401, path
        assert downloader.get(path).status_code == 200, path


@pytest.mark.parametrize("path", ["versions/", "files/", "adapters/", "sheets/", "base-models/", "reviews/"])
def test_a_list_takes_the_same_queries_however_long_it_is(
    downloader: Caller, path: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    base = build.base("toybox")
    for number in range(6):
        build.version(f"Number {number}", sheet_on=base, base_decided=base, vetting=Vetting.APPROVED)
    # One more than a search takes: the token.
    with django_assert_max_num_queries(17 if path == "adapters/" else 6):
        assert downloader.get(path).status_code == 200


def test_the_count_is_null_where_counting_is_no_longer_cheap(
    anybody: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.api.pagination.COUNT_MAX", 2)
    for _number in range(2):
        build.version("Ink")
    assert anybody.get("versions/").json()["count"] == 2
    build.version("Ink")
    assert anybody.get("versions/").json()["count"] is None
    assert Version.objects.count() == 3


def test_an_unexpected_failure_is_a_problem_without_its_inside(
    anybody: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(query: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr("catalog.api.adapters.search", fail)
    response = anybody.get("adapters/")
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "secret inside" not in response.content.decode()
    assert "secret inside" in caplog.text
