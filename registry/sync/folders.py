"""Runs a subscription to a folder: the scan knows itself what has not changed, so there are no pages."""

from __future__ import annotations

from collections import Counter

from registry.errors import KuraError
from registry.models import RunState, Subscription, SyncRun
from registry.services import ingest
from registry.sync.keeping import ACTOR
from registry.sync.passing import Progress
from registry.sync.run import end, give_way, open_of
from registry.sync.tally import MOST_PROBLEMS, UNCHANGED, problem_of


def run_folder(subscription: Subscription, *, progress: Progress = lambda done, total: None) -> SyncRun:
    """Take in what is new in the folder. Killed, it begins again, and what is stored costs nothing.

    Counts are of files where they are skipped or failed, and of adapters where they are taken in.
    """
    run = open_of(subscription)
    try:
        report = ingest(
            subscription.target, actor=ACTOR, progress=lambda done, total, _: progress(done, total)
        )
    except KuraError as error:
        give_way(run, error)
        return run
    failed, skipped = len(report.failed), len(report.skipped)
    reasons = Counter({UNCHANGED: skipped} if skipped else {})
    reasons.update(each.error.code for each in report.failed)
    run.problems.all().delete()
    run.problems.bulk_create(problem_of(run, each) for each in report.failed[:MOST_PROBLEMS])
    end(
        run,
        RunState.DONE,
        complete=True,
        pages=1,
        fetched=len(report.adapters),
        skipped=skipped,
        failed=failed,
        listed=len(report.adapters) + skipped + failed,
        versions=sum(len(versions) for versions in report.adapters.values()),
        reasons=dict(sorted(reasons.items())),
    )
    return run
