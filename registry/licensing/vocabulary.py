"""The closed words of the license engine, from data/vocabulary.toml: acts, conditions, facts, share-alike."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from registry.licensing.errors import BadTable
from registry.licensing.wording import ACT_WORDING, CONDITION_WORDING, FACT_WORDING

DATA: Final = Path(__file__).parent / "data"

Kind = Literal["standing", "duty", "gate"]
Status = Literal["allowed", "conditional", "forbidden", "silent", "not_addressed"]
Outcome = Literal["allowed", "conditional", "unknown", "forbidden"]

STATUSES: Final[tuple[Status, ...]] = ("allowed", "conditional", "forbidden", "silent", "not_addressed")
CONFIDENCES: Final = ("read_in_text", "secondary_source", "from_memory")


@dataclass(frozen=True)
class Act:
    """One thing a person may want to do. `label` and `description` are English and translatable."""

    id: str
    label: str
    description: str
    commerce: bool
    public: bool
    derivative: bool


@dataclass(frozen=True)
class ConditionKind:
    """One word of the condition vocabulary; `order` is its place in every list of conditions."""

    id: str
    kind: Kind
    order: int
    wire: str
    label: str
    step: str
    parameter: str | None = None
    fact: str | None = None
    passes: bool | str | None = None
    curable: bool = False
    only_on: str | None = None


@dataclass(frozen=True)
class FactKind:
    """One fact an asker may state: its type (`number`, `boolean`, `text`, `territory`) and wire spelling."""

    id: str
    type: str
    wire: str
    label: str


@dataclass(frozen=True)
class ShareAlikeRules:
    """Which share-alike groups can take up what (see share_alike.py)."""

    one_way: frozenset[tuple[str, str]]
    noncommercial_groups: frozenset[str]
    carries_use_restrictions: frozenset[str]
    forbids_added_limits: frozenset[str]


def read_toml(path: Path) -> dict[str, Any]:
    """The content of one TOML file; `BadTable` names the file that cannot be parsed."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BadTable(f"{path.name} is not valid TOML: {error}.") from error


_RAW: Final = read_toml(DATA / "vocabulary.toml")


def _act(name: str, row: dict[str, bool]) -> Act:
    label, description = ACT_WORDING[name]
    return Act(
        id=name,
        label=label,
        description=description,
        commerce=row.get("commerce", False),
        public=row.get("public", False),
        derivative=row.get("derivative", False),
    )


def _condition(order: int, name: str, row: dict[str, Any]) -> ConditionKind:
    label, step = CONDITION_WORDING[name]
    return ConditionKind(id=name, order=order, label=label, step=step, **{"wire": name, **row})


ACTS: Final[Mapping[str, Act]] = MappingProxyType(
    {name: _act(name, row) for name, row in _RAW["acts"].items()}
)

CONDITIONS: Final[Mapping[str, ConditionKind]] = MappingProxyType(
    {name: _condition(order, name, row) for order, (name, row) in enumerate(_RAW["conditions"].items())}
)

FACTS: Final[Mapping[str, FactKind]] = MappingProxyType(
    {
        name: FactKind(name, row["type"], row.get("wire", name), FACT_WORDING[name])
        for name, row in _RAW["facts"].items()
    }
)

SHARE_ALIKE: Final = ShareAlikeRules(
    one_way=frozenset((lower, upper) for lower, upper in _RAW["share_alike"]["one_way"]),
    noncommercial_groups=frozenset(_RAW["share_alike"]["noncommercial_groups"]),
    carries_use_restrictions=frozenset(_RAW["share_alike"]["carries_use_restrictions"]),
    forbids_added_limits=frozenset(_RAW["share_alike"]["forbids_added_limits"]),
)
