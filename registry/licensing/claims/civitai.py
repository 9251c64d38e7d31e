"""Civitai's model and version objects of every year, read into statements about terms.

Shapes (civitai/civitai@ebed661 and its migrations; civitai-developer-docs, reference/models.md):
`allowCommercialUse` is a list since 2024-02-21, in some answers a Postgres literal ("{Image,RentCivit}");
before that one rung of a ladder (None < Image < RentCivit < Rent < Sell, each with all below it); in 2022 a
boolean. Null means not told, an empty list means nothing is allowed. The flags belong to the model; copies of
them on a version, as some tools write, can only tighten.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from registry.licensing.civitai import COMMERCIAL_USES, FLAGS, CivitaiFlags, parse_flags
from registry.licensing.claims.statement import Statement, all_of, bounded
from registry.licensing.claims.words import read_words
from registry.licensing.errors import LicensingError
from registry.licensing.identify import identify
from registry.licensing.table import LICENSES

# From this day on the field holds a set; until then one rung of the ladder.
LADDER_ENDED: Final = date(2024, 2, 21)
# Bases whose license carries `nonCommercial` in Civitai's table: the site shows [None] whatever is stored
# (getEffectiveCommercialUse), while its API answers with what is stored.
OVERRIDDEN_BASES: Final = frozenset({"ideogram 4.0", "ideogram 4"})
_BOOLEANS: Final = ("allowNoCredit", "allowDerivatives", "allowDifferentLicense")
_HINTS: Final = ("poi", "minor", "nsfw", "sfwOnly")
_DATES: Final = ("createdAt", "updatedAt", "publishedAt", "lastVersionAt")
_SPELLED: Final[Mapping[object, bool]] = {"true": True, "false": False}
_BY_FOLDED: Final = {use.casefold(): use for use in COMMERCIAL_USES}


@dataclass
class _Flags:
    """The flags of one level: what was understood and what was not (`lost`: in no known shape)."""

    value: dict[str, Any] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    wire: str = ""
    late: bool = False
    lost: bool = False


def read_terms(
    model: Mapping[str, Any],
    version: Mapping[str, Any] | None = None,
    *,
    bases: Sequence[str] = (),
    description: str = "",
) -> list[Statement]:
    """What a model object and one of its versions say about terms: flags, extra licenses, the author's words.

    bases: the version's base models as Civitai names them. description: both descriptions as plain text.
    """
    version = version or {}
    found = [
        _flags(model, version, bases, latest_date(model, version)),
        _extra_licenses(model.get("licenses"), version.get("licenses")),
        read_words(description),
    ]
    return [statement for statement in found if statement is not None]


def latest_date(*objects: Mapping[str, Any]) -> date | None:
    """The latest day that the objects and their versions name; None where they name none."""
    days = []
    for each in objects:
        versions = each.get("modelVersions")
        nested = (
            [item for item in versions if isinstance(item, Mapping)] if isinstance(versions, list) else []
        )
        for item in (each, *nested):
            days += [day for key in _DATES if (day := _day(item.get(key)))]
    return max(days, default=None)


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _flags(
    model: Mapping[str, Any], version: Mapping[str, Any], bases: Sequence[str], on: date | None
) -> Statement | None:
    stated = {key: model[key] for key in FLAGS if key in model}
    on_version = {key: version[key] for key in FLAGS if key in version and version[key] is not None}
    if not stated and not on_version:
        return None
    levels = [_level(each, on) for each in (stated, on_version) if each]
    read = parse_flags(levels[0].value)
    for other in levels[1:]:
        read = _strictest(read, parse_flags(other.value))
    hints: dict[str, object] = {key: True for key in _HINTS if True in (model.get(key), version.get(key))}
    hints["wire"] = levels[0].wire
    if read.are_default:
        # The upload form is preset to this, so perhaps nobody ever chose it.
        hints["flags_are_default"] = True
    if missing := [key for key in FLAGS if key not in stated and key not in on_version]:
        hints["missing"] = missing
    if on_version:
        hints["level"] = "model and version" if stated else "version"
    if any(level.late for level in levels):
        hints["ladder_after_its_end"] = True
    # A flag in a shape that no release ever sent may mean anything: then none of them is relied on.
    lost = any(level.lost for level in levels)
    value: dict[str, object] | None = read.as_dict() if read.stated and not lost else None
    if value is not None and any(base.strip().casefold() in OVERRIDDEN_BASES for base in bases):
        hints["overridden"] = {"stored": value["allowCommercialUse"], "base": ", ".join(bases)}
        value["allowCommercialUse"] = []
    unread = tuple(part for level in levels for part in level.unread)
    if value is None and not unread:
        # Every flag is null: the source did not tell, which states nothing.
        return None
    wording = json.dumps(stated if not on_version else {"model": stated, "version": on_version},
                         sort_keys=True, ensure_ascii=False, default=str)  # fmt: skip
    return Statement("civitai_flags", value, bounded(wording), unread=unread, hints=hints)


def _level(stated: Mapping[str, Any], on: date | None) -> _Flags:
    flags = _Flags()
    for key in _BOOLEANS:
        value = stated.get(key)
        folded = value.strip().casefold() if isinstance(value, str) else value
        if value is None:
            continue
        if isinstance(value, bool) or (isinstance(folded, str) and folded in _SPELLED):
            flags.value[key] = value if isinstance(value, bool) else _SPELLED[folded]
        else:
            flags.lost = True
            flags.unread.append(f"{key}: {_shown(value)}")
    if stated.get("allowCommercialUse") is not None:
        _commercial_use(stated["allowCommercialUse"], on, flags)
    return flags


def _commercial_use(value: object, on: date | None, flags: _Flags) -> None:
    flags.wire = _wire(value)
    # Civitai has sent no single word since; a later copy that has one was rewritten by another program.
    flags.late = flags.wire == "word" and on is not None and on >= LADDER_ENDED
    try:
        read = parse_flags({"allowCommercialUse": value})
    except LicensingError:
        words = value if isinstance(value, list) else str(value).strip("{}").split(",")
        known = [_BY_FOLDED[w] for word in words if (w := str(word).strip(' "').casefold()) in _BY_FOLDED]
        flags.unread.append(f"allowCommercialUse: {_shown(value)}")
        # "None" beside another word: it is stated, and the stricter half of it counts.
        if known and any(str(word).strip(' "').casefold() == "none" for word in words):
            flags.value["allowCommercialUse"] = []
        else:
            flags.lost = True
        return
    if read.unrecognized:
        flags.unread.append(f"allowCommercialUse: {', '.join(read.unrecognized)}")
    flags.value["allowCommercialUse"] = [use for use in COMMERCIAL_USES if use in (read.commercial_use or ())]


def _wire(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, list):
        return "list"
    if not isinstance(value, str):
        return "unknown"
    if value.strip().startswith("{"):
        return "postgres"
    return "words" if "," in value else "word"


def _strictest(one: CivitaiFlags, other: CivitaiFlags) -> CivitaiFlags:
    """Two readings of the same flags as one: any refusal refuses, silence adds nothing."""

    def both(a: bool | None, b: bool | None) -> bool | None:
        return b if a is None else a if b is None else a and b

    uses = (
        one.commercial_use & other.commercial_use
        if one.commercial_use is not None and other.commercial_use is not None
        else one.commercial_use or other.commercial_use
    )
    return CivitaiFlags(
        both(one.no_credit, other.no_credit),
        uses if uses is not None else other.commercial_use,
        both(one.derivatives, other.derivatives),
        both(one.different_license, other.different_license),
    )


def _extra_licenses(*fields: object) -> Statement | None:
    """Licenses that the model carries beside its base's: all of them apply at once."""
    entries = [item for value in fields if isinstance(value, list) for item in value]
    names = list(dict.fromkeys(name for item in entries if (name := _license_name(item))))
    if not names:
        return None
    read = {name: _identified(name) for name in names}
    known = sorted({license_id for license_id in read.values() if license_id})
    unread = tuple(name for name, license_id in read.items() if license_id is None)
    value = None if unread else all_of(known)
    return Statement("license", value, bounded("; ".join(names)), unread=unread, hints={"field": "licenses"})


def _license_name(item: object) -> str:
    if isinstance(item, Mapping):
        parts: Iterable[object] = (item.get("name"), item.get("url"))
        told = " ".join(part.strip() for part in parts if isinstance(part, str) and part.strip())
        return told or (f"Civitai license {item['id']}" if isinstance(item.get("id"), int) else "")
    if isinstance(item, int) and not isinstance(item, bool):
        return f"Civitai license {item}"
    return item.strip() if isinstance(item, str) else ""


def _identified(name: str) -> str | None:
    number = name.removeprefix("Civitai license ")
    if number != name and number.isdecimal():
        rows = [row.id for row in LICENSES.values() if int(number) in row.civitai_ids]
        return rows[0] if len(rows) == 1 else None
    title, _, link = name.partition(" http")
    for told in (name, title, f"http{link}" if link else ""):
        if told and (found := identify(told)).license is not None and not found.ambiguous:
            return found.license
    return None


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:200]
