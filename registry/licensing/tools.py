"""Programs and services an adapter is run with: what their terms say, and which were never read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from registry.licensing.conditions import parse_condition
from registry.licensing.errors import BadTable
from registry.licensing.schema import Cell
from registry.licensing.table import LICENSES
from registry.licensing.vocabulary import ACTS, DATA, STATUSES, read_toml


@dataclass(frozen=True)
class Tool:
    """A program, or a hosted service.

    `acts` has the cells of the acts its terms bear on, the others are not addressed; None where the terms
    have not been read, so that every act is unknown.
    """

    id: str
    name: str
    hosted: bool
    acts: Mapping[str, Cell] | None
    license: str = ""
    source: str = ""
    note: str = ""

    def cell(self, act: str) -> Cell:
        """What its terms say on the act; silent where they were not read."""
        if self.acts is None:
            return Cell("silent")
        return self.acts.get(act) or Cell("not_addressed", note=self.note)


def _cell(where: str, act: str, row: Mapping[str, Any]) -> Cell:
    if act not in ACTS or row["status"] not in STATUSES:
        raise BadTable(f"tools.toml: {where} has no act {act} with the status {row['status']}.")
    conditions = tuple(parse_condition(text) for text in row["conditions"])
    return Cell(row["status"], conditions, row["clause"])


def _tool(row: Mapping[str, Any], *, hosted: bool) -> Tool:
    license_id = row.get("license", "")
    if license_id and license_id not in LICENSES:
        raise BadTable(f"tools.toml: {row['id']} names the unknown license {license_id}.")
    cells = row.get("acts")
    acts = None if cells is None else {act: _cell(row["id"], act, cell) for act, cell in cells.items()}
    return Tool(row["id"], row["name"], hosted, acts, license_id, row.get("source", ""), row.get("note", ""))


_RAW: Final = read_toml(DATA / "tools.toml")

TOOLS: Final[Mapping[str, Tool]] = MappingProxyType(
    {row["id"]: _tool(row, hosted=kind == "services") for kind in ("tools", "services") for row in _RAW[kind]}
)


def _names() -> Mapping[str, str]:
    names: dict[str, str] = {}
    for kind in ("tools", "services"):
        for row in _RAW[kind]:
            for name in {name.casefold() for name in (row["id"], row["name"], *row["names"])}:
                if names.setdefault(name, row["id"]) != row["id"]:
                    raise BadTable(f"tools.toml: {name} names both {names[name]} and {row['id']}.")
    return names


_BY_NAME: Final = MappingProxyType(_names())


def find_tool(name: str) -> Tool:
    """The tool or service of a name. One that is not listed counts as one whose terms were not read.

    >>> find_tool("ComfyUI").license, find_tool("NovelAI").acts, find_tool("my own server").acts
    ('GPL-3.0-only', None, None)
    """
    plain = " ".join(name.split())
    known = _BY_NAME.get(plain.casefold())
    return TOOLS[known] if known else Tool(plain, plain, hosted=False, acts=None)
