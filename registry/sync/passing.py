"""One process's work on a run: keeps each page with its cursor, and counts what came of each adapter."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db import transaction
from django.utils import timezone

from registry.errors import KuraError
from registry.models import RunState, SyncProblem, SyncRun, UpstreamItem
from registry.sources.listing import Listing
from registry.sources.pages import Page, Unread
from registry.sources.save_new import is_plain
from registry.sources.upstream_errors import UpstreamError
from registry.sources.walk import Failure
from registry.sync.clients import client_of
from registry.sync.errors import CursorStuck, RunTaken
from registry.sync.keeping import (
    ACTOR,
    VERSION_MISSING,
    Kept,
    failed,
    items_by_key,
    keep,
    keep_all_new,
    missing_versions,
    read,
    remember,
    remember_new,
)
from registry.sync.upstream_state import ask, doubtful
from registry.sync.wanted import request_offered

# More problems of one run are counted, not told one by one.
MOST_PROBLEMS: Final = 1000
_MOST_NOTES: Final = 50
# New adapters that are kept by one transaction.
_AT_ONCE: Final = 100
# So many items in a row that the upstream fails to give are left out before the run waits for it.
_MOST_IN_A_ROW: Final = 5
# Why an adapter was skipped: by its fingerprint; by its rows, once it was read; listed without any version.
UNCHANGED: Final = "unchanged"
NOTHING_NEW: Final = "nothing_new"
NO_VERSIONS: Final = "no_versions"

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]


@dataclass
class Tally:
    """What came of some adapters."""

    fetched: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failed: list[Failure] = field(default_factory=list)
    repeated: int = 0
    versions: int = 0
    notes: list[str] = field(default_factory=list)


class Pass:
    """One process's work on a run."""

    def __init__(self, run: SyncRun, progress: Progress) -> None:
        self._run = run
        self._progress = progress
        self._in_a_row = 0

    def read_pages(self, should_stop: Stop) -> None:
        """Keep one page after the other. Raises UpstreamError, CursorStuck, RunTaken."""
        began = self._run.cursor
        reading = self._reading(began)
        try:
            first = next(reading, None)
        except UpstreamError as error:
            if not (began and error.permanent):
                raise
            # A place in a list may not be there any more: what is known already costs little.
            self._begin_anew(error)
            reading = self._reading("")
            first = next(reading, None)
        seen = {hash(self._run.cursor)}
        for page in itertools.chain([first] if first else [], reading):
            self._keep_page(page)
            if self._run.complete:
                return
            if hash(self._run.cursor) in seen:
                raise CursorStuck(f"{self._run.subscription} leads back to a page that was kept already.")
            seen.add(hash(self._run.cursor))
            request_offered(self._run)
            if should_stop():
                return
        self._told(self._tell(Tally(), "", complete=True))

    def ask_doubtful(self, should_stop: Stop) -> bool:
        """Ask for the adapters that the list no longer holds, one by one; whether that came to its end."""
        for item in doubtful(self._run.subscription, self._run):
            if should_stop():
                return False
            tally = Tally()
            try:
                asked = ask(item, actor=ACTOR)
            except KuraError as error:
                if isinstance(error, UpstreamError) and not error.permanent:
                    raise
                tally.notes.append(f"{item} is not listed any more and could not be asked for: {error.code}.")
            else:
                if asked.kept and asked.kept.versions:
                    tally.versions = len(asked.kept.versions)
                if asked.absent:
                    tally.notes.append(f"{item}: {asked.absent[0].availability}.")
            self._told(self._tell(tally))
        return True

    def _reading(self, cursor: str) -> Iterator[Page]:
        subscription = self._run.subscription
        pages = client_of(subscription.source).pages
        return pages(subscription.kind, subscription.target, cursor or None)

    def _keep_page(self, page: Page) -> None:
        """Keep what is new of the page, then note the page itself with its cursor in one transaction."""
        run, tally = self._run, Tally(failed=list(page.failures))
        fresh: dict[tuple[str, str], Listing | Unread] = {}
        for listing in page.listings:
            place = (listing.source, listing.source_key or "")
            tally.repeated += place in fresh
            fresh.setdefault(place, listing)
        known: dict[tuple[str, str], UpstreamItem] = {}
        for source in {source for source, _ in fresh}:
            keys = [key for each, key in fresh if each == source]
            known |= {(source, key): item for key, item in items_by_key(source, keys).items()}
        met: list[int] = []
        new: list[Listing | Unread] = []
        changed: list[tuple[Listing | Unread, UpstreamItem | None]] = []
        for place, listing in fresh.items():
            item = known.get(place)
            if item is not None and item.run_id == run.pk:
                # On an earlier page, or on this one before the process was killed.
                tally.repeated += 1
            elif item is not None and item.fingerprint and item.fingerprint == listing.fingerprint:
                tally.skipped[UNCHANGED] += 1
                met.append(item.pk)
            elif item is None:
                new.append(listing)
            else:
                changed.append((listing, item))
        changed += [(listing, None) for listing in self._keep_new(new)]
        for listing, item in changed:
            self._keep_one(listing, item)
        with transaction.atomic():
            UpstreamItem.objects.filter(pk__in=met).update(
                seen=timezone.now(), run=run, subscription=run.subscription
            )
            row = self._tell(tally, page.cursor or "", complete=page.cursor is None, page=page)
        self._told(row)

    def _keep_new(self, unknown: Sequence[Listing | Unread]) -> list[Listing | Unread]:
        """Keep what is plainly new together, a batch with its counts at once; those that are left to do."""
        batches: dict[str, list[Listing]] = {}
        left: list[Listing | Unread] = []
        for each in unknown:
            try:
                found = read(each)
            except KuraError:
                # Told of where it is tried by itself.
                left.append(each)
                continue
            if is_plain(found):
                batches.setdefault(found.source, []).append(found)
            else:
                left.append(found)
        for listings in batches.values():
            for batch in _batches(listings):
                with transaction.atomic():
                    made = keep_all_new(batch, actor=ACTOR)
                    if made is None:
                        left += batch
                        continue
                    remember_new(batch, made, self._run)
                    versions = sum(len(each) for each in made.values())
                    row = self._tell(Tally(fetched=len(batch), versions=versions))
                self._told(row)
        return left

    def _keep_one(self, listing: Listing | Unread, item: UpstreamItem | None) -> None:
        """Keep one adapter with its count: both or neither."""
        tally = Tally()
        try:
            found = read(listing)
            with transaction.atomic():
                kept = keep(found, actor=ACTOR)
                lost = missing_versions(kept.adapter, found)
                self._note(tally, found, kept)
                remember(
                    item,
                    listing,
                    adapter=kept.adapter,
                    run=self._run,
                    kept=bool(kept.versions),
                    doubt=VERSION_MISSING if lost else "",
                )
                row = self._tell(tally)
        except RunTaken:
            raise
        except KuraError as error:
            self._in_a_row += 1
            if isinstance(error, UpstreamError) and not error.permanent and self._in_a_row > _MOST_IN_A_ROW:
                # It is not this item that cannot be had, it is the upstream.
                raise
            name = f"{listing.source}:{listing.source_key}"
            with transaction.atomic():
                if listing.source_key:
                    failed(item, listing, self._run)
                row = self._tell(Tally(failed=[Failure(name, error)]))
        else:
            self._in_a_row = 0
        self._told(row)

    @staticmethod
    def _note(tally: Tally, listing: Listing, kept: Kept) -> None:
        if kept.versions:
            tally.fetched += 1
            tally.versions += len(kept.versions)
        else:
            tally.skipped[NOTHING_NEW if listing.versions else NO_VERSIONS] += 1

    @transaction.atomic
    def _tell(
        self, tally: Tally, cursor: str | None = None, *, complete: bool = False, page: Page | None = None
    ) -> SyncRun:
        """Add to the run's counts; with a cursor, a page is done. `_told` follows once that is committed.

        Raises RunTaken.
        """
        run = SyncRun.objects.select_for_update().filter(pk=self._run.pk).first()
        if run is None or run.attempts != self._run.attempts or run.state != RunState.RUNNING:
            raise RunTaken(f"Run {self._run.pk} has been taken over.")
        run.fetched += tally.fetched
        run.skipped += sum(tally.skipped.values())
        run.versions += tally.versions
        run.repeated += tally.repeated
        room = MOST_PROBLEMS - run.failed
        run.failed += len(tally.failed)
        run.listed = run.fetched + run.skipped + run.failed
        reasons = Counter(run.reasons) + tally.skipped + Counter(each.error.code for each in tally.failed)
        run.reasons = dict(sorted(reasons.items()))
        if cursor is not None:
            run.cursor, run.complete, run.stalls = cursor, complete, 0
            run.pages += page is not None
        if page is not None and page.total is not None:
            run.total = page.total
        notes = [*tally.notes, *(page.notes if page is not None else ())]
        run.notes = list(dict.fromkeys([*run.notes, *(note[:300] for note in notes)]))[:_MOST_NOTES]
        run.save()
        SyncProblem.objects.bulk_create(problem_of(run, each) for each in tally.failed[: max(room, 0)])
        return run

    def _told(self, run: SyncRun) -> None:
        for name in ("cursor", "complete", "pages", "total", "listed", "fetched", "skipped", "failed",
                     "repeated", "versions", "stalls", "reasons", "notes"):  # fmt: skip
            setattr(self._run, name, getattr(run, name))
        self._progress(run.listed, max(run.total or 0, run.listed))

    def _begin_anew(self, error: UpstreamError) -> None:
        note = f"The upstream refused the place where the run stopped ({error.code}); it began anew."
        page = Page([], None, notes=[note])
        self._told(self._tell(Tally(), "", page=page))


def _batches(listings: Sequence[Listing]) -> Iterator[Sequence[Listing]]:
    for start in range(0, len(listings), _AT_ONCE):
        yield listings[start : start + _AT_ONCE]


def problem_of(run: SyncRun, failure: Failure) -> SyncProblem:
    """The row that tells of a failure, not saved."""
    error = failure.error
    return SyncProblem(
        run=run,
        what=failure.source[:500],
        code=error.code,
        message=str(error.message).replace("\0", ""),
        next_step=error.next_step,
    )
