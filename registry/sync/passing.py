"""One process's work on a run: keeps each page with its cursor, and counts what came of each adapter."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from django.db import transaction
from django.utils import timezone

from registry.absence import missing_versions
from registry.errors import KuraError
from registry.models import RunState, Subscription, SyncProblem, SyncRun, UpstreamItem
from registry.sources.listing import Listing
from registry.sources.pages import Page, Unread
from registry.sources.renames import follow, strangers
from registry.sources.save_new import is_plain
from registry.sources.text import line, text
from registry.sources.upstream_errors import UnexpectedAnswer, UpstreamError
from registry.sources.walk import Failure
from registry.sync.clients import client_of
from registry.sync.errors import CursorStuck, RunTaken
from registry.sync.keeping import (
    ACTOR,
    NOT_KEPT,
    REFUSED,
    UNREAD,
    VERSION_MISSING,
    Kept,
    Known,
    check_key,
    failed,
    keep,
    keep_all_new,
    known_by_key,
    read,
    remember,
    settled,
)
from registry.sync.tally import MOST_PROBLEMS, NO_VERSIONS, NOTHING_NEW, UNCHANGED, Tally, problem_of
from registry.sync.upstream_state import UNLISTED, ask, doubtful
from registry.sync.wanted import request_offered

_MOST_NOTES: Final = 50
# New adapters that are kept by one transaction.
_AT_ONCE: Final = 100
_LONGEST_WAIT: Final = 2.0
# So many items in a row that the upstream fails to give are left out before the run waits for it.
_MOST_IN_A_ROW: Final = 5

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]


class Stopped(Exception):
    """Not an error: the pass was asked to stop, and goes on later from where it is."""


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
        except KuraError as error:
            if not (began and error.permanent):
                raise
            # A place in a list may not be there any more: what is known already costs little.
            self._begin_anew(error)
            reading = self._reading("")
            first = next(reading, None)
        seen = {hash(self._run.cursor)}
        for page in itertools.chain([first] if first else [], reading):
            met = self._keep_page(page)
            if self._run.complete:
                return
            if hash(self._run.cursor) in seen:
                raise CursorStuck(f"{self._run.subscription} leads back to a page that was kept already.")
            seen.add(hash(self._run.cursor))
            request_offered(self._run, met)
            self._check()
        self._told(self._tell(Tally(), "", complete=True))

    def ask_doubtful(self) -> None:
        """Ask for the adapters that the list no longer holds, one by one, and for those that it held and that
        could not be read then. Raises as read_pages does.
        """
        self._in_a_row = 0
        for item in doubtful(self._run.subscription, self._run):
            self._check()
            tally, before = Tally(), (item.doubt, item.run_id)
            try:
                asked = ask(item, actor=ACTOR)
            except KuraError as error:
                # The next run begins with others.
                UpstreamItem.objects.filter(pk=item.pk).update(read=timezone.now())
                self._bear(error)
                why = "listed, and" if before[0] in NOT_KEPT else "not listed any more, and"
                tally.notes.append(f"{item}: {why} could not be asked for: {error.code}.")
            else:
                self._in_a_row = 0
                if asked.kept and asked.kept.versions:
                    tally.versions = len(asked.kept.versions)
                if asked.kept and before == (UNREAD, self._run.pk):
                    tally.made_good = f"{item.source}:{item.key}"
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

    def _keep_page(self, page: Page) -> dict[str, list[str]]:
        """Keep what is new of the page, then note the page itself with its cursor in one transaction.

        Gives the keys of the adapters that it listed, by source.
        """
        run, tally = self._run, Tally(failed=list(page.failures))
        cursor = page.cursor or ""
        if cursor != text(cursor, len(cursor)):
            raise UnexpectedAnswer(f"{run.subscription} names no usable place for its next page.")
        fresh = self._listed(page, tally)
        known: dict[tuple[str, str], Known] = {}
        met: dict[str, list[str]] = {}
        for source in sorted({source for source, _ in fresh}):
            met[source] = keys = [key for each, key in fresh if each == source]
            self._follow_names(source, [fresh[source, key] for key in keys])
            known |= {(source, key): each for key, each in known_by_key(source, keys).items()}
        unchanged: list[int] = []
        new: list[Listing | Unread] = []
        changed: dict[int, Listing | Unread] = {}
        for place, listing in fresh.items():
            item = known.get(place)
            if item is None:
                new.append(listing)
            elif item.run_id == run.pk and (
                item.fingerprint == listing.fingerprint or item.doubt in NOT_KEPT
            ):
                # On an earlier page, or on this one before the process was killed.
                tally.repeated += 1
            elif item.fingerprint and item.fingerprint == listing.fingerprint:
                tally.skipped[UNCHANGED] += 1
                unchanged.append(item.pk)
            else:
                changed[item.pk] = listing
        self._keep_new(new)
        items = UpstreamItem.objects.in_bulk(changed)
        for pk, listing in changed.items():
            self._check()
            self._keep_one(listing, items.get(pk))
        doubts = any(item.doubt == UNLISTED for item in known.values())
        self._told(settled(lambda: self._end_page(page, tally, unchanged, doubts=doubts)))
        return met

    def _listed(self, page: Page, tally: Tally) -> dict[tuple[str, str], Listing | Unread]:
        """What the page lists, each once; what has no id that could be kept is told as failed."""
        fresh: dict[tuple[str, str], Listing | Unread] = {}
        for listing in page.listings:
            try:
                check_key(listing)
            except KuraError as error:
                tally.failed.append(Failure(f"{listing.source}:{listing.source_key}", error))
                continue
            place = (listing.source, listing.source_key or "")
            tally.repeated += place in fresh
            fresh.setdefault(place, listing)
        return fresh

    def _follow_names(self, source: str, listings: Sequence[Listing | Unread]) -> None:
        """Give adapters that the upstream renamed their new keys, so that they are met as what they are."""
        told = {each.source_key or "": line(each.identity, 100) for each in listings if each.identity}
        if not told or not (moved := strangers(source, told)):
            return

        def move() -> None:
            with transaction.atomic():
                self._held()
                for key, identity in moved.items():
                    follow(source, key, identity)

        settled(move)

    @transaction.atomic
    def _end_page(self, page: Page, tally: Tally, unchanged: Sequence[int], *, doubts: bool) -> SyncRun:
        run, held = self._run, self._held()
        rows = UpstreamItem.objects.filter(pk__in=unchanged)
        rows.update(seen=timezone.now(), run=run, subscription=run.subscription)
        if doubts:
            rows.filter(doubt=UNLISTED).update(doubt="")
        complete = page.cursor is None
        if complete and page.resume is not None and page.resume == text(page.resume, 2000):
            # What the run still has to do for what it listed is told by rows, not by the list.
            Subscription.objects.filter(pk=run.subscription_id).update(resume=page.resume)
        return self._tell(tally, page.cursor or "", complete=complete, page=page, held=held)

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
            row = settled(partial(self._keep_together, own))
            if row is not None:
                self._in_a_row = 0
                self._told(row)
                continue
            for listing in own:
                self._keep_one(listing, None)

    @transaction.atomic
    def _keep_together(self, listings: Sequence[Listing]) -> SyncRun | None:
        """Keep new adapters with their count; None where each has to be kept by itself."""
        held = self._held()
        made = keep_all_new(listings, actor=ACTOR, run=self._run)
        return None if made is None else self._tell(Tally(fetched=len(listings), versions=made), held=held)

    def _keep_one(self, listing: Listing | Unread, item: UpstreamItem | None) -> None:
        """Keep one adapter with its count: both or neither."""
        again = item is not None and item.run_id == self._run.pk
        try:
            found = read(listing)
            row = settled(partial(self._keep_read, listing, found, item, again=again))
        except RunTaken:
            raise
        except KuraError as error:
            self._fail(listing, item, error)
        else:
            self._in_a_row = 0
            self._told(row)

    @transaction.atomic
    def _keep_read(
        self, listing: Listing | Unread, found: Listing, item: UpstreamItem | None, *, again: bool
    ) -> SyncRun:
        held, tally, run = self._held(), Tally(), self._run
        kept = keep(found, actor=ACTOR)
        lost = missing_versions(kept.adapter, found)
        if again:
            # It has changed since it was listed before, and counts once.
            tally.repeated, tally.versions = 1, len(kept.versions)
        else:
            self._note(tally, found, kept)
        doubt = VERSION_MISSING if lost else ""
        remember(item, listing, adapter=kept.adapter, run=run, kept=bool(kept.versions), doubt=doubt)
        return self._tell(tally, held=held)

    def _fail(self, listing: Listing | Unread, item: UpstreamItem | None, error: KuraError) -> None:
        """Tell of one adapter that could not be kept. Raises the error where it is not this one's alone."""
        self._bear(error)
        transient = isinstance(error, UpstreamError) and not error.permanent
        what = f"{listing.source}:{listing.source_key}"
        if item is not None and item.run_id == self._run.pk:
            tally = Tally(repeated=1, notes=[f"{what} has changed, and could not be kept: {error.code}."])
        else:
            tally = Tally(failed=[Failure(what, error)])

        def note() -> SyncRun:
            with transaction.atomic():
                held = self._held()
                failed(item, listing, self._run, UNREAD if transient else REFUSED)
                return self._tell(tally, held=held)

        self._told(settled(note))

    def _bear(self, error: KuraError) -> None:
        """Raise the error where so many in a row met one like it that the upstream itself is the matter."""
        if isinstance(error, UpstreamError) and not error.permanent:
            self._in_a_row += 1
            if self._in_a_row > _MOST_IN_A_ROW:
                raise error

    @staticmethod
    def _note(tally: Tally, listing: Listing, kept: Kept) -> None:
        if kept.versions:
            tally.fetched += 1
            tally.versions += len(kept.versions)
        else:
            tally.skipped[NOTHING_NEW if listing.versions else NO_VERSIONS] += 1

    @transaction.atomic(savepoint=False)
    def _tell(
        self,
        tally: Tally,
        cursor: str | None = None,
        *,
        complete: bool = False,
        page: Page | None = None,
        held: SyncRun | None = None,
    ) -> SyncRun:
        """Add to the run's counts; with a cursor, a page is done. `_told` follows once that is committed.

        `held`: the row, where this transaction has it already. Raises RunTaken.
        """
        run = held or self._held()
        run.fetched += tally.fetched
        run.skipped += sum(tally.skipped.values())
        run.versions += tally.versions
        run.repeated += tally.repeated
        room = MOST_PROBLEMS - run.failed
        run.failed += len(tally.failed)
        run.listed = run.fetched + run.skipped + run.failed
        reasons = Counter(run.reasons) + tally.skipped + Counter(each.error.code for each in tally.failed)
        if tally.made_good:
            reasons -= self._make_good(run, tally.made_good)
        run.reasons = dict(sorted(reasons.items()))
        if cursor is not None:
            run.cursor, run.complete, run.stalls = cursor, complete, 0
            run.pages += page is not None
        if page is not None and page.total is not None:
            run.total = page.total
        notes = [*tally.notes, *(page.notes if page is not None else ())]
        run.notes = list(dict.fromkeys([*run.notes, *(line(note, 300) for note in notes)]))[:_MOST_NOTES]
        run.save()
        SyncProblem.objects.bulk_create(problem_of(run, each) for each in tally.failed[: max(room, 0)])
        return run

    @staticmethod
    def _make_good(run: SyncRun, what: str) -> Counter[str]:
        """Count what failed before as fetched, if that was told; its code as a count."""
        problem = run.problems.filter(what=what).first()
        if problem is None:
            return Counter()
        problem.delete()
        run.failed, run.fetched = run.failed - 1, run.fetched + 1
        return Counter({problem.code: 1})

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

    def _begin_anew(self, error: KuraError) -> None:
        note = f"The upstream refused the place where the run stopped ({error.code}); it began anew."
        page = Page([], None, notes=[note])
        self._told(self._tell(Tally(), "", page=page))
