"""What Celery runs: one task that wakes a worker, and the handlers of the registry's jobs."""

from __future__ import annotations

from celery import shared_task
from celery.worker import state

from registry import analysis, housekeeping, intake, jobs, recheck, services
from registry.models import Version
from registry.sync import subscriptions, terms_reread, worker


# Acknowledged before it starts: the row, not the message, brings the work back after a crash, and an early
# acknowledgement cannot run into any broker's time limit, however long the jobs take.
@shared_task(name=jobs.WORK, acks_late=False, ignore_result=True)  # type: ignore[untyped-decorator]
def work(queue: str) -> None:
    """Do what waits in the queue."""
    jobs.work(queue, stopping=_stopping)


@jobs.handler("registry.ingest")
def ingest(context: jobs.JobContext) -> None:
    """Take in a source; the payload is `{source, license, base, actor}`. Done twice it changes nothing."""
    wanted = context.payload

    def told(done: int, total: int, name: str) -> None:
        context.progress(done, total)
        context.check()

    services.ingest(
        wanted["source"],
        license_id=wanted.get("license", ""),
        base=wanted.get("base", ""),
        actor=wanted.get("actor", "system"),
        progress=told,
    )


@jobs.handler(intake.FETCH_JOB)
def fetch(context: jobs.JobContext) -> None:
    """Fetch one file that an upstream offers; the payload is `{offer, policy, actor}`."""
    intake.run_job(context)


@jobs.handler(analysis.ANALYZE_JOB)
def analyze(context: jobs.JobContext) -> None:
    """Measure a version's weights, or compare them with another's; the payload is `{version, against?}`."""
    wanted = [context.payload[name] for name in ("version", "against") if name in context.payload]
    versions = list(Version.objects.filter(pk__in=wanted).select_related("adapter"))
    if len(versions) < len(wanted):
        # Gone meanwhile: nothing is left to do.
        return
    if len(versions) == 2:
        analysis.compare(*versions)
    else:
        analysis.analyze(versions[0], progress=context.progress, pause=context.check)


@jobs.handler(recheck.RECHECK_JOB)
def decide_anew(context: jobs.JobContext) -> None:
    """Bring verdicts up to date; the payload is `{bases, tags}`. Cut off, it goes on where it stopped."""
    recheck.run(context.payload, progress=context.progress, pause=context.check)


@jobs.handler(subscriptions.SYNC_JOB)
def sync(context: jobs.JobContext) -> None:
    """Run a subscription from where it stopped; the payload is `{subscription}`."""
    worker.run_subscription(context)


@jobs.handler(terms_reread.REREAD_JOB)
def reread_terms(context: jobs.JobContext) -> None:
    """Ask upstreams for terms that were read long ago."""
    worker.reread_due(context)


@jobs.handler(housekeeping.HOUSEKEEPING_JOB)
def tidy(context: jobs.JobContext) -> None:
    """Delete what is too old to be of use."""
    housekeeping.tidy(pause=context.check)


def _stopping() -> bool:
    # Celery sets these to an exit code, and 0 is one.
    return any(code is not None and code is not False for code in (state.should_stop, state.should_terminate))
