"""The recorded items of a version as the review screen shows them: grouped, in words, with evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from catalog.pages import words
from registry.conclusions import RIGHTS_STATES, STATUSES, citable
from registry.licensing.items import GROUPS, ITEMS, Item
from registry.licensing.replies import MEDIA
from registry.licensing.vocabulary import CONDITIONS
from registry.models import BaseModel, ItemState, ReviewItem, Snapshot, Version
from registry.review_items import items_of, keep_items


@dataclass(frozen=True)
class ShownItem:
    """One row. `lines`: what holds, in words; `status`: of an act, for its mark; `stated`: what sources say
    where a reviewer or the author said something else."""

    item: Item
    row: ReviewItem
    status: str
    lines: list[str]
    stated: str

    @property
    def concluded(self) -> bool:
        return self.row.state == ItemState.CONCLUDED

    @property
    def open(self) -> bool:
        """Whether it is still to be asked or concluded."""
        return self.row.state in (ItemState.UNREAD, ItemState.STATED) and self.status in ("", "silent")

    @property
    def chip(self) -> str:
        """The badge class of its state; the word beside it says the same."""
        good = (ItemState.CONCLUDED, ItemState.ANSWERED)
        return "badge--good" if self.row.state in good else "badge--wait" if self.row.state == "asked" else ""


@dataclass(frozen=True)
class ItemGroup:
    """Rows of one kind under their head."""

    key: str
    label: str
    rows: list[ShownItem]


@dataclass(frozen=True)
class ItemsPanel:
    """All that the panel and its forms offer."""

    groups: list[ItemGroup]
    evidence: list[Snapshot]
    bases: list[BaseModel]

    @property
    def rows(self) -> list[ShownItem]:
        return [row for group in self.groups for row in group.rows]

    @property
    def settled(self) -> int:
        """How many items are concluded or answered."""
        return sum(row.row.state in (ItemState.CONCLUDED, ItemState.ANSWERED) for row in self.rows)

    @property
    def statuses(self) -> list[tuple[str, str]]:
        """What an act can be concluded to be."""
        return [(code, words.status(code) if code != "silent" else _("Stays unknown")) for code in STATUSES]

    @property
    def rights_states(self) -> list[tuple[str, str]]:
        return [(code, rights_word(code)) for code in RIGHTS_STATES]

    @property
    def conditions(self) -> list[tuple[str, str]]:
        """Conditions without a parameter: what a person can choose from a list."""
        return [(kind.wire, words.condition(name)) for name, kind in CONDITIONS.items() if not kind.parameter]

    @property
    def media(self) -> list[tuple[str, str]]:
        return [(medium, medium_word(medium)) for medium in MEDIA]


def read_items(version: Version) -> ItemsPanel:
    """The panel of one version; rows that were never made are made now."""
    rows = {row.key: row for row in items_of(version)}
    if len(rows) < len(ITEMS):
        rows = {row.key: row for row in keep_items(version)}
    shown = [_shown(item, rows[key]) for key, item in ITEMS.items() if key in rows]
    groups = [
        ItemGroup(key, _(label), [each for each in shown if each.item.group == key])
        for key, label in GROUPS.items()
    ]
    bases = list(BaseModel.objects.filter(license__isnull=False).order_by("name")[:300])
    return ItemsPanel(groups, citable(version), bases)


def medium_word(medium: str) -> str:
    """web, print or video."""
    names = {
        "web": pgettext("medium", "web"),
        "print": pgettext("medium", "print"),
        "video": pgettext("medium", "video"),
    }
    return names.get(medium, medium)


def rights_word(state: str) -> str:
    """The state of rights in the material."""
    names = {
        "cleared": _("Cleared"),
        "unknown": _("Not known"),
        "uncleared": _("Not cleared"),
        "refused": _("Refused"),
    }
    return names.get(state, state)


def value_lines(item: Item, value: Mapping[str, Any]) -> list[str]:
    """A value of an item in words; none where nothing is known."""
    if not value:
        return []
    if item.kind == "act":
        return _act_lines(value)
    if item.kind == "credit":
        return _credit_lines(value)
    if item.kind == "base":
        return _base_lines(value)
    return _rights_lines(value)


def _shown(item: Item, row: ReviewItem) -> ShownItem:
    status = str(row.value.get("status", "")) if item.kind == "act" else ""
    differs = row.value != row.stated and row.stated
    stated = ""
    if differs and item.kind == "act":
        stated = words.status(str(row.stated.get("status", "")))
    elif differs:
        stated = "; ".join(value_lines(item, row.stated))
    return ShownItem(item, row, status, value_lines(item, row.value), stated)


def _act_lines(value: Mapping[str, Any]) -> list[str]:
    lines = [words.condition(each) for each in value.get("conditions") or []]
    if places := value.get("territories"):
        lines.append(_("Only in: %(places)s") % {"places": ", ".join(places)})
    if media := value.get("media"):
        lines.append(_("Only for: %(media)s") % {"media": ", ".join(map(medium_word, media))})
    if ends := value.get("expires"):
        lines.append(_("Until %(date)s") % {"date": ends})
    return lines


def _credit_lines(value: Mapping[str, Any]) -> list[str]:
    if not value.get("required"):
        return [_("Not required")]
    lines = [_("Required")]
    if wording := value.get("wording"):
        lines.append(f"“{wording}”")
    if links := value.get("links"):
        lines.append(", ".join(map(str, links)))
    if where := value.get("where"):
        lines.append(_("On: %(media)s") % {"media": ", ".join(map(medium_word, where))})
    return lines


def _base_lines(value: Mapping[str, Any]) -> list[str]:
    lines = [str(value.get("declared") or value.get("base") or _("Not declared"))]
    if detected := value.get("detected"):
        lines.append(_("Weights: %(family)s") % {"family": words.family(str(detected))})
    agreement = {"agree": _("They agree"), "differ": _("They disagree"), "open": _("Not compared")}
    if (told := value.get("agreement")) in agreement:
        lines.append(agreement[str(told)])
    lines.append(_("License: %(license)s") % {"license": value.get("license") or _("not known")})
    return lines


def _rights_lines(value: Mapping[str, Any]) -> list[str]:
    lines = [rights_word(str(value.get("state", "unknown")))]
    lines += [str(sign) for sign in value.get("signs") or []]
    notes = {
        "trained_on": _("Trained on: %(text)s"),
        "owner": _("Owner: %(text)s"),
        "person": _("Person shown: %(text)s"),
        "release": _("Release on file: %(text)s"),
        "purposes": _("Purposes: %(text)s"),
        "term": _("Term: %(text)s"),
        "note": _("The author says: %(text)s"),
    }
    lines += [text % {"text": value[name]} for name, text in notes.items() if value.get(name)]
    return lines
