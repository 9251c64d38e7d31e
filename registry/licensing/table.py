"""The license table: one TOML per license under data/licenses, read once and checked against its schema."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from registry.licensing.conditions import Condition, parse_condition
from registry.licensing.errors import BadTable, UnknownCondition, UnknownLicense, not_one_of
from registry.licensing.vocabulary import ACTS, CONFIDENCES, DATA, STATUSES, Status, read_toml

Derivative = Literal["explicit", "by_definition", "arguable", "silent"]

_DERIVATIVES: Final = ("explicit", "by_definition", "arguable", "silent")
_TEXT_KEYS: Final = (
    "url", "spdx", "expression", "scancode_key", "steward", "version", "share_alike_group", "output_clause",
)  # fmt: skip
_LIST_KEYS: Final = ("hub_tags", "hub_license_names", "sources", "notes")
_LICENSE_KEYS: Final = frozenset(
    {"id", "name", "revision", "family", "confidence", "acts", "civitai_ids", "lora_is_derivative",
    "irrevocable",
     "ambiguous", *_TEXT_KEYS, *_LIST_KEYS}
)  # fmt: skip
_CELL_KEYS: Final = frozenset({"status", "conditions", "clause", "note", "disputed", "host_exempt"})


@dataclass(frozen=True)
class Cell:
    """What one license says about one act.

    `clause` is the place in its text, None where the text is silent. `host_exempt` names hosts for which a
    forbidden cell is allowed. `disputed` marks two honest readings; the cell holds the stricter one.
    """

    status: Status
    conditions: tuple[Condition, ...] = ()
    clause: str | None = None
    note: str = ""
    disputed: bool = False
    host_exempt: frozenset[str] = frozenset()


@dataclass(frozen=True)
class License:
    """One row of the table. `summary` has a cell for every act; `sha256` is the digest of the row's file."""

    id: str
    name: str
    revision: int
    family: str
    confidence: str
    summary: Mapping[str, Cell]
    sha256: str
    url: str = ""
    spdx: str = ""
    expression: str = ""
    scancode_key: str = ""
    hub_tags: tuple[str, ...] = ()
    hub_license_names: tuple[str, ...] = ()
    civitai_ids: tuple[int, ...] = ()
    steward: str = ""
    version: str = ""
    lora_is_derivative: Derivative | None = None
    irrevocable: bool | None = None
    ambiguous: bool = False
    share_alike_group: str | None = None
    output_clause: str = ""
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The first place the text was read."""
        return self.sources[0] if self.sources else self.url

    def __hash__(self) -> int:
        return hash((self.id, self.revision))


def read_license(path: Path) -> License:
    """One license from its TOML file; `BadTable` says which key of which file is wrong."""
    row = read_toml(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        return license_from_row(row, digest)
    except (BadTable, UnknownCondition) as error:
        raise BadTable(f"{path.name}: {error.message}") from error


def license_from_row(row: Mapping[str, Any], sha256: str) -> License:
    """A license from the mapping a TOML file (or a house license's row) holds, checked against the schema."""
    _check_keys(row, _LICENSE_KEYS, "the license")
    for key in ("id", "name", "family", "confidence"):
        _require(isinstance(row.get(key), str) and row[key].strip() != "", f"{key} is missing or empty")
    _require(
        row["confidence"] in CONFIDENCES, f"confidence {row['confidence']!r} is not one of {CONFIDENCES}"
    )
    _require(type(row.get("revision")) is int and row["revision"] > 0, "revision must be a positive integer")
    for key in _TEXT_KEYS:
        _require(isinstance(row.get(key, ""), str), f"{key} must be text")
    for key in _LIST_KEYS:
        _require(_texts(row.get(key, [])), f"{key} must be a list of texts")
    for key in ("irrevocable", "ambiguous"):
        _require(isinstance(row.get(key, False), bool), f"{key} must be true or false")
    derivative = row.get("lora_is_derivative")
    _require(
        derivative in (None, *_DERIVATIVES), f"lora_is_derivative {derivative!r} is not one of {_DERIVATIVES}"
    )
    civitai_ids = row.get("civitai_ids", [])
    _require(all(type(number) is int for number in civitai_ids), "civitai_ids must be integers")
    acts = row.get("acts", {})
    _require(set(acts) == set(ACTS), f"acts must be exactly {', '.join(ACTS)}")
    recalled = row["confidence"] == "from_memory"
    plain: dict[str, Any] = {key: row[key] for key in (*_TEXT_KEYS, "irrevocable", "ambiguous") if key in row}
    lists: dict[str, Any] = {key: tuple(row[key]) for key in _LIST_KEYS if key in row}
    return License(
        id=row["id"],
        name=row["name"],
        revision=row["revision"],
        family=row["family"],
        confidence=row["confidence"],
        summary=MappingProxyType({act: _cell(act, acts[act], recalled) for act in ACTS}),
        sha256=sha256,
        civitai_ids=tuple(civitai_ids),
        lora_is_derivative=derivative,
        **plain,
        **lists,
    )


def _cell(act: str, row: Mapping[str, Any], recalled: bool) -> Cell:
    _check_keys(row, _CELL_KEYS, act)
    status: Any = row.get("status")
    _require(status in STATUSES, f"{act}: status {status!r} is not one of {STATUSES}")
    _require(_texts(row.get("conditions", [])), f"{act}: conditions must be a list of texts")
    conditions = tuple(parse_condition(text) for text in row.get("conditions", []))
    _require(len(set(conditions)) == len(conditions), f"{act}: a condition is listed twice")
    _require(status != "conditional" or bool(conditions), f"{act}: conditional without a condition")
    _require(status not in ("allowed", "forbidden") or not conditions, f"{act}: {status} takes no condition")
    hosts = row.get("host_exempt", [])
    _require(_texts(hosts), f"{act}: host_exempt must be a list of texts")
    _require(not hosts or status == "forbidden", f"{act}: only a forbidden cell can exempt a host")
    for key in ("clause", "note"):
        _require(isinstance(row.get(key, ""), str), f"{act}: {key} must be text")
    cited = bool(row.get("clause")) or status == "silent" or recalled
    _require(cited, f"{act}: {status} needs the clause that says so")
    _require(isinstance(row.get("disputed", False), bool), f"{act}: disputed must be true or false")
    return Cell(
        status=status,
        conditions=conditions,
        clause=row.get("clause"),
        note=row.get("note", ""),
        disputed=row.get("disputed", False),
        host_exempt=frozenset(host.casefold() for host in hosts),
    )


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value)


