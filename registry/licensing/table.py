"""The license table: one TOML per license under data/licenses, and the rows an installation adds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from registry.licensing.errors import BadTable, UnknownLicense, not_one_of
from registry.licensing.schema import License, license_from_row
from registry.licensing.vocabulary import DATA, read_toml

_REFERENCE: Final = "licenseref-"
NO_TEXT: Final = frozenset({"none", "other", "unknown"})
"""Rows that stand for the absence of a license text."""


class Table(Mapping[str, License]):
    """License id -> row, unchanging; `revision` is a digest of the whole table, so equal tables have one.

    An id is found exactly by `table[id]`, and without regard to case, as SPDX asks, by `find_license`.
    """

    def __init__(self, rows: Iterable[License]) -> None:
        self._rows = {row.id: row for row in sorted(rows, key=lambda row: row.id.casefold())}
        self.folded: Final = {license_id.casefold(): license_id for license_id in self._rows}
        if len(self.folded) < len(self._rows):
            twice = sorted(set(self._rows) - set(self.folded.values()))
            raise BadTable(f"Ids that differ in case only stand for one license: {', '.join(twice)}.")
        lines = "\n".join(f"{name} {row.revision} {row.sha256}" for name, row in sorted(self._rows.items()))
        self.revision: Final = hashlib.sha256(lines.encode()).hexdigest()

    def with_rows(self, rows: Iterable[License]) -> Table:
        """This table with these rows added, each in place of the one that has its id (in any case)."""
        added = list(rows)
        replaced = {row.id.casefold() for row in added}
        return Table([*(row for row in self.values() if row.id.casefold() not in replaced), *added])

    def __getitem__(self, license_id: str) -> License:
        return self._rows[license_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __hash__(self) -> int:
        return hash(self.revision)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self.revision == other.revision


def read_license(path: Path) -> License:
    """One license from its TOML file; `BadTable` says which keys of which file are wrong."""
    row = read_toml(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        return license_from_row(row, digest)
    except BadTable as error:
        raise BadTable(f"{path.name}: {error.message}", problems=error.problems) from error


def read_table(folder: Path) -> Table:
    """The table of a folder of TOML files, each named by the license it holds."""
    rows = []
    for path in sorted(folder.glob("*.toml")):
        row = read_license(path)
        if row.id != path.stem:
            raise BadTable(f"{path.name} holds the license {row.id}.")
        rows.append(row)
    return Table(rows)


LICENSES: Final = read_table(DATA / "licenses")
"""The built-in table."""


def folded_id(license_id: str) -> str:
    """An id as ids are compared: without regard to case, and to the `LicenseRef-` before it."""
    return license_id.strip().casefold().removeprefix(_REFERENCE)


def find_license(license_id: str, table: Table = LICENSES) -> License:
    """The row of an id, without regard to case as SPDX asks; `UnknownLicense` lists what is known.

    `LicenseRef-` may lead an id, as it does in SPDX documents where the SPDX list has no such license.
    """
    known = table.folded.get(license_id.strip().casefold()) or table.folded.get(folded_id(license_id))
    if known is None:
        raise UnknownLicense(
            f"There is no license {license_id!r} in the table. {not_one_of(license_id, table)}",
            next_step="Use one of these ids, or null where no license is stated.",
        )
    return table[known]
