"""What ingest makes of terms beside a file: license files, links, metadata, prose that contradicts flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.models import Check, TermsClaim, Version
from registry.services import ingest
from registry.verdicts import verdict_for
from tests.registry.licensing.claims.test_texts import MIT
from tests.registry.weight_files import civitai_info, write_json, write_lora

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("blobs", "seeded")]

SELL = "generate_and_sell_images"


def claims(kind: str) -> list[TermsClaim]:
    return list(TermsClaim.objects.filter(kind=kind, superseded=False).order_by("id"))


def conflict() -> Check | None:
    return Check.objects.filter(code="license_conflict").first()


def test_a_license_file_beside_the_weights_is_detected_and_cited(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    (tmp_path / "LICENSE.txt").write_text(MIT)
    ingest(str(tmp_path))
    (claim,) = claims("license")
    assert (claim.value, claim.standing, claim.wording) == ("MIT", "detected", "LICENSE.txt: MIT License")
    assert claim.snapshot is not None and bytes(claim.snapshot.body) == MIT.encode()


def test_a_card_whose_link_leads_to_that_file_declares_what_the_file_is(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    (tmp_path / "LICENSE").write_text(MIT)
    (tmp_path / "README.md").write_text(
        "---\nlicense: other\nlicense_name: ours\nlicense_link: LICENSE\n---\n# Ink\n"
    )
    ingest(str(tmp_path))
    assert {(claim.value, claim.standing) for claim in claims("license")} == {
        ("MIT", "declared"),
        ("MIT", "detected"),
    }
    assert conflict() is None


def test_a_link_must_not_reach_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "SECRET").write_text(MIT)
    folder = tmp_path / "ink"
    write_lora(folder / "ink.safetensors")
    (folder / "README.md").write_text("---\nlicense: other\nlicense_link: ../SECRET\n---\n# Ink\n")
    ingest(str(folder))
    (claim,) = claims("license")
    assert claim.value is None


def test_a_tag_and_a_license_file_that_disagree_hold_the_version(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    (tmp_path / "LICENSE").write_text(MIT)
    (tmp_path / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n# Ink\n")
    ingest(str(tmp_path))
    found = conflict()
    assert found is not None and found.outcome == "fail"
    (entry,) = found.evidence["conflicts"]
    assert entry["kind"] == "sources"
    assert {entry["claims"][side]["value"] for side in ("looser", "stricter")} == {"MIT", "CC-BY-NC-4.0"}


def test_a_changed_license_text_is_unread_and_names_what_it_resembles(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    (tmp_path / "LICENSE").write_text(MIT + "\nNobody may sell what was made with it.\n")
    ingest(str(tmp_path))
    (claim,) = claims("license")
    assert claim.value is None and claim.hints["resembles"] == "MIT"
    assert claim.unread == ["nobody may sell what was made with it."]
    assert verdict_for(Version.objects.get(), SELL, {}).outcome == "unknown"


def test_a_license_in_the_metadata_of_the_weights_is_detected(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors", metadata={"modelspec.license": "CC-BY-NC-4.0"})
    ingest(str(tmp_path), base="sd 1.5")
    (claim,) = claims("license")
    assert (claim.value, claim.standing) == ("CC-BY-NC-4.0", "detected")
    sha256 = Version.objects.get().files.get().blob_id
    assert claim.snapshot is not None and claim.snapshot.url == f"sha256:{sha256}#metadata"


def test_a_description_that_contradicts_open_flags_forbids_and_is_held(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    info = civitai_info(description="<p>本模型仅供个人学习研究，<b>严禁用于商业用途</b>。</p>")
    write_json(tmp_path / "ink.civitai.info", info)
    ingest(str(tmp_path))
    (words,) = claims("text_terms")
    assert words.wording == "本模型仅供个人学习研究，严禁用于商业用途。"
    found = conflict()
    assert found is not None and found.outcome == "fail" and "严禁用于商业用途" in found.summary
    assert verdict_for(Version.objects.get(), SELL, {}).outcome == "forbidden"


def test_taking_the_same_folder_in_again_writes_no_claim_again(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors", metadata={"modelspec.license": "mit"})
    (tmp_path / "LICENSE").write_text(MIT)
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# Ink\nDo not sell this model.\n")
    ingest(str(tmp_path))
    before = list(TermsClaim.objects.values_list("pk", "superseded"))
    report = ingest(str(tmp_path))
    assert list(TermsClaim.objects.values_list("pk", "superseded")) == before
    assert not report.adapters and report.skipped
