"""Mutants of the license table, and who catches them: `python -m tests.registry.licensing.mutations`.

A mutant is one row with one cell changed: another status, a condition dropped, added or given another
parameter, a dispute denied or made up, a host exempted or no longer. It is caught when a worked case, a rule
between acts or one of the whole questions of tests/data/license_scenarios.json gives another answer than it
should. The table is never compared with a copy of itself.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from registry.licensing import ACTS, CONDITIONS, LICENSES, LicensingError, decide, license_from_row, row_of
from registry.licensing import question_from_wire as read
from registry.licensing.conditions import parse_condition
from tests.registry.licensing.invariants import broken
from tests.registry.licensing.test_scenarios import SCENARIOS
from tests.registry.licensing.worked_cases import CASES, mistakes

MOST_USED: Final = (
    "creativeml-openrail-m", "creativeml-openrail-plusplus-m", "faipl-1.0-sd", "flux-1-dev-nc-1.1.1",
    "Apache-2.0", "MIT", "stability-ai-community-2024", "CC-BY-NC-4.0", "CC-BY-4.0", "CC0-1.0",
)  # fmt: skip
ALSO: Final = ("illustrious-v0.1", "noobai-xl", "pony-v6-modified-faipl")
_PARAMETERS: Final = {"number": ":7", "text": ':"Another"', "list": ":[JP]", "optional_list": "", None: ""}
_READINGS: Final = {"disputed": True, "reading": "one", "other_reading": "two"}


@dataclass(frozen=True, eq=False)
class Mutant:
    """A row with one cell changed; `change` says how."""

    license: str
    act: str
    change: str
    row: dict[str, Any]


def mutants(license_id: str) -> Iterator[Mutant]:
    """Every mutant of a row, act by act. The schema may still refuse some."""
    original = row_of(LICENSES[license_id])
    for act in ACTS:
        for change, cell in _changes(original["acts"][act]):
            row = copy.deepcopy(original)
            row["acts"][act] = cell
            yield Mutant(license_id, act, change, row)


def _changes(cell: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    conditions: list[str] = cell.get("conditions", [])
    rest = {key: value for key, value in cell.items() if key not in ("status", "conditions")} | {
        "clause": "1"
    }
    for status in ("allowed", "conditional", "forbidden", "silent", "not_addressed"):
        if status != cell["status"]:
            kept = ["attribution"] if status == "conditional" else []
            hosts: dict[str, Any] = {} if status == "forbidden" else {"host_exempt": None}
            yield f"status {status}", {**rest, "status": status, "conditions": kept, **hosts}
    for dropped in conditions:
        left = [condition for condition in conditions if condition != dropped]
        status = cell["status"] if left else "allowed"
        yield f"without {dropped}", {**rest, "status": status, "conditions": left}
    for name, kind in CONDITIONS.items():
        more = kind.wire + _PARAMETERS[kind.parameter]
        if all(parse_condition(condition).name != name for condition in conditions):
            status = "conditional" if cell["status"] == "allowed" else cell["status"]
            yield f"with {more}", {**rest, "status": status, "conditions": [*conditions, more]}
    for place, condition in enumerate(conditions):
        parameter = CONDITIONS[parse_condition(condition).name].parameter
        if parameter is not None:
            other = condition.partition(":")[0] + _PARAMETERS[parameter]
            changed = [*conditions[:place], other, *conditions[place + 1 :]]
            yield f"{condition} as {other}", {**rest, "status": cell["status"], "conditions": changed}
    readings: dict[str, Any] = dict.fromkeys(_READINGS) if cell.get("disputed") else _READINGS
    yield "dispute", {**rest, "status": cell["status"], "conditions": conditions, **readings}
    if cell["status"] == "forbidden":
        exempt = None if cell.get("host_exempt") else ["civitai"]
        yield "exempt hosts", {**rest, "status": "forbidden", "host_exempt": exempt}


def caught_by(mutant: Mutant) -> str | None:
    """Who catches the mutant: `schema`, `case`, `rule` or `scenario`; None when it survives."""
    original = LICENSES[mutant.license].summary[mutant.act]
    try:
        row = license_from_row({**mutant.row, "acts": _with_clause(mutant, original.clause)})
    except LicensingError:
        return "schema"
    table = LICENSES.with_rows([row])
    for case in CASES:
        if (
            case["license"] == mutant.license
            and mutant.act in case["acts"]
            and mistakes(case, mutant.act, table)
        ):
            return "case"
    if broken(row):
        return "rule"
    for scenario in _scenarios(mutant.license, mutant.act):
        verdict = decide(read(scenario), table)
        conditions = sorted(verdict.conditions) if verdict.outcome == "conditional" else []
        if (verdict.outcome, conditions) != (scenario["expected"], sorted(scenario["expected_conditions"])):
            return "scenario"
    return None


def _with_clause(mutant: Mutant, clause: str | None) -> dict[str, Any]:
    """The mutant's acts with the clause of the original, so that no citation gives the mutant away."""
    cell = mutant.row["acts"][mutant.act]
    return {**mutant.row["acts"], mutant.act: {**cell, "clause": clause or cell["clause"]}}


@cache
def _scenarios(license_id: str, act: str) -> list[dict[str, Any]]:
    return [case for case in SCENARIOS if case["act"] == act and f'"{license_id}"' in _text(case)]


def _text(case: dict[str, Any]) -> str:
    return str(case).replace("'", '"')


def main() -> None:
    """Print, for each license, how many mutants and how many whole cells are caught, and every survivor."""
    total = [0, 0, 0, 0]
    for license_id in (*MOST_USED, *ALSO):
        results = [(mutant, caught_by(mutant)) for mutant in mutants(license_id)]
        valid = [(mutant, by) for mutant, by in results if by != "schema"]
        alive = [mutant for mutant, by in valid if by is None]
        cells = {mutant.act for mutant, _ in valid}
        whole = len(cells) - len({mutant.act for mutant in alive})
        by = {name: [who for _, who in valid].count(name) for name in ("case", "rule", "scenario")}
        sys.stdout.write(
            f"{license_id}: {len(valid) - len(alive)}/{len(valid)} mutants, {whole}/{len(cells)} cells, "
            f"{by}, {len(results) - len(valid)} more refused by the schema\n"
        )
        for mutant in alive:
            sys.stdout.write(f"  survives: {mutant.act} {mutant.change}\n")
        if license_id in MOST_USED:
            for place, number in enumerate((len(valid) - len(alive), len(valid), whole, len(cells))):
                total[place] += number
    caught, valid_ones, whole_cells, cells_in_all = total
    sys.stdout.write(
        f"The ten most used: {caught / valid_ones:.1%} of {valid_ones} mutants, "
        f"{whole_cells / cells_in_all:.1%} of {cells_in_all} cells\n"
    )


if __name__ == "__main__":
    main()
