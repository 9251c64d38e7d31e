"""Declared, detected and decided: whatever an upstream says again and again, decisions and edits stay."""

from __future__ import annotations

import random
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from registry.edits import edit
from registry.models import (
    BaseModel,
    Snapshot,
    Subscription,
    TermsClaim,
    TermsNotice,
    UpstreamItem,
    VerdictChange,
    Version,
)
from registry.sources import save
from registry.sources.upstream_errors import GoneUpstream, UpstreamUnavailable
from registry.sync import terms_reread
from registry.sync.run import run
from tests.factories import UserFactory
from tests.registry.sync.shelf import Book, Shelf

pytestmark = pytest.mark.database

CHANGES = ("flags", "name", "base", "words", "tags", "vanish", "return", "fail", "version", "refuse", "quiet")


def decided_rows(version: Version) -> list[tuple[object, ...]]:
    """What people decided, byte for byte."""
    claims = version.claims.filter(standing="decided").order_by("id").values_list()
    version.refresh_from_db()
    own = (
        version.base_decided_id, version.vetting, version.vetted_at, version.name, version.trigger_words,
        version.adapter.name, version.adapter.tags,
    )  # fmt: skip
    return [own, *claims]


def disturb(shelf: Shelf, book: Book, change: str, chance: random.Random) -> None:
    shelf.faults.clear()
    if change == "flags":
        book.flags["allowDerivatives"] = chance.random() < 0.5
        book.flags["allowCommercialUse"] = chance.sample(["Image", "Rent", "Sell"], chance.randrange(4))
    elif change == "name":
        book.name = f"Renamed {chance.randrange(1000)}"
        for said in book.versions.values():
            said["name"] = f"renamed {chance.randrange(1000)}"
    elif change == "base":
        for said in book.versions.values():
            said["base"] = chance.choice(["Pony", "Flux.1 D", "SD 1.5", "of nobody"])
    elif change == "words":
        for said in book.versions.values():
            said["words"] = [f"word{chance.randrange(100)}"]
    elif change == "tags":
        book.tags = [f"tag{chance.randrange(9)}"]
    elif change == "vanish":
        shelf.books.pop(book.key, None)
    elif change == "return":
        shelf.refusals.clear()
        shelf.books[book.key] = book
    elif change == "fail":
        shelf.faults[0] = [UpstreamUnavailable("503")]
    elif change == "version":
        book.versions[f"1{chance.randrange(100, 999)}"] = {"name": "another", "base": "SDXL 1.0"}
    elif change == "refuse":
        shelf.books.pop(book.key, None)
        shelf.refusals[book.key] = GoneUpstream("410")


@pytest.mark.parametrize("seed", range(6))
def test_decisions_and_edits_survive_every_sequence_of_syncs(
    shelf: Shelf, following: Subscription, seed: int
) -> None:
    chance = random.Random(seed)
    shelf.add("9", ["9000"])
    book = shelf.add("1", ["1000"])
    run(following)
    version = Version.objects.get(source_key="1000")
    reviewer: User = UserFactory()
    TermsClaim.objects.create(
        version=version, kind="license", standing="decided", value="CC0-1.0", wording="asked the author"
    )
    base = BaseModel.objects.order_by("pk")[3]
    Version.objects.filter(pk=version.pk).update(
        base_decided=base, vetting="approved", vetted_at=timezone.now()
    )
    edit(version, reviewer.username, name="Ours", trigger_words=["ink"])
    edit(version.adapter, reviewer.username, name="Our name", tags=["kept"])
    before = decided_rows(Version.objects.get(pk=version.pk))

    for change in chance.choices(CHANGES, k=12):
        disturb(shelf, book, change, chance)
        run(following)
        assert decided_rows(Version.objects.get(pk=version.pk)) == before, change


def test_tighter_terms_are_dated_told_and_the_old_page_stays(shelf: Shelf, following: Subscription) -> None:
    book = shelf.add("1", ["1000"])
    run(following)
    version = Version.objects.get(source_key="1000")
    Version.objects.filter(pk=version.pk).update(vetting="approved", vetted_at=timezone.now())
    first = Snapshot.objects.get(url="https://civitai.com/api/v1/models/1")
    book.flags["allowCommercialUse"] = []

    run(following)

    changed = VerdictChange.objects.filter(version=version)
    assert {"lost", "tighter"} & set(changed.values_list("direction", flat=True))
    assert TermsNotice.objects.filter(version=version).count() == 1
    assert bytes(Snapshot.objects.get(pk=first.pk).body) == bytes(first.body)
    run(following)
    assert TermsNotice.objects.filter(version=version).count() == 1


def test_terms_are_asked_for_again_in_time_without_any_list(shelf: Shelf, following: Subscription) -> None:
    for key in ("1", "2", "3"):
        shelf.add(key, [f"{key}000"])
    run(following)
    assert terms_reread.due() == []
    month = timezone.now() + timedelta(days=31)
    shelf.books["1"].flags["allowNoCredit"] = False
    del shelf.books["2"]
    shelf.requests.clear()

    done = terms_reread.reread(terms_reread.due(month))

    assert sorted(shelf.requests) == ["adapter 1", "adapter 2", "adapter 3"]
    assert (done.asked, done.changed, done.absent, done.failed.total()) == (3, 1, 1, 0)
    assert Version.objects.get(source_key="2000").availability == "not_found"
    assert terms_reread.due() == []


def test_an_upstream_that_fails_again_and_again_is_left_alone(shelf: Shelf, following: Subscription) -> None:
    for number in range(20):
        shelf.add(str(number), [f"{number}000"])
        shelf.refusals[str(number)] = UpstreamUnavailable("503")
    run(following)
    UpstreamItem.objects.update(read=timezone.now() - timedelta(days=40))
    shelf.requests.clear()

    done = terms_reread.reread(terms_reread.due())

    assert (len(shelf.requests), done.waits) == (5, True)
    # Those that failed come after the others, tomorrow; what was not asked stays due.
    assert len(terms_reread.due()) == 15
    assert len(terms_reread.due(timezone.now() + timedelta(days=2))) == 20


@pytest.mark.django_db(transaction=True)
def test_an_edit_that_is_made_while_a_sync_writes_the_same_field_is_what_stays(
    shelf: Shelf, following: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.add("1", ["1000"])
    run(following)
    shelf.books["1"].versions["1000"]["name"] = "theirs"
    edits: list[threading.Thread] = []
    facts_of = save.facts_of

    def meanwhile(*arguments: Any) -> dict[str, Any]:
        def mine() -> None:
            edit(Version.objects.get(), "ada", name="mine")
            connection.close()

        if not edits:
            edits.append(threading.Thread(target=mine))
            edits[0].start()
            # Long enough for an edit that waits for nobody; one that waits is over when the sync is.
            edits[0].join(1)
        return facts_of(*arguments)

    monkeypatch.setattr(save, "facts_of", meanwhile)
    run(following)
    edits[0].join()
    version = Version.objects.get()
    assert (version.name, version.edited) == ("mine", ["name"])
    run(following)
    version.refresh_from_db()
    assert version.name == "mine"
