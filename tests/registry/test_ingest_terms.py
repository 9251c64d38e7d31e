"""What ingest makes of stated terms and bases: claims that supersede each other, and decisions that stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import timezone

from registry import house_licenses
from registry.licensing import LICENSES, license_from_row, row_of
from registry.models import (
    AuditEvent,
    Change,
    Check,
    Snapshot,
    TermsClaim,
    TermsNotice,
    VerdictChange,
    Version,
)
from registry.services import ingest
from registry.verdicts import verdict_for
from tests.registry.weight_files import civitai_info, write_json, write_lora

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("blobs", "seeded")]


def outcome(version: Version, code: str) -> str:
    return Check.objects.get(version=version, code=code).outcome


@pytest.mark.parametrize(
    ("front", "license_id"),
    [
        ("license: apache-2.0", "Apache-2.0"),
        ("license: [mit]", "MIT"),
        ("license: [mit, cc-by-nc-4.0]", None),
        ("license: other\nlicense_name: my-own-rules", None),
        ("license: other\nlicense_name: faipl-1.0-sd\nlicense_link: https://example.org/x", "faipl-1.0-sd"),
        (
            "license: other\nlicense_name: flux-1-dev-non-commercial-license\n"
            "license_link: https://huggingface.co/black-forest-labs/FLUX.1-dev/blob/main/LICENSE.md",
            "flux-1-dev-nc-1.1.1",
        ),
        ("license: other", "other"),
    ],
)
def test_a_card_license_is_recognized_or_honestly_not(
    tmp_path: Path, front: str, license_id: str | None
) -> None:
    write_lora(tmp_path / "ink.safetensors")
    (tmp_path / "README.md").write_text(f"---\n{front}\n---\n# Ink\n")
    ingest(str(tmp_path))
    claim = TermsClaim.objects.get(kind="license")
    assert claim.value == license_id and claim.wording
    known = "ok" if license_id not in {None, "other"} else "warn"
    assert outcome(claim.version, "license_known") == known


def test_a_base_that_the_weights_contradict_fails_its_check(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors", family="sd2")
    write_json(tmp_path / "ink.civitai.info", civitai_info(baseModel="SD 1.5"))
    ingest(str(tmp_path))
    version = Version.objects.get()
    assert version.detected_family == "sd2"
    assert outcome(version, "base_conflict") == "fail"
    assert version.terms_profile is not None and version.terms_profile.terms["base_conflict"]


def test_a_base_given_by_a_person_is_decided_and_a_later_run_keeps_it(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    ingest(str(tmp_path), base="sd 1.5", actor="cli:mika")
    ingest(str(tmp_path))
    version = Version.objects.select_related("base_decided").get()
    assert version.base_decided is not None and version.base_decided.family == "sd1"
    assert AuditEvent.objects.get(action="decide_base").actor == "cli:mika"


def test_a_license_given_by_a_person_is_a_declared_claim_without_snapshot(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    ingest(str(tmp_path), license_id="mit")
    claim = TermsClaim.objects.get(kind="license")
    assert (claim.value, claim.standing, claim.snapshot) == ("MIT", "declared", None)
    assert outcome(claim.version, "license_known") == "ok"


def test_a_house_license_can_be_given_like_any_other(tmp_path: Path) -> None:
    row = license_from_row(row_of(LICENSES["MIT"]) | {"id": "house-1.0", "name": "House"})
    house_licenses.save(row, "mika")
    write_lora(tmp_path / "ink.safetensors")
    ingest(str(tmp_path), license_id="House-1.0")
    assert TermsClaim.objects.get(kind="license").value == "house-1.0"


def test_changed_permissions_supersede_the_old_claim_and_keep_both_snapshots(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    info = civitai_info()
    write_json(tmp_path / "ink.civitai.info", info)
    ingest(str(tmp_path))
    before = Version.objects.get().terms_profile
    info["model"]["allowCommercialUse"] = []
    write_json(tmp_path / "ink.civitai.info", info)
    ingest(str(tmp_path))
    flags = TermsClaim.objects.filter(kind="civitai_flags").order_by("id")
    assert [claim.superseded for claim in flags] == [True, False]
    assert Snapshot.objects.count() == 2
    assert Version.objects.get().terms_profile != before
    assert [change.kind for change in Change.objects.all()] == ["version_added", "version_updated"]


def test_permissions_that_come_back_stand_again(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    info = civitai_info()
    for uses in (["Image"], [], ["Image"]):
        info["model"]["allowCommercialUse"] = uses
        write_json(tmp_path / "ink.civitai.info", info)
        ingest(str(tmp_path))
    current = TermsClaim.objects.get(kind="civitai_flags", superseded=False)
    assert (current.value or {})["allowCommercialUse"] == ["Image"]


def test_a_new_name_that_is_in_no_table_does_not_leave_the_old_base_standing(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    write_json(tmp_path / "ink.civitai.info", civitai_info(baseModel="SD 1.5"))
    ingest(str(tmp_path))
    write_json(tmp_path / "ink.civitai.info", civitai_info(baseModel="Something Newer"))
    ingest(str(tmp_path))
    version = Version.objects.get()
    assert (version.declared_base, version.base_declared) == ("Something Newer", None)
    assert verdict_for(version, "generate_and_sell_images", {}).outcome == "unknown"


def test_files_of_two_families_in_one_version_settle_nothing(tmp_path: Path) -> None:
    for number, family in enumerate(("sd1", "sd2")):
        folder = tmp_path / family
        write_lora(folder / "ink.safetensors", family=family, seed=number)
        write_json(folder / "ink.civitai.info", civitai_info())
        ingest(str(folder))
    assert Version.objects.get().detected_family == "unknown"


def test_what_a_sidecar_no_longer_says_is_not_erased(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    write_json(tmp_path / "ink.civitai.info", civitai_info())
    ingest(str(tmp_path))
    info = civitai_info(trainedWords=[], baseModel="", description=None)
    del info["model"]["allowCommercialUse"]
    write_json(tmp_path / "ink.civitai.info", info)
    ingest(str(tmp_path))
    version = Version.objects.get()
    assert version.trigger_words == ["inkwash", "brush"] and version.declared_base == "SD 1.5"


def test_a_permission_taken_back_upstream_is_on_record_after_the_next_sync(tmp_path: Path) -> None:
    write_lora(tmp_path / "ink.safetensors")
    card = tmp_path / "ink.civitai.info"
    write_json(card, civitai_info())
    ingest(str(tmp_path))
    version = Version.objects.get()
    Version.objects.update(vetting="approved", vetted_at=timezone.now())
    before = Snapshot.objects.get(url__endswith="ink.civitai.info")
    assert verdict_for(version, "generate_and_sell_images", {}).outcome != "forbidden"
    info = civitai_info()
    info["model"] |= {"allowCommercialUse": []}
    write_json(card, info)
    ingest(str(tmp_path))
    ingest(str(tmp_path))
    change = VerdictChange.objects.select_related("event").get(act="generate_and_sell_images")
    assert (change.version, change.after, change.direction) == (version, "forbidden", "tighter")
    assert TermsNotice.objects.count() == 1
    assert outcome(version, "terms_changed") == "fail"
    cited = change.event.evidence["before"]
    assert before.sha256 in {each["sha256"] for each in cited}
    assert b"allowCommercialUse" in bytes(Snapshot.objects.get(pk=before.pk).body)
