"""The license table keeps its schema, and a broken file is refused by name."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from registry.licensing import (
    ACTS,
    BASE_MODELS,
    CONDITIONS,
    FAMILIES,
    LICENSES,
    AdapterTerms,
    Question,
    decide,
    find_base_model,
    find_license,
    identify_license,
)
from registry.licensing.errors import BadTable, UnknownLicense
from registry.licensing.schema import license_from_row, row_of
from registry.licensing.table import read_license
from registry.licensing.vocabulary import DATA, FACTS, SHARE_ALIKE, STATUSES, read_toml


def row() -> dict[str, Any]:
    return copy.deepcopy(read_toml(DATA / "licenses" / "CC-BY-NC-4.0.toml"))


def test_every_license_speaks_on_every_act() -> None:
    assert len(LICENSES) >= 59
    for license_row in LICENSES.values():
        assert list(license_row.summary) == list(ACTS), license_row.id
        for cell in license_row.summary.values():
            assert cell.status in STATUSES


def test_every_license_names_a_source_or_is_the_absence_of_one() -> None:
    for license_row in LICENSES.values():
        assert license_row.source or license_row.family in {"none", "unresolved"}, license_row.id


def test_a_license_without_a_text_never_allows_anything() -> None:
    for license_id in ("none", "other", "unknown"):
        statuses = {cell.status for cell in find_license(license_id).summary.values()}
        assert statuses <= {"silent", "forbidden"}


def test_selling_is_never_freer_than_giving_away() -> None:
    rank = {"allowed": 0, "conditional": 1, "silent": 2, "forbidden": 3}
    for license_row in LICENSES.values():
        for free, sold in (
            ("generate_and_share_images", "generate_and_sell_images"),
            ("redistribute_adapter", "sell_adapter"),
            ("redistribute_derivative", "sell_derivative"),
        ):
            cells = license_row.summary
            assert rank[cells[sold].status] >= rank[cells[free].status], (license_row.id, sold)


def test_a_noncommercial_limit_never_stands_on_an_act_that_earns() -> None:
    for license_row in LICENSES.values():
        for act, cell in license_row.summary.items():
            if ACTS[act].commerce and act != "use_internally_for_business":
                assert "noncommercial_only" not in {c.name for c in cell.conditions}, (license_row.id, act)


def test_ids_are_found_without_regard_to_case() -> None:
    assert find_license("apache-2.0").id == "Apache-2.0"


def test_an_unknown_id_is_an_error_that_lists_what_is_known() -> None:
    with pytest.raises(UnknownLicense, match=r"Did you mean CC-BY-NC-4\.0.*Known: .*MIT"):
        find_license("CC-BY-NC-5.0")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confidence": "sure"}, "confidence"),
        ({"revision": 0}, "revision"),
        ({"name": " "}, "name is missing"),
        ({"acts": {}}, "acts must be exactly"),
        ({"licence": "x"}, "unknown keys: licence"),
        ({"lora_is_derivative": "maybe"}, "lora_is_derivative"),
        ({"irrevocable": "yes"}, "irrevocable"),
        ({"sources": "one"}, "sources"),
        ({"civitai_ids": ["1"]}, "civitai_ids"),
    ],
)
def test_a_row_that_breaks_the_schema_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadTable, match=message):
        license_from_row({**row(), **change}, "0" * 64)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ({"status": "maybe", "clause": "1"}, "status 'maybe'"),
        ({"status": "conditional", "clause": "1"}, "conditional without a condition"),
        ({"status": "allowed", "conditions": ["attribution"], "clause": "1"}, "allowed takes no condition"),
        ({"status": "allowed"}, "needs the clause"),
        ({"status": "allowed", "clause": "1", "host_exempt": ["civitai"]}, "only a forbidden cell"),
        ({"status": "conditional", "conditions": ["attribution", "attribution"], "clause": "1"}, "twice"),
        ({"status": "allowed", "clause": "1", "disputed": 1}, "disputed"),
        ({"status": "allowed", "clause": "1", "disputed": True, "reading": "x"}, "tells reading and other"),
        ({"status": "allowed", "clause": "1", "other_reading": "x"}, "only a disputed cell"),
    ],
)
def test_a_cell_that_breaks_the_schema_is_refused(cell: dict[str, Any], message: str) -> None:
    broken = row()
    broken["acts"]["use_privately"] = cell
    with pytest.raises(BadTable, match=message):
        license_from_row(broken, "0" * 64)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "house.toml"
    broken.write_text('id = "house"\nname = ', encoding="utf-8")
    with pytest.raises(BadTable, match=r"house\.toml is not valid TOML"):
        read_license(broken)

    text = (DATA / "licenses" / "MIT.toml").read_text(encoding="utf-8")
    broken.write_text(text.replace("include_license_copy", "include_a_cake"), encoding="utf-8")
    with pytest.raises(
        BadTable, match=r"house\.toml: acts\.\w+\.conditions: There is no condition 'include_a_cake'"
    ):
        read_license(broken)


def test_every_gate_tests_a_fact_that_can_be_stated() -> None:
    for condition in CONDITIONS.values():
        if condition.kind == "gate":
            assert condition.fact in FACTS, condition.id
            assert condition.passes is not None


def test_going_one_way_never_leads_to_a_more_lenient_group() -> None:
    """Otherwise one more adapter could loosen what share-alike terms refuse."""
    for texts in SHARE_ALIKE.one_way:
        lower, upper = (LICENSES[text].share_alike_group for text in texts)
        assert upper not in SHARE_ALIKE.noncommercial_groups or lower in SHARE_ALIKE.noncommercial_groups
        assert (
            upper not in SHARE_ALIKE.carries_use_restrictions or lower in SHARE_ALIKE.carries_use_restrictions
        )
        assert lower not in SHARE_ALIKE.forbids_added_limits or upper in SHARE_ALIKE.forbids_added_limits


def test_the_groups_of_the_share_alike_rules_exist() -> None:
    groups = {row.share_alike_group for row in LICENSES.values()}
    named = SHARE_ALIKE.noncommercial_groups | SHARE_ALIKE.carries_use_restrictions
    assert named | SHARE_ALIKE.forbids_added_limits <= groups


def test_every_base_model_has_a_family_and_a_license_or_candidates() -> None:
    for base in BASE_MODELS.values():
        assert base.family in FAMILIES
        for license_id in (*base.candidates, *base.components, *([base.license] if base.license else [])):
            assert license_id in LICENSES


@pytest.mark.parametrize(
    ("name", "license_id"),
    [
        ("SDXL 1.0", "creativeml-openrail-plusplus-m"),
        ("sdxl 1.0", "creativeml-openrail-plusplus-m"),
        ("black-forest-labs/FLUX.1-dev", "flux-1-dev-nc-1.1.1"),
        ("Pony", "pony-v6-modified-faipl"),
        ("toybox", "CC0-1.0"),
        ("Illustrious", None),
    ],
)
def test_a_base_model_is_found_by_the_name_upstreams_use(name: str, license_id: str | None) -> None:
    base = find_base_model(name)
    assert base is not None
    assert base.license == license_id


def test_a_base_model_nobody_knows_is_not_guessed() -> None:
    assert find_base_model("SDXL 9000") is None
    assert find_base_model(None) is None


HOUSE: dict[str, Any] = {
    **row(),
    "id": "House-1",
    "name": "House license",
    "spdx": None,
    "acts": {**row()["acts"], "sell_adapter": {"status": "allowed", "clause": "2"}},
}


def test_a_house_license_counts_in_the_table_it_was_added_to_and_nowhere_else() -> None:
    table = LICENSES.with_rows([license_from_row(HOUSE)])
    asked = Question("sell_adapter", "MIT", [AdapterTerms("house-1 OR CC-BY-NC-4.0")])
    verdict = decide(asked, table)
    assert verdict.outcome == "conditional"
    assert verdict.ledger[-1].license == "House-1"
    assert identify_license("house license", table) == "House-1"
    assert identify_license("house license") is None
    with pytest.raises(UnknownLicense):
        decide(asked)


def test_a_revision_takes_the_place_of_the_row_before_and_verdicts_name_it() -> None:
    first = LICENSES.with_rows([license_from_row(HOUSE)])
    later = copy.deepcopy({**HOUSE, "revision": 2})
    later["acts"]["sell_adapter"] = {"status": "forbidden", "clause": "2"}
    second = first.with_rows([license_from_row(later)])
    asked = Question("sell_adapter", "MIT", [AdapterTerms("House-1")])
    assert [entry.revision for entry in decide(asked, second).ledger] == [1, 2]
    assert decide(asked, first).outcome == "conditional"
    assert decide(asked, second).outcome == "forbidden"
    assert len(second) == len(first) == len(LICENSES) + 1
    assert len({LICENSES.revision, first.revision, second.revision}) == 3


def test_a_house_license_cannot_take_a_name_that_stands_for_a_known_text() -> None:
    greedy = HOUSE | {"name": "MIT License", "hub_tags": ["mit"], "url": LICENSES["MIT"].url, "id": "AAA"}
    table = LICENSES.with_rows([license_from_row(greedy)])
    for name in ("mit", "MIT", "MIT License", LICENSES["MIT"].url):
        assert identify_license(name, table) == "MIT"


@pytest.mark.parametrize("name", ["AND", "or", "my license", "a/b", "", "x" * 101, "(MIT)"])
def test_an_id_has_to_fit_into_a_license_expression(name: str) -> None:
    with pytest.raises(BadTable, match="id"):
        license_from_row({**HOUSE, "id": name})


def test_a_license_written_out_and_read_again_is_the_same() -> None:
    for license_row in LICENSES.values():
        again = license_from_row(json.loads(json.dumps(row_of(license_row))), license_row.sha256)
        assert again == license_row


def test_everything_wrong_with_a_row_is_told_at_once_with_its_place() -> None:
    broken = copy.deepcopy(HOUSE) | {"confidence": "sure", "mood": "good"}
    broken["acts"]["sell_adapter"] = {"status": "conditional", "conditions": ["cake"], "clause": "1"}
    with pytest.raises(BadTable) as caught:
        license_from_row(broken)
    assert [where for where, _ in caught.value.problems] == ["", "confidence", "acts.sell_adapter.conditions"]
