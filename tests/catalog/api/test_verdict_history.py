"""versions/ID/verdict-history/ and the next steps of verdicts/, as programs read them."""

from __future__ import annotations

import pytest
from django.utils import timezone

from registry import verdicts
from registry.models import BaseModel, Version
from registry.seed import seed
from tests.catalog.api.conftest import Caller
from tests.factories import ALL_FLAGS, ClaimFactory, SnapshotFactory, VersionFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db]

SELL = "generate_and_sell_images"


def tightened() -> Version:
    """A version whose author took selling back."""
    version = VersionFactory.create(
        base_declared=BaseModel.objects.get(slug="kura-toybox"), vetting="approved", vetted_at=timezone.now()
    )
    for flags in (ALL_FLAGS, ALL_FLAGS | {"allowCommercialUse": []}):
        version.claims.update(superseded=True)
        snapshot = SnapshotFactory.create(url="https://civitai.com/models/7", body=repr(flags).encode())
        ClaimFactory.create(version=version, kind="civitai_flags", value=flags, snapshot=snapshot)
        verdicts.settle(version)
    return version


def test_the_history_tells_when_which_way_and_why_with_both_readings(anybody: Caller) -> None:
    seed()
    version = tightened()
    answer = anybody.get(f"versions/{version.pk}/verdict-history/").json()
    assert answer["count"] == len(answer["results"]) > 0
    row = next(each for each in answer["results"] if each["act"] == SELL)
    assert (row["direction"], row["cause"]) == ("tighter", "claim")
    assert (row["before"]["outcome"], row["after"]["outcome"]) == ("allowed", "forbidden")
    assert [each["id"] for each in row["why"]] == ["civitai"]
    digests = [row["evidence"][side][0]["sha256"] for side in ("before", "after")]
    assert len(set(digests)) == 2
    assert set(digests) == set(version.claims.values_list("snapshot__sha256", flat=True))


def test_the_history_comes_in_pages(anybody: Caller) -> None:
    seed()
    version = tightened()
    address = f"versions/{version.pk}/verdict-history/"
    whole = [each["id"] for each in anybody.get(address).json()["results"]]
    page = anybody.get(address, {"limit": "1"}).json()
    assert [each["id"] for each in page["results"]] == whole[:1]
    after = page["next"].split("after=")[1].split("&")[0]
    assert [each["id"] for each in anybody.get(address, {"after": after}).json()["results"]] == whole[1:]


def test_a_version_that_does_not_exist_has_no_history(anybody: Caller) -> None:
    assert anybody.get("versions/1/verdict-history/").status_code == 404


def test_where_the_base_stands_in_the_way_the_bases_that_would_do_are_named(anybody: Caller) -> None:
    seed()
    flux = BaseModel.objects.get(aliases__host="civitai", aliases__name="Flux.1 D")
    version = VersionFactory.create(base_declared=flux, detected_family="flux1")
    ClaimFactory.create(version=version, value="Apache-2.0")
    answer = anybody.get("verdicts/", {"version": str(version.pk), "act": "run_as_paid_service"}).json()
    assert answer["outcome"] == "forbidden"
    steps = [each["next_step"] for each in answer["reasons"] if each["layer"] == "base"]
    schnell = BaseModel.objects.get(aliases__host="civitai", aliases__name="Flux.1 S")
    assert any(schnell.name in step for step in steps)
    assert set(answer) == {
        "id", "outcome", "conditions", "standing", "deciding", "reasons", "ledger", "ignored",
    }  # fmt: skip
