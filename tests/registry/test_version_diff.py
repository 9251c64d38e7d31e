"""What changed from one version to the next: acts that became looser or tighter, and the claims behind it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from registry import verdicts
from registry.licensing.vocabulary import ACTS
from registry.models import BaseModel, Version
from registry.version_diff import TermsDiff, diff_terms, version_after, version_before
from tests.factories import ALL_FLAGS, AdapterFactory, ClaimFactory, VersionFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("seeded")]

SELL = "generate_and_sell_images"


@pytest.fixture
def pair() -> tuple[Version, Version]:
    """Two versions of one adapter on the demo's base, nothing stated about either."""
    base, adapter = BaseModel.objects.get(slug="kura-toybox"), AdapterFactory.create()
    old, new = (VersionFactory.create(adapter=adapter, base_declared=base) for _ in range(2))
    return old, new


def between(old: Version, new: Version) -> TermsDiff:
    for version in (old, new):
        version.terms_profile = verdicts.profile_of(version)
        version.save()
    return diff_terms(old, new)


def direction(diff: TermsDiff, act: str = SELL) -> str | None:
    return next((change.direction for change in diff.acts if change.act == act), None)


def test_versions_with_the_same_terms_differ_in_nothing(pair: tuple[Version, Version]) -> None:
    for version in pair:
        ClaimFactory.create(version=version, value="MIT")
    assert between(*pair).same


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("MIT", "CC-BY-NC-4.0", "tighter"),
        ("CC-BY-NC-4.0", "MIT", "looser"),
        ("MIT", None, "unknown"),
        ("CC-BY-NC-4.0", None, "unknown"),
        (None, "MIT", "looser"),
        (None, "CC-BY-NC-4.0", "tighter"),
    ],
)
def test_the_way_an_act_went_follows_its_verdicts(
    pair: tuple[Version, Version], before: str | None, after: str | None, expected: str
) -> None:
    for version, value in zip(pair, (before, after), strict=True):
        ClaimFactory.create(version=version, value=value, wording=value or "my own rules")
    assert direction(between(*pair)) == expected


def test_turning_the_versions_round_turns_every_direction_round(pair: tuple[Version, Version]) -> None:
    ClaimFactory.create(version=pair[0], value="CC-BY-4.0")
    ClaimFactory.create(version=pair[1], value="CC-BY-NC-ND-4.0")
    there, back = between(*pair), between(*reversed(pair))
    assert {change.act for change in there.acts} == {change.act for change in back.acts}
    turned = {"looser": "tighter", "tighter": "looser"}
    for change in there.acts:
        if change.direction in turned:
            assert direction(back, change.act) == turned[change.direction]


def test_an_act_is_listed_exactly_when_its_verdict_or_conditions_differ(
    pair: tuple[Version, Version],
) -> None:
    ClaimFactory.create(version=pair[0], value="MIT")
    ClaimFactory.create(version=pair[1], value="CC-BY-SA-4.0")
    listed = {change.act for change in between(*pair).acts}
    for act in ACTS:
        old, new = (verdicts.verdict_for(version, act, {}) for version in pair)
        differs = (old.outcome, set(old.conditions)) != (new.outcome, set(new.conditions))
        assert (act in listed) is differs, act


def test_a_change_names_the_layer_and_clause_that_decide(pair: tuple[Version, Version]) -> None:
    ClaimFactory.create(version=pair[0], value="MIT")
    ClaimFactory.create(version=pair[1], value="CC-BY-NC-4.0")
    change = next(change for change in between(*pair).acts if change.act == SELL)
    assert (change.before.outcome, change.after.outcome) == ("allowed", "forbidden")
    assert change.after.layer == "adapter:1"
    assert change.after.clause


def test_a_new_condition_is_tighter_though_the_outcome_has_the_same_name(
    pair: tuple[Version, Version],
) -> None:
    flags = ALL_FLAGS | {"allowNoCredit": False}
    ClaimFactory.create(version=pair[0], value="CC-BY-4.0")
    ClaimFactory.create(version=pair[1], value="CC-BY-SA-4.0")
    ClaimFactory.create(version=pair[0], kind="civitai_flags", value=flags)
    ClaimFactory.create(version=pair[1], kind="civitai_flags", value=flags)
    for change in between(*pair).acts:
        if change.before.outcome == change.after.outcome:
            lost = set(change.before.conditions) - set(change.after.conditions)
            gained = set(change.after.conditions) - set(change.before.conditions)
            expected = "other" if lost and gained else "looser" if lost else "tighter"
            assert change.direction == expected
            break
    else:
        pytest.fail("no act kept its outcome and changed its conditions")


def test_the_claims_behind_it_come_with_their_dates_and_sources(pair: tuple[Version, Version]) -> None:
    before = ClaimFactory.create(version=pair[0], value="MIT")
    ClaimFactory.create(version=pair[1], value="CC-BY-NC-4.0", standing="decided", snapshot=None)
    assert before.snapshot is not None
    changes = {change.standing: change.as_dict() for change in between(*pair).claims}
    assert changes["declared"]["after"] == []
    [said] = changes["declared"]["before"]
    assert (said["value"], said["source"]) == ("MIT", before.snapshot.url)
    assert datetime.fromisoformat(said["at"]) == before.snapshot.fetched
    [decided] = changes["decided"]["after"]
    assert (decided["value"], decided["source"]) == ("CC-BY-NC-4.0", None)


def test_a_claim_that_only_moved_to_another_snapshot_is_no_change(pair: tuple[Version, Version]) -> None:
    for version in pair:
        ClaimFactory.create(version=version, kind="civitai_flags", value=dict(ALL_FLAGS))
    assert between(*pair).claims == ()


def test_what_was_superseded_is_not_compared(pair: tuple[Version, Version]) -> None:
    ClaimFactory.create(version=pair[0], value="MIT")
    ClaimFactory.create(version=pair[1], value="MIT")
    ClaimFactory.create(version=pair[1], value="CC-BY-NC-4.0", superseded=True)
    assert between(*pair).same


def test_versions_follow_each_other_by_publication_whatever_came_in_first() -> None:
    adapter = AdapterFactory.create()
    third, first, second = (
        VersionFactory.create(adapter=adapter, published=datetime(2025, month, 1, tzinfo=UTC))
        for month in (3, 1, 2)
    )
    undated = VersionFactory.create(adapter=adapter)
    assert [version_before(each) for each in (first, second, third, undated)] == [None, first, second, third]
    assert [version_after(each) for each in (first, second, third, undated)] == [second, third, undated, None]


def test_of_versions_published_at_once_the_one_taken_in_first_is_before() -> None:
    adapter, day = AdapterFactory.create(), datetime(2025, 1, 1, tzinfo=UTC)
    old, new = (VersionFactory.create(adapter=adapter, published=day) for _ in range(2))
    assert (version_before(new), version_after(new)) == (old, None)
    assert (version_before(old), version_after(old)) == (None, new)


def test_a_version_for_another_family_or_adapter_is_not_the_one_before() -> None:
    adapter = AdapterFactory.create()
    VersionFactory.create(adapter=adapter, detected_family="sdxl")
    VersionFactory.create(detected_family="flux1")
    new = VersionFactory.create(adapter=adapter, detected_family="flux1")
    assert (version_before(new), version_after(new)) == (None, None)
