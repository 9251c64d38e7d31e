"""The history of verdicts: what changed, for whom, why, with which evidence; once each, and never lost."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from registry import history, recheck, verdicts
from registry.basis import current_basis
from registry.licensing.schema import digest_of, row_of
from registry.licensing.table import LICENSES
from registry.models import (
    BaseModel,
    Check,
    License,
    ProfileOutcomes,
    Snapshot,
    TermsEvent,
    TermsNotice,
    VerdictChange,
    Version,
)
from registry.policies import save_rule
from registry.vetting import review
from tests.factories import ALL_FLAGS, ClaimFactory, SnapshotFactory, VersionFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("seeded")]

SELL = "generate_and_sell_images"


@pytest.fixture
def version() -> Version:
    """An approved version on the demo's base, under Civitai flags that allow everything."""
    return flagged(ALL_FLAGS)


def flagged(flags: dict[str, Any], **fields: Any) -> Version:
    made = VersionFactory.create(
        base_declared=BaseModel.objects.get(slug="kura-toybox"),
        vetting="approved",
        vetted_at=timezone.now(),
        **fields,
    )
    say(made, flags)
    verdicts.settle(made)
    return made


def say(version: Version, flags: dict[str, Any]) -> Snapshot:
    """A newer reading of the same page supersedes the one before."""
    version.claims.filter(kind="civitai_flags").update(superseded=True)
    snapshot = SnapshotFactory.create(url="https://civitai.com/api/v1/models/7", body=repr(flags).encode())
    ClaimFactory.create(version=version, kind="civitai_flags", value=flags, snapshot=snapshot)
    return snapshot


def house_license(license_id: str, sells: str, revision: int = 1) -> License:
    """A license of the house: MIT's row under another name, with another word on selling pictures."""
    data = row_of(LICENSES["MIT"]) | {"id": license_id, "name": "House license", "revision": revision}
    data["acts"][SELL] = {"status": sells, "clause": "2"}
    License.objects.filter(license_id=license_id).update(current=False)
    return License.objects.create(
        license_id=license_id, revision=revision, name="House", data=data, sha256=digest_of(data)
    )


def changes(version: Version) -> dict[str, tuple[str, str, str]]:
    rows = VerdictChange.objects.filter(version=version)
    return {row.act: (row.before, row.after, row.direction) for row in rows}


def test_the_first_terms_of_a_version_are_no_change(version: Version) -> None:
    assert not VerdictChange.objects.exists()
    assert not TermsEvent.objects.exists()


def test_a_tightened_permission_is_a_dated_change_with_both_snapshots(version: Version) -> None:
    old = version.claims.get().snapshot
    new = say(version, ALL_FLAGS | {"allowCommercialUse": []})
    assert verdicts.refresh([version]) == 1
    assert changes(version)[SELL] == ("allowed", "forbidden", "tighter")
    assert "use_privately" not in changes(version)
    event = TermsEvent.objects.get()
    assert (event.cause, event.version, event.at.date()) == ("claim", version, timezone.now().date())
    assert [each["id"] for each in event.why] == ["civitai"]
    assert old is not None
    assert [each["sha256"] for each in event.evidence["before"]] == [old.sha256]
    assert [each["sha256"] for each in event.evidence["after"]] == [new.sha256]
    kept = Snapshot.objects.get(pk=event.evidence["before"][0]["snapshot"])
    assert bytes(kept.body) == repr(ALL_FLAGS).encode()


def test_tighter_terms_make_one_notice_and_a_failed_check_until_somebody_reviews(version: Version) -> None:
    say(version, ALL_FLAGS | {"allowCommercialUse": []})
    verdicts.refresh([version])
    verdicts.refresh([version])
    notice = TermsNotice.objects.get()
    assert (notice.version, notice.delivered) == (version, None)
    check = Check.objects.get(version=version, code="terms_changed")
    assert check.outcome == "fail"
    assert SELL in check.summary
    review(version, User.objects.create_user("mika"), "withdraw", "its terms got tighter")
    check.refresh_from_db()
    assert check.outcome == "ok"


def test_a_new_duty_only_warns(version: Version) -> None:
    say(version, ALL_FLAGS | {"allowNoCredit": False})
    verdicts.refresh([version])
    assert changes(version)[SELL] == ("allowed", "conditional", "tighter")
    assert Check.objects.get(version=version, code="terms_changed").outcome == "warn"


