"""Runs a subscription: page after page from where it stopped, each adapter kept or left out, and why."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from django.db import Error as DatabaseError
from django.db import transaction
from django.utils import timezone

from registry.errors import KuraError
from registry.models import RunState, Subscription, SyncRun
from registry.sync.errors import CursorStuck, RunTaken, SubscriptionNotFound
from registry.sync.passing import Pass, Progress, Stop, Stopped
from registry.sync.tally import NO_VERSIONS, NOTHING_NEW, UNCHANGED
from registry.sync.wanted import request_offered

__all__ = ["NOTHING_NEW", "NO_VERSIONS", "UNCHANGED", "run"]

# Pause after an upstream failed, doubled each time that nothing was kept between, in seconds.
FIRST_PAUSE, LONGEST_PAUSE = 60, 3600
# However long an upstream asks to wait: after a day it is asked once more.
LONGEST_ASKED: Final = 86_400
# After so many pauses without a page the run is given up; the next one begins anew.
MOST_STALLS: Final = 48


def run(
    subscription: Subscription,
    *,
    progress: Progress = lambda done, total: None,
    should_stop: Stop = lambda: False,
) -> SyncRun:
    """Go on with the subscription's open run, or begin one, until its end or until something stops it.

    An upstream that fails for a while stops the run: its place is kept, and the subscription is due again
    when the upstream may be asked. Raises RunTaken where another process has gone on with it.
    """
    open_run = open_of(subscription)
    passing = Pass(open_run, progress, should_stop)
    try:
        if not open_run.complete:
            passing.read_pages()
        # Before anybody waits for an upstream that has something to say of single adapters.
        request_offered(open_run)
        passing.ask_doubtful()
        request_offered(open_run)
        end(open_run, RunState.DONE)
    except RunTaken:
        raise
    except Stopped:
        _stop(open_run)
    except KuraError as error:
        give_way(open_run, error)
    except BaseException:
        with suppress(DatabaseError):
            # Where the database is what failed, the run stays open as it is: whoever goes on finds it so.
            _stop(open_run)
        raise
    return open_run


@transaction.atomic
def open_of(subscription: Subscription) -> SyncRun:
    """The run to go on with. Whoever had it before finds out with its next page, and lets go.

    A new one begins where a log of changes ended, where the list is one. Raises SubscriptionNotFound where
    somebody unsubscribed meanwhile.
    """
    held = Subscription.objects.select_for_update().filter(pk=subscription.pk).first()
    if held is None:
        raise SubscriptionNotFound(f"{subscription} is followed no longer.")
    # Until it ends nobody needs to start it: a worker that dies gives its job to another one.
    held.due = timezone.now() + timedelta(minutes=held.every_minutes)
    held.save(update_fields=["due"])
    found = held.runs.filter(state__in=[RunState.RUNNING, RunState.STOPPED]).first()
    if found is None:
        return SyncRun.objects.create(subscription=held, cursor=held.resume, began=held.resume)
    found.state, found.attempts = RunState.RUNNING, found.attempts + 1
    found.error_code = found.error_message = ""
    found.save(update_fields=["state", "attempts", "error_code", "error_message"])
    found.subscription = held
    return found


# --- How a run ends -----------------------------------------------------------------------------------------


def end(run: SyncRun, state: RunState, **values: Any) -> None:
    """Close the run, with these values, if it is still this process's."""
    _change(run, values | {"state": state, "finished": timezone.now()})


def _stop(run: SyncRun) -> None:
    _change(run, {"state": RunState.STOPPED})


def _change(run: SyncRun, values: dict[str, Any]) -> None:
    """Set these values if the run is still this process's."""
    mine = SyncRun.objects.filter(pk=run.pk, attempts=run.attempts, state=RunState.RUNNING)
    if mine.update(**values):
        for name, value in values.items():
            setattr(run, name, value)


def give_way(run: SyncRun, error: KuraError) -> None:
    """Keep the run's place for later, or give it up where trying again cannot help."""
    stalls = run.stalls + 1
    told = {"error_code": error.code, "error_message": str(error.message), "stalls": stalls}
    if error.permanent or stalls > MOST_STALLS or isinstance(error, CursorStuck):
        _change(run, told | {"state": RunState.FAILED, "finished": timezone.now()})
        return
    pause = min(FIRST_PAUSE * 2 ** min(stalls - 1, 16), LONGEST_PAUSE)
    asked = getattr(error, "retry_after", None)
    due = timezone.now() + timedelta(seconds=min(max(pause, asked or 0), LONGEST_ASKED))
    with transaction.atomic():
        _change(run, told | {"state": RunState.STOPPED})
        Subscription.objects.filter(pk=run.subscription_id).update(due=due)
