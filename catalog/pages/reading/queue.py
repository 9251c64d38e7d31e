"""Where a version stands in the review queue: how many wait, how long, and who comes before and after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.urls import reverse

from registry.models import Version
from registry.vetting import queue


@dataclass(frozen=True)
class QueuePlace:
    """A version and its neighbors in the queue. `version` is None when nothing waits or it does not exist."""

    version: Version | None
    waiting: int
    oldest: datetime | None
    position: int
    previous: int | None
    next: int | None

    @property
    def address(self) -> str:
        """The version's page in the queue; the queue itself when there is no version."""
        return (
            reverse("pages:review-version", args=[self.version.pk])
            if self.version
            else reverse("pages:review")
        )


def read_place(pk: int | None) -> QueuePlace:
    """The place of a version, or of the oldest waiting one. A decided version keeps its place in time."""
    waiting = queue()
    first = waiting.first()
    version: Version | None = first
    if pk is not None:
        related = ("adapter__creator", "base_declared", "base_decided", "terms_profile")
        version = Version.objects.select_related(*related).filter(pk=pk).first()
    total = waiting.count()
    if version is None:
        return QueuePlace(None, total, first.created if first else None, 0, None, None)
    earlier = Q(created__lt=version.created) | Q(created=version.created, pk__lt=version.pk)
    later = Q(created__gt=version.created) | Q(created=version.created, pk__gt=version.pk)
    ids = waiting.order_by().values_list("pk", flat=True)
    following = ids.filter(later).order_by("created", "pk").first()
    return QueuePlace(
        version=version,
        waiting=total,
        oldest=first.created if first else None,
        position=ids.filter(earlier).count() + 1,
        previous=ids.filter(earlier).order_by("-created", "-pk").first(),
        # After the last one the queue starts again, as long as something else waits there.
        next=following or (first.pk if first is not None and first.pk != version.pk else None),
    )
