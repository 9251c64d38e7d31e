"""From what a source declares to a license id: Hub tags, SPDX ids, license names, titles and links."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from registry.licensing.errors import UnknownLicense
from registry.licensing.expressions import alternatives
from registry.licensing.schema import License
from registry.licensing.table import LICENSES, Table

UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class Identification:
    """A license found under a declared name.

    `ambiguous`: the name stands for several texts (`candidates`) or may hide terms of the card, so a person
    has to look. `license` is then the one to go on with until then; None where not even that is known.
    """

    license: str | None
    declared: str
    ambiguous: bool = False
    candidates: tuple[str, ...] = ()


# Names that stand for several texts. The stricter or newest comes last and is used while the date is unknown.
_BY_DATE: Final[Mapping[str, tuple[tuple[date, str], ...]]] = MappingProxyType(
    {
        "flux-1-dev-non-commercial-license": (
            (date(2024, 8, 1), "flux-1-dev-nc-1.0"),
            (date(2025, 6, 26), "flux-1-dev-nc-1.1"),
            (date(2025, 6, 27), "flux-1-dev-nc-1.1.1"),
        ),
        "tencent-hunyuan-community": (
            (date(2024, 5, 14), "tencent-hunyuan-community-2024-05"),
            (date(2024, 12, 3), "tencent-hunyuan-community-2024-12"),
            (date(2025, 9, 28), "tencent-hunyuan-community-2025-09"),
        ),
    }
)
# The name says FAIPL; cards such as NoobAI's add terms to it, so the card has to be read.
_CARD_MAY_ADD: Final = {"fair-ai-public-license-1.0-sd": ("faipl-1.0-sd", "noobai-xl")}
# Hub tags that name a family and not a text.
FAMILY_TAGS: Final = frozenset({"openrail", "bsd", "cc", "gpl", "lgpl", "gfdl", "odbl", "odc-by"})

# Spellings people use in cards and headers, folded by `_fold`; ids, SPDX ids, tags and names need no entry.
_SPELLINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "apache": "Apache-2.0",
        "apache 2": "Apache-2.0",
        "apache license 2 0": "Apache-2.0",
        "apache license version 2 0": "Apache-2.0",
        "cc0": "CC0-1.0",
        "cc0 1 0 universal": "CC0-1.0",
        "public domain cc0": "CC0-1.0",
        "cc by": "CC-BY-4.0",
        "cc by sa": "CC-BY-SA-4.0",
        "cc by nc": "CC-BY-NC-4.0",
        "cc by nc sa": "CC-BY-NC-SA-4.0",
        "cc by nd": "CC-BY-ND-4.0",
        "cc by nc nd": "CC-BY-NC-ND-4.0",
        "mit license": "MIT",
        "the mit license": "MIT",
        "gplv3": "GPL-3.0-only",
        "gpl 3 0": "GPL-3.0-only",
        "agplv3": "AGPL-3.0-only",
        "agpl 3 0": "AGPL-3.0-only",
        "gpl 3 0 or later": "GPL-3.0-only",
        "agpl 3 0 or later": "AGPL-3.0-only",
        "openrail m": "creativeml-openrail-m",
        "open rail m": "creativeml-openrail-m",
        "rail m": "creativeml-openrail-m",
        "creativeml open rail m license": "creativeml-openrail-m",
        "openrail++ m": "creativeml-openrail-plusplus-m",
        "open rail++ m": "creativeml-openrail-plusplus-m",
        "creativeml openrail++ m": "creativeml-openrail-plusplus-m",
        "rail++ m": "creativeml-openrail-plusplus-m",
        "faipl": "faipl-1.0-sd",
        "fair ai public license 1 0 sd": "faipl-1.0-sd",
        "fair ai public license 1 0": "faipl-1.0",
        "flux 1 dev non commercial license": "flux-1-dev-nc-1.1.1",
        "stability ai community license": "stability-ai-community-2024",
        "stability community license": "stability-ai-community-2024",
        "pony license": "pony-license-v7",
        "flux 1 dev nc": "flux-1-dev-nc-1.1.1",
    }
)
_CC_LINK: Final = re.compile(
    r"creativecommons\.org/licenses/(by(?:-nc)?(?:-sa|-nd)?)/(4\.0)(?:/|$)", re.IGNORECASE
)
_CC0_LINK: Final = re.compile(r"creativecommons\.org/publicdomain/zero/1\.0", re.IGNORECASE)


def _fold(text: str) -> str:
    """Case, punctuation and brackets aside; `++` stays, since RAIL-M and RAIL++-M are different texts."""
    return " ".join(re.sub(r"[^0-9a-z+]+", " ", text.casefold().replace("licence", "license")).split())


@lru_cache(maxsize=8)
def _index(table: Table) -> Mapping[str, str]:
    names: dict[str, str] = {}
    for row in _built_in_first(table):
        own = [
            row.id,
            row.spdx,
            row.expression,
            row.scancode_key,
            row.name,
            *row.hub_tags,
            *row.hub_license_names,
        ]
        for name in own:
            if name and name.casefold() not in _BY_DATE and name not in _CARD_MAY_ADD:
                names.setdefault(_fold(name), row.id)
    return names | dict(_SPELLINGS)


@lru_cache(maxsize=8)
def _links(table: Table) -> Mapping[str, str]:
    rows = reversed(_built_in_first(table))
    return {row.url.casefold().rstrip("/"): row.id for row in rows if row.url}


def _built_in_first(table: Table) -> list[License]:
    """So that a house license cannot take a name that stands for a known text."""
    return sorted(table.values(), key=lambda row: row.id not in LICENSES)


def identify_license(text: str | None, table: Table = LICENSES) -> str | None:
    """The id a declared license names, or None where it names none that is known; never the nearest guess.

    Takes an id, SPDX id or expression, Hub tag, license name, title or link.

    >>> identify_license("cc-by-nc-4.0"), identify_license("openrail++"), identify_license("my own rules")
    ('CC-BY-NC-4.0', 'creativeml-openrail-plusplus-m', None)
    """
    return None if text is None else identify(text, table=table).license


def identify(text: str, *, on: date | None = None, table: Table = LICENSES) -> Identification:
    """Like `identify_license`, with what is doubtful about the name; `on` is the date of the copy."""
    declared = text.strip()
    name = declared.casefold()
    if name in _BY_DATE:
        return _dated(declared, _BY_DATE[name], on)
    if name in _CARD_MAY_ADD:
        candidates = _CARD_MAY_ADD[name]
        return Identification(candidates[0], declared, True, candidates)
    link = "://" in name or name.startswith("www.")
    found = _link(name, table) if link else _index(table).get(_fold(declared))
    if found is None and re.search(r"\s(and|or|with)\s", name):
        try:
            alternatives(declared, table)
        except UnknownLicense:
            return Identification(None, declared)
        return Identification(declared, declared)
    if found is None:
        return Identification(None, declared, ambiguous=name in FAMILY_TAGS)
    return Identification(found, declared, ambiguous=name in FAMILY_TAGS or table[found].ambiguous)


def identify_hub(
    tag: str | None, name: str | None = None, *, on: date | None = None, table: Table = LICENSES
) -> Identification:
    """The license a Hub card declares by its tag, and by `license_name` where the tag is `other`.

    A name alone is no proof of the text: what came by `license_name` is marked ambiguous where cards are
    known to add terms. An unresolved `other` and a tag without a row stay what they are: unknown.
    """
    if tag is None:
        return Identification(None, "")
    if tag.strip().casefold() == "other" and name:
        found = identify(name, on=on, table=table)
        return found if found.license is not None else Identification("other", name, True)
    found = identify(tag, on=on, table=table)
    return found if found.license is not None else Identification(UNKNOWN, tag, True)


def _dated(declared: str, texts: tuple[tuple[date, str], ...], on: date | None) -> Identification:
    candidates = tuple(license_id for _, license_id in texts)
    if on is None:
        return Identification(candidates[-1], declared, True, candidates)
    in_force = [license_id for since, license_id in texts if since <= on]
    return Identification(in_force[-1] if in_force else candidates[0], declared, False, candidates)


def _link(name: str, table: Table) -> str | None:
    match = _CC_LINK.search(name)
    if match:
        return _index(table).get(_fold(f"cc-{match[1]}-{match[2]}"))
    if _CC0_LINK.search(name):
        return "CC0-1.0"
    return _links(table).get(name.rstrip("/"))
