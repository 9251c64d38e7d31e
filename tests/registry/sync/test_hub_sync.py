"""Following accounts on the Hub: faults lose nothing, what is unchanged costs nothing, states have dates."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.models import (
    Adapter,
    Availability,
    ClaimKind,
    RunState,
    Source,
    Subscription,
    SyncRun,
    TermsClaim,
    Version,
)
from registry.sync.run import run
from registry.sync.subscriptions import subscribe
from tests.registry.sources.hub_fixture import CARD, hub
from tests.registry.weight_files import write_lora
from tests.upstreams.faults import Broken, Cut, Hangup, TooMany
from tests.upstreams.hub import HubServer

__all__ = ["hub"]

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db,
    pytest.mark.usefixtures("blobs", "seeded", "lineage_folder"),
]
LIST = "^/api/models$"


@pytest.fixture
def full(hub: HubServer, tmp_path: Path) -> HubServer:
    """Twelve repositories of one account, four to a page."""
    hub.page = 4
    for number in range(12):
        weights = write_lora(tmp_path / f"{number}.safetensors", seed=number)
        date = datetime(2026, 5, 1 + number, tzinfo=UTC)
        hub.add(f"mika/ink-{number}", {"README.md": CARD, "ink.safetensors": weights}, date=date)
    return hub


@pytest.fixture
def following(full: HubServer) -> Subscription:
    return subscribe(Source.HUGGINGFACE, "creator", "mika", actor="test", fetch=False)


def version(number: int) -> Version:
    return Version.objects.get(adapter__source_key=f"mika/ink-{number}")


def test_faults_lose_nothing_and_a_second_run_asks_for_the_list_alone(
    full: HubServer, following: Subscription
) -> None:
    full.plan(TooMany(retry_after="0"), path=LIST, skip=1)
    full.plan(Broken(502), path="^/api/models/mika/ink-3/")
    full.plan(Cut(0.5), path="ink-5/.*README")
    full.plan(Hangup(), path="^/api/models/mika/ink-7/")
    done = run(following)
    assert (done.state, done.fetched, done.failed) == (RunState.DONE, 12, 0)
    assert Adapter.objects.count() == Version.objects.count() == 12
    full.requests.clear()
    again = run(following)
    assert (again.fetched, again.skipped, again.reasons) == (0, 12, {"unchanged": 12})
    assert [each.path for each in full.requests] == ["/api/models"] * 3


def test_only_changed_repositories_are_read_and_terms_are_superseded(
    full: HubServer, following: Subscription
) -> None:
    run(following)
    full.push("mika/ink-2", {"README.md": CARD.replace(b"other", b"cc-by-nc-4.0")})
    full.requests.clear()
    run(following)
    assert {each.path.split("/")[-3] for each in full.requests if "revision" in each.path} == {"ink-2"}
    terms = TermsClaim.objects.filter(version=version(2), kind=ClaimKind.LICENSE)
    assert terms.filter(superseded=True).count() == 1
    assert terms.get(superseded=False).hints["tags"] == ["cc-by-nc-4.0"]


def test_what_is_gone_gated_or_disabled_has_its_state_and_keeps_its_rows(
    full: HubServer, following: Subscription, tmp_path: Path
) -> None:
    run(following)
    replaced = version(4)
    del full.repos["mika/ink-0"]
    full.repos["mika/ink-1"].private = True
    full.repos["mika/ink-2"].gated = "manual"
    full.repos["mika/ink-3"].disabled = True
    full.push("mika/ink-4", {"ink.safetensors": write_lora(tmp_path / "new.safetensors", seed=99)})
    run(following)
    replaced.refresh_from_db()
    states = [replaced.availability if number == 4 else version(number).availability for number in range(6)]
    assert states == [
        Availability.NOT_FOUND,
        Availability.NOT_FOUND,
        Availability.GATED,
        Availability.TAKEN_DOWN,
        Availability.NOT_FOUND,
        Availability.PRESENT,
    ]
    assert Version.objects.filter(adapter=replaced.adapter, availability=Availability.PRESENT).count() == 1
    assert all(version(number).availability_since for number in range(4))
    assert all(each.claims.exists() for each in Version.objects.all())
    full.repos["mika/ink-1"].private = False
    full.repos["mika/ink-2"].gated = False
    run(following)
    assert [version(number).availability for number in (1, 2)] == [Availability.PRESENT] * 2


def test_a_run_that_was_stopped_goes_on_at_its_page(full: HubServer, following: Subscription) -> None:
    def stop() -> bool:
        return SyncRun.objects.filter(pages=1).exists()

    assert run(following, should_stop=stop).state == RunState.STOPPED
    full.requests.clear()
    done = run(following)
    assert (done.state, done.listed, done.repeated) == (RunState.DONE, 12, 0)
    assert len([each for each in full.requests if each.path == "/api/models"]) == 2


def test_a_renamed_repository_stays_one_adapter_that_knows_its_former_name(
    full: HubServer, following: Subscription
) -> None:
    run(following)
    before = version(3)
    full.rename("mika/ink-3", "mika/wash-3")
    done = run(following)
    before.refresh_from_db()
    adapter = before.adapter
    assert (done.state, Adapter.objects.count(), Version.objects.count()) == (RunState.DONE, 12, 12)
    assert (adapter.source_key, adapter.name) == ("mika/wash-3", "wash-3")
    assert adapter.upstream_identity.former == ["mika/ink-3"]
    assert before.availability == Availability.PRESENT
    full.requests.clear()
    assert run(following).reasons == {"unchanged": 12}
    assert [each.path for each in full.requests] == ["/api/models"] * 3


def test_a_name_that_was_given_up_and_taken_by_another_repository_makes_two_adapters(
    full: HubServer, following: Subscription, tmp_path: Path
) -> None:
    run(following)
    own = version(3)
    full.rename("mika/ink-3", "mika/wash-3")
    del full.renamed["mika/ink-3"]
    weights = write_lora(tmp_path / "stranger.safetensors", seed=77)
    full.add(
        "mika/ink-3", {"README.md": CARD, "ink.safetensors": weights}, date=datetime(2026, 6, 1, tzinfo=UTC)
    )
    run(following)
    own.refresh_from_db()
    assert own.adapter.source_key == "mika/wash-3"
    assert own.availability == Availability.PRESENT
    assert version(3).adapter != own.adapter
    assert Adapter.objects.count() == 13


def test_a_repository_that_moved_away_from_the_account_is_followed_by_its_redirect(
    full: HubServer, following: Subscription
) -> None:
    run(following)
    moved = version(3)
    full.rename("mika/ink-3", "studio/ink-3")
    run(following)
    moved.refresh_from_db()
    assert (moved.adapter.source_key, moved.availability) == ("studio/ink-3", Availability.PRESENT)
    assert moved.adapter.upstream_identity.former == ["mika/ink-3"]
    assert Adapter.objects.count() == 12


def test_a_repository_without_weights_any_more_has_lost_its_version_and_keeps_its_rows(
    full: HubServer, following: Subscription
) -> None:
    run(following)
    full.push("mika/ink-5", {"ink.safetensors": None})
    run(following)
    lost = version(5)
    assert (lost.availability, lost.availability_since is not None) == (Availability.NOT_FOUND, True)
    assert lost.claims.exists() and lost.offers.exists()
    assert version(6).availability == Availability.PRESENT
