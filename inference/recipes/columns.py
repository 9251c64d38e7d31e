"""The columns of a sheet: what each of them applies at which weights, and how it samples. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any

from inference.recipes.recipe import AUTHORS, Layout, Override, Recipe, Trigger, Value, plain_value
from registry.weights.block_weights import LAYOUTS, as_lbw, layout_for

_SILENT = Trigger()
# More columns than this nobody compares: neighboring blocks are then shown together.
MOST_BLOCKS = 14


class Role(StrEnum):
    """What a column is for. `control` is weight 0 after the adapters were applied at 1.0 and taken out
    again.
    """

    BASE = "base"
    CONTROL = "control"
    ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class Slot:
    """One adapter in a column. `adapter` counts the sheet's adapters; `blocks` is what stands behind `lbw=`,
    "" for all blocks alike.
    """

    adapter: int
    unet: float
    text_encoder: float
    blocks: str = ""

    @property
    def plain(self) -> bool:
        """Whether one weight says it all."""
        return self.unet == self.text_encoder and not self.blocks

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = {"adapter": self.adapter, "unet": self.unet, "text_encoder": self.text_encoder}
        return values | ({"blocks": self.blocks} if self.blocks else {})


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the sheet.

    `override` is what it samples in another way than the recipe says, `twin` the index of the base column
    with the same override, `group` the axis or kind that it belongs to, `note` a few words under its label.
    """

    role: Role
    label: str
    slots: tuple[Slot, ...] = ()
    override: Override = ()
    twin: int = 0
    group: str = ""
    note: str = ""

    @property
    def weight(self) -> float | None:
        """The denoiser's weight of its first adapter; None for the base alone, 0 for the control."""
        return {Role.BASE: None, Role.CONTROL: 0.0}.get(self.role, self.slots[0].unet if self.slots else None)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values: what pages and manifests show."""
        return {
            "role": str(self.role),
            "label": self.label,
            "weight": self.weight,
            "slots": [slot.as_dict() for slot in self.slots],
            "override": {field: plain_value(value) for field, value in self.override},
            "twin": self.twin,
            "group": self.group,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Shown:
    """An adapter of the sheet as its plan needs it, where the recipe asks for more than one file's weights.

    `role` is what it does in a stack (character, style ...), `weight` its own in a stack (0: the recipe's),
    `blocks` the elements of LoRA Block Weight that it touches.
    """

    sha256: str
    label: str = ""
    role: str = ""
    weight: float = 0.0
    trigger: Trigger = _SILENT
    negative: str = ""
    blocks: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "sha256": self.sha256,
            "label": self.label,
            "role": self.role,
            "weight": self.weight,
            "trigger": self.trigger.as_dict(),
            "negative": self.negative,
            "blocks": list(self.blocks),
        }


def columns_of(recipe: Recipe, shown: Sequence[Shown] = ()) -> tuple[Column, ...]:
    """The columns of a recipe's sheet with these adapters; none is one adapter of which nothing is known.

    The base and its control come first; the base column of another override stands before those that are
    compared with it. Raises ValueError when the adapters are too few or too many, their author recommends no
    negative prompt and the recipe wants it, or the family has no blocks to tell apart.
    """
    least, most = recipe.adapters
    count = max(1, len(shown))
    if not least <= count <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise ValueError(f"The recipe {recipe.name} shows {wanted} adapters together, not {count}.")
    build = _Builder(recipe, shown)
    {
        Layout.LADDER: build.ladder,
        Layout.AXES: build.axes,
        Layout.BLOCKS: build.blocks,
        Layout.STACK: build.stack,
        Layout.VERSION: build.versions,
    }[recipe.layout]()
    return tuple(build.columns)


class _Builder:
    """The columns as they grow, with the base column of each override."""

    def __init__(self, recipe: Recipe, shown: Sequence[Shown]) -> None:
        self._recipe, self._shown = recipe, shown
        slots = tuple(Slot(number, 0.0, 0.0) for number in range(max(1, len(shown))))
        self.columns = [Column(Role.BASE, "base"), Column(Role.CONTROL, "0", slots)]
        self._twins: dict[Override, int] = {(): 0}

    def ladder(self) -> None:
        """Each weight of the recipe."""
        for weight in self._recipe.weights:
            self._add(f"{weight:g}", (_slot(0, weight),))

    def axes(self) -> None:
        """One axis after the other; all others stay at what the recipe says, the weight at its last.

        Every axis begins with the usual value: the same cells again, so that its columns stand side by side.
        """
        usual = self._recipe.weights[-1]
        for axis in self._recipe.axes:
            if axis.field == "weight":
                for value in axis.values:
                    assert isinstance(value, int | float)
                    self._add(f"{value:g}", (_slot(0, value),), group="weight")
                continue
            note = f"at {usual:g}"
            label = _label(axis.field, _usual(self._recipe, axis.field))
            self._add(label, (_slot(0, usual),), group=axis.field, note=note)
            for value in axis.values:
                override: Override = ((axis.field, self._author(value) if value == AUTHORS else value),)
                self._add(
                    _label(axis.field, value), (_slot(0, usual),), override, group=axis.field, note=note
                )

    def blocks(self) -> None:
        """The whole adapter, then every block alone, all at the recipe's last weight."""
        weight, touched = self._recipe.weights[-1], self._shown[0].blocks if self._shown else ()
        self._add("all", (_slot(0, weight),), group="all", note=f"at {weight:g}")
        for label, blocks in block_vectors(self._recipe.family, touched):
            slot = Slot(0, weight, weight, blocks)
            self._add(label, (slot,), group="block", note="alone")

    def stack(self) -> None:
        """Every adapter alone, every two of them, and all."""
        usual = self._recipe.weights[-1]
        slots = [_slot(number, each.weight or usual) for number, each in enumerate(self._shown)]
        for size in range(1, len(slots) + 1):
            group = "all" if size == len(slots) else "single" if size == 1 else "pair"
            for chosen in combinations(slots, size):
                label = " + ".join(self._name(slot) for slot in chosen)
                note = " + ".join(f"{slot.unet:g}" for slot in chosen)
                self._add("all" if size > 2 else label, chosen, group=group, note=note)

    def versions(self) -> None:
        """At each weight the earlier file, then the sheet's own; each is called by its own words."""
        new, old = self._shown
        override: Override = () if old.trigger == new.trigger else (("trigger", old.trigger.words),)
        for weight in self._recipe.weights:
            self._add(f"{weight:g}", (_slot(1, weight),), override, group="earlier", note=old.label)
        for weight in self._recipe.weights:
            self._add(f"{weight:g}", (_slot(0, weight),), group="this", note=new.label)

    def _add(
        self, label: str, slots: tuple[Slot, ...], override: Override = (), *, group: str = "", note: str = ""
    ) -> None:
        if override not in self._twins:
            self._twins[override] = len(self.columns)
            twin, told = self._twins[override], note if group == "earlier" else label
            self.columns.append(Column(Role.BASE, "base", (), override, twin, group, told))
        self.columns.append(Column(Role.ADAPTER, label, slots, override, self._twins[override], group, note))

    def _author(self, value: Value) -> str:
        negative = self._shown[0].negative if self._shown else ""
        if not negative:
            raise ValueError(
                f"The recipe {self._recipe.name} needs the author's negative prompt, and none is known."
            )
        return negative

    def _name(self, slot: Slot) -> str:
        each = self._shown[slot.adapter]
        return each.role or each.label or f"adapter {slot.adapter + 1}"


def block_vectors(family: str, touched: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """(name, vector as behind `lbw=`) of each block alone, of those that are touched where that is known.

    More than MOST_BLOCKS are taken together, neighbors with neighbors of one kind. Raises ValueError for a
    family whose blocks have no names.
    """
    shortest = layout_for(family, ())
    if shortest is None:
        raise ValueError(f"No blocks are told apart in the family {family}.")
    whole = "61" if shortest == "61" else "26"
    known = [name for name in LAYOUTS[whole] if name in touched] or list(LAYOUTS[shortest])
    for group in _grouped(known):
        label = group[0] if len(group) == 1 else f"{group[0]}-{group[-1]}"
        yield label, as_lbw([float(name in group) for name in LAYOUTS[whole]])


def _grouped(names: Sequence[str]) -> list[list[str]]:
    """Runs of one kind (IN, OUT, D, S ...), cut to the same length, so that there are few enough."""
    kinds: list[list[str]] = []
    for name in names:
        if kinds and name.rstrip("0123456789") == kinds[-1][0].rstrip("0123456789"):
            kinds[-1].append(name)
        else:
            kinds.append([name])
    length = 1
    while sum(-(-len(kind) // length) for kind in kinds) > MOST_BLOCKS:
        length += 1
    return [kind[start : start + length] for kind in kinds for start in range(0, len(kind), length)]


def _slot(adapter: int, weight: float) -> Slot:
    return Slot(adapter, float(weight), float(weight))


def _usual(recipe: Recipe, field: str) -> Value:
    """What the recipe says where an axis does not change it; seeds are counted from its own."""
    if field == "seed":
        return 0
    value: Value = getattr(recipe, field)
    return value


def _label(field: str, value: Value) -> str:
    if field == "negative":
        return "author's negative" if value == AUTHORS else "negative" if value else "no negative"
    if value is None:
        return "one pass"
    if isinstance(value, float):
        return f"{value:g}"
    return f"+{value}" if field == "seed" else str(value)
