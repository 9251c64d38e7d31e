"""The heads of a sheet's columns: what each applies in words, and what its pictures are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

_GROUPS: Final[dict[str, Promise]] = {
    "weight": gettext_lazy("Weight"),
    "sampler": gettext_lazy("Sampler"),
    "cfg": gettext_lazy("Guidance (CFG)"),
    "steps": gettext_lazy("Steps"),
    "seed": gettext_lazy("Seed"),
    "negative": gettext_lazy("Negative prompt"),
    "hires": gettext_lazy("Second pass"),
    "clip_skip": gettext_lazy("Clip skip"),
    "true_cfg": gettext_lazy("True guidance"),
    "block": gettext_lazy("One block alone"),
    "all": gettext_lazy("All together"),
    "whole": gettext_lazy("Whole adapter"),
    "single": gettext_lazy("Each alone"),
    "pair": gettext_lazy("Two together"),
    "earlier": gettext_lazy("Earlier version"),
    "this": gettext_lazy("This version"),
}
# What neighboring rows are there for, as recipes say it.
_ROW_GROUPS: Final[dict[str, Promise]] = {
    "seeds": gettext_lazy("One scene at several seeds"),
    "scenes": gettext_lazy("Other scenes at one seed"),
    "silent": gettext_lazy("The same without the trigger words"),
    "neutral": gettext_lazy("Neutral prompts"),
}
# Labels and notes of plans that are words; numbers, samplers, blocks and names stand as they are.
_WORDS: Final[dict[str, Promise]] = {
    "all": gettext_lazy("all"),
    "alone": gettext_lazy("alone"),
    "one pass": gettext_lazy("one pass"),
    "negative": gettext_lazy("negative prompt"),
    "no negative": gettext_lazy("none"),
    "author's negative": gettext_lazy("the author's"),
}
# Groups whose columns are weights of one adapter; whose labels need no group before them; of one column.
_WEIGHTS: Final = frozenset({"", "weight", "earlier", "this"})
_PLAIN: Final = frozenset({"", "weight", "single", "pair"})
_WHOLE: Final = frozenset({"all", "whole"})


@dataclass(frozen=True)
class Head:
    """One column as the pages show it. `twin` is the column of the base that is sampled alike, `own` whether
    the sheet's own adapter is the first that it applies, `opens` whether a group of columns begins here.
    """

    number: int
    role: str
    weight: float | None
    label: str
    note: str
    group: str
    twin: int
    opens: bool
    own: bool
    weights: str
    override: dict[str, Any]

    @property
    def group_name(self) -> str:
        """The group in words, "" for none."""
        return str(_GROUPS.get(self.group, self.group))

    @property
    def name(self) -> str:
        """The column in words that stand alone: Steps: 10, and its base: Base · Steps: 10."""
        if self.role == "base" and self.group:
            return f"{self.label} · {self._within(self.note)}"
        return self._within(self.label)

    def _within(self, label: str) -> str:
        if self.group in _PLAIN or not label:
            return label or self.group_name
        if self.group in _WHOLE:
            return self.group_name
        return _("%(group)s: %(label)s") % {"group": self.group_name, "label": label}


@dataclass(frozen=True)
class Span:
    """The heading over neighboring columns of one group, "" over those of none."""

    name: str
    width: int


def read_heads(columns: Sequence[dict[str, Any]], roles: dict[int, str]) -> list[Head]:
    """The heads of a stored plan's columns; `roles` has the role of every column, of a picture at least.

    Plans from before columns had labels give what their weights say.
    """
    base = next((number for number, role in sorted(roles.items()) if role == "base"), 0)
    blocks = any(column.get("group") == "block" for column in columns)
    found: list[Head] = []
    for number in sorted(roles):
        told = columns[number] if number < len(columns) else {}
        group = str(told.get("group") or "")
        group = "whole" if group == "all" and blocks else group
        opens = group != (found[-1].group if found else "")
        found.append(_head(number, roles[number], told, group=group, opens=opens, base=base))
    return found


def spans(heads: Sequence[Head]) -> list[Span]:
    """Headings over the columns, none where no column belongs to a group."""
    found: list[Span] = []
    for head in heads:
        if found and not head.opens:
            found[-1] = Span(found[-1].name, found[-1].width + 1)
        else:
            found.append(Span(head.group_name, 1))
    return found if any(span.name for span in found) else []


def row_caption(group: str, before: str) -> str:
    """The heading over rows of a group, "" where the row before is one of them or the recipe tells none."""
    return "" if group == before else str(_ROW_GROUPS.get(group, group))


def column_label(role: str, weight: float | None) -> str:
    """Base, Control, 0.4: weights always with a leading zero and one decimal at least."""
    if role == "base":
        return _("Base")
    if role == "control":
        return _("Control 0")
    if weight is None:
        return "?"
    short = f"{weight:g}"
    return short if "." in short else f"{short}.0"


def _head(number: int, role: str, told: dict[str, Any], *, group: str, opens: bool, base: int) -> Head:
    weight, slots, twin = told.get("weight"), told.get("slots") or [], told.get("twin")
    weight = float(weight) if isinstance(weight, int | float) else None
    label = str(told.get("label") or "")
    if role != "adapter" or group in _WEIGHTS or not label:
        label = column_label(role, weight)
    return Head(
        number=number,
        role=role,
        weight=weight,
        label=str(_WORDS.get(label, label)),
        note=_note(str(told.get("note") or "")),
        group=group,
        twin=twin if isinstance(twin, int) else base,
        opens=opens,
        own=not slots or slots[0].get("adapter") == 0,
        weights=" + ".join(f"{slot['unet']:g}" for slot in slots if "unet" in slot),
        override=told.get("override") or {},
    )


def _note(note: str) -> str:
    if note.startswith("at "):
        return _("at weight %(weight)s") % {"weight": note.removeprefix("at ")}
    return str(_WORDS.get(note, note))
