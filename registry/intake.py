"""Takes a version's offered files in: triage, then fetching, one after the other here or as jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from django.db.models import QuerySet
from django.utils import timezone

from registry import storage
from registry.absence import note_answered
from registry.errors import KuraError, error_class
from registry.fetching import Progress, Stopping, fetch_offer, fetch_picture, note_failure
from registry.jobs import JobContext, JobStopped, enqueue
from registry.lineage import relate
from registry.lineage_checks import assess_with_kin
from registry.models import FileState, Job, OfferedFile, OfferState, Version
from registry.offers import PICTURE
from registry.sources.upstream_errors import DownloadStopped, EarlyAccess, NotFoundUpstream
from registry.triage import TriagePolicy, by_record, decide, house_policy, note

FETCH_JOB: Final = "registry.fetch"
# An hour's quota of an upstream must not end a job that waits for it.
_ATTEMPTS: Final = 8


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one offered file: fetched now, stored before, passed by, or failed with `error`."""

    offer: OfferedFile
    fetched: bool = False
    error: KuraError | None = None


def take_in(
    version: Version,
    *,
    policy: TriagePolicy | None = None,
    actor: str = "system",
    progress: Callable[[OfferedFile, int, int | None], None] | None = None,
) -> Iterator[Taken]:
    """Triage and fetch every file that the version is offered with, then its author's pictures, here and now.

    What is stored stays and is not asked for again; what failed before is tried again, for a person asked for
    it. A failure is one line, and the rest goes on. Raises StorageFull, where all others would fail, too.
    """
    policy = policy or house_policy()
    for offer in files_of(version):
        if _is_here(offer):
            yield Taken(offer)
            continue

        def told(done: int, total: int | None = None, offer: OfferedFile = offer) -> None:
            if progress is not None:
                progress(offer, done, total)

        yield _take(offer, policy, actor=actor, progress=told)
    yield from _pictures(version, actor)


def request(
    version: Version,
    *,
    policy: TriagePolicy | None = None,
    changes: Mapping[str, Any] | None = None,
    actor: str = "system",
    priority: int = 0,
) -> list[Job]:
    """Have workers fetch what the upstream's records do not rule out; the jobs, one for each file.

    Asks nobody: the files' own beginnings are read by the jobs. `changes`: a subscription's own policy, on
    top of the house's. Files that are stored, waiting, or failed for good are left as they are; what failed
    for a while alone is asked for again.
    """
    changes = dict(changes or {})
    policy = policy or house_policy().with_changes(changes)
    jobs = []
    for offer in files_of(version):
        refused = offer.code if offer.state == OfferState.FAILED else ""
        if _is_here(offer) or (refused and failed_for_good(offer)):
            continue
        decision = by_record(offer, version, policy)
        if decision.fetch and offer.state == OfferState.PASSED_BY and "container" in offer.triage:
            # What its own beginning has told once is not asked again.
            decision = decide(offer, version, policy)
        else:
            note(offer, decision)
        if decision.fetch:
            payload = {"offer": offer.pk, "policy": _as_json(policy), "actor": actor, "refused": refused}
            jobs.append(
                enqueue(
                    FETCH_JOB,
                    f"offer:{offer.pk}",
                    payload=payload,
                    priority=priority,
                    max_attempts=_ATTEMPTS,
                    again=True,
                )
            )
    return jobs


def run_job(context: JobContext) -> None:
    """Do one fetch job; its payload is `{offer, policy, actor, refused}`. Done twice it changes nothing.

    `refused`: the code of the failure that is tried again, empty for a first try.
    """
    wanted = context.payload
    offer = OfferedFile.objects.select_related("version__adapter").filter(pk=wanted["offer"]).first()
    if offer is None or _is_here(offer):
        return
    policy = house_policy().with_changes(wanted.get("policy") or {})
    actor = str(wanted.get("actor", "system"))
    taken = _take(
        offer,
        policy,
        actor=actor,
        job=context.job,
        refused=str(wanted.get("refused", "")),
        progress=lambda done, total: context.progress(done, total or 0),
        should_stop=_now_and_then(context.should_stop),
    )
    if isinstance(taken.error, DownloadStopped):
        raise JobStopped
    if taken.error is not None:
        raise taken.error
    for _ in _pictures(offer.version, actor):
        context.check()


def files_of(version: Version) -> QuerySet[OfferedFile]:
    """The files that the version is offered with, the main one first; without the author's pictures."""
    offers = version.offers.exclude(role=PICTURE).select_related("version__adapter", "blob")
    return offers.order_by("-primary", "pk")


def failed_for_good(offer: OfferedFile) -> bool:
    """Whether asking for a failed file again cannot help: it has to be read anew upstream, or by `ingest`.

    A file that is not found may be a storage that fails for a moment, and early access ends.
    """
    found = error_class(offer.code)
    if found is None or not found.permanent or found is NotFoundUpstream:
        return False
    opens = offer.version.availability_until
    return not (found is EarlyAccess and opens is not None and opens <= timezone.now())


def _take(
    offer: OfferedFile,
    policy: TriagePolicy,
    *,
    actor: str,
    job: Job | None = None,
    refused: str = "",
    progress: Progress | None = None,
    should_stop: Stopping | None = None,
) -> Taken:
    version = offer.version
    refused = offer.code if offer.state == OfferState.FAILED else refused
    try:
        decision = decide(offer, version, policy)
    except storage.StorageFull:
        raise
    except KuraError as error:
        note_failure(offer, error)
        return Taken(offer, error=error)
    if not decision.fetch:
        return Taken(offer)
    try:
        saved = fetch_offer(offer, actor=actor, job=job, progress=progress, should_stop=should_stop)
        note_answered(offer, refused)
        if relate(saved.version) or saved.changed:
            assess_with_kin(saved.version)
    except storage.StorageFull:
        raise
    except KuraError as error:
        return Taken(offer, error=error)
    return Taken(offer, fetched=True)


def _pictures(version: Version, actor: str) -> Iterator[Taken]:
    """The author's pictures of a version that has bytes here; a picture without its adapter tells nothing."""
    if not version.files.filter(state=FileState.STORED).exists():
        return
    waiting = version.offers.filter(role=PICTURE).exclude(state=OfferState.STORED)
    for offer in waiting.select_related("version__adapter").order_by("pk"):
        try:
            fetch_picture(offer, actor=actor)
            yield Taken(offer, fetched=True)
        except storage.StorageFull:
            raise
        except KuraError as error:
            yield Taken(offer, error=error)


def _is_here(offer: OfferedFile) -> bool:
    return offer.state == OfferState.STORED and offer.blob is not None and storage.holds(offer.blob)


def _now_and_then(stopping: Stopping, every: float = 1.0) -> Stopping:
    """The same, asked at most once a second: it costs a query."""
    asked = 0.0

    def should_stop() -> bool:
        nonlocal asked
        moment = time.monotonic()
        if moment - asked < every:
            return False
        asked = moment
        return stopping()

    return should_stop


def _as_json(policy: TriagePolicy) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in asdict(policy).items()
    }
