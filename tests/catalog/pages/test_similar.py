"""Adapters with the same weights: how they are related, whose terms are looser, and what a reviewer sees."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from registry.lineage_checks import assess_lineage
from registry.models import Kinship, Relation, Version, Vetting
from tests.catalog.pages.rows import CLOSED_FLAGS, OPEN_FLAGS, make_adapter

pytestmark = pytest.mark.database


def kin(one: Version, other: Version, relation: str = Relation.RE_UPLOAD, cosine: float = 0.97) -> None:
    """Note that the weights of the two are related, from both sides."""
    blobs = one.files.get().blob, other.files.get().blob
    for blob, twin in (blobs, blobs[::-1]):
        Kinship.objects.create(blob=blob, other=twin, relation=relation, cosine=cosine, share=cosine**2)


@pytest.fixture
def original(db: None) -> Version:
    """Somebody's adapter of which nothing may be sold."""
    return make_adapter("Original", flags=CLOSED_FLAGS, creator="mika")


@pytest.fixture
def copy(original: Version) -> Version:
    """The same weights by somebody else, who allows everything."""
    made = make_adapter("Copy", flags=OPEN_FLAGS, creator="sora", vetting=Vetting.WAITING)
    kin(made, original)
    assess_lineage(made)
    return made


def show(client: Client, version: Version, **params: str) -> Any:
    return client.get(f"/adapters/{version.adapter_id}/", params)


def section(client: Client, version: Version, **params: str) -> str:
    page: str = show(client, version, **params).content.decode()
    return page.partition('id="similar"')[2].partition('id="samples"')[0]


def test_a_relative_is_linked_with_its_relation_and_verdict(
    client: Client, original: Version, copy: Version
) -> None:
    text = section(client, original, act="use_privately")
    assert f'href="/adapters/{copy.adapter_id}/?version={copy.pk}' in text
    assert "Re-upload" in text
    assert "nearly the same" in text
    assert show(client, original, act="use_privately").context["similar"].nearest[0].outcome == "allowed"


def test_the_copy_with_looser_terms_is_the_one_that_is_warned_about(
    client: Client, original: Version, copy: Version
) -> None:
    assert "claims looser terms than this copy" in section(client, copy)
    text = section(client, original)
    assert "claims looser terms than this copy" not in text
    assert "That copy claims looser terms" in text
    assert "Sell images" in text


def test_what_is_only_similar_carries_no_terms(client: Client, original: Version) -> None:
    other = make_adapter("Other", flags=OPEN_FLAGS, creator="sora")
    kin(other, original, Relation.SIMILAR, 0.3)
    [relative] = show(client, other).context["similar"].nearest
    assert (relative.looser, relative.stricter) == ([], [])
    assert "has a little in common" in section(client, other)


def test_the_nearest_are_shown_and_all_are_counted(client: Client, original: Version) -> None:
    for number in range(15):
        kin(make_adapter(f"Number {number}", sheet=False), original, Relation.SIMILAR, 0.2 + number / 100)
    similar = show(client, original).context["similar"]
    assert (len(similar.nearest), similar.count) == (12, 15)
    assert similar.nearest[0].version.adapter.name == "Number 14"


def test_an_adapter_of_its_own_says_so(client: Client, version: Version) -> None:
    assert "No other adapter here shares weights" in section(client, version)


def test_a_reviewer_sees_the_twin_and_both_terms_at_once(
    desk: Client, original: Version, copy: Version
) -> None:
    page = desk.get(f"/review/{copy.pk}/").content.decode()
    checks = page.partition("<h2>Checks</h2>")[2].removeprefix('<div class="checklist">')
    first = checks.partition("</details>")[0]
    assert first.startswith('<details class="check tone-fail" open>')
    assert "The same weights as Original v1.0, whose terms are stricter." in first
    assert f'href="/adapters/{original.adapter_id}/?version={original.pk}"' in first
    assert "Commercial use: none" in first
    assert "Commercial use: sell images" in first
    assert "Sell generated images" in first


def test_approving_it_needs_a_reason_that_stays_on_record(
    desk: Client, original: Version, copy: Version
) -> None:
    address = f"/review/{copy.pk}/"
    assert "Reason, needed to approve or reject" in desk.get(address).content.decode()
    refused = desk.post(address, {"action": "approve"}, headers={"HX-Request": "true"})
    assert refused.status_code == 409
    assert "needs a reason" in refused.content.decode()
    desk.post(address, {"action": "approve", "reason": "mika gave sora the rights, mail of May 3"})
    copy.refresh_from_db()
    assert copy.vetting == Vetting.APPROVED
    assert "mail of May 3" in show(desk, copy).content.decode()


def test_kin_of_which_nothing_is_left_does_not_break_the_checks(
    client: Client, original: Version, copy: Version
) -> None:
    check = copy.checks.get(code="lineage")
    check.evidence = {"kin": [{"version": 999_999, "relation": "re_upload", "cosine": None}, "x"]}
    check.save()
    assert "a version that is no longer here" in show(client, copy).content.decode()
