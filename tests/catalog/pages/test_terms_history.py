"""The part of the adapter page that tells how its terms have changed."""

from __future__ import annotations

import pytest
from django.test import Client

from registry import verdicts
from registry.models import ClaimKind, Version
from registry.policies import save_rule
from registry.recheck import follow
from tests.catalog.pages.rows import CLOSED_FLAGS, OPEN_FLAGS, claim

pytestmark = pytest.mark.database

SELL = "generate_and_sell_images"


def part(client: Client, version: Version) -> str:
    page: str = client.get(f"/adapters/{version.adapter_id}/", {"version": version.pk}).content.decode()
    return page.partition('id="terms-history"')[2].partition('id="history"')[0]


def say(version: Version, flags: dict[str, object]) -> None:
    version.claims.filter(kind=ClaimKind.CIVITAI_FLAGS).update(superseded=True)
    claim(version, ClaimKind.CIVITAI_FLAGS, flags)
    verdicts.refresh([version])


def test_terms_that_never_changed_say_so(client: Client, version: Version) -> None:
    assert "have not changed" in part(client, version)


def test_a_change_tells_its_way_its_cause_and_both_readings(client: Client, version: Version) -> None:
    say(version, OPEN_FLAGS)
    say(version, CLOSED_FLAGS)
    shown = part(client, version)
    assert "is-way-tighter" in shown
    assert "Permissions on Civitai" in shown
    for each in version.claims.filter(kind=ClaimKind.CIVITAI_FLAGS).select_related("snapshot"):
        assert each.snapshot is not None
        assert f"/evidence/{each.snapshot.pk}/" in shown
        assert each.snapshot.sha256[:12] in shown


def test_a_policy_is_named_with_its_revision(client: Client, version: Version) -> None:
    follow()
    for act in (SELL, "run_as_paid_service"):
        save_rule("policy", "house", actor="mika", clause="3", acts={act: {"status": "forbidden"}})
        follow()
    shown = part(client, version)
    assert "policy:house, new" in shown
    assert "policy:house, revision 1 → 2" in shown
    assert "is-way-looser" in shown


def test_the_newest_change_stands_first(client: Client, version: Version) -> None:
    follow()
    say(version, CLOSED_FLAGS)
    save_rule("policy", "house", actor="mika", clause="3", acts={"use_privately": {"status": "forbidden"}})
    follow()
    shown = part(client, version)
    assert shown.index("policy:house, new") < shown.index("Permissions on Civitai")
