"""A license for people: acts by what they permit, its revisions and kin, and where this catalog meets it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from django.db.models import Count, Q

from registry.licensing import ACTS, BASE_MODELS, CONDITIONS, LICENSES, Act, Cell, License, Table
from registry.licensing.conditions import Condition
from registry.licensing.errors import BadTable
from registry.licensing.layer import RANK, Layer, license_layers
from registry.licensing.schema import license_from_row
from registry.licensing.sentences import act_sentence
from registry.licensing.vocabulary import ConditionKind, Status
from registry.models import BaseModel, TermsProfile, Version
from registry.models import License as Row

Way = Literal["", "looser", "tighter", "other"]

MOST_REVISIONS: Final = 20
MOST_BASES: Final = 100
# The number at the end of an id tells versions of one text apart: flux-1-dev-nc-1.0 and -1.1.1.
_VERSION: Final = re.compile(r"[-_]v?\d+(?:[.-]\d+)*$")


@dataclass(frozen=True)
class ActLine:
    """One act of a license; `sentence` is English and translatable.

    `layer` is the cell as the engine takes it with no facts stated: what asks only for standing rules is
    allowed, and a non-commercial limit refuses what earns.
    """

    act: Act
    layer: Layer
    sentence: str

    @property
    def cell(self) -> Cell:
        return self.layer.cell

    @property
    def status(self) -> Status:
        return self.layer.status

    @property
    def gates(self) -> tuple[Condition, ...]:
        """Tests of facts, those among them that fail whatever the facts."""
        return (*self.layer.failed, *self.layer.open)

    @property
    def anchor(self) -> str:
        return f"act-{self.act.id}"


@dataclass(frozen=True)
class Asked:
    """One condition and the acts it is asked on. `values`: its parameters where they differ by act."""

    kind: ConditionKind
    spelled: list[str]
    acts: list[Act]


@dataclass(frozen=True)
class Change:
    """One act on which two texts differ."""

    act: Act
    before: ActLine
    after: ActLine
    way: Way


@dataclass(frozen=True)
class Revision:
    """An earlier or later row of the same license; `changes` lead from the one before it to this one.

    `changes` is None where the row before it cannot be read any more, and for the first one.
    """

    number: int
    created: datetime
    sha256: str
    current: bool
    changes: list[Change] | None


@dataclass(frozen=True)
class Sibling:
    """Another version of the same text in the table; `changes` lead from this license to it."""

    license: License
    changes: list[Change]


@dataclass(frozen=True)
class Use:
    """How many versions of the catalog are under the license: their own, their base's, or that of a part."""

    own: int
    base: int
    part: int


@dataclass(frozen=True)
class LicensePage:
    """What the page of one license shows."""

    license: License
    house: bool
    lines: list[ActLine]
    granted: list[ActLine]
    refused: list[ActLine]
    asked: list[Asked]
    standing: list[Asked]
    bases: list[str]
    use: Use
    revisions: list[Revision]
    siblings: list[Sibling]


def read_license_page(license_id: str, table: Table) -> LicensePage | None:
    """The page of a license of the table, None where it has none of this id. Three queries."""
    found = table.get(license_id)
    if found is None:
        return None
    lines = act_lines(found)
    return LicensePage(
        license=found,
        house=license_id not in LICENSES,
        lines=lines,
        granted=[line for line in lines if line.status in ("allowed", "conditional")],
        refused=[line for line in lines if line.status not in ("allowed", "conditional")],
        asked=_asked(lines, standing=False),
        standing=_asked(lines, standing=True),
        bases=_bases(license_id),
        use=_use(license_id),
        revisions=_revisions(license_id),
        siblings=siblings(found, table),
    )


def act_lines(license_: License) -> list[ActLine]:
    """Every act with what the license says about it."""
    return [line_of(license_, name) for name in ACTS]


def line_of(license_: License, act: str) -> ActLine:
    """One act of the license."""
    (layer,) = license_layers("license", (license_,), act, {}, "")
    return ActLine(ACTS[act], layer, act_sentence(act, layer.status))


