"""Filters of the jobs page and its tray: stages by word and shape, bytes, speed, and what may be done."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django import template
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.pages import job_words, sync_words
from catalog.pages.reading.jobs import JobCounts, JobLine
from registry.models import Availability, OfferState, Transfer

register = template.Library()

_ICONS: Final = {
    "running": "download",
    "again": "clock",
    "queued": "clock",
    "paused": "pause",
    "pausing": "pause",
    "canceling": "close",
    "canceled": "close",
    "done": "check",
    "failed": "forbidden",
}
_TONES: Final = {
    "done": "badge--good",
    "failed": "badge--bad",
    "again": "badge--wait",
    "running": "badge--on",
}


class Action(NamedTuple):
    """A button: the value that is sent, its icon and word, and whether it gives something up."""

    name: str
    icon: str
    word: str
    danger: bool = False


@register.filter
def actions(line: JobLine) -> list[Action]:
    """What may be done with the job now."""
    pause, resume = Action("pause", "pause", _("Pause")), Action("resume", "play", _("Resume"))
    cancel = Action("cancel", "close", _("Cancel"), True)
    again = Action("retry", "again", _("Try again"))
    return {
        "running": [pause, cancel],
        "pausing": [resume, cancel],
        "queued": [pause, Action("top", "up", _("Move to the top")), cancel],
        "again": [pause, cancel],
        "paused": [resume, cancel],
        "failed": [again],
        "canceled": [again],
    }.get(line.stage, [])


@register.filter
def stage_word(stage: str) -> str:
    """Where a job stands."""
    return job_words.stage(stage)


@register.filter
def stage_icon(stage: str) -> str:
    """The shape that goes with it, so that color is never alone."""
    return _ICONS.get(stage, "unknown")


@register.filter
def stage_tone(stage: str) -> str:
    """The badge class that goes with it."""
    return _TONES.get(stage, "")


@register.filter
def transfer_amount(transfer: Transfer) -> str:
    """`12.0 MB of 40.0 MB`."""
    return job_words.amount(transfer.done, transfer.total)


@register.filter
def transfer_speed(rate: int) -> str:
    """`3.1 MB/s`."""
    return job_words.speed(rate)


@register.filter
def time_left(left: timedelta | None) -> str:
    """`3 min left`."""
    return job_words.time_left(left)


@register.filter
def took(span: timedelta | None) -> str:
    """How long something took: `0:00:07`."""
    return "–" if span is None else str(timedelta(seconds=round(span.total_seconds())))


@register.filter
def ago(moment: datetime | None) -> str:
    """`5 minutes ago`; `just now` within a minute."""
    if moment is None:
        return ""
    if (timezone.now() - moment).total_seconds() < 60:
        return _("just now")
    return _("%(age)s ago") % {"age": timesince(moment)}


@register.filter
def is_future(moment: Any) -> bool:
    """Whether the moment is still to come."""
    return isinstance(moment, datetime) and moment > timezone.now()


@register.filter
def counts_sentence(counts: JobCounts) -> str:
    """What a screen reader is told when it changes."""
    active = ngettext("%(count)d job to do", "%(count)d jobs to do", counts.active) % {"count": counts.active}
    failed = ngettext("%(count)d failed", "%(count)d failed", counts.failed) % {"count": counts.failed}
    return f"{active}, {failed}"


# --- Following upstreams ------------------------------------------------------------------------------------

_SYNC_ICONS: Final = {"new": "clock", "stopped": "clock", "queued": "clock"}


@register.filter
def sync_stage_word(stage: str) -> str:
    """Where a subscription stands."""
    return sync_words.stage(stage)


@register.filter
def sync_icon(stage: str) -> str:
    """The shape that goes with it."""
    return _SYNC_ICONS.get(stage) or _ICONS.get(stage, "unknown")


@register.filter
def sync_tone(stage: str) -> str:
    """The badge class that goes with it."""
    return "badge--wait" if stage == "stopped" else _TONES.get(stage, "")


@register.filter
def sync_reason_word(code: str) -> str:
    """Why adapters were skipped or failed."""
    return sync_words.reason(code)


@register.filter
def every_word(minutes: int) -> str:
    """How often a subscription runs."""
    return sync_words.every(minutes)


@register.filter
def availability_word(code: str) -> str:
    """How a version stands upstream."""
    return str(Availability(code).label) if code in Availability else code


@register.filter
def offer_word(code: str) -> str:
    """What became of an offered file."""
    return str(OfferState(code).label) if code in OfferState else code


@register.filter
def size_delta(size: int) -> str:
    """`+12.0 MB`, `−3.0 MB`, with the sign always written."""
    return f"{'+' if size >= 0 else '−'}{filesizeformat(abs(size))}"
