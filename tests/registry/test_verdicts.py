"""Verdicts of versions: from claims to terms, and never a yes out of something unknown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import profiles, verdicts
from registry.licensing.verdict import decide
from registry.licensing.vocabulary import ACTS
from registry.models import BaseModel, TermsProfile, Version
from registry.terms import strictest_flags
from tests.factories import (
    ALL_FLAGS,
    ClaimFactory,
    FileFactory,
    InspectionFactory,
    SnapshotFactory,
    VersionFactory,
)

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("seeded")]

SELL = "generate_and_sell_images"


@pytest.fixture
def version() -> Version:
    """On the demo's base, which is CC0, with weights of its family; nothing stated about the adapter."""
    return VersionFactory.create(base_declared=BaseModel.objects.get(slug="kura-toybox"))


def outcome(version: Version, act: str = SELL, **facts: Any) -> str:
    return verdicts.verdict_for(version, act, facts).outcome


def test_an_open_license_on_an_open_base_is_allowed(version: Version) -> None:
    ClaimFactory.create(version=version, value="MIT")
    assert outcome(version) == "allowed"


def test_without_any_stated_terms_it_is_unknown(version: Version) -> None:
    assert outcome(version) == "unknown"


def test_a_stated_license_that_is_in_no_table_is_unknown(version: Version) -> None:
    ClaimFactory.create(version=version, value=None, wording="my own rules")
    assert outcome(version) == "unknown"


def test_an_unrecognized_license_beside_a_good_one_is_still_unknown(version: Version) -> None:
    ClaimFactory.create(version=version, value="MIT")
    ClaimFactory.create(version=version, value=None, wording="see the readme")
    assert outcome(version) == "unknown"


def test_a_refusal_beside_an_unrecognized_license_is_known(version: Version) -> None:
    ClaimFactory.create(version=version, value="CC-BY-NC-4.0")
    ClaimFactory.create(version=version, value=None, wording="see the readme")
    assert outcome(version) == "forbidden"


def test_of_two_stated_licenses_the_stricter_counts(version: Version) -> None:
    ClaimFactory.create(version=version, value="MIT")
    ClaimFactory.create(version=version, value="CC-BY-NC-4.0")
    assert outcome(version) == "forbidden"


def test_a_decided_license_stands_over_all_declared_ones(version: Version) -> None:
    ClaimFactory.create(version=version, value="CC-BY-NC-4.0")
    ClaimFactory.create(version=version, value=None, wording="?")
    ClaimFactory.create(version=version, value="MIT", standing="decided", snapshot=None)
    assert outcome(version) == "allowed"


def test_a_superseded_claim_no_longer_counts(version: Version) -> None:
    ClaimFactory.create(version=version, value="CC-BY-NC-4.0", superseded=True)
    ClaimFactory.create(version=version, value="MIT")
    assert outcome(version) == "allowed"


def test_civitai_flags_that_refuse_are_a_refusal(version: Version) -> None:
    ClaimFactory.create(
        version=version, kind="civitai_flags", value=ALL_FLAGS | {"allowCommercialUse": ["Rent"]}
    )
    assert outcome(version) == "forbidden"


def test_flags_of_an_unreadable_shape_are_unknown_even_beside_a_license(version: Version) -> None:
    ClaimFactory.create(version=version, value="MIT")
    ClaimFactory.create(version=version, kind="civitai_flags", value=None, wording="{}")
    assert outcome(version) == "unknown"


def test_two_readings_of_the_flags_bind_together(version: Version) -> None:
    ClaimFactory.create(version=version, value="MIT")
    ClaimFactory.create(version=version, kind="civitai_flags", value=ALL_FLAGS)
    assert outcome(version) == "allowed"
    ClaimFactory.create(version=version, kind="civitai_flags", value=ALL_FLAGS | {"allowCommercialUse": []})
    assert outcome(version) == "forbidden"


