"""One party's say on an act: a cell of terms with its gates run against the facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from registry.licensing.civitai import CivitaiFlags
from registry.licensing.conditions import Condition, parse_condition
from registry.licensing.errors import BadQuestion, not_one_of
from registry.licensing.expressions import Alternative
from registry.licensing.facts import Facts
from registry.licensing.gates import answer
from registry.licensing.question import CellTerms
from registry.licensing.schema import Cell, License
from registry.licensing.vocabulary import STATUSES, Status

Origin = Literal[
    "license",
    "civitai",
    "card",
    "concluded",
    "nothing",
    "reply",
    "rights",
    "overlay",
    "service",
    "recipe",
    "paid",
    "conflict",
]

# Origins whose words lie before the reader, as against a missing text or a record about one.
_READ: Final = frozenset({"civitai", "card", "reply"})
RANK: Final[Mapping[Status, int]] = {
    "not_addressed": 0, "allowed": 0, "conditional": 1, "silent": 2, "forbidden": 3,
}  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """One party's say on the act, with the gates run against the facts.

    `act` is the one asked about. `status` is what remains after the gates: a failed gate makes it forbidden,
    a conditional cell whose gates all passed and that asks for nothing is allowed. `cell` is the say as
    written.
    """

    name: str
    origin: Origin
    cell: Cell
    status: Status
    act: str
    standing: tuple[Condition, ...] = ()
    duties: tuple[Condition, ...] = ()
    open: tuple[Condition, ...] = ()
    failed: tuple[Condition, ...] = ()
    license: License | None = None
    flags: CivitaiFlags | None = None
    source: str = ""
    confidence: str | None = None
    evidence: str = ""
    notes: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        return RANK[self.status]

    @property
    def asks(self) -> bool:
        """Whether something is left to do or to state."""
        return bool(self.duties or self.open)


def settle(
    name: str,
    origin: Origin,
    cell: Cell,
    act: str,
    facts: Facts,
    *,
    license: License | None = None,
    flags: CivitaiFlags | None = None,
    source: str = "",
    evidence: str = "",
    notes: tuple[str, ...] = (),
) -> Layer:
    """Run a cell's gates and give the layer they leave."""
    sorted_out: dict[str, list[Condition]] = {
        "standing": [],
        "duty": [],
        "open": [],
        "passed": [],
        "failed": [],
    }
    for condition in cell.conditions:
        sorted_out[answer(condition, act, facts)].append(condition)
    status = cell.status
    if status == "forbidden" and facts.get("host") in cell.host_exempt:
        status, notes = "allowed", (*notes, "host_exempt")
    elif sorted_out["failed"]:
        status = "forbidden"
    elif status in ("allowed", "conditional"):
        status = (
            "conditional" if sorted_out["duty"] or sorted_out["open"] or not cell.conditions else "allowed"
        )
        if cell.status == "allowed" and not cell.conditions:
            status = "allowed"
    return Layer(
        name=name,
        origin=origin,
        cell=cell,
        status=status,
        act=act,
        standing=tuple(sorted_out["standing"]),
        duties=tuple(sorted_out["duty"]),
        open=tuple(sorted_out["open"]),
        failed=tuple(sorted_out["failed"]),
        license=license,
        flags=flags,
        source=source or (license.source if license else ""),
        confidence=license.confidence if license else ("read_in_text" if origin in _READ else None),
        evidence=evidence,
        notes=notes,
    )


def license_layers(
    name: str, licenses: Alternative | None, act: str, facts: Facts, evidence: str
) -> list[Layer]:
    if licenses is None:
        return [settle(name, "nothing", Cell("silent"), act, facts, evidence=evidence)]
    return [
        settle(name, "license", row.summary[act], act, facts, license=row, evidence=evidence)
        for row in licenses
    ]


def read_cell(terms: CellTerms, where: str) -> Cell:
    """A cell from a status and condition spellings, as curators and overlays write them."""
    status, spelled = terms
    if status not in STATUSES:
        raise BadQuestion(f"{where}: there is no status {status!r}. {not_one_of(status, STATUSES)}")
    conditions: Sequence[Condition] = [parse_condition(text) for text in spelled]
    return Cell(status, tuple(dict.fromkeys(conditions)), "as recorded")
