"""Words for work: what a job does, how far it is, how fast, and how long it still takes."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Final

from django.template.defaultfilters import filesizeformat
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from inference.quarantine import CONVERT_JOB
from inference.services import RENDER_JOB
from registry.analysis import ANALYZE_JOB
from registry.housekeeping import HOUSEKEEPING_JOB
from registry.intake import FETCH_JOB
from registry.recheck import RECHECK_JOB
from registry.sync.subscriptions import SYNC_JOB
from registry.sync.terms_reread import REREAD_JOB

INGEST_JOB: Final = "registry.ingest"

KINDS: Final[dict[str, str | Promise]] = {
    INGEST_JOB: gettext_lazy("Take in"),
    FETCH_JOB: gettext_lazy("Fetch"),
    SYNC_JOB: gettext_lazy("Sync"),
    ANALYZE_JOB: gettext_lazy("Measure weights"),
    RECHECK_JOB: gettext_lazy("Decide anew"),
    RENDER_JOB: gettext_lazy("Render sheet"),
    CONVERT_JOB: gettext_lazy("Convert"),
    REREAD_JOB: gettext_lazy("Read terms again"),
    HOUSEKEEPING_JOB: gettext_lazy("Tidy up"),
}

STAGES: Final[dict[str, str | Promise]] = {
    "running": gettext_lazy("Running"),
    "pausing": gettext_lazy("Pausing …"),
    "canceling": gettext_lazy("Canceling …"),
    "queued": gettext_lazy("Waits for a worker"),
    "again": gettext_lazy("Tries again soon"),
    "paused": gettext_lazy("Paused"),
    "done": gettext_lazy("Done"),
    "failed": gettext_lazy("Failed"),
    "canceled": gettext_lazy("Canceled"),
}


def kind(code: str) -> str:
    """What a job of this kind does; a code that is not known shows itself."""
    return str(KINDS.get(code, code))


def stage(code: str) -> str:
    """Where a job stands."""
    return str(STAGES.get(code, code))


def amount(done: int, total: int | None) -> str:
    """`12.0 MB of 40.0 MB`; only what has come while the total is not known."""
    if total is None:
        return filesizeformat(done)
    return _("%(done)s of %(total)s") % {"done": filesizeformat(done), "total": filesizeformat(total)}


def speed(rate: int) -> str:
    """Bytes a second, `3.1 MB/s`; empty where nothing moves."""
    return _("%(size)s/s") % {"size": filesizeformat(rate)} if rate > 0 else ""


def time_left(left: timedelta | None) -> str:
    """`40 s left`, `3 min left`, `2 h 10 min left`: as exact as it is true; empty for None."""
    if left is None:
        return ""
    seconds = max(math.ceil(left.total_seconds()), 1)
    if seconds < 60:
        return ngettext("%(count)d s left", "%(count)d s left", seconds) % {"count": seconds}
    minutes = math.ceil(seconds / 60)
    if minutes < 60:
        return ngettext("%(count)d min left", "%(count)d min left", minutes) % {"count": minutes}
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return _("%(hours)d h %(minutes)d min left") % {"hours": hours, "minutes": minutes}
    days = math.ceil(hours / 24)
    return ngettext("%(count)d day left", "%(count)d days left", days) % {"count": days}
