"""A run keeps what is new, goes on where it stopped, and tells what it left out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.models import (
    Adapter,
    Availability,
    RunState,
    Snapshot,
    Subscription,
    SyncProblem,
    TermsClaim,
    UpstreamItem,
    Version,
)
from registry.sources.upstream_errors import (
    GatedUpstream,
    GoneUpstream,
    RateLimited,
    RequestRefused,
    UpstreamUnavailable,
)
from registry.sync.errors import RunTaken
from registry.sync.run import run
from tests.registry.sync.shelf import Shelf

pytestmark = pytest.mark.database


def fill(shelf: Shelf, count: int, versions: int = 1) -> None:
    for number in range(1, count + 1):
        shelf.add(str(number), [f"{number}{each:03}" for each in range(versions)])


def test_the_first_run_keeps_every_version_and_says_so(shelf: Shelf, following: Subscription) -> None:
    fill(shelf, 25, versions=2)

    done = run(following)

    assert (done.state, done.listed, done.fetched, done.skipped, done.failed) == (RunState.DONE, 25, 25, 0, 0)
    assert (done.pages, done.versions, done.total) == (3, 50, 25)
    assert Version.objects.count() == 50
    assert Version.objects.filter(terms_profile=None).count() == 0


def test_an_unchanged_adapter_is_not_even_read(shelf: Shelf, following: Subscription) -> None:
    fill(shelf, 25)
    run(following)
    shelf.read.clear()
    shelf.books["7"].downloads = 99
    shelf.books["13"].flags["allowDerivatives"] = False

    done = run(following)

    assert shelf.read == ["13"]
    assert (done.fetched, done.skipped, done.reasons) == (1, 24, {"unchanged": 24})


def test_volatile_numbers_make_no_new_snapshot(shelf: Shelf, following: Subscription) -> None:
    fill(shelf, 3)
    run(following)
    before = Snapshot.objects.count()
    for book in shelf.books.values():
        book.downloads += 5

    run(following)

    assert Snapshot.objects.count() == before


def test_a_transient_failure_keeps_the_place_and_the_next_run_goes_on_there(
    shelf: Shelf, following: Subscription
) -> None:
    fill(shelf, 35)
    shelf.faults[20] = [UpstreamUnavailable("503")]

    stopped = run(following)
    following.refresh_from_db()

    assert (stopped.state, stopped.cursor, stopped.fetched) == (RunState.STOPPED, "20", 20)
    assert (stopped.error_code, following.due > timezone.now()) == ("upstream_unavailable", True)
    assert Version.objects.count() == 20

    shelf.requests.clear()
    done = run(following)

    assert shelf.requests == ["page 20", "page 30"]
    assert (done.pk, done.state, done.listed, done.repeated) == (stopped.pk, RunState.DONE, 35, 0)


def test_a_quota_is_waited_for(shelf: Shelf, following: Subscription) -> None:
    fill(shelf, 5)
    shelf.faults[0] = [RateLimited("an hour", retry_after=3600)]

    run(following)
    following.refresh_from_db()

    assert following.due > timezone.now() + timedelta(minutes=59)


def test_pauses_grow_while_nothing_comes(shelf: Shelf, following: Subscription) -> None:
    fill(shelf, 5)
    shelf.faults[0] = [UpstreamUnavailable("503") for _ in range(3)]
    pauses = []
    for _ in range(3):
        before = timezone.now()
        run(following)
        following.refresh_from_db()
        pauses.append(round((following.due - before).total_seconds() / 60))

    assert pauses == [1, 2, 4]


def test_a_permanent_refusal_fails_the_run_and_deletes_nothing(shelf: Shelf, following: Subscription) -> None:
    fill(shelf, 15)
    run(following)
    shelf.faults[0] = [RequestRefused("400")]

    failed = run(following)

    assert (failed.state, failed.error_code) == (RunState.FAILED, "request_refused")
    assert Version.objects.count() == 15
    assert set(Version.objects.values_list("availability", flat=True)) == {Availability.PRESENT}


def test_a_cursor_that_is_refused_begins_the_list_anew(shelf: Shelf, following: Subscription) -> None:
    fill(shelf, 25)
    shelf.faults[10] = [UpstreamUnavailable("503"), RequestRefused("Invalid cursor")]
    run(following)

    done = run(following)

    assert (done.state, done.listed, done.fetched) == (RunState.DONE, 25, 25)
    assert "request_refused" in done.notes[0]


def test_duplicates_across_pages_count_once(shelf: Shelf, following: Subscription) -> None:
    fill(shelf, 12)

    done = run(following)
    assert done.listed == 12

    # The list moved while it was read: the last of a page comes again as the first of the next one.
    shelf.books["5"].tags = ["moved"]
    shelf.per_page = 4
    again = run(following)
    assert again.listed == 12


def test_an_item_that_cannot_be_read_is_told_and_the_rest_is_kept(
    shelf: Shelf, following: Subscription
) -> None:
    fill(shelf, 12)
    shelf.broken = {"3"}
    shelf.books["4"].versions["4000"]["name"] = "zero \0 byte"

    done = run(following)

    assert (done.state, done.listed, done.fetched, done.failed) == (RunState.DONE, 12, 10, 2)
    assert sorted(SyncProblem.objects.values_list("what", "code")) == [
        ("civitai:4", "listing_refused"),
        ("shelf:3", "upstream_error"),
    ]

    shelf.books["4"].versions["4000"]["name"] = "repaired"
    shelf.broken = set()
    assert run(following).fetched == 2


def test_an_upstream_that_shows_no_versions_by_mistake_erases_nothing(
    shelf: Shelf, following: Subscription
) -> None:
    fill(shelf, 2)
    run(following)
    kept = shelf.books["1"].versions
    shelf.books["1"].versions = {}

    done = run(following)

    assert done.reasons == {"no_versions": 1, "unchanged": 1}
    assert Version.objects.get(source_key="1000").availability == Availability.PRESENT

    shelf.books["1"].versions = kept
    assert run(following).state == RunState.DONE


@pytest.mark.parametrize(
    ("refusal", "state"),
    [
        (None, Availability.NOT_FOUND),
        (GoneUpstream("410"), Availability.GONE),
        (GatedUpstream("403"), Availability.GATED),
    ],
)
def test_what_is_not_listed_any_more_is_asked_for_before_it_counts_as_absent(
    shelf: Shelf, following: Subscription, refusal: GoneUpstream | None, state: str
) -> None:
    fill(shelf, 3)
    run(following)
    claims = TermsClaim.objects.count()
    del shelf.books["2"]
    if refusal:
        shelf.refusals["2"] = refusal

    done = run(following)
    version = Version.objects.get(source_key="2000")

    assert (done.state, version.availability) == (RunState.DONE, state)
    assert version.availability_since is not None
    assert version.availability_changes.count() == 1
    assert TermsClaim.objects.count() == claims


def test_what_a_list_left_out_by_mistake_stays_present(shelf: Shelf, following: Subscription) -> None:
    fill(shelf, 3)
    run(following)
    hidden = shelf.books.pop("2")
    shelf.refusals["2"] = UpstreamUnavailable("503")

    done = run(following)
    assert (done.state, done.complete) == (RunState.DONE, True)
    assert done.notes == ["civitai:2: not listed any more, and could not be asked for: upstream_unavailable."]
    assert Version.objects.get(source_key="2000").availability == Availability.PRESENT

    shelf.refusals.clear()
    shelf.requests.clear()
    shelf.books["2"] = hidden
    assert run(following).state == RunState.DONE
    assert not UpstreamItem.objects.exclude(doubt="").exists()


def test_a_version_that_its_adapter_lists_no_longer_is_asked_for(
    shelf: Shelf, following: Subscription
) -> None:
    fill(shelf, 1, versions=2)
    run(following)
    del shelf.books["1"].versions["1001"]

    run(following)

    assert Version.objects.get(source_key="1000").availability == Availability.PRESENT
    assert Version.objects.get(source_key="1001").availability == Availability.NOT_FOUND


def test_who_is_overtaken_lets_go(shelf: Shelf, following: Subscription) -> None:
    fill(shelf, 30)
    overtaken: list[bool] = []

    def overtake() -> bool:
        if not overtaken:
            overtaken.append(True)
            run(following)
        return False

    with pytest.raises(RunTaken):
        run(following, should_stop=overtake)

    assert following.runs.get().state == RunState.DONE
    assert (following.runs.get().listed, Adapter.objects.count()) == (30, 30)


def test_a_run_that_is_asked_to_stop_goes_on_later(shelf: Shelf, following: Subscription) -> None:
    fill(shelf, 30)

    stopped = run(following, should_stop=lambda: UpstreamItem.objects.count() >= 10)
    assert (stopped.state, stopped.listed) == (RunState.STOPPED, 10)

    assert run(following).listed == 30


def test_what_comes_back_is_present_again(shelf: Shelf, following: Subscription) -> None:
    fill(shelf, 3)
    run(following)
    book = shelf.books.pop("2")
    run(following)
    assert Version.objects.get(source_key="2000").availability == Availability.NOT_FOUND

    shelf.books["2"] = book
    run(following)
    version = Version.objects.get(source_key="2000")

    assert version.availability == Availability.PRESENT
    assert [each.after for each in version.availability_changes.all()] == ["present", "not_found"]
