"""One row of the license table: what it holds, its schema, and what is wrong with one that breaks it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from registry.licensing.conditions import Condition, parse_condition
from registry.licensing.errors import BadTable, UnknownCondition
from registry.licensing.vocabulary import ACTS, CONFIDENCES, STATUSES, Status

Derivative = Literal["explicit", "by_definition", "arguable", "silent"]
Problem = tuple[str, str]
"""Where in the row, as `acts.sell_adapter.status`, and what is wrong there."""

# What an SPDX license expression takes as one word.
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,99}")
_OPERATORS: Final = frozenset({"and", "or", "with"})
_DERIVATIVES: Final = get_args(Derivative)
# A license always has a say, if only by its silence; `not_addressed` is for rules about other things.
_STATUSES: Final = tuple(status for status in STATUSES if status != "not_addressed")
_TEXTS: Final = (
    "url", "spdx", "expression", "scancode_key", "steward", "version", "share_alike_group", "output_clause",
)  # fmt: skip
_LISTS: Final = ("hub_tags", "hub_license_names", "sources", "notes")
_FLAGS: Final = ("irrevocable", "ambiguous")
_LICENSE_KEYS: Final = frozenset(
    {"id", "name", "revision", "family", "confidence", "acts", "civitai_ids", "lora_is_derivative",
     *_TEXTS, *_LISTS, *_FLAGS}
)  # fmt: skip
_CELL_TEXTS: Final = ("clause", "note", "reading", "other_reading")
_CELL_KEYS: Final = frozenset({"status", "conditions", "disputed", "host_exempt", *_CELL_TEXTS})


@dataclass(frozen=True)
class Cell:
    """What one license says about one act.

    `clause` is the place in its text, None where the text is silent. `host_exempt` names hosts for which a
    forbidden cell is allowed. `disputed` marks two honest readings: the cell holds the stricter one, told in
    `reading`, and `other_reading` tells the looser.
    """

    status: Status
    conditions: tuple[Condition, ...] = ()
    clause: str | None = None
    note: str = ""
    disputed: bool = False
    host_exempt: frozenset[str] = frozenset()
    reading: str = ""
    other_reading: str = ""


@dataclass(frozen=True)
class License:
    """One row of the table. `summary` has a cell for every act; `sha256` is the digest of what was read."""

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
        return hash((self.id, self.revision, self.sha256))


def license_from_row(row: Mapping[str, Any], sha256: str = "") -> License:
    """A license from the mapping a TOML file or a house license's row holds; a null counts as left out.

    `sha256` is the digest of the bytes it was read from; without one, that of the row in canonical JSON.
    Raises `BadTable` with everything that is wrong: `problems` names each place.
    """
    found = problems(row)
    if found:
        raise BadTable(" ".join(f"{where}: {what}." for where, what in found), problems=found)
    given = {key: value for key, value in row.items() if value is not None}
    plain: dict[str, Any] = {
        key: given[key] for key in (*_TEXTS, *_FLAGS, "lora_is_derivative") if key in given
    }
    lists: dict[str, Any] = {key: tuple(given[key]) for key in (*_LISTS, "civitai_ids") if key in given}
    if plain.get("share_alike_group") == "":
        del plain["share_alike_group"]
    return License(
        id=given["id"],
        name=given["name"],
        revision=given.get("revision", 1),
        family=given["family"],
        confidence=given["confidence"],
        summary=MappingProxyType({act: _cell(given["acts"][act]) for act in ACTS}),
        sha256=sha256 or digest_of(given),
        **plain,
        **lists,
    )


def row_of(license: License) -> dict[str, Any]:
    """The row as plain JSON, such that `license_from_row` gives the same license again."""
    plain = {key: getattr(license, key) for key in ("id", "name", "revision", "family", "confidence")}
    plain |= {key: value for key in (*_TEXTS, *_FLAGS) if (value := getattr(license, key)) not in (None, "")}
    plain |= {key: list(value) for key in (*_LISTS, "civitai_ids") if (value := getattr(license, key))}
    if license.lora_is_derivative is not None:
        plain["lora_is_derivative"] = license.lora_is_derivative
    return plain | {"acts": {act: _plain_cell(cell) for act, cell in license.summary.items()}}


def digest_of(row: Mapping[str, Any]) -> str:
    """SHA256 of the row in canonical JSON, its revision number aside."""
    told = {key: value for key, value in row.items() if key != "revision"}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _cell(row: Mapping[str, Any]) -> Cell:
    given = {key: value for key, value in row.items() if value is not None}
    return Cell(
        status=given["status"],
        conditions=tuple(parse_condition(text) for text in given.get("conditions", [])),
        clause=given.get("clause") or None,
        note=given.get("note", ""),
        disputed=given.get("disputed", False),
        host_exempt=frozenset(host.casefold() for host in given.get("host_exempt", [])),
        reading=given.get("reading", ""),
        other_reading=given.get("other_reading", ""),
    )


def _plain_cell(cell: Cell) -> dict[str, Any]:
    plain: dict[str, Any] = {"status": cell.status}
    if cell.conditions:
        plain["conditions"] = [str(condition) for condition in cell.conditions]
    plain |= {key: value for key in _CELL_TEXTS if (value := getattr(cell, key))}
    if cell.disputed:
        plain["disputed"] = True
    if cell.host_exempt:
        plain["host_exempt"] = sorted(cell.host_exempt)
    return plain


# --- What is wrong with a row -------------------------------------------------------------------------------


@dataclass
class _Problems:
    """Collects what is wrong; `where` is the place all of it lies under."""

    where: str = ""
    found: list[Problem] = field(default_factory=list)

    def require(self, holds: bool, key: str, what: str | Callable[[], str]) -> None:
        if not holds:
            place = ".".join(part for part in (self.where, key) if part)
            self.found.append((place, what if isinstance(what, str) else what()))


def problems(row: object) -> tuple[Problem, ...]:
    """Everything that keeps the row from being a license, in the order of its keys; () for a good one."""
    if not isinstance(row, Mapping):
        return (("license", f"a table of keys is needed, got {type(row).__name__}"),)
    check = _Problems()
    given = {key: value for key, value in row.items() if value is not None}
    _known_keys(check, given, _LICENSE_KEYS)
    for key in ("id", "name", "family", "confidence"):
        value = given.get(key)
        check.require(isinstance(value, str) and value.strip() != "", key, f"{key} is missing or empty")
    named = isinstance(given.get("id"), str) and given["id"].strip() != ""
    check.require(
        not named or (bool(_ID.fullmatch(given["id"])) and given["id"].casefold() not in _OPERATORS), "id",
        "id takes letters, digits, dots, pluses, hyphens and underscores, at most 100",
    )  # fmt: skip
    confidence = given.get("confidence")
    if isinstance(confidence, str) and confidence.strip():
        check.require(confidence in CONFIDENCES, "confidence", _choice(confidence, CONFIDENCES))
    revision = given.get("revision", 1)
    check.require(
        type(revision) is int and revision > 0, "revision", "revision must be a positive whole number"
    )
    for key in _TEXTS:
        check.require(isinstance(given.get(key, ""), str), key, f"{key} must be text")
    for key in _LISTS:
        check.require(_texts(given.get(key, [])), key, f"{key} must be a list of texts")
    for key in _FLAGS:
        check.require(isinstance(given.get(key, False), bool), key, f"{key} must be true or false")
    derivative = given.get("lora_is_derivative")
    check.require(
        derivative is None or derivative in _DERIVATIVES, "lora_is_derivative",
        lambda: _choice(derivative, _DERIVATIVES),
    )  # fmt: skip
    numbers = given.get("civitai_ids", [])
    whole = isinstance(numbers, list) and all(type(number) is int for number in numbers)
    check.require(whole, "civitai_ids", "civitai_ids must be a list of whole numbers")
    _check_acts(check, given.get("acts"), recalled=confidence == "from_memory")
    return tuple(check.found)


def _check_acts(check: _Problems, acts: object, *, recalled: bool) -> None:
    if not isinstance(acts, Mapping):
        check.require(False, "acts", f"acts must be a table of exactly {', '.join(ACTS)}")
        return
    missing, extra = [act for act in ACTS if act not in acts], [str(act) for act in acts if act not in ACTS]
    if missing or extra:
        missed = f"; missing: {', '.join(missing)}" if missing else ""
        unknown = f"; unknown: {', '.join(extra)}" if extra else ""
        check.require(False, "acts", f"acts must be exactly {', '.join(ACTS)}{missed}{unknown}")
    for act in ACTS:
        if act in acts:
            inner = _Problems(f"acts.{act}")
            _check_cell(inner, acts[act], recalled=recalled)
            check.found += inner.found


def _check_cell(check: _Problems, row: object, *, recalled: bool) -> None:
    if not isinstance(row, Mapping):
        check.require(False, "", f"a table with a status is needed, got {type(row).__name__}")
        return
    given = {key: value for key, value in row.items() if value is not None}
    _known_keys(check, given, _CELL_KEYS)
    status = given.get("status")
    check.require(
        isinstance(status, str) and status in _STATUSES, "status",
        lambda: f"status {_choice(status, _STATUSES)}",
    )  # fmt: skip
    conditions = given.get("conditions", [])
    if _texts(conditions):
        _check_conditions(check, status, conditions)
    else:
        check.require(False, "conditions", "conditions must be a list of texts")
    hosts = given.get("host_exempt", [])
    check.require(_texts(hosts), "host_exempt", "host_exempt must be a list of texts")
    check.require(
        not hosts or status == "forbidden", "host_exempt", "only a forbidden cell can exempt a host"
    )
    for key in _CELL_TEXTS:
        check.require(isinstance(given.get(key, ""), str), key, f"{key} must be text")
    cited = bool(given.get("clause")) or status == "silent" or recalled
    check.require(cited, "clause", f"{status} needs the clause that says so")
    disputed = given.get("disputed", False)
    check.require(isinstance(disputed, bool), "disputed", "disputed must be true or false")
    readings = [key for key in ("reading", "other_reading") if given.get(key)]
    check.require(not readings or disputed is True, "reading", "only a disputed cell has two readings")
    check.require(
        disputed is not True or len(readings) == 2,
        "reading",
        "a disputed cell tells reading and other_reading",
    )


def _check_conditions(check: _Problems, status: object, spelled: list[str]) -> None:
    read: list[Condition] = []
    for text in spelled:
        try:
            read.append(parse_condition(text))
        except UnknownCondition as error:
            # The whole vocabulary belongs to docs/licenses.md, not into the message of every cell.
            check.require(False, "conditions", error.message.partition(" Known: ")[0].rstrip(".?"))
    check.require(len(set(read)) == len(read), "conditions", "a condition is listed twice")
    check.require(status != "conditional" or bool(spelled), "conditions", "conditional without a condition")
    check.require(
        status not in ("allowed", "forbidden") or not spelled, "conditions", f"{status} takes no condition"
    )


def _texts(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) and item for item in value)


def _known_keys(check: _Problems, row: Mapping[Any, Any], known: Iterable[str]) -> None:
    extra = sorted(str(key) for key in row if key not in set(known))
    check.require(not extra, "", f"unknown keys: {', '.join(extra)}")


def _choice(value: object, known: Iterable[str]) -> str:
    return f"{value!r} is not one of {', '.join(known)}"
