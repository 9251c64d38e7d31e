"""What workers do for syncing, and what the scheduler asks of them again and again."""

from __future__ import annotations

from registry.jobs import JobContext, JobStopped
from registry.models import Job, RunState, Source, Subscription, SyncRun
from registry.sync.errors import RunTaken, SubscriptionNotFound
from registry.sync.folders import run_folder
from registry.sync.passing import Progress, Stop
from registry.sync.run import run
from registry.sync.subscriptions import request_due
from registry.sync.terms_reread import due, request_reread, reread


def sync(
    subscription: Subscription,
    *,
    progress: Progress = lambda done, total: None,
    should_stop: Stop = lambda: False,
) -> SyncRun:
    """Run a subscription to whatever it is, from where it stopped. Raises RunTaken."""
    if subscription.source == Source.FOLDER:
        return run_folder(subscription, progress=progress)
    return run(subscription, progress=progress, should_stop=should_stop)


def run_subscription(context: JobContext) -> None:
    """Run one subscription. What the upstream is to blame for is in the run, which is due again by itself."""
    subscription = Subscription.objects.filter(pk=context.payload["subscription"]).first()
    if subscription is None:
        # Unsubscribed meanwhile: nothing is left to do.
        return
    try:
        done = sync(subscription, progress=context.progress, should_stop=context.should_stop)
    except (RunTaken, SubscriptionNotFound):
        # Somebody runs it by hand, and finishes it; or it is followed no longer.
        return
    if done.state == RunState.STOPPED and not done.error_code:
        raise JobStopped


def reread_due(context: JobContext) -> None:
    """Ask for terms that were read long ago, as many as are due."""
    done = reread(due(), progress=context.progress, should_stop=context.should_stop)
    if not done.waits:
        context.check()


def request_all_due() -> list[Job]:
    """Put everything to work whose time has come: subscriptions, and terms that were read long ago."""
    found = request_due()
    terms = request_reread()
    return [*found, terms] if terms else found