def test_looser_terms_are_on_record_and_nobody_is_bothered() -> None:
    version = flagged(ALL_FLAGS | {"allowCommercialUse": []})
    say(version, ALL_FLAGS)
    verdicts.refresh([version])
    assert changes(version)[SELL] == ("forbidden", "allowed", "looser")
    assert not TermsNotice.objects.exists()
    assert not Check.objects.filter(code="terms_changed").exists()


def test_nobody_is_notified_of_a_version_that_never_was_vetted() -> None:
    version = flagged(ALL_FLAGS)
    Version.objects.filter(pk=version.pk).update(vetting="waiting", vetted_at=None)
    say(version, ALL_FLAGS | {"allowCommercialUse": []})
    verdicts.refresh([version])
    assert changes(version)
    assert not TermsNotice.objects.exists()


def test_history_cannot_be_rewritten(version: Version) -> None:
    say(version, ALL_FLAGS | {"allowCommercialUse": []})
    verdicts.refresh([version])
    for rows in (VerdictChange.objects.all(), TermsEvent.objects.all()):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        VerdictChange.objects.update(after="allowed")


def test_a_new_revision_of_a_house_license_reaches_every_version_under_it() -> None:
    house_license("house-1.0", "allowed")
    under = [VersionFactory.create(base_declared=BaseModel.objects.get(slug="kura-toybox")) for _ in range(3)]
    for each in under:
        ClaimFactory.create(version=each, value="house-1.0")
        verdicts.settle(each)
    other = flagged(ALL_FLAGS)
    assert verdicts.verdict_for(under[0], SELL, {}).outcome == "allowed"
    revised = house_license("house-1.0", "forbidden", revision=2)
    assert recheck.follow() is None
    for each in under:
        assert changes(each) == {SELL: ("allowed", "forbidden", "tighter")}
    assert not changes(other)
    event = TermsEvent.objects.get()
    assert (event.cause, event.version) == ("license", None)
    assert event.why == [
        {
            "kind": "license",
            "id": "house-1.0",
            "before": [1, License.objects.get(revision=1, license_id="house-1.0").sha256],
            "after": [2, revised.sha256],
        }
    ]
    ledger = verdicts.verdict_for(under[0], SELL, {}).ledger
    assert [(each.revision, each.sha256) for each in ledger if each.license == "house-1.0"] == [
        (2, revised.sha256)
    ]


def test_following_twice_tells_nothing_twice() -> None:
    house_license("house-1.0", "allowed")
    version = VersionFactory.create(base_declared=BaseModel.objects.get(slug="kura-toybox"))
    ClaimFactory.create(version=version, value="house-1.0")
    verdicts.settle(version)
    house_license("house-1.0", "forbidden", revision=2)
    for _ in range(2):
        recheck.follow()
    assert VerdictChange.objects.count() == 1


def test_whoever_joins_a_profile_that_is_out_of_date_is_told_nothing_of_its_past() -> None:
    house_license("house-1.0", "allowed")
    early, late = (
        VersionFactory.create(base_declared=BaseModel.objects.get(slug="kura-toybox")) for _ in range(2)
    )
    ClaimFactory.create(version=early, value="house-1.0")
    verdicts.settle(early)
    house_license("house-1.0", "forbidden", revision=2)
    # Before anybody rechecked, another version turns up under the same license.
    ClaimFactory.create(version=late, value="house-1.0")
    verdicts.settle(late)
    assert changes(early) == {SELL: ("allowed", "forbidden", "tighter")}
    recheck.follow()
    assert not changes(late)
    assert VerdictChange.objects.count() == 1


def test_whoever_leaves_a_profile_that_is_out_of_date_is_told_of_the_whole_way() -> None:
    house_license("house-1.0", "allowed")
    version = VersionFactory.create(base_declared=BaseModel.objects.get(slug="kura-toybox"))
    claim = ClaimFactory.create(version=version, value="house-1.0")
    verdicts.settle(version)
    house_license("house-1.0", "forbidden", revision=2)
    claim.superseded = True
    claim.save()
    ClaimFactory.create(version=version, value="CC-BY-NC-4.0", snapshot=SnapshotFactory.create())
    verdicts.settle(version)
    recheck.follow()
    assert changes(version)[SELL] == ("allowed", "forbidden", "tighter")
    assert VerdictChange.objects.filter(act=SELL).count() == 1


