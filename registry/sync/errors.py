"""What can go wrong with a subscription or a sync."""

from __future__ import annotations

from registry.errors import KuraError


class SyncError(KuraError):
    """Base of everything that can go wrong with a sync."""

    code = "sync_error"


class SubscriptionNotFound(SyncError):
    """No subscription with this id."""

    code = "subscription_not_found"
    next_step = "Take an id that `manage.py subscribe --list` prints."


class BadSubscription(SyncError):
    """An upstream has nothing of this kind to follow, or the target is empty."""

    code = "bad_subscription"
    next_step = "`manage.py subscribe --help` lists what each upstream has."


class ListingRefused(SyncError):
    """What an upstream says of an adapter cannot be kept; everything else of its page is."""

    code = "listing_refused"
    next_step = "It is tried again by the next run; report it if it stays so."


class CursorStuck(SyncError):
    """The upstream leads back to a page that was kept already, so its list would never end."""

    code = "cursor_stuck"
    permanent = False
    next_step = "What was listed is kept; the next run begins anew."


class RunTaken(SyncError):
    """Another process goes on with this run."""

    code = "run_taken"
    permanent = False
    next_step = "Nothing needs to be done; the other one finishes it."
