"""The card of recommended settings in the reader's language: what to set, who says so, how many pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from catalog.pages.numbers import list_of, number, percent
from catalog.recommended import PageLine, Recommended, Setting, Weight

_SETTINGS: Final[dict[str, str | Promise]] = {
    "sampler": gettext_lazy("Sampler"),
    "scheduler": gettext_lazy("Scheduler"),
    "size": gettext_lazy("Picture size"),
    "checkpoint": gettext_lazy("Checkpoint"),
    "steps": gettext_lazy("Steps"),
    "cfg": gettext_lazy("CFG scale"),
    "guidance": gettext_lazy("Guidance"),
    "clip_skip": gettext_lazy("Clip skip"),
}
_LINES: Final[dict[str, str | Promise]] = {
    "version_differences": gettext_lazy("Says what is new in this version"),
    "samples_reproducible": gettext_lazy("Pictures can be made again"),
    "dependencies": gettext_lazy("Names what it needs"),
    "update_history": gettext_lazy("Dates and notes of its versions"),
    "trigger_words": gettext_lazy("States trigger words"),
    "recommended_settings": gettext_lazy("States settings"),
    "license": gettext_lazy("States its terms"),
}
_STATES: Final[dict[str, str | Promise]] = {
    "yes": gettext_lazy("yes"),
    "partly": gettext_lazy("partly"),
    "no": gettext_lazy("no"),
    "not_applicable": gettext_lazy("does not apply"),
}
_ICONS: Final = {"yes": "check", "partly": "conditional", "no": "forbidden", "not_applicable": "silent"}
_LONGEST: Final = 160


@dataclass(frozen=True)
class ShownWeight:
    """A weight with its range and the evidence behind it. `quotes`: the author's own words."""

    value: str
    range: str
    source: str
    evidence: str
    quotes: tuple[str, ...]


@dataclass(frozen=True)
class ShownLine:
    """One line of a list: what, its value, and what stands behind it."""

    label: str
    value: str
    evidence: str = ""
    icon: str = ""
    state: str = ""


@dataclass(frozen=True)
class ShownRecommended:
    """The card. `others`: what other sources say of the weight; `score` is empty without a page."""

    weight: ShownWeight
    others: list[ShownWeight]
    settings: list[ShownLine]
    pictures: str
    score: str
    page: list[ShownLine]


def show_recommended(found: Recommended) -> ShownRecommended:
    """The card of a version; no query."""
    return ShownRecommended(
        weight=_weight(found.weight),
        others=[_weight(each) for each in found.weights if each is not found.weight],
        settings=[_setting(each) for each in found.settings],
        pictures=_pictures(found),
        score="" if found.score is None else percent(found.score),
        page=[_page_line(each) for each in found.page],
    )


def plain(value: float) -> str:
    """0.8, 1.0, 0.75: as it is written into a prompt in any language."""
    return str(round(value, 2))


def _weight(each: Weight) -> ShownWeight:
    span = "" if each.low is None or each.high is None else f"{plain(each.low)} – {plain(each.high)}"
    sources = {
        "author": _("The author says"),
        "pictures": _("The author's pictures"),
        "sheet": _("The sheet rendered here"),
        "usual": _("Nobody says; this is the usual one"),
    }
    return ShownWeight(
        plain(each.default), span, sources.get(each.source, each.source), _weight_evidence(each), each.wording
    )


def _weight_evidence(each: Weight) -> str:
    count = {"count": each.count}
    if each.source == "author":
        return ngettext("%(count)d statement", "%(count)d statements", each.count) % count
    if each.source == "pictures":
        told = ngettext("%(count)d picture uses it", "%(count)d pictures use it", each.count) % count
        names = {
            "version": _("by its version"),
            "hash": _("by its hash"),
            "name": _("by its file name"),
            "only": _("as the only LoRA, under another name"),
        }
        named = [f"{names[how]}: {many}" for how, many in each.named_by.items() if how in names]
        return f"{told} ({_(', ').join(named)})" if named else told
    if each.source == "sheet":
        return ngettext("%(count)d picture compared", "%(count)d pictures compared", each.count) % count
    return ""


def _setting(each: Setting) -> ShownLine:
    label = str(_SETTINGS.get(each.name, each.name))
    if each.value is not None:
        told = ngettext("%(count)d of %(of)d picture", "%(count)d of %(of)d pictures", each.of)
        return ShownLine(label, each.value, told % {"count": each.count, "of": each.of})
    assert each.default is not None
    value = f"{each.default:g}"
    if each.low is not None and each.high is not None and each.low < each.high:
        value = _("%(middle)s (%(low)s to %(high)s)") % {
            "middle": value,
            "low": f"{each.low:g}",
            "high": f"{each.high:g}",
        }
    told = ngettext("%(count)d picture", "%(count)d pictures", each.count)
    return ShownLine(label, value, told % {"count": each.count})


def _pictures(found: Recommended) -> str:
    if not found.shown:
        return ""
    return _(
        "Of %(shown)d pictures %(told)d tell how they were made, %(again)d well enough to be made again."
    ) % {
        "shown": found.shown,
        "told": found.told,
        "again": found.reproducible,
    }


def _page_line(each: PageLine) -> ShownLine:
    return ShownLine(
        str(_LINES.get(each.code, each.code)),
        _found(each.code, each.found),
        icon=_ICONS[each.state],
        state=str(_STATES[each.state]),
    )


def _found(code: str, found: Mapping[str, Any]) -> str:
    """What was found for a line of the checklist: the author's words, or counts."""
    if code == "version_differences":
        return _short(found.get("notes"))
    if code == "samples_reproducible":
        return _("%(count)d of %(of)d pictures") % {
            "count": _count(found, "count"),
            "of": _count(found, "of"),
        }
    if code == "dependencies":
        return _short(
            _(", ").join(
                str(each) for each in [found.get("base"), *list_of(found.get("checkpoints"))] if each
            )
        )
    if code == "update_history":
        return _("%(dated)d of %(versions)d dated, %(noted)d with notes") % {
            name: _count(found, name) for name in ("dated", "versions", "noted")
        }
    if code == "trigger_words":
        return _short(_(", ").join(str(each) for each in list_of(found.get("words"))))
    if code == "recommended_settings":
        return _short(" · ".join(str(each) for each in list_of(found.get("wording"))))
    if code == "license":
        if found.get("flags_are_default"):
            return _("permissions as the upload form presets them")
        return _short(" · ".join(str(each) for each in list_of(found.get("wording"))))
    return ""


def _short(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _count(found: Mapping[str, Any], name: str) -> int:
    return int(number(found.get(name)) or 0)
