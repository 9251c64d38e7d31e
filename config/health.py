"""Pages for machines: alive, ready, and numbers for Prometheus."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.core.files.storage import storages
from django.db import connection
from django.db.models import Count, Min
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.celery import app
from registry.models.jobs import Job, JobQueue, JobState

logger = logging.getLogger(__name__)


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether everything a page needs is there; 503 names what is not, without details for strangers."""
    answers = {name: _answers(name, look) for name, look in LOOKS.items()}
    ready = all(answers.values())
    return JsonResponse(
        {"ready": ready, **{name: "ok" if ok else "away" for name, ok in answers.items()}},
        status=200 if ready else 503,
    )


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Jobs by queue and state, and how long the oldest has waited, in Prometheus' text format."""
    counts = {
        (row["queue"], row["state"]): row["rows"]
        for row in Job.objects.values("queue", "state").order_by().annotate(rows=Count("pk"))
    }
    oldest = dict(
        Job.objects.filter(state=JobState.QUEUED)
        .exclude(not_before__gt=Now())
        .order_by()
        .values_list("queue")
        .annotate(since=Min("created"))
    )
    lines = ["# HELP kura_jobs Jobs by queue and state.", "# TYPE kura_jobs gauge"]
    for queue in JobQueue.values:
        for state in JobState.values:
            lines.append(f'kura_jobs{{queue="{queue}",state="{state}"}} {counts.get((queue, state), 0)}')
    lines += [
        "# HELP kura_oldest_waiting_job_seconds Age of the oldest job that could start now.",
        "# TYPE kura_oldest_waiting_job_seconds gauge",
    ]
    now = timezone.now()
    for queue in JobQueue.values:
        age = max((now - oldest[queue]).total_seconds(), 0) if queue in oldest else 0
        lines.append(f'kura_oldest_waiting_job_seconds{{queue="{queue}"}} {age:.1f}')
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4; charset=utf-8")


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _broker() -> None:
    with app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=2)
        broker.default_channel  # noqa: B018 - opening it is the question


def _storage() -> None:
    storages["blobs"].exists("readyz")


LOOKS: dict[str, Callable[[], None]] = {"database": _database, "broker": _broker, "storage": _storage}


def _answers(name: str, look: Callable[[], None]) -> bool:
    try:
        look()
    except Exception:
        # Whatever is wrong with it: the page says that it is away, the log says why.
        logger.exception("%s is not ready", name)
        return False
    return True
