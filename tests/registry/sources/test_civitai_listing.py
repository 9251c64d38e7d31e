"""Every recorded answer of Civitai parses to what it says; gates, files and fingerprints follow the rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from registry.models import ClaimKind
from registry.sources.civitai_listing import list_model
from registry.sources.listing import ListedVersion, Listing, RawDocument
from tests.registry.sources.civitai_golden import MODELS, Expected

RECORDED = Path(__file__).parents[2] / "data" / "civitai" / "recorded"
NOW = datetime(2026, 8, 20, tzinfo=UTC)


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))


def listing(model: dict[str, Any], **more: Any) -> Listing:
    document = RawDocument(f"https://civitai.com/api/v1/models/{model.get('id')}", json.dumps(model).encode())
    return list_model(document, model, **{"now": NOW} | more)


def claims(version: ListedVersion, kind: str) -> list[Any]:
    return [each for each in version.claims if each.kind == kind]


def test_the_table_knows_every_recorded_model() -> None:
    assert sorted(MODELS) == sorted(path.stem for path in RECORDED.glob("model_*.json"))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_recorded_model_says_what_the_table_says(name: str) -> None:
    expected, model = MODELS[name], recorded(name)
    read = listing(model)
    assert (read.name, read.source_key) == (expected.name, str(model["id"]))
    assert read.creator == model["creator"]["username"]
    assert [version.source_key for version in read.versions] == list(expected.versions)
    for version in read.versions:
        (flags,) = claims(version, ClaimKind.CIVITAI_FLAGS)
        credit, uses, derivatives, different = expected.flags
        assert flags.value == {
            "allowNoCredit": credit,
            "allowCommercialUse": uses,
            "allowDerivatives": derivatives,
            "allowDifferentLicense": different,
        }
        assert flags.hints.get("flags_are_default", False) is expected.default
        assert [each.value["subject"] for each in claims(version, ClaimKind.RIGHTS)] == (
            [expected.shows] if expected.shows else []
        )
        _assert_version(version, expected.versions[str(version.source_key)])


def _assert_version(version: ListedVersion, expected: Expected) -> None:
    (base,) = claims(version, ClaimKind.BASE)
    assert base.value == version.declared_base == expected.base
    assert version.trigger_words[: len(expected.words)] == expected.words
    assert bool(version.trigger_words) == bool(expected.words)
    assert [(each.key, each.role, each.primary, each.about) for each in version.remote] == expected.files
    assert version.availability == expected.state
    weight = version.settings.get("weight")
    told = (weight["min"], weight["default"], weight["max"]) if weight else None
    assert (told, weight["source"] if weight else "") == (expected.weight, expected.source)