def _check_keys(row: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    extra = sorted(set(row) - set(known))
    _require(not extra, f"{where} has unknown keys: {', '.join(extra)}")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BadTable(otherwise + ".")


@cache
def _read_all(folder: Path) -> Mapping[str, License]:
    rows: dict[str, License] = {}
    for path in sorted(folder.glob("*.toml"), key=lambda path: path.name.casefold()):
        row = read_license(path)
        _require(row.id == path.stem, f"{path.name} holds the license {row.id}")
        rows[row.id] = row
    return MappingProxyType(rows)


LICENSES: Final[Mapping[str, License]] = _read_all(DATA / "licenses")

_BY_FOLDED: Final = {license_id.casefold(): license_id for license_id in LICENSES}
NO_TEXT: Final = frozenset({"none", "other", "unknown"})
"""Rows that stand for the absence of a license text."""


def find_license(license_id: str) -> License:
    """The row of an id, without regard to case as SPDX asks; `UnknownLicense` lists what is known."""
    known = _BY_FOLDED.get(license_id.strip().casefold())
    if known is None:
        raise UnknownLicense(
            f"There is no license {license_id!r} in the table. {not_one_of(license_id, LICENSES)}",
            next_step="Use one of these ids, or null where no license is stated.",
        )
    return LICENSES[known]
