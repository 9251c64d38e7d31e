"""How a version's verdicts have changed: dated, with what became tighter or looser, why, and evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from registry.models import Direction, TermsEvent, VerdictChange, Version

# A change of terms touches every act at most, and no page grows without end.
MOST_CHANGES: Final = 130
MOST_SHOWN: Final = 10
_WHAT: Final = {
    "base_model": gettext_noop("Base model"),
    "base_license": gettext_noop("License of the base model"),
    "components": gettext_noop("Parts of the base model"),
    "base_conflict": gettext_noop("Declared against detected base"),
    "license": gettext_noop("License of the adapter"),
    "license_now": gettext_noop("License of the adapter today"),
    "civitai": gettext_noop("Permissions on Civitai"),
    "extra": gettext_noop("The author's own words"),
    "rights": gettext_noop("Rights in the material"),
    "concluded": gettext_noop("A reviewer's conclusion"),
    "author_replies": gettext_noop("The author's reply"),
    "expires": gettext_noop("The author's reply has ended"),
    "overlays": gettext_noop("Guidelines for its tags"),
    "engine": gettext_noop("A newer release of Kura reads the terms differently"),
}


@dataclass(frozen=True)
class Cited:
    """A snapshot that was read, or a person's decision (`snapshot` is None)."""

    snapshot: int | None
    url: str
    sha256: str
    at: datetime | None


@dataclass(frozen=True)
class TermsEntry:
    """One change of terms with the acts it changed. `way` of the whole: tighter, looser, unknown or other."""

    at: datetime
    cause: str
    way: str
    why: list[str]
    before: list[Cited]
    after: list[Cited]
    changes: list[VerdictChange] = field(default_factory=list)


def read_terms_history(version: Version) -> list[TermsEntry]:
    """The newest changes first, in one query."""
    rows = VerdictChange.objects.filter(version=version).select_related("event").order_by("-event_id", "id")
    by_event: dict[int, list[VerdictChange]] = {}
    for row in rows[:MOST_CHANGES]:
        by_event.setdefault(row.event_id, []).append(row)
    return [_entry(changes) for changes in by_event.values()][:MOST_SHOWN]


def _entry(changes: list[VerdictChange]) -> TermsEntry:
    event = changes[0].event
    return TermsEntry(
        at=event.at,
        cause=event.get_cause_display(),
        way=_way(change.direction for change in changes),
        why=[_in_words(each) for each in event.why],
        before=_cited(event, "before"),
        after=_cited(event, "after"),
        changes=changes,
    )


def _way(directions: Iterable[str]) -> str:
    """The way of the whole: what a reader must not miss comes first."""
    found = set(directions)
    order = (Direction.TIGHTER, Direction.LOST, Direction.OTHER, Direction.LOOSER)
    return str(next((way for way in order if way in found), Direction.OTHER))


def _in_words(why: dict[str, Any]) -> str:
    """`flux-1-dev-nc-1.1.1, revision 2 → 3`, or what of the terms was stated differently."""
    kind, name = why.get("kind"), str(why.get("id", ""))
    if kind not in ("license", "rule") or name in _WHAT:
        return _(_WHAT[name]) if name in _WHAT else name
    before, after = (side[0] if side else None for side in (why.get("before"), why.get("after")))
    if before is None:
        return _("%(name)s, new") % {"name": name}
    if after is None:
        return _("%(name)s, gone") % {"name": name}
    return _("%(name)s, revision %(before)s → %(after)s") % {"name": name, "before": before, "after": after}


def _cited(event: TermsEvent, side: str) -> list[Cited]:
    return [
        Cited(each["snapshot"], each["url"] or "", each["sha256"] or "", parse_datetime(each["at"]))
        for each in event.evidence.get(side, [])
    ]
