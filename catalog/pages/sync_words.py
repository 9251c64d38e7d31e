"""Words for following upstreams: where a subscription stands, why adapters were skipped, how often."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from registry.models import SubscriptionKind
from registry.sync.run import NO_VERSIONS, NOTHING_NEW, UNCHANGED

# As they stand in the form: what people follow most comes first.
KIND_ORDER: Final = [
    SubscriptionKind.CREATOR,
    SubscriptionKind.ADAPTER,
    SubscriptionKind.REPO,
    SubscriptionKind.TAG,
    SubscriptionKind.QUERY,
    SubscriptionKind.COLLECTION,
    SubscriptionKind.CATALOG,
    SubscriptionKind.FOLDER,
]

STAGES: Final[dict[str, str | Promise]] = {
    "new": _("Not run yet"),
    "queued": _("Waits for a worker"),
    "running": _("Running"),
    "paused": _("Paused"),
    "stopped": _("Stopped, goes on later"),
    "done": _("Done"),
    "failed": _("Failed"),
}

REASONS: Final[dict[str, str | Promise]] = {
    UNCHANGED: _("unchanged since the last run"),
    NOTHING_NEW: _("nothing new in it"),
    NO_VERSIONS: _("has no version"),
}

# Minutes between two runs that the form offers.
INTERVALS: Final = (60, 360, 1440, 10_080, 43_200)


def stage(code: str) -> str:
    """Where a subscription stands."""
    return str(STAGES.get(code, code))


def reason(code: str) -> str:
    """Why adapters were skipped; the code of an error shows itself."""
    return str(REASONS.get(code, code))


def every(minutes: int) -> str:
    """How often: `every hour`, `every 6 hours`, `every day`, `every 7 days`."""
    if minutes % 1440 == 0:
        days = minutes // 1440
        return ngettext("every day", "every %(count)d days", days) % {"count": days}
    if minutes % 60 == 0:
        hours = minutes // 60
        return ngettext("every hour", "every %(count)d hours", hours) % {"count": hours}
    return ngettext("every minute", "every %(count)d minutes", minutes) % {"count": minutes}