def test_a_base_that_is_not_in_the_table_is_unknown(version: Version) -> None:
    version.base_declared = None
    version.save()
    ClaimFactory.create(version=version, value="MIT")
    assert outcome(version) == "unknown"


def test_a_base_that_the_weights_contradict_is_unknown(version: Version) -> None:
    ClaimFactory.create(version=version, value="MIT")
    version.detected_family = "sdxl"
    version.save()
    assert outcome(version) == "unknown"


def test_even_a_decided_base_is_unknown_when_the_weights_contradict_it(version: Version) -> None:
    ClaimFactory.create(version=version, value="MIT")
    version.base_decided, version.detected_family = version.base_declared, "flux1"
    version.save()
    assert outcome(version) == "unknown"


def test_weights_that_allow_other_families_only_contradict_the_base(version: Version) -> None:
    ClaimFactory.create(version=version, value="MIT")
    version.detected_family = "unknown"
    version.save()
    assert outcome(version) == "allowed"
    file = FileFactory.create(version=version)
    changes = {"family": "unknown", "family_candidates": ["sd1", "sd2"]}
    InspectionFactory.create(blob=file.blob, changes=changes)
    assert outcome(version) == "unknown"


def test_a_family_alone_is_no_base_with_a_license(version: Version) -> None:
    ClaimFactory.create(version=version, value="MIT")
    version.base_declared = BaseModel.objects.get(parent=None, family="toybox")
    version.save()
    assert outcome(version) == "unknown"


def test_the_base_license_binds_whatever_the_adapter_says(version: Version) -> None:
    version.base_declared = BaseModel.objects.get(aliases__host="civitai", aliases__name="Flux.1 D")
    version.detected_family = "flux1"
    version.save()
    ClaimFactory.create(version=version, value="CC0-1.0")
    assert outcome(version, "run_as_paid_service") == "forbidden"


def test_a_person_shown_holds_commerce_at_unknown_until_somebody_decides(version: Version) -> None:
    ClaimFactory.create(version=version, value="MIT")
    ClaimFactory.create(version=version, kind="rights", value={"subject": "person", "state": "unknown"})
    assert outcome(version) == "unknown"
    assert outcome(version, "use_privately") == "allowed"
    ClaimFactory.create(
        version=version, kind="rights", value={"state": "cleared"}, standing="decided", snapshot=None
    )
    assert outcome(version) == "allowed"


def test_a_verdict_cites_the_snapshot_it_relied_on(version: Version) -> None:
    snapshot = SnapshotFactory.create(url="file:ink.civitai.info", body=b"the exact bytes")
    ClaimFactory.create(version=version, value="CC-BY-NC-4.0", snapshot=snapshot)
    verdict = verdicts.verdict_for(version, SELL, {})
    cited = [reason.evidence or "" for reason in verdict.reasons if reason.layer.startswith("adapter")]
    assert cited and all(
        f"snapshot {snapshot.pk}: file:ink.civitai.info sha256:{snapshot.sha256}" in text for text in cited
    )


def test_terms_are_read_from_the_version_as_it_stands_now(version: Version) -> None:
    """Work that goes through many versions has loaded this one before somebody decided its base."""
    verdicts.settle(version)
    loaded = Version.objects.get(pk=version.pk)
    flux = BaseModel.objects.get(aliases__host="civitai", aliases__name="Flux.1 D")
    Version.objects.filter(pk=version.pk).update(base_decided=flux)
    verdicts.refresh([version])
    ClaimFactory.create(version=version, value="MIT")
    verdicts.refresh([loaded])
    assert loaded.terms_profile is not None
    assert (loaded.terms_profile.terms["license"], loaded.terms_profile.terms["base_license"]) == (
        "MIT",
        "flux-1-dev-nc-1.1.1",
    )


def test_versions_with_equal_terms_share_a_profile(version: Version) -> None:
    other = VersionFactory.create(base_declared=version.base_declared)
    for each in (version, other):
        ClaimFactory.create(version=each, value="MIT")
    assert verdicts.profile_of(version) == verdicts.profile_of(other)
    ClaimFactory.create(version=other, value="Apache-2.0")
    assert verdicts.profile_of(version) != verdicts.profile_of(other)


