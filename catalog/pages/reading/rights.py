"""The rights grid: every act beside what each layer of terms says about it, with clause and evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.licensing import ACTS, Act, LedgerEntry, Reason, Verdict
from registry.models import Version
from registry.verdicts import current_basis, evidence_of, terms_of, verdict_of_terms


@dataclass(frozen=True)
class RightsCell:
    """What one layer says about one act; `entry` is None where it has no say. `cited`: where it was read."""

    ident: str
    layer: str
    entry: LedgerEntry | None
    cited: str


@dataclass(frozen=True)
class RightsRow:
    """One act with its verdict and the cells of all layers, in the order of the grid's columns."""

    act: Act
    verdict: Verdict
    cells: list[RightsCell]


@dataclass(frozen=True)
class ShownReason:
    """A reason with where its layer's terms were read."""

    reason: Reason
    cited: str
    deciding: bool


@dataclass(frozen=True)
class Rights:
    """The whole grid; `layers` are the heads of the columns, `evidence` tells where each layer was read."""

    layers: list[str]
    rows: list[RightsRow]
    evidence: Mapping[str, str]

    def verdict(self, act: str) -> Verdict:
        """The verdict for one of the acts."""
        return next(row.verdict for row in self.rows if row.act.id == act)

    def reasons(self, act: str) -> list[ShownReason]:
        """Why the verdict is what it is; what decided stands first."""
        verdict = self.verdict(act)
        shown = [
            ShownReason(reason, self.cited(reason.layer), reason.layer in verdict.deciding)
            for reason in verdict.reasons
        ]
        return sorted(shown, key=lambda each: not each.deciding)

    def cited(self, layer: str) -> str:
        """Where the terms of a layer were read: `adapter:1` cites what `adapter` does."""
        return self.evidence.get(layer.partition(":")[0], "")


def read_rights(version: Version, facts: Mapping[str, Any]) -> Rights:
    """Verdicts for all acts under the same facts: the terms are read once, each act is decided in memory."""
    terms = version.terms_profile.terms if version.terms_profile is not None else terms_of(version)
    basis = current_basis()
    verdicts = {act: verdict_of_terms(terms, act, facts, basis) for act in ACTS}
    layers = list(dict.fromkeys(entry.layer for verdict in verdicts.values() for entry in verdict.ledger))
    grid = Rights(layers, [], evidence_of(version))
    for number, (act, verdict) in enumerate(verdicts.items()):
        entries = {entry.layer: entry for entry in verdict.ledger}
        cells = [
            RightsCell(f"right-{number}-{column}", layer, entries.get(layer), grid.cited(layer))
            for column, layer in enumerate(layers)
        ]
        grid.rows.append(RightsRow(ACTS[act], verdict, cells))
    return grid
