"""Subscriptions: made, changed, and put to work when they are due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import DurationField, ExpressionWrapper, F, Q
from django.utils import timezone

from registry import jobs
from registry.ledger import audit
from registry.models import Job, Subscription
from registry.sources.text import line, text
from registry.sync.clients import kinds_of
from registry.sync.errors import BadSubscription, SubscriptionNotFound
from registry.triage import house_policy

SYNC_JOB: Final = "registry.sync"
DAY: Final = 1440
YEAR: Final = 366 * DAY


@transaction.atomic
def subscribe(
    source: str,
    kind: str,
    target: str,
    *,
    actor: str,
    title: str = "",
    every_minutes: int = DAY,
    fetch: bool = True,
    policy: Mapping[str, Any] | None = None,
) -> Subscription:
    """Follow something upstream; where that is done already, with these settings from now on.

    `policy`: what is fetched, where that differs from the house's. Raises BadSubscription and BadPolicy.
    """
    target = target.strip()
    if not target or len(target) > 500 or target != text(target, 500):
        raise BadSubscription("Name what is to be followed, in at most 500 characters.")
    if not 1 <= every_minutes <= YEAR:
        raise BadSubscription("Between two runs there must be a minute at least, and a year at most.")
    known = kinds_of(source)
    if kind not in known:
        raise BadSubscription(f"{source} has no {kind!r} to follow. It has: {', '.join(sorted(known))}.")
    house_policy().with_changes(policy or {})
    values = {
        "title": line(title, 300),
        "every_minutes": every_minutes,
        "fetch": fetch,
        "policy": dict(policy or {}),
        "active": True,
    }
    subscription, made = Subscription.objects.get_or_create(
        source=source, kind=kind, target=target, defaults=values | {"created_by": actor[:150]}
    )
    if not made:
        for name, value in values.items():
            setattr(subscription, name, value)
        subscription.save(update_fields=list(values))
    audit(actor, "subscribe", f"subscription:{subscription.pk}", source=source, kind=kind, target=target)
    return subscription


def find(subscription_id: int) -> Subscription:
    """The subscription with this id. Raises SubscriptionNotFound."""
    found = Subscription.objects.filter(pk=subscription_id).first()
    if found is None:
        raise SubscriptionNotFound(f"There is no subscription {subscription_id}.")
    return found


@transaction.atomic
def pause(subscription: Subscription, *, actor: str) -> None:
    """Do not follow it until somebody resumes it; what it brought stays, and an open run's place."""
    _activate(subscription, False, actor)


@transaction.atomic
def resume(subscription: Subscription, *, actor: str) -> None:
    """Follow it again, from where it stopped."""
    _activate(subscription, True, actor)


@transaction.atomic
def unsubscribe(subscription: Subscription, *, actor: str) -> None:
    """Forget the subscription and its reports. Nothing that it brought is deleted."""
    # In the order in which a run takes them: it notices at its next step, and lets go.
    list(subscription.runs.select_for_update().order_by("pk").values_list("pk", flat=True))
    audit(actor, "unsubscribe", f"subscription:{subscription.pk}", target=str(subscription))
    subscription.delete()


def request_sync(subscription: Subscription) -> Job:
    """Let a worker run it now; the job that there is already, if one waits or runs."""
    return jobs.enqueue(
        SYNC_JOB,
        f"subscription:{subscription.pk}",
        payload={"subscription": subscription.pk},
        again=True,
    )


def request_due(now: datetime | None = None) -> list[Job]:
    """Put every subscription to work that is due; called again and again by the scheduler.

    A time so far ahead that no run can have set it is a clock's that went wrong; that one is due, too.
    """
    moment = now or timezone.now()
    interval = ExpressionWrapper(F("every_minutes") * timedelta(minutes=1), output_field=DurationField())
    astray = Q(due__gt=moment + interval + timedelta(minutes=2 * DAY))
    due = Subscription.objects.filter(Q(due__lte=moment) | astray, active=True).order_by("due", "pk")
    return [request_sync(subscription) for subscription in due]


def _activate(subscription: Subscription, active: bool, actor: str) -> None:
    subscription.active = active
    subscription.save(update_fields=["active"])
    audit(actor, "resume_subscription" if active else "pause_subscription", f"subscription:{subscription.pk}")
