"""Stacks from rows: one verdict for all, alternatives in the catalog, errors that list what is known."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.errors import KuraError
from registry.models import BaseModel, Version, Vetting
from registry.stack_alternatives import find_alternatives
from registry.stack_outputs import Outputs
from registry.stacks import Stack, Wanted, read_stack
from registry.verdicts import verdict_for
from tests.catalog.pages.rows import CLOSED_FLAGS, OPEN_FLAGS, make_adapter, make_base

pytestmark = [pytest.mark.database, pytest.mark.django_db]

SELL = "generate_and_sell_images"
CREDIT_FLAGS = {**OPEN_FLAGS, "allowNoCredit": False}


def stack(*versions: Version, base: str | None = "sdxl-1-0", act: str = SELL, **facts: Any) -> Stack:
    return read_stack(base, [Wanted(version.pk, 0.8) for version in versions], act, facts)


@pytest.fixture
def ink(db: None) -> Version:
    return make_adapter("Ink Lines", flags=CREDIT_FLAGS, tags=("style", "ink"), sheet=False)


@pytest.fixture
def gold(db: None) -> Version:
    return make_adapter("Gold Leaf", flags=CLOSED_FLAGS, tags=("style", "gold"), sheet=False)


@pytest.mark.parametrize("act", [SELL, "use_privately", "redistribute_adapter", "run_as_paid_service"])
def test_a_stack_of_one_adapter_on_its_own_base_is_its_own_verdict(ink: Version, act: str) -> None:
    alone = verdict_for(ink, act, {})
    for base in (None, "sdxl-1-0"):
        verdict = stack(ink, base=base, act=act).decide()
        assert (verdict.outcome, verdict.conditions) == (alone.outcome, alone.conditions)


def test_one_adapter_in_the_way_is_named_with_what_leaving_it_out_changes(
    ink: Version, gold: Version
) -> None:
    plan = stack(ink, gold).plan()
    assert plan.verdict.outcome == "forbidden"
    assert plan.removals == ((2,),)
    assert plan.contributions[1].without.outcome == "conditional"
    assert not plan.contributions[0].loosens(plan.verdict)


def test_an_adapter_does_not_leave_the_license_of_its_own_base_behind(db: None) -> None:
    make_base("flux-1-schnell")
    flux = make_adapter("Fog", base="flux-1-dev", license_id="Apache-2.0", sheet=False)
    verdict = stack(flux, base="flux-1-schnell", act="run_as_paid_service").decide()
    assert "component:FLUX.1 [dev] (trained on)" in [entry.layer for entry in verdict.ledger]
    assert verdict.outcome == verdict_for(flux, "run_as_paid_service", {}).outcome == "forbidden"


def test_an_adapter_whose_base_nobody_knows_is_not_freed_by_naming_one(db: None) -> None:
    lost = make_adapter("Lost", flags=OPEN_FLAGS, sheet=False)
    lost.base_declared, lost.terms_profile, lost.declared_base = None, None, ""
    lost.save()
    assert stack(lost).decide().outcome == "unknown"


def test_weights_for_another_family_leave_the_base_open(ink: Version) -> None:
    make_base("sd-1-5")
    asked = stack(ink, base="sd-1-5")
    assert asked.misfits() == [1]
    assert "base_conflict" in [reason.code for reason in asked.decide().reasons]


def test_another_base_of_the_family_is_offered_where_it_passes(ink: Version) -> None:
    make_base("noobai-xl")
    make_base("sdxl-1-0")
    plan = stack(ink, base="noobai-xl").plan()
    assert plan.verdict.outcome == "forbidden"
    assert [other.key for other in plan.other_bases] == ["sdxl-1-0"]
    assert plan.other_bases[0].verdict.outcome == "conditional"


def test_alternatives_pass_share_tags_and_come_best_first(ink: Version, gold: Version) -> None:
    close = make_adapter("Gilt", flags=OPEN_FLAGS, tags=("style", "gold"), sheet=False)
    far = make_adapter("Brass", flags=OPEN_FLAGS, tags=("gold", "metal", "shine"), sheet=False)
    make_adapter("Silver", flags=CLOSED_FLAGS, tags=("style", "gold"), sheet=False)
    make_adapter("Withdrawn", flags=OPEN_FLAGS, tags=("gold",), vetting=Vetting.WITHDRAWN, sheet=False)
    make_adapter("Other base", flags=OPEN_FLAGS, tags=("gold",), base="sd-1-5", sheet=False)
    make_adapter("Other subject", flags=OPEN_FLAGS, tags=("cat",), sheet=False)
    asked = stack(ink, gold)
    found = find_alternatives(asked, asked.plan())
    assert list(found) == [2]
    assert [each.version.pk for each in found[2]] == [close.pk, far.pk]
    assert found[2][0].tags == ("gold", "style")
    assert {each.outcome for each in found[2]} == {"conditional"}
    assert asked.replaced(2, stack(close).members[0]).decide().outcome == "conditional"


def test_where_nothing_stands_in_the_way_no_alternative_is_looked_for(ink: Version) -> None:
    asked = stack(ink)
    assert find_alternatives(asked, asked.plan()) == {}


def test_a_larger_stack_and_catalog_ask_no_more_of_the_database(ink: Version, gold: Version) -> None:
    def queries(*versions: Version) -> int:
        with CaptureQueriesContext(connection) as asked:
            found = stack(*versions)
            plan = found.plan()
            find_alternatives(found, plan)
            assert Outputs(found, plan.verdict).parts
        return len(asked)

    queries(ink, gold)
    few = queries(ink, gold)
    more = [make_adapter(f"More {n}", flags=OPEN_FLAGS, tags=("gold",), sheet=False) for n in range(4)]
    queries(ink, gold, *more)
    assert queries(ink, gold, *more) <= few
    assert few <= 24


@pytest.mark.parametrize(
    ("base", "version", "weight", "act", "facts", "code", "told"),
    [
        ("sdxl-1-0", 0, None, SELL, {}, "version_not_found", "Ink Lines v1.0"),
        ("sdxl-1", None, None, SELL, {}, "unknown_base", "sdxl-1-0"),
        ("sdxl-1-0", None, None, "sell_images", {}, "unknown_act", SELL),
        ("sdxl-1-0", None, None, SELL, {"revenue": 1}, "unknown_fact", "annual_revenue_usd"),
        ("sdxl-1-0", None, None, SELL, {"mau": "many"}, "bad_fact", "mau"),
        ("sdxl-1-0", None, float("nan"), SELL, {}, "bad_stack", "nan"),
        ("sdxl-1-0", None, 11.0, SELL, {}, "bad_stack", "11.0"),
    ],
)
def test_what_does_not_exist_is_an_error_that_lists_what_does(
    ink: Version,
    base: str,
    version: int | None,
    weight: float | None,
    act: str,
    facts: Any,
    code: str,
    told: str,
) -> None:
    with pytest.raises(KuraError) as caught:
        read_stack(base, [Wanted(ink.pk if version is None else version, weight)], act, facts)
    assert caught.value.code == code
    assert told in caught.value.message


def test_a_stack_takes_each_version_once_and_not_too_many(ink: Version) -> None:
    for wanted in ([Wanted(ink.pk)] * 2, [Wanted(n) for n in range(1, 18)]):
        with pytest.raises(KuraError) as caught:
            read_stack(None, wanted, SELL, {})
        assert caught.value.code == "bad_stack"


def outputs(*versions: Version, act: str = SELL) -> Outputs:
    asked = stack(*versions, act=act)
    return Outputs(asked, asked.decide())


def test_the_credit_names_the_adapter_its_creator_and_its_weight(ink: Version) -> None:
    ink.adapter.source_url = "https://civitai.com/models/7"
    ink.adapter.save()
    credit = outputs(ink).credit("web", "en")
    assert "Ink Lines v1.0 <https://civitai.com/models/7> by mika" in credit.text
    assert "used at 0.8" in credit.text
    assert credit.duties_met == ("attribution",)
    assert ("adapter:1", "creator_url") in credit.missing


def test_the_bundle_holds_the_license_copies_we_have_and_names_those_we_lack(db: None) -> None:
    make_base("sdxl-1-0")
    paper = make_adapter("Paper", license_id="CC-BY-4.0", sheet=False)
    bundle = outputs(paper, act="redistribute_adapter").notice()
    with zipfile.ZipFile(io.BytesIO(bundle.data)) as archive:
        assert archive.read("licenses/CC-BY-4.0.txt").decode().startswith("Attribution 4.0 International")
        manifest = json.loads(archive.read("manifest.json"))
    sources = [file["source"] for file in manifest["files"] if "source" in file]
    assert any("license-expression" in source for source in sources)
    assert [each.license for each in bundle.missing] == ["creativeml-openrail-plusplus-m"]
    assert bundle.missing[0].url.startswith("https://")


def test_the_bill_of_materials_names_the_stored_bytes_and_the_evidence(ink: Version) -> None:
    made = datetime(2026, 11, 26, tzinfo=UTC)
    bom = json.loads(outputs(ink).bom(made))
    [adapter] = [each for each in bom["components"] if each["bom-ref"] == "adapter:1"]
    [file] = ink.files.all()
    assert adapter["hashes"] == [{"alg": "SHA-256", "content": file.blob_id}]
    assert adapter["pedigree"]["ancestors"][0]["name"] == BaseModel.objects.get(slug="sdxl-1-0").name
    assert any(
        each["name"] == "kura:evidence" and "sha256:" in each["value"] for each in adapter["properties"]
    )
