"""Each page asks the database a fixed number of questions, however much it shows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from registry.lineage_checks import assess_lineage
from registry.models import Kinship, Relation, ReviewAction, Version, Vetting
from registry.verdicts import profile_of
from registry.vetting import review
from tests.catalog.pages.rows import (
    CLOSED_FLAGS,
    OPEN_FLAGS,
    claim,
    make_adapter,
    make_analysis,
    make_file,
    make_reviewer,
)

pytestmark = pytest.mark.database

# The most a page may ask, signed in: four are about the session and the user. Raise one only with a reason:
# it is what keeps pages fast with many rows.
LIMITS = {
    # Two searches, each under the licenses and rules that hold now.
    "home": 42,
    "browse": 24,
    "table": 24,
    # Weights, kin, another version with its file, reading and claims, the history of terms; the names of the
    # bytes here, and what the upstream offers; and the licenses and rules that hold now, for each of the
    # parts that decide something. A reviewer also chooses from the bases to correct the one decided.
    "adapter": 39,
    "sheet": 7,
    # Items, questions with their answers, evidence to cite, bases to choose from, and the credit's stack.
    "review": 40,
    "licenses": 5,
    # Its revisions, the bases under it, and how many versions are.
    "license": 8,
    # The basis (twice: the next steps ask for it as well), files, claims, and other bases with their names.
    "verdict": 14,
    "evidence": 9,
}


def count(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)


def addresses(version: Version) -> dict[str, str]:
    return {
        "home": "/",
        "browse": "/browse/?act=generate_and_sell_images",
        "table": "/browse/?act=generate_and_sell_images&view=table",
        "adapter": f"/adapters/{version.adapter_id}/",
        "sheet": f"/sheets/{version.sheets.get().pk}/",
        "review": f"/review/{version.pk}/",
        "licenses": "/licenses/",
        "license": "/licenses/CC-BY-4.0/",
        "verdict": f"/verdict/?version={version.pk}&act=run_as_paid_service",
        "evidence": f"/evidence/{version.claims.first().snapshot_id}/",  # type: ignore[union-attr]
    }


def grow(version: Version) -> None:
    """Much more of everything a page lists."""
    for number in range(5):
        flags = [OPEN_FLAGS, CLOSED_FLAGS][number % 2]
        more = make_adapter(f"More {number}", flags=flags, tags=(f"tag {number}",), sheet=number < 2)
        related(version, more)
        newer = Version.objects.create(adapter=version.adapter, source_key=str(number), name=f"v{number}")
        newer.terms_profile = profile_of(newer)
        newer.save()
        make_file(newer, f"Version {number}")
        make_file(version, f"Part {number}")
        claim(version, "license", "CC-BY-4.0", url=f"file:{number}.json")
    who = make_reviewer("second")
    for action in (ReviewAction.WITHDRAW, ReviewAction.REOPEN, ReviewAction.APPROVE) * 3:
        review(version, who, action, "one more look")


def related(one: Version, other: Version) -> None:
    """Two versions whose weights are nearly the same, as their checks say."""
    blobs = [version.files.order_by("pk")[0].blob for version in (one, other)]
    for blob, twin in (blobs, blobs[::-1]):
        Kinship.objects.create(blob=blob, other=twin, relation=Relation.RE_UPLOAD, cosine=0.95, share=0.9)
    assess_lineage(one)


@pytest.mark.parametrize("name", LIMITS)
def test_a_page_asks_no_more_when_there_is_more_to_show(desk: Client, version: Version, name: str) -> None:
    make_adapter("Waiting", vetting=Vetting.WAITING)
    related(version, make_adapter("Twin"))
    make_analysis(version.files.get().blob)
    earlier = datetime(2020, 1, 1, tzinfo=UTC)
    before = Version.objects.create(
        adapter=version.adapter,
        source_key="before",
        name="v0",
        published=earlier,
        detected_family=version.detected_family,
    )
    before.terms_profile = profile_of(before)
    before.save()
    make_file(before, "Version before")
    address = addresses(version)[name]
    count(desk, address)
    few = count(desk, address)
    grow(version)
    # The first time, terms that nobody has asked about are read to be decided; not again.
    assert count(desk, address) <= few + 1
    after = count(desk, address)
    assert after <= few
    assert after <= LIMITS[name]
