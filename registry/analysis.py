"""Measures the weights of stored files: statistics of each blob, differences to the version before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from registry.checks import latest_inspection
from registry.errors import KuraError
from registry.jobs import enqueue
from registry.main_files import MEASURABLE, main_file, main_files
from registry.models import (
    Analysis,
    AnalysisState,
    Blob,
    File,
    Job,
    JobState,
    Version,
    VersionDiff,
)
from registry.sources.text import json_value
from registry.storage import local_path
from registry.version_diff import moment, version_after, version_before
from registry.weights.base_norms import shipped_norms
from registry.weights.statistics import EDITION, statistics_of
from registry.weights.versions import EDITION as DIFF_EDITION
from registry.weights.versions import diff_weights

ANALYZE_JOB = "registry.analyze"
# A version with more weight files than this is a dump of a folder; the first ones are measured.
MOST_FILES = 8

# A measuring waits behind whatever a person waits for.
_PRIORITY = 10

Progress = Callable[[int, int], None]
Pause = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """How far the measuring of one thing is. `state`: done, failed, running, queued, missing, no_file.

    `row` is there when done or failed; `code` and `message` when failed.
    """

    state: str
    row: Analysis | VersionDiff | None = None
    code: str = ""
    message: str = ""

    @property
    def data(self) -> dict[str, Any] | None:
        """The numbers, when they are there."""
        return self.row.data if self.row is not None and self.state == "done" else None


# --- Asking -------------------------------------------------------------------------------------------------


def request_analysis(version: Version) -> Job | None:
    """Have a worker measure the version's files and compare them with the versions beside it.

    None when it has no file to measure. Asking again for the same files changes nothing.
    """
    if main_file(version) is None:
        return None
    return enqueue(
        ANALYZE_JOB, _job_key(version), payload={"version": version.pk}, priority=_PRIORITY, max_attempts=2
    )


def request_diff(one: Version, other: Version) -> Job | None:
    """Have a worker compare the main files of two versions of an adapter; None when there is nothing to."""
    pair = _pair(one, other)
    if pair is None:
        return None
    key = f"{one.pk}-{other.pk}:{_digest(DIFF_EDITION, *(blob.pk for blob in pair))}"
    payload = {"version": one.pk, "against": other.pk}
    return enqueue(ANALYZE_JOB, key, payload=payload, priority=_PRIORITY, max_attempts=2)


def request_missing(*, limit: int = 200) -> int:
    """Ask for every version whose files nobody has measured nor asked for; at most `limit` of them."""
    return sum(request_analysis(version) is not None for version in unmeasured()[:limit])


def unmeasured() -> QuerySet[Version]:
    """Versions with a stored adapter file that this edition has not looked at, the oldest first."""
    looked_at = Analysis.objects.filter(blob=OuterRef("blob"), edition=EDITION)
    files = File.objects.filter(MEASURABLE, ~Exists(looked_at), version=OuterRef("pk"))
    return Version.objects.filter(Exists(files)).order_by("pk")


# --- Doing --------------------------------------------------------------------------------------------------


def analyze(
    version: Version,
    *,
    again: bool = False,
    progress: Progress = lambda done, total: None,
    pause: Pause = lambda: None,
) -> list[Analysis | VersionDiff]:
    """Measure the version's files, and its main file against those of the versions just before and after it.

    What this edition has measured is left as it is unless `again`. A file that cannot be measured gets a row
    that says why. `pause` is called between two files and may raise to stop there. Raises KuraErrors that may
    pass by themselves, such as a storage that is away.
    """
    steps = list(_steps(version))
    rows: list[Analysis | VersionDiff] = []
    for done, blobs in enumerate(steps):
        pause()
        progress(done, len(steps))
        rows.append(analyze_blob(*blobs, again=again) if len(blobs) == 1 else diff_blobs(*blobs, again=again))
    progress(len(steps), len(steps))
    return rows


def compare(one: Version, other: Version) -> VersionDiff | None:
    """How the main files of two versions differ, the older one first; None without two different ones."""
    pair = _pair(one, other)
    return diff_blobs(*pair) if pair is not None else None


def analyze_blob(blob: Blob, *, again: bool = False) -> Analysis:
    """The statistics of one blob as a row, computed unless this edition has them.

    Strength against the base is told where the norms of the family's base come with Kura.
    """
    row = None if again else Analysis.objects.filter(blob=blob, edition=EDITION).first()
    if row is None:
        reading = latest_inspection(blob.pk)
        family = reading.family if reading else "unknown"
        values = _outcome(
            lambda: statistics_of(local_path(blob), norms=shipped_norms(family), base=family).as_dict()
        )
        row, _ = Analysis.objects.update_or_create(blob=blob, edition=EDITION, defaults=values)
    return row


def diff_blobs(old: Blob, new: Blob, *, again: bool = False) -> VersionDiff:
    """How the weights of two different blobs differ, as a row, computed unless this edition has it."""
    row = None if again else VersionDiff.objects.filter(old=old, new=new, edition=DIFF_EDITION).first()
    if row is None:
        values = _outcome(lambda: diff_weights(local_path(old), local_path(new)).as_dict())
        row, _ = VersionDiff.objects.update_or_create(old=old, new=new, edition=DIFF_EDITION, defaults=values)
    return row


def _outcome(compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        values = {"state": AnalysisState.DONE, "data": json_value(compute()), "code": "", "message": ""}
    except KuraError as error:
        if not error.permanent:
            raise
        values = {"state": AnalysisState.FAILED, "data": {}, "code": error.code, "message": error.message}
    return values | {"created": timezone.now()}


def _steps(version: Version) -> Iterator[tuple[Blob, ...]]:
    """One blob to measure, or two to compare, the older first."""
    for file in version.files.filter(MEASURABLE).select_related("blob")[:MOST_FILES]:
        yield (file.blob,)
    for other in (version_before(version), version_after(version)):
        pair = _pair(version, other) if other is not None else None
        if pair is not None:
            yield pair


def _pair(one: Version, other: Version) -> tuple[Blob, Blob] | None:
    """The blobs to compare two versions by, the older version's first; None without two different ones."""
    found = main_files((one, other))
    blobs = [found[each.pk].blob for each in sorted((one, other), key=moment) if each.pk in found]
    return (blobs[0], blobs[1]) if len({blob.pk for blob in blobs}) == 2 else None


