"""Requirement R1: seven adapters as people really publish them, and what may be done with each.

The fixtures are those of the requirement; the adapters are taken in from folders with sidecars and cards.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_django import Settings
from safetensors.numpy import save_file

from catalog.search.query import SearchQuery
from catalog.search.service import search
from registry.models import Check, Snapshot, Version, Vetting
from registry.services import ingest
from registry.verdicts import verdict_for
from registry.vetting import ReasonRequired, review
from tests.catalog import build
from tests.catalog.api.conftest import Caller
from tests.registry.conftest import blobs, seeded
from tests.registry.weight_files import civitai_info, write_json, write_lora

__all__ = ["blobs", "seeded"]

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("blobs", "seeded")]

SELL = "generate_and_sell_images"
SERVICE = "run_as_paid_service"
# Projections of published layouts: name -> (inputs, outputs).
FLUX = {
    f"lora_unet_double_blocks_{block}_{stream}_attn_qkv": (3072, 9216)
    for block in (0, 18)
    for stream in ("img", "txt")
}
SDXL = {
    f"lora_unet_input_blocks_{block}_1_transformer_blocks_0_attn2_to_{key}": (2048, width)
    for block, width in ((4, 640), (7, 1280))
    for key in "kv"
}

# Fixture -> outcome for selling images, as the requirement has it ("conditional or denied by the base term").
SELL_IMAGES = {
    "a": {"conditional", "forbidden"},
    "b": {"forbidden"},
    "c": {"unknown"},
    "d": {"allowed"},
    "e": {"allowed"},
    "f": {"unknown"},
    "g": {"conditional", "forbidden"},
}


def write_weights(path: Path, layout: dict[str, tuple[int, int]], seed: int) -> None:
    random = np.random.default_rng(seed)
    tensors = {}
    for name, (inputs, outputs) in layout.items():
        tensors[f"{name}.lora_down.weight"] = random.normal(size=(4, inputs)).astype(np.float16)
        tensors[f"{name}.lora_up.weight"] = random.normal(size=(outputs, 4)).astype(np.float16)
        tensors[f"{name}.alpha"] = np.array(4, dtype=np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)


def civitai(folder: Path, number: int, base: str, **flags: Any) -> None:
    info = civitai_info(model_id=number, version_id=number * 10, baseModel=base)
    info["model"] |= {"name": folder.name} | flags
    for name, value in flags.items():
        if value is None:
            del info["model"][name]
    write_json(folder / "lora.civitai.info", info)


@pytest.fixture
def taken_in(tmp_path: Path) -> dict[str, Version]:
    """The seven fixtures of R1, each in a folder of its own, by its letter."""
    folders = {letter: tmp_path / letter for letter in SELL_IMAGES}
    write_weights(folders["a"] / "lora.safetensors", FLUX, 1)
    civitai(folders["a"], 1, "Flux.1 D", allowCommercialUse=["Image", "Sell"])
    write_weights(folders["b"] / "lora.safetensors", SDXL, 2)
    civitai(folders["b"], 2, "SDXL 1.0", allowCommercialUse=[])
    write_lora(folders["c"] / "lora.safetensors", seed=3)
    none = dict.fromkeys(("allowNoCredit", "allowCommercialUse", "allowDerivatives", "allowDifferentLicense"))
    civitai(folders["c"], 3, "SD 1.5", **none)
    write_lora(folders["d"] / "lora.safetensors", seed=4)
    civitai(folders["d"], 4, "SD 1.5", allowCommercialUse="{Image,RentCivit}")
    write_lora(folders["e"] / "lora.safetensors", seed=5)
    civitai(folders["e"], 5, "SD 1.5", allowCommercialUse="Sell")
    write_lora(folders["f"] / "lora.safetensors", seed=6)
    (folders["f"] / "README.md").write_text(
        "---\nlicense: other\nlicense_name: studio-terms\nlicense_link: https://example.org/terms\n"
        "base_model: stable-diffusion-v1-5/stable-diffusion-v1-5\n---\n# f\n"
    )
    write_weights(folders["g"] / "lora.safetensors", FLUX, 7)
    (folders["g"] / "README.md").write_text(
        "---\nlicense: apache-2.0\nbase_model: black-forest-labs/FLUX.1-dev\n---\n# g\n"
    )
    made = {}
    for letter, folder in folders.items():
        report = ingest(str(folder))
        assert not report.failed, report.failed
        ((version,),) = [versions.values() for versions in report.adapters.values()]
        made[letter] = version
    return made


def found(act: str, *outcomes: str) -> set[str]:
    """Names of the adapters that a search for these outcomes returns."""
    page = search(SearchQuery.from_params({"act": act, "outcome": list(outcomes)}))
    return {hit.adapter.name for hit in page.hits}


def test_each_fixture_is_decided_as_the_requirement_says_with_clause_and_evidence(
    taken_in: dict[str, Version],
) -> None:
    for letter, outcomes in SELL_IMAGES.items():
        verdict = verdict_for(taken_in[letter], SELL, {})
        assert verdict.outcome in outcomes, letter
        if verdict.outcome == "allowed":
            continue
        assert verdict.deciding
        reasons = [reason for reason in verdict.reasons if reason.layer in verdict.deciding]
        assert reasons
        if letter in "abdefg":
            assert any("sha256:" in reason.evidence for reason in verdict.reasons), letter
    assert verdict_for(taken_in["a"], SELL, {}).deciding == ("base",)
    assert verdict_for(taken_in["b"], SELL, {}).deciding == ("adapter:1",)


def test_a_search_for_what_may_be_sold_returns_only_what_every_term_allows(
    taken_in: dict[str, Version],
) -> None:
    assert found(SELL, "allowed") == {"d", "e"}
    assert not found(SERVICE, "allowed", "conditional") & {"a", "b", "c", "f", "g"}


def test_the_facet_counts_the_same_as_the_search_finds(taken_in: dict[str, Version]) -> None:
    for act in (SELL, SERVICE):
        page = search(SearchQuery.from_params({"act": act}))
        for outcome, count in page.outcome_counts.items():
            assert count == len(found(act, outcome)), (act, outcome)


def test_the_download_of_what_the_terms_forbid_is_refused_with_the_deciding_layer(
    taken_in: dict[str, Version], downloader: Caller, settings: Settings
) -> None:
    settings.DOWNLOAD_ACT = SERVICE
    reviewer = build.user("rina")
    refused, handed_out = set(), set()
    for letter, version in taken_in.items():
        review(Version.objects.get(pk=version.pk), reviewer, "approve", "checked by hand")
        sha256 = version.files.get().blob_id
        response = downloader.get(f"files/{sha256}/content")
        if response.status_code == 403:
            assert response.json()["code"] == "license_blocked"
            refused.add(letter)
        else:
            assert hashlib.sha256(b"".join(response)).hexdigest() == sha256
            handed_out.add(letter)
    forbidden = {each for each in taken_in if verdict_for(taken_in[each], SERVICE, {}).outcome == "forbidden"}
    # A page without any terms never becomes usable, whoever approves it.
    assert refused == forbidden | {"c"}
    assert {"a", "b", "g"} <= refused and {"e"} <= handed_out


def test_an_apache_tag_on_a_non_commercial_base_is_held_until_a_reviewer_gives_a_reason(
    taken_in: dict[str, Version],
) -> None:
    version = Version.objects.get(pk=taken_in["g"].pk)
    check = Check.objects.get(version=version, code="license_conflict")
    assert check.outcome == "fail"
    (conflict,) = check.evidence["conflicts"]
    assert conflict["kind"] == "base"
    acts = {each["act"]: each for each in conflict["acts"]}
    assert "Apache-2.0" in acts[SERVICE]["ours"]["clause"]
    assert "flux-1-dev" in acts[SERVICE]["theirs"]["clause"]
    assert conflict["claims"]["looser"]["sha256"] in set(Snapshot.objects.values_list("sha256", flat=True))
    reviewer = build.user("rina")
    for reason in ("", "ok"):
        with pytest.raises(ReasonRequired, match="license_conflict"):
            review(version, reviewer, "approve", reason)
    assert review(version, reviewer, "approve", "author was asked").version.vetting == Vetting.APPROVED


def test_the_other_fixtures_contradict_nothing(taken_in: dict[str, Version]) -> None:
    held = Check.objects.filter(code="license_conflict", outcome="fail").values_list("version", flat=True)
    assert list(held) == [taken_in["g"].pk]
