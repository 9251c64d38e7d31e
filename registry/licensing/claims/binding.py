"""What an author's own words add to the terms: they may forbid and demand, and never grant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from registry.licensing.vocabulary import ACTS

# Acts by which pictures or files reach others: where a demand for credit can be met.
CREDITED: Final = tuple(act for act, kind in ACTS.items() if kind.public)


@dataclass(frozen=True)
class InWords:
    """Several readings of text as one: every ban stands, one demand for credit is enough."""

    forbidden: frozenset[str] = frozenset()
    contact: frozenset[str] = frozenset()
    credit: bool = False
    licenses: frozenset[str] = frozenset()

    def cells(self, *, license_stated: bool, flags_stated: bool = False) -> list[dict[str, list[object]]]:
        """AdapterTerms.extra: `[{act: [status, [condition]]}]`, empty where the text adds nothing.

        A demand for credit or for a question first is no grant: it is added only beside a license or flags,
        so that an adapter about which nothing else is stated stays unknown.
        """
        cells: dict[str, list[object]] = {}
        if self.credit and license_stated:
            cells |= {act: ["not_addressed", ["attribution"]] for act in CREDITED}
        if license_stated or flags_stated:
            for act in self.contact:
                credit = cells.get(act, ["", []])[1]
                cells[act] = ["conditional", [*credit, "contact_licensor"]]  # type: ignore[misc]
        cells |= {act: ["forbidden", []] for act in self.forbidden}
        return [dict(sorted(cells.items()))] if cells else []

    def on_flags(self, flags: dict[str, Any] | None) -> dict[str, Any] | None:
        """The flags with the credit that the text demands."""
        return flags | {"allowNoCredit": False} if flags and self.credit else flags


def in_words(values: Iterable[object]) -> InWords:
    """Join the values of `text_terms` claims; one that was not recognized (None) adds nothing."""
    readings = [value for value in values if isinstance(value, Mapping)]
    return InWords(
        forbidden=frozenset(act for each in readings for act in each.get("forbidden", ()) if act in ACTS),
        contact=frozenset(act for each in readings for act in each.get("contact", ()) if act in ACTS),
        credit=any(bool(each.get("credit")) for each in readings),
        licenses=frozenset(str(name) for each in readings for name in each.get("licenses", ())),
    )