def test_every_profile_is_decided_as_its_versions_are(version: Version) -> None:
    versions = [version]
    for value in ("MIT", "CC-BY-NC-4.0", None):
        each = VersionFactory.create(base_declared=version.base_declared)
        ClaimFactory.create(version=each, value=value, wording="x")
        versions.append(each)
    for each in versions:
        each.terms_profile = verdicts.profile_of(each)
        each.save()
    outcomes = verdicts.outcomes_by_profile(SELL, {"territory": "JP"})
    assert len(outcomes) == TermsProfile.objects.count()
    for each in versions:
        assert outcomes[each.terms_profile_id or 0] == outcome(each, territory="JP")


def test_each_distinct_profile_is_decided_once(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def counting(question: Any, *table: Any) -> Any:
        asked.append(question)
        return decide(question, *table)

    monkeypatch.setattr(profiles, "decide", counting)
    ClaimFactory.create(version=version, value="MIT")
    verdicts.profile_of(version)
    facts = {"annual_revenue_usd": 123_456}
    first = verdicts.outcomes_by_profile(SELL, facts)
    assert len(asked) == len(first) == 1
    assert verdicts.outcomes_by_profile(SELL, facts) == first
    assert len(asked) == 1
    verdicts.outcomes_by_profile(SELL, facts | {"territory": "JP"})
    assert len(asked) == 2


@pytest.mark.parametrize("act", ACTS)
def test_nothing_known_is_never_a_yes_for_any_act(act: str) -> None:
    empty = VersionFactory.create(base_declared=None, detected_family="unknown")
    assert outcome(empty, act) in {"unknown", "forbidden"}


USES = st.lists(st.sampled_from(["Image", "RentCivit", "Rent", "Sell"]), unique=True)
SWITCHES = ("allowNoCredit", "allowDerivatives", "allowDifferentLicense")
FLAGS = st.fixed_dictionaries({"allowCommercialUse": USES} | {name: st.booleans() for name in SWITCHES})
PARTLY = st.fixed_dictionaries(
    {"allowCommercialUse": st.none() | USES} | {name: st.none() | st.booleans() for name in SWITCHES}
)
ORDER = ["allowed", "conditional", "unknown", "forbidden"]


def place(readings: list[dict[str, Any]], act: str) -> int:
    """How strict the verdict is with these readings of one model's flags, beside licenses that allow all."""
    terms: dict[str, Any] = {
        "base_model": "toybox",
        "base_license": "CC0-1.0",
        "components": [],
        "base_conflict": None,
        "license": "CC0-1.0",
        "civitai": strictest_flags(readings),
        "rights": None,
        "overlays": [],
    }
    return ORDER.index(decide(verdicts.question_of(terms, act, {})).outcome)


@given(st.lists(FLAGS, min_size=1, max_size=3), FLAGS, st.sampled_from(sorted(ACTS)))
def test_another_reading_of_the_flags_never_loosens(
    readings: list[dict[str, Any]], more: dict[str, Any], act: str
) -> None:
    assert place([*readings, more], act) >= place(readings, act)


@given(st.lists(PARTLY, min_size=1, max_size=3), PARTLY, st.sampled_from(sorted(ACTS)))
def test_a_reading_that_is_silent_never_lifts_a_refusal(
    readings: list[dict[str, Any]], more: dict[str, Any], act: str
) -> None:
    if place(readings, act) == ORDER.index("forbidden"):
        assert place([*readings, more], act) == ORDER.index("forbidden")


@given(st.lists(PARTLY, min_size=1, max_size=3), st.randoms(), st.sampled_from(sorted(ACTS)))
def test_the_order_of_the_readings_does_not_matter(
    readings: list[dict[str, Any]], random: Any, act: str
) -> None:
    shuffled = list(readings)
    random.shuffle(shuffled)
    assert place(shuffled, act) == place(readings, act)