def _asked(lines: Sequence[ActLine], *, standing: bool) -> list[Asked]:
    """The conditions with the acts they are asked on; what refuses the act anyway asks nothing."""
    found: dict[str, tuple[dict[str, None], list[Act]]] = {}
    for line in lines:
        layer = line.layer
        for condition in layer.standing if standing else (*layer.duties, *layer.open):
            if line.status in ("allowed", "conditional"):
                spelled, acts = found.setdefault(condition.name, ({}, []))
                spelled[str(condition)] = None
                acts.append(line.act)
    return [
        Asked(kind, list(found[name][0]), found[name][1])
        for name, kind in CONDITIONS.items()
        if name in found
    ]


# --- Two texts side by side ---------------------------------------------------------------------------------


def changes(before: License, after: License) -> list[Change]:
    """The acts on which two licenses differ in status or conditions, and which way it goes."""
    found = []
    for name, act in ACTS.items():
        one, other = line_of(before, name), line_of(after, name)
        if way := way_of(one, other):
            found.append(Change(act, one, other, way))
    return found


def way_of(before: ActLine, after: ActLine) -> Way:
    """Whether the second line is looser or tighter; `other` where conditions differ, "" if nothing does."""
    one, other = frozenset(before.cell.conditions), frozenset(after.cell.conditions)
    if before.status != after.status:
        return "looser" if RANK[after.status] < RANK[before.status] else "tighter"
    if one == other and before.cell.host_exempt == after.cell.host_exempt:
        return ""
    if one < other or other < one:
        return "tighter" if one < other else "looser"
    return "other"


def siblings(license_: License, table: Table) -> list[Sibling]:
    """Other versions of the same text: same steward, and an id that differs in its last number only."""
    stem = _VERSION.sub("", license_.id)
    if stem == license_.id:
        return []
    found = [
        each
        for each in table.values()
        if each.id != license_.id
        and _VERSION.sub("", each.id) == stem
        and each.id != stem
        and each.steward == license_.steward
    ]
    return [Sibling(each, changes(license_, each)) for each in sorted(found, key=lambda each: each.version)]


# --- Rows ---------------------------------------------------------------------------------------------------


def _revisions(license_id: str) -> list[Revision]:
    rows = list(Row.objects.filter(license_id=license_id).order_by("-revision")[: MOST_REVISIONS + 1])
    read = {row.pk: _readable(row.data) for row in rows}
    found = []
    for place, row in enumerate(rows[:MOST_REVISIONS]):
        after, before = read[row.pk], read[rows[place + 1].pk] if place + 1 < len(rows) else None
        differ = changes(before, after) if before is not None and after is not None else None
        found.append(Revision(row.revision, row.created, row.sha256, row.current, differ))
    return found


def _readable(data: Mapping[str, object]) -> License | None:
    try:
        return license_from_row(data)
    except BadTable:
        return None


def _bases(license_id: str) -> list[str]:
    names = [
        base.name
        for base in BASE_MODELS.values()
        if license_id == base.license or license_id in base.candidates or license_id in base.components
    ]
    rows = BaseModel.objects.filter(license__license_id=license_id).values_list("name", flat=True)
    return list(dict.fromkeys([*names, *rows.order_by("name")[:MOST_BASES]]))


def _use(license_id: str) -> Use:
    """One query: profiles are few, so the names are looked for there and only the versions are counted."""
    # Terms under several licenses at once are an expression: `(A OR B) AND C`.
    word = rf"(^|[ (]){re.escape(license_id)}($|[ )])"
    own = Q(terms__license__regex=word)
    base = Q(terms__base_license__regex=word)
    part = Q(terms__components__contains=[license_id])
    named = TermsProfile.objects.filter(own | base | part).values("pk")
    counted = Version.objects.filter(terms_profile__in=named).aggregate(
        own=Count("pk", filter=Q(terms_profile__terms__license__regex=word)),
        base=Count("pk", filter=Q(terms_profile__terms__base_license__regex=word)),
        part=Count("pk", filter=Q(terms_profile__terms__components__contains=[license_id])),
    )
    return Use(counted["own"], counted["base"], counted["part"])
