"""Civitai's permission flags, in every shape the wire has had: from JSON to one canonical reading.

Shapes of `allowCommercialUse`: until February 2024 one word of a ladder that includes the rungs below it
(Civitai's own migration turned them into sets so); then a list; at times a PostgreSQL literal `{Image,Rent}`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

# In the order of the old ladder.
USES: Final = ("Image", "RentCivit", "Rent", "Sell")
SWITCHES: Final = ("allowNoCredit", "allowDerivatives", "allowDifferentLicense")
_BY_LOWER = {use.lower(): use for use in USES}


def commercial_uses(value: object) -> list[str] | None:
    """The uses granted, in ladder order; [] = none; None = not stated. What is missing is never a grant.

    >>> commercial_uses("Rent"), commercial_uses("{Rent}"), commercial_uses(["Sell", "Later"])
    (['Image', 'RentCivit', 'Rent'], ['Rent'], ['Sell'])
    """
    if isinstance(value, str):
        word = value.strip().strip('"').lower()
        if not word:
            return None
        if word in _BY_LOWER:
            return list(USES[: USES.index(_BY_LOWER[word]) + 1])
    elif not isinstance(value, list):
        return None
    granted = {_BY_LOWER[word] for word in _words(value) if word in _BY_LOWER}
    return [use for use in USES if use in granted]


def _words(value: str | list[Any]) -> Iterator[str]:
    """Lower-case words of a list, a comma list, a literal, or a list of literals."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            for word in item.strip().removeprefix("{").removesuffix("}").split(",")[:50]:
                yield word.strip().strip('"').lower()


def stated(model: object) -> bool:
    """Whether the model object says anything about permissions."""
    return isinstance(model, dict) and any(name in model for name in ("allowCommercialUse", *SWITCHES))


def read_flags(model: dict[str, Any]) -> dict[str, Any] | None:
    """The four flags, or None when not all of them are stated in a form that can be read.

    A half-read set would answer some acts from what is missing, so it counts as not recognized.
    """
    uses = commercial_uses(model.get("allowCommercialUse"))
    switches = {name: model.get(name) for name in SWITCHES}
    if uses is None or not all(isinstance(value, bool) for value in switches.values()):
        return None
    return {
        "allowNoCredit": switches["allowNoCredit"],
        "allowCommercialUse": uses,
        "allowDerivatives": switches["allowDerivatives"],
        "allowDifferentLicense": switches["allowDifferentLicense"],
    }


def raw_flags(model: dict[str, Any]) -> dict[str, Any]:
    """The flags exactly as they came, for the record."""
    return {name: model[name] for name in ("allowCommercialUse", *SWITCHES, "sfwOnly") if name in model}
