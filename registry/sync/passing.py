"""One process's work on a run: keeps each page with its cursor, and counts what came of each adapter."""

from __future__ import annotations

import itertools
import time
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
)
from registry.sync.upstream_state import UNLISTED, ask, doubtful
from registry.sync.wanted import request_offered

# More problems of one run are counted, not told one by one.
MOST_PROBLEMS: Final = 1000
_MOST_NOTES: Final = 50
# New adapters that are kept by one transaction.
_AT_ONCE: Final = 100
_LONGEST_WAIT: Final = 2.0
# So many items in a row that the upstream fails to give are left out before the run waits for it.
_MOST_IN_A_ROW: Final = 5
# Why an adapter was skipped: by its fingerprint; by its rows, once it was read; listed without any version.
UNCHANGED: Final = "unchanged"
NOTHING_NEW: Final = "nothing_new"
NO_VERSIONS: Final = "no_versions"

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]


class Stopped(Exception):
    """Not an error: the pass was asked to stop, and goes on later from where it is."""


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

    def __init__(self, run: SyncRun, progress: Progress, should_stop: Stop) -> None:
        self._run = run
        self._progress = progress
        self._should_stop = should_stop
        self._in_a_row = 0

    def read_pages(self) -> None:
        """Keep one page after the other. Raises UpstreamError, CursorStuck, RunTaken, Stopped."""
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
            self._check()
        self._told(self._tell(Tally(), "", complete=True))

    def ask_doubtful(self) -> None:
        """Ask for the adapters that the list no longer holds, one by one. Raises as read_pages does."""
        for item in doubtful(self._run.subscription, self._run):
            self._check()
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

    def _check(self) -> None:
        if self._should_stop():
            raise Stopped

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
        self._keep_new(new)
        for listing, item in changed:
            self._check()
            self._keep_one(listing, item)
        with transaction.atomic():
            self._held()
            rows = UpstreamItem.objects.filter(pk__in=met)
            rows.update(seen=timezone.now(), run=run, subscription=run.subscription)
            if any(item.doubt == UNLISTED for item in known.values()):
                rows.filter(doubt=UNLISTED).update(doubt="")
            row = self._tell(tally, page.cursor or "", complete=page.cursor is None, page=page)
        self._told(row)

    def _keep_new(self, unknown: Sequence[Listing | Unread]) -> None:
        """Keep what is plainly new together, a batch with its counts at once, and the others one by one.

        Reading one may take requests, so no batch waits long for its last member: what a killed process has
        read and not kept is read once more.
        """
        batch: list[Listing] = []
        began = time.monotonic()
        for each in unknown:
            self._check()
            try:
                found = read(each)
            except KuraError as error:
                self._fail(each, None, error)
                continue
            if not is_plain(found):
                self._keep_one(found, None)
                continue
            batch.append(found)
            if len(batch) == _AT_ONCE or time.monotonic() - began > _LONGEST_WAIT:
                self._keep_batch(batch)
                batch, began = [], time.monotonic()
        self._keep_batch(batch)

    def _keep_batch(self, batch: list[Listing]) -> None:
        for source in sorted({listing.source for listing in batch}):
            own = [listing for listing in batch if listing.source == source]
            with transaction.atomic():
                self._held()
                made = keep_all_new(own, actor=ACTOR, run=self._run)
                if made is not None:
                    row = self._tell(Tally(fetched=len(own), versions=made))
            if made is not None:
                self._in_a_row = 0
                self._told(row)
                continue
            for listing in own:
                self._keep_one(listing, None)

    def _keep_one(self, listing: Listing | Unread, item: UpstreamItem | None) -> None:
        """Keep one adapter with its count: both or neither."""
        tally = Tally()
        try:
            found = read(listing)
            with transaction.atomic():
                self._held()
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
            self._fail(listing, item, error)
        else:
            self._in_a_row = 0
            self._told(row)

    def _fail(self, listing: Listing | Unread, item: UpstreamItem | None, error: KuraError) -> None:
        """Tell of one adapter that could not be kept. Raises the error where it is not this one's alone."""
        self._in_a_row += 1
        if isinstance(error, UpstreamError) and not error.permanent and self._in_a_row > _MOST_IN_A_ROW:
            raise error
        with transaction.atomic():
            self._held()
            if listing.source_key:
                failed(item, listing, self._run)
            row = self._tell(Tally(failed=[Failure(f"{listing.source}:{listing.source_key}", error)]))
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
        run = self._held()
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

    def _held(self) -> SyncRun:
        """The run's row, locked until the commit. Raises RunTaken where it is another process's by now."""
        run = SyncRun.objects.select_for_update().filter(pk=self._run.pk).first()
        if run is None or run.attempts != self._run.attempts or run.state != RunState.RUNNING:
            raise RunTaken(f"Run {self._run.pk} has been taken over.")
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