# --- Rows ---------------------------------------------------------------------------------------------------


def measured(version: Version, blob: Blob | str) -> Measured:
    """How far the statistics of a blob of the version are: one query, two while there are none."""
    sha256 = blob if isinstance(blob, str) else blob.pk
    rows = Analysis.objects.filter(blob=sha256).order_by("-created", "-id")[:10]
    return _standing(list(rows)) or _job_standing(f"{version.pk}:")


def measured_diff(one: Version, other: Version, old: Blob | str, new: Blob | str) -> Measured:
    """How far the comparison of two versions by these blobs is: one query, two while there is none."""
    rows = VersionDiff.objects.filter(old=old, new=new).order_by("-created", "-id")[:10]
    return _standing(list(rows)) or _job_standing(f"{one.pk}-{other.pk}:", f"{other.pk}-{one.pk}:")


def _standing(rows: Sequence[Analysis | VersionDiff]) -> Measured | None:
    # Numbers of an older edition are better than the failure of a newer one.
    row = next((each for each in rows if each.state == AnalysisState.DONE), rows[0] if rows else None)
    if row is None:
        return None
    return Measured(row.state, row, row.code, row.message)


def _job_standing(*keys: str) -> Measured:
    """What becomes of the newest job whose key starts like one of these."""
    asked = Q()
    for key in keys:
        asked |= Q(key__startswith=key)
    job = Job.objects.filter(asked, kind=ANALYZE_JOB).order_by("-created", "-id").first()
    if job is None or job.state in {JobState.DONE, JobState.CANCELED}:
        return Measured("missing")
    if job.state == JobState.FAILED:
        return Measured("failed", None, job.error_code, job.error_message)
    return Measured("running" if job.state == JobState.RUNNING else "queued")


def _job_key(version: Version) -> str:
    """Another key for other bytes or another edition: a job that is over must not stand in its way."""
    blobs = version.files.filter(MEASURABLE).order_by("blob").values_list("blob", flat=True)
    return f"{version.pk}:{_digest(EDITION, DIFF_EDITION, *blobs)}"


def _digest(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