def test_a_license_that_leaves_the_table_is_unknown_and_no_failure() -> None:
    row = house_license("house-1.0", "allowed")
    version = VersionFactory.create(base_declared=BaseModel.objects.get(slug="kura-toybox"))
    ClaimFactory.create(version=version, value="house-1.0")
    verdicts.settle(version)
    License.objects.filter(pk=row.pk).update(current=False)
    assert verdicts.verdict_for(version, SELL, {}).outcome == "unknown"
    recheck.follow()
    assert changes(version)[SELL] == ("allowed", "unknown", "unknown")
    assert Check.objects.get(version=version, code="terms_changed").outcome == "fail"


def test_a_house_license_that_cannot_be_read_leaves_the_others_as_they_are(
    version: Version, caplog: pytest.LogCaptureFixture
) -> None:
    License.objects.create(license_id="broken", name="Broken", data={"id": "broken"}, sha256="0" * 64)
    assert verdicts.verdict_for(version, SELL, {}).outcome == "allowed"
    assert "broken" in caplog.text


def test_the_basis_is_another_one_only_after_a_row_has_changed(version: Version) -> None:
    before = current_basis()
    assert current_basis() is before
    save_rule("policy", "no-resale", actor="mika", clause="1", acts={"sell_adapter": {"status": "forbidden"}})
    assert current_basis() != before


def test_every_profile_remembers_how_it_was_decided(version: Version) -> None:
    profile = version.terms_profile
    assert profile is not None
    row = ProfileOutcomes.objects.get(profile=profile)
    assert row.basis.digest == current_basis().digest
    for act, (outcome, conditions) in row.outcomes.items():
        verdict = verdicts.verdict_of_profile(profile, act, {})
        assert (verdict.outcome, list(verdict.conditions)) == (outcome, conditions)


def test_an_exchange_of_duties_is_neither_tighter_nor_looser() -> None:
    before = {SELL: ["conditional", ["attribution"]]}
    after = {SELL: ["conditional", ["share_alike"]]}
    assert [each.direction for each in history.differences(before, after)] == ["other"]


def relicensed(before: str | None, after: str | None) -> Version:
    """A version whose card stated one license when it was taken in and states another one now."""
    version = VersionFactory.create(base_declared=BaseModel.objects.get(slug="kura-toybox"))
    for value in (before, after):
        version.claims.update(superseded=True)
        body = f"{version.pk} {value}".encode()
        snapshot = SnapshotFactory.create(url="file:README.md", body=body)
        ClaimFactory.create(version=version, value=value, wording=str(value), snapshot=snapshot)
        verdicts.settle(version)
    return version


def test_an_irrevocable_grant_outlives_a_tighter_license_for_the_copy_that_was_kept() -> None:
    version = relicensed("CC0-1.0", "CC-BY-NC-4.0")
    verdict = verdicts.verdict_for(version, SELL, {})
    assert verdict.outcome == "conditional"
    assert "keep_licence_snapshot" in verdict.conditions
    cited = " ".join(reason.evidence or "" for reason in verdict.reasons)
    for snapshot in Snapshot.objects.filter(url="file:README.md"):
        assert snapshot.sha256 in cited
    assert changes(version)[SELL] == ("allowed", "conditional", "tighter")


def test_a_grant_that_can_be_taken_back_is_worth_what_is_said_now() -> None:
    version = relicensed("MIT", "CC-BY-NC-4.0")
    assert verdicts.verdict_for(version, SELL, {}).outcome == "forbidden"


def test_a_license_that_was_loosened_applies_at_once() -> None:
    version = relicensed("CC-BY-NC-4.0", "MIT")
    assert verdicts.verdict_for(version, SELL, {}).outcome == "allowed"


def test_a_license_first_recognized_later_is_no_earlier_grant() -> None:
    assert verdicts.verdict_for(relicensed(None, "CC-BY-NC-4.0"), SELL, {}).outcome == "forbidden"
    assert verdicts.verdict_for(relicensed("MIT", None), SELL, {}).outcome == "unknown"


def test_a_better_reading_of_the_same_bytes_is_no_change_of_license() -> None:
    version = VersionFactory.create(base_declared=BaseModel.objects.get(slug="kura-toybox"))
    snapshot = SnapshotFactory.create(url="file:README.md")
    ClaimFactory.create(version=version, value="CC0-1.0", snapshot=snapshot, superseded=True)
    ClaimFactory.create(version=version, value="CC-BY-NC-4.0", snapshot=snapshot)
    verdicts.settle(version)
    assert verdicts.verdict_for(version, SELL, {}).outcome == "forbidden"
