"""Every obstacle comes with what can be done about it."""

from __future__ import annotations

from typing import Any

import pytest

from registry import verdicts
from registry.licensing.table import LICENSES
from registry.models import BaseModel, Version
from registry.next_steps import Step, other_bases, steps_of
from tests.factories import ALL_FLAGS, ClaimFactory, VersionFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("seeded")]

SELL, SERVE = "generate_and_sell_images", "run_as_paid_service"


def on(civitai_name: str, family: str, **claim: Any) -> Version:
    base = BaseModel.objects.get(aliases__host="civitai", aliases__name=civitai_name)
    version = VersionFactory.create(base_declared=base, detected_family=family)
    ClaimFactory.create(version=version, **claim)
    verdicts.settle(version)
    return version


def steps(version: Version, act: str, **facts: Any) -> list[Step]:
    return steps_of(version, verdicts.verdict_for(version, act, facts), act, facts)


def test_a_base_that_refuses_names_the_bases_of_its_family_that_do_not() -> None:
    version = on("Flux.1 D", "flux1", value="Apache-2.0")
    found = [step for step in steps(version, SERVE) if step.kind == "other_base"]
    assert found and found[0].layer == "base"
    names = [base.slug for base in found[0].bases]
    schnell = BaseModel.objects.get(aliases__host="civitai", aliases__name="Flux.1 S")
    assert schnell.slug in names
    assert all(base.outcome in ("allowed", "conditional") for base in found[0].bases)


def test_a_base_that_is_named_keeps_its_promise() -> None:
    version = on("Flux.1 D", "flux1", value="Apache-2.0")
    for option in other_bases(version, SERVE, {}, "forbidden"):
        version.base_declared = BaseModel.objects.get(slug=option.slug)
        version.save()
        verdicts.settle(version)
        assert verdicts.verdict_for(version, SERVE, {}).outcome == option.outcome


def test_no_other_base_helps_against_the_adapters_own_terms() -> None:
    version = on("Flux.1 D", "flux1", value="CC-BY-NC-4.0")
    assert other_bases(version, SERVE, {}, "forbidden") == []


def test_where_the_author_refused_the_author_can_be_asked_or_the_adapter_dropped() -> None:
    version = VersionFactory.create(base_declared=BaseModel.objects.get(slug="kura-toybox"))
    flags = ALL_FLAGS | {"allowCommercialUse": []}
    ClaimFactory.create(version=version, kind="civitai_flags", value=flags)
    kinds = {step.kind for step in steps(version, SELL) if step.layer == "adapter:1"}
    assert {"ask_author", "drop_adapter"} <= kinds


def test_where_nothing_is_stated_the_author_can_be_asked() -> None:
    version = VersionFactory.create(base_declared=BaseModel.objects.get(slug="kura-toybox"))
    assert "ask_author" in {step.kind for step in steps(version, SELL)}


def test_a_registration_comes_with_the_address_of_the_license() -> None:
    stability = next(row for row in LICENSES.values() if row.id == "stability-ai-community-2024")
    version = VersionFactory.create(
        base_declared=BaseModel.objects.filter(license__license_id=stability.id).first()
    )
    version.detected_family = version.base_declared.family if version.base_declared else ""
    ClaimFactory.create(version=version, value="MIT")
    found = [step for step in steps(version, SELL, annual_revenue_usd=1000) if step.kind == "register"]
    assert found
    assert all(step.url == stability.url and step.url in step.in_words() for step in found)


def test_an_act_that_is_allowed_needs_no_step() -> None:
    version = VersionFactory.create(base_declared=BaseModel.objects.get(slug="kura-toybox"))
    ClaimFactory.create(version=version, value="CC0-1.0")
    assert steps(version, "use_privately") == []
