"""Asks for the terms of known adapters again on a schedule, whether or not a subscription lists them.

Authors change permissions without a new version. What is said now is kept beside what was said; where it got
tighter, verdicts, review items and notices follow by themselves (registry/history.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from registry import jobs
from registry.errors import KuraError
from registry.models import Adapter, File, Job, UpstreamItem
from registry.sources.upstream_errors import UpstreamError
from registry.sync.clients import CLIENTS
from registry.sync.keeping import ACTOR
from registry.sync.upstream_state import ask

REREAD_JOB: Final = "registry.reread_terms"
_KEY: Final = "all"
# After so many refusals in a row it is the upstream, not the adapter, that has a problem.
_MOST_IN_A_ROW: Final = 5
_LATER: Final = timedelta(days=1)


@dataclass(slots=True)
class Reread:
    """What came of asking again. `failed`: code -> how many; `waits`: an upstream asked for patience."""

    asked: int = 0
    changed: int = 0
    absent: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    waits: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {
            "asked": self.asked,
            "changed": self.changed,
            "absent": self.absent,
            "failed": dict(self.failed),
            "waits": self.waits,
        }


def due(now: datetime | None = None, limit: int = 1000) -> list[UpstreamItem]:
    """Adapters whose terms were last read more than TERMS_REREAD_DAYS ago, those with files here first.

    Everything that came from an upstream is among them, also what was taken in by itself.
    """
    held = File.objects.filter(version__adapter=OuterRef("adapter"))
    ordered = _old(now or timezone.now()).annotate(held=Exists(held)).order_by("-held", "read", "pk")
    return list(ordered.select_related("adapter")[:limit])


def reread(
    items: list[UpstreamItem],
    *,
    actor: str = ACTOR,
    progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Reread:
    """Ask for each of these adapters; one that cannot be had is counted, and the rest goes on.

    An upstream that fails again and again is left alone, the others are asked: what was not asked stays due.
    """
    done, in_a_row = Reread(), Counter[str]()
    for number, item in enumerate(items, 1):
        if should_stop():
            break
        if in_a_row[item.source] >= _MOST_IN_A_ROW:
            continue
        try:
            asked = ask(item, actor=actor)
        except KuraError as error:
            done.failed[error.code] += 1
            now = timezone.now()
            if isinstance(error, UpstreamError) and not error.permanent:
                in_a_row[item.source] += 1
                done.waits |= in_a_row[item.source] >= _MOST_IN_A_ROW
                # Tomorrow, after those that have not been asked: one that never answers holds nobody up.
                now -= timedelta(days=settings.TERMS_REREAD_DAYS) - _LATER
            # Else nothing would come of asking for it again tomorrow.
            UpstreamItem.objects.filter(pk=item.pk).update(read=now)
            continue
        in_a_row[item.source] = 0
        done.asked += 1
        done.changed += bool(asked.kept and asked.kept.versions)
        done.absent += bool(asked.absent)
        progress(number, len(items))
    return done


def request_reread() -> Job | None:
    """Let a worker ask for what is due; None where nothing is. Called again and again by the scheduler."""
    if not _old(timezone.now()).exists():
        return None
    return jobs.enqueue(REREAD_JOB, _KEY, again=True)


def _old(now: datetime) -> QuerySet[UpstreamItem]:
    _remember_others()
    before = now - timedelta(days=settings.TERMS_REREAD_DAYS)
    # A time that has not come is a clock's that went wrong.
    asked = Q(read__lt=before) | Q(read__gt=now + _LATER)
    return UpstreamItem.objects.filter(asked, source__in=CLIENTS).exclude(adapter=None)


def _remember_others() -> None:
    """A row for each adapter of an upstream that no sync has met, as old as the adapter itself."""
    unknown = Adapter.objects.filter(source__in=CLIENTS, upstream_item=None)
    for adapter in unknown.only("source", "source_key", "created").iterator(chunk_size=500):
        UpstreamItem.objects.get_or_create(
            source=adapter.source,
            key=adapter.source_key,
            defaults={"adapter": adapter, "read": adapter.created, "seen": adapter.created},
        )
    # A row that a failed item left behind, whose adapter was taken in some other way since.
    same = Adapter.objects.filter(source=OuterRef("source"), source_key=OuterRef("key"))
    for item in UpstreamItem.objects.filter(Exists(same), adapter=None):
        item.adapter = Adapter.objects.get(source=item.source, source_key=item.key)
        item.save(update_fields=["adapter"])
