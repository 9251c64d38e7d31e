"""The list of licenses: found by words and by what they say about an act, house licenses among them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.http import QueryDict

from catalog.pages.reading.explain_license import ActLine, line_of
from registry.licensing import ACTS, LICENSES, Act, License, Table
from registry.licensing.sentences import FAMILY_SENTENCES

# What the overview shows of each license: the acts that people ask for most.
OVERVIEW_ACTS: Final = (
    "generate_and_sell_images",
    "run_as_paid_service",
    "redistribute_adapter",
    "sell_adapter",
)
ANSWERS: Final = ("allowed", "conditional", "silent", "forbidden")
HOUSE: Final = "house"


@dataclass(frozen=True)
class ListQuery:
    """What is looked for. Without `answers` the act only picks a column; unknown words do not count."""

    text: str = ""
    act: str = ""
    answers: tuple[str, ...] = ()
    family: str = ""
    house: bool = False

    @classmethod
    def from_params(cls, given: QueryDict) -> ListQuery:
        act, family = given.get("act", ""), given.get("family", "")
        return cls(
            text=given.get("q", "").strip()[:200],
            act=act if act in ACTS else "",
            answers=tuple(each for each in ANSWERS if each in given.getlist("answer")),
            family=family if family in FAMILY_SENTENCES else "",
            house=given.get("only") == HOUSE,
        )

    @property
    def narrowed(self) -> bool:
        """Whether anything was asked for that can leave licenses out."""
        return bool(self.text or self.family or self.house or (self.act and self.answers))


@dataclass(frozen=True)
class ListRow:
    """One license of the list with its cells for the acts that are shown."""

    license: License
    house: bool
    lines: list[ActLine]


@dataclass(frozen=True)
class Answer:
    """One status of the chosen act, with how many of the licenses found otherwise say so."""

    status: str
    count: int
    selected: bool


@dataclass(frozen=True)
class LicenseList:
    """The list as asked for. `answers` are counted without the filter on the answers themselves."""

    rows: list[ListRow]
    acts: list[Act]
    answers: list[Answer]
    families: list[tuple[str, str, int]]
    total: int


def read_list(query: ListQuery, table: Table) -> LicenseList:
    """The licenses of the table that fit. No query: the table is at hand."""
    acts = [query.act] if query.act else []
    acts += [act for act in OVERVIEW_ACTS if act != query.act]
    everything = sorted(table.values(), key=lambda each: each.name.casefold())
    found = [each for each in everything if _fits(each, query)]
    answers = []
    if query.act:
        status = {each.id: line_of(each, query.act).status for each in found}
        said = list(status.values())
        answers = [Answer(each, said.count(each), each in query.answers) for each in ANSWERS]
        if query.answers:
            found = [each for each in found if status[each.id] in query.answers]
    return LicenseList(
        rows=[ListRow(each, each.id not in LICENSES, [line_of(each, act) for act in acts]) for each in found],
        acts=[ACTS[act] for act in acts],
        answers=answers,
        families=_families(everything, FAMILY_SENTENCES),
        total=len(everything),
    )


def _fits(license_: License, query: ListQuery) -> bool:
    if query.house and license_.id in LICENSES:
        return False
    if query.family and license_.family != query.family:
        return False
    names = (license_.id, license_.name, license_.spdx, license_.steward, *license_.hub_license_names)
    haystack = " ".join(_plain(name) for name in names)
    return all(word in haystack for word in _plain(query.text).split())


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _families(
    licenses: Sequence[License], known: Mapping[str, tuple[str, str]]
) -> list[tuple[str, str, int]]:
    own = [each.family for each in licenses]
    return [(family, name, own.count(family)) for family, (name, _) in known.items() if family in own]
