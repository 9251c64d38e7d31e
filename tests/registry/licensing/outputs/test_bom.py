"""The bill of materials: valid by CycloneDX's own schema, with hashes, licenses and the verdict."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from packageurl import PackageURL

from registry.licensing import LICENSES, AdapterTerms
from registry.licensing.outputs.bom import bill_of_materials, purl_of
from registry.licensing.outputs.parts import Part, PartFile
from tests.registry.licensing.outputs.stacked import BASE, GOLD, INK, PARTS, SELL, decided

MADE = datetime(2026, 11, 26, 12, tzinfo=UTC)


def bom(*parts: Part, act: str = SELL, terms: tuple[AdapterTerms, ...] = (), **facts: Any) -> Any:
    text = bill_of_materials(decided(act, *terms), parts or PARTS, act, facts, made=MADE, version="0.1.0")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    return json.loads(text)


def component(whole: Any, ref: str) -> Any:
    return next(each for each in whole["components"] if each["bom-ref"] == ref)


def test_every_part_is_a_model_the_stack_depends_on() -> None:
    whole = bom()
    assert {each["bom-ref"] for each in whole["components"]} == {"base", "adapter:1", "adapter:2"}
    assert {each["type"] for each in whole["components"]} == {"machine-learning-model"}
    [stack] = [each for each in whole["dependencies"] if each["ref"] == "stack"]
    assert stack["dependsOn"] == ["adapter:1", "adapter:2", "base"]


def test_hashes_purl_authors_and_ancestry_are_told() -> None:
    ink = component(bom(), "adapter:1")
    assert ink["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert ink["purl"] == INK.purl
    assert ink["authors"] == [{"name": "mika"}]
    assert [each["name"] for each in ink["pedigree"]["ancestors"]] == ["SDXL 1.0"]
    assert ink["pedigree"]["notes"] == "used at weight 0.8"


def test_what_the_author_declared_is_kept_apart_from_what_was_concluded() -> None:
    declared = replace(INK, declared="MIT")
    licenses = [each["license"] for each in component(bom(BASE, declared, GOLD), "adapter:1")["licenses"]]
    assert {(each["id"], each["acknowledgement"]) for each in licenses} == {
        ("MIT", "declared"),
        ("CC-BY-4.0", "concluded"),
    }


def test_a_license_without_an_spdx_id_goes_by_name() -> None:
    [license_] = component(bom(), "base")["licenses"]
    assert license_["license"]["name"] == "CreativeML Open RAIL++-M"
    assert "id" not in license_["license"]


def test_the_verdict_its_conditions_and_the_evidence_are_properties() -> None:
    whole = bom(territory="JP")
    told = {(each["name"], each["value"]) for each in whole["metadata"]["component"]["properties"]}
    assert {("kura:outcome", "conditional"), ("kura:condition", "attribution"), ("kura:act", SELL)} <= told
    assert ("kura:facts", '{"territory": "JP"}') in told
    evidence = {
        each["value"]
        for each in component(whole, "adapter:1")["properties"]
        if each["name"] == "kura:evidence"
    }
    assert evidence == set(INK.evidence)


def test_one_stack_has_one_serial_number_and_another_has_another() -> None:
    assert bom()["serialNumber"] == bom()["serialNumber"]
    assert bom()["serialNumber"] != bom(BASE, replace(INK, weight=0.5), GOLD)["serialNumber"]


def test_several_files_are_listed_each_with_its_hash() -> None:
    two = replace(INK, files=(PartFile("a", "aa" * 32, 1), PartFile("b", "bb" * 32, 2)))
    files = component(bom(BASE, two, GOLD), "adapter:1")["components"]
    assert {each["hashes"][0]["content"] for each in files} == {"aa" * 32, "bb" * 32}


@pytest.mark.parametrize("license_id", list(LICENSES))
def test_every_license_of_the_table_gives_a_valid_bill(license_id: str) -> None:
    bom(BASE, replace(INK, declared=license_id), terms=(AdapterTerms(license_id),))


@settings(max_examples=50)
@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_whatever_a_card_states_the_bill_is_valid(name: str, creator: str, url: str) -> None:
    purl = purl_of(name, creator, url)
    hostile = Part("adapter:1", name, creator=creator, url=url, version=creator, purl=purl, declared=name)
    bom(BASE, hostile, terms=(AdapterTerms("CC-BY-4.0"),))


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_a_package_url_can_be_read_back(name: str, version: str, url: str) -> None:
    text = purl_of(name, version, url)
    assert PackageURL.from_string(text).to_string() == text


def test_a_repository_of_the_hub_has_a_package_url_of_its_type() -> None:
    assert purl_of("Ink", "v1", "https://huggingface.co/mika/ink-lines", revision="a" * 40) == (
        f"pkg:huggingface/mika/ink-lines@{'a' * 40}"
    )
    assert purl_of("Ink", "v1", "https://huggingface.co/datasets/mika/ink").startswith("pkg:generic/ink@v1")
