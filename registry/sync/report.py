"""What runs did: listed, fetched, skipped and failed with the reasons, and how much triage spared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from registry.models import OfferedFile, OfferState, Subscription, SyncProblem, SyncRun
from registry.offers import PICTURE


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run in numbers. `files`: state of an offered file -> how many, of the adapters this run met last;
    `bytes_saved`: bytes that were not fetched since triage passed them by; `more_problems`: not told one by
    one.
    """

    run: SyncRun
    problems: tuple[SyncProblem, ...]
    more_problems: int
    files: dict[str, int]
    bytes_saved: int
    bytes_read: int

    def as_dict(self) -> dict[str, Any]:
        run = self.run
        return {
            "id": run.pk,
            "subscription": run.subscription_id,
            "state": run.state,
            "started": run.started.isoformat(),
            "finished": run.finished.isoformat() if run.finished else None,
            "attempts": run.attempts,
            "pages": run.pages,
            "total": run.total,
            "listed": run.listed,
            "fetched": run.fetched,
            "skipped": run.skipped,
            "failed": run.failed,
            "repeated": run.repeated,
            "versions": run.versions,
            "reasons": run.reasons,
            "notes": run.notes,
            "error": {"code": run.error_code, "message": run.error_message} if run.error_code else None,
            "problems": [
                {"what": each.what, "code": each.code, "message": each.message, "next_step": each.next_step}
                for each in self.problems
            ],
            "more_problems": self.more_problems,
            "files": self.files,
            "bytes_saved": self.bytes_saved,
            "bytes_read": self.bytes_read,
        }

    @property
    def line(self) -> str:
        """The report in one line."""
        run = self.run
        why = ", ".join(f"{count} {code}" for code, count in run.reasons.items())
        told = f"{run.listed} listed, {run.fetched} fetched, {run.skipped} skipped, {run.failed} failed"
        return f"{told} ({why})" if why else told


def runs(subscription: Subscription | None = None) -> QuerySet[SyncRun]:
    """The runs, newest first, with their subscriptions."""
    rows = SyncRun.objects.select_related("subscription").order_by("-started", "-pk")
    return rows if subscription is None else rows.filter(subscription=subscription)


def run_report(run: SyncRun, most: int = 100) -> RunReport:
    """The report of a run, with at most so many problems."""
    offers = OfferedFile.objects.filter(version__adapter__upstream_item__run=run).exclude(role=PICTURE)
    states = offers.values_list("state").annotate(count=Count("pk")).order_by("state")
    sums = offers.aggregate(
        saved=Sum("saved", filter=Q(state=OfferState.PASSED_BY)),
        read=Sum("read"),
    )
    problems = tuple(run.problems.all()[:most])
    return RunReport(
        run,
        problems,
        more_problems=run.failed - len(problems),
        files={str(state): count for state, count in states},
        bytes_saved=sums["saved"] or 0,
        bytes_read=sums["read"] or 0,
    )
