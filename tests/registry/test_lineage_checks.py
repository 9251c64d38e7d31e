"""Copies with looser terms than their twin: held for a reason, until the terms are decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from registry import vetting
from registry.lineage_checks import looser_acts
from registry.models import AuditEvent, Check, TermsProfile, Version
from tests.factories import UserFactory
from tests.registry.lineage_files import fresh, rotated, taken_in

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db,
    pytest.mark.usefixtures("blobs", "seeded", "lineage_folder"),
]


def conflict(version: Version) -> Check | None:
    return Check.objects.filter(version=version, code="license_conflict").first()


@pytest.mark.parametrize("original_first", [True, False])
def test_a_copy_with_looser_terms_is_a_conflict_whichever_came_first(
    tmp_path: Path, original_first: bool
) -> None:
    order = [("strict", fresh(1), "CC-BY-NC-4.0"), ("loose", rotated(fresh(1)), "MIT")]
    made = {
        name: taken_in(tmp_path / name, made_of, license_id)
        for name, made_of, license_id in (order if original_first else order[::-1])
    }
    found = conflict(made["loose"])
    assert found is not None and found.outcome == "fail"
    (twin,) = found.evidence["conflicts"]
    assert twin["version"] == made["strict"].pk
    assert twin["terms"]["theirs"]["license"] == "CC-BY-NC-4.0"
    assert twin["terms"]["ours"]["license"] == "MIT"
    acts = {change["act"]: change for change in twin["acts"]}
    assert acts["generate_and_sell_images"]["theirs"]["outcome"] == "forbidden"
    assert (
        acts["generate_and_sell_images"]["theirs"]["clause"]
        and acts["generate_and_sell_images"]["ours"]["outcome"] != "forbidden"
    )
    assert conflict(made["strict"]) is None
    events = AuditEvent.objects.filter(action="license_conflict")
    assert [event.subject for event in events] == [f"version:{made['loose'].pk}"]


@pytest.mark.parametrize(
    ("one", "other"), [("MIT", "MIT"), ("MIT", "CC-BY-NC-4.0"), ("", "MIT"), ("CC-BY-NC-4.0", "")]
)
def test_equal_stricter_or_missing_terms_are_no_conflict(tmp_path: Path, one: str, other: str) -> None:
    taken_in(tmp_path / "a", 1, one)
    copy = taken_in(tmp_path / "copy", rotated(fresh(1)), other)
    assert conflict(copy) is None


FLAGS = {"allowNoCredit": True, "allowDerivatives": True, "allowDifferentLicense": True}
SELL = FLAGS | {"allowCommercialUse": ["Image", "RentCivit", "Rent", "Sell"]}


@pytest.mark.parametrize(
    ("theirs", "mine", "looser"),
    [
        ({"civitai": FLAGS | {"allowCommercialUse": []}}, {"license": "MIT"}, "generate_and_sell_images"),
        ({"license": "CC-BY-4.0"}, {"license": "CC0-1.0"}, "redistribute_adapter"),
        ({"license": "unknown"}, {"license": "MIT"}, "sell_adapter"),
        # Silence contradicts nothing: Civitai's flags do not speak on training with outputs.
        ({"civitai": SELL}, {"license": "MIT"}, ""),
        ({"license": "MIT"}, {"license": "CC-BY-NC-4.0"}, ""),
    ],
)
def test_terms_are_looser_where_they_grant_what_the_others_withhold(
    theirs: dict[str, Any], mine: dict[str, Any], looser: str
) -> None:
    stated: dict[str, Any] = {"base_license": None, "license": None, "civitai": None}
    acts = looser_acts(TermsProfile(terms=stated | theirs), TermsProfile(terms=stated | mine))
    assert looser in {change.act for change in acts} if looser else not acts


def test_strangers_may_have_any_terms(tmp_path: Path) -> None:
    taken_in(tmp_path / "a", 1, "CC-BY-NC-4.0")
    assert conflict(taken_in(tmp_path / "b", 2, "MIT")) is None


def test_a_conflict_blocks_approval_until_a_reason_is_written(tmp_path: Path) -> None:
    taken_in(tmp_path / "a", 1, "CC-BY-NC-4.0")
    copy = taken_in(tmp_path / "copy", rotated(fresh(1)), "MIT")
    reviewer = UserFactory.create()
    for reason in ("", "  ", "ok"):
        with pytest.raises(vetting.ReasonRequired, match="license_conflict"):
            vetting.review(copy, reviewer, "approve", reason)
    assert Version.objects.get(pk=copy.pk).vetting == "waiting"
    review = vetting.review(copy, reviewer, "approve", "Same author on both sites, by mail of 1 May.")
    kept = {check["code"]: check["outcome"] for check in review.checks}
    assert kept["license_conflict"] == "fail"


def test_a_conflict_is_settled_when_the_terms_are_decided(tmp_path: Path) -> None:
    strict = taken_in(tmp_path / "a", 1, "CC-BY-NC-4.0")
    copy = taken_in(tmp_path / "copy", rotated(fresh(1)), "MIT")
    # The strict one's file is found to be under MIT as well.
    taken_in(tmp_path / "a", 1, "MIT")
    copy.terms_profile = Version.objects.get(pk=strict.pk).terms_profile
    copy.save()
    vetting.review(copy, UserFactory.create(), "approve")
    found = conflict(copy)
    assert found is not None and found.outcome == "ok"
