"""A Hugging Face model card, read into statements about terms: front matter, license links, the text below.

Shapes: huggingface.co/docs/hub/model-cards and repositories-licenses. A tag is one of the Hub's ids, `other`
with `license_name` and `license_link`, in the wild also an SPDX expression or a list. Names of families
(`openrail`, `cc`, `gpl` ...) name no text. What the card says below its front matter can only tighten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from registry.licensing.base_models import find_base_model
from registry.licensing.claims.circle_table import parse_circle_table
from registry.licensing.claims.statement import Statement, all_of, bounded
from registry.licensing.claims.texts import match_text
from registry.licensing.claims.words import read_words
from registry.licensing.identify import FAMILY_TAGS, identify

HUB: Final = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
_EMPTY: Final = frozenset({"", "null", "~", "none"})
_FILE: Final = re.compile(r"(?:blob|raw|resolve)/(?P<revision>[^/]+)/(?P<path>.+)")
_LICENSE_FILE: Final = re.compile(r"(?:model[_-]?)?(?:licen[sc]e|copying)[\w.+-]*", re.IGNORECASE)
# Fewer understood lines than this are not a table but a list that happens to hold a mark.
_FEWEST_LINES: Final = 3
_MOST_TAGS: Final = 10

Linked = Callable[[str], str | None]
"""The text of the file that a relative link of the card leads to; None where it is not at hand."""


@dataclass(frozen=True)
class LicenseLink:
    """Where a `license_link` leads: `path` inside a repository (`repo` "" for the card's own), or a `url`."""

    url: str = ""
    repo: str = ""
    path: str = ""


def read_link(link: str) -> LicenseLink:
    """Take a license link apart: relative, or of any repository, with `blob`, `raw` or `resolve`."""
    told = link.strip()
    try:
        parts = urlsplit(told) if "://" in told else None
        host = (parts.hostname or "").casefold() if parts else ""
    except ValueError:
        return LicenseLink(url=told)
    if parts is None:
        path = told.split("#")[0].split("?")[0].removeprefix("./").lstrip("/")
        inside = _FILE.fullmatch(path)
        return LicenseLink(path=unquote(inside["path"] if inside else path))
    if host not in HUB:
        return LicenseLink(url=told)
    names = parts.path.strip("/").split("/", 2)
    file = _FILE.fullmatch(names[2]) if len(names) == 3 else None
    if len(names) < 2 or names[0] in ("spaces", "datasets", "docs", "blog"):
        return LicenseLink(url=told)
    return LicenseLink(url=told, repo="/".join(names[:2]), path=unquote(file["path"]) if file else "")


def read_card_terms(
    front: Mapping[str, Any] | None,
    body: str = "",
    *,
    repo: str = "",
    on: date | None = None,
    linked: Linked = lambda path: None,
) -> list[Statement]:
    """The license, the author's own words and a circle table of one card; empty where it says nothing.

    front: the YAML mapping, scalars as text or parsed; None for a card without. repo: the card's own
    repository, to tell links to itself. on: the day of the copy, where a name stands for texts of several
    dates. linked: reads the file of a relative license link.
    """
    front = front or {}
    gate = front.get("extra_gated_prompt")
    prose = f"{gate}\n{body}" if isinstance(gate, str) else body
    table = _table(body)
    found = [_license(front, repo, on, linked), read_words(prose), table]
    return [statement for statement in found if statement is not None]


def _table(body: str) -> Statement | None:
    table = parse_circle_table(body)
    if len(table.lines) < _FEWEST_LINES or not table.flags:
        return None
    return Statement(
        "civitai_flags", table.flags, bounded("\n".join(table.lines)), hints={"wire": "circle_table"}
    )


def _text(value: object) -> str:
    told = value.strip() if isinstance(value, str) else ""
    return "" if told.casefold() in _EMPTY else " ".join(told.split())[:500]


def _license(front: Mapping[str, Any], repo: str, on: date | None, linked: Linked) -> Statement | None:
    given = front.get("license")
    tags = [
        tag for item in (given if isinstance(given, list) else [given])[:_MOST_TAGS] if (tag := _text(item))
    ]
    name, link = _text(front.get("license_name")), _text(front.get("license_link"))
    odd = given is not None and not isinstance(given, str | list)
    if not (tags or name or link or odd):
        return None
    wording = "; ".join(
        [*(tags or ([f"license: {given!r}"] if odd else [])),
         *([f"license_name: {name}"] if name else []), *([f"license_link: {link}"] if link else [])]
    )  # fmt: skip
    hints: dict[str, object] = {"tags": tags}
    if len(tags) > 1 or odd:
        # A list does not say whether one may choose or all of them bind.
        return Statement("license", None, bounded(wording), unread=tuple(tags) or (wording,), hints=hints)
    tag = tags[0] if tags else ""
    value, unread = _resolve(tag, name, link, repo, on, linked, hints)
    return Statement("license", value, bounded(wording), unread=tuple(unread), hints=hints)


def _resolve(
    tag: str, name: str, link: str, repo: str, on: date | None, linked: Linked, hints: dict[str, object]
) -> tuple[str | None, list[str]]:
    """The license that tag, name and link state together, and which of them were not understood.

    A tag other than `other` speaks for itself; a name or link that says something else binds beside it.
    """
    found: list[str] = []
    unread: list[str] = []
    own = tag if tag.casefold() not in ("", "other") else ""
    for told, by in ((own, "tag"), (name, "license_name")):
        if not told:
            continue
        read = identify(told, on=on)
        if read.ambiguous:
            hints["ambiguous"] = list(read.candidates) or [told]
        if told.casefold() in FAMILY_TAGS:
            hints["family"] = told.casefold()
        # A family has a row only where all of its texts say the same; otherwise its name states no text.
        if read.license is None or ("family" in hints and read.license != told.casefold()):
            unread.append(told)
        else:
            found.append(read.license)
            hints.setdefault("identified_by", by)
    by_link, exact = _linked_license(link, repo, on, linked, hints) if link else (None, False)
    if by_link is not None:
        hints.setdefault("identified_by", "license_link")
        # The file itself says more than a name that no table knows; under a tag of its own both bind.
        unread = [each for each in unread if each == own]
        if not exact and any(_one_family(each, by_link) for each in found):
            by_link = None
        found += [by_link] if by_link else []
    if unread:
        return None, unread
    if not found:
        return ("other", []) if tag and not name and not link else (None, [name or link or tag])
    names = sorted(dict.fromkeys(found))
    if len(names) > 1:
        hints["disagree"] = names
    return all_of(names), []


def _linked_license(
    link: str, repo: str, on: date | None, linked: Linked, hints: dict[str, object]
) -> tuple[str | None, bool]:
    """The license a link leads to, and whether its very text was read."""
    target = read_link(link)
    if target.path and target.repo in ("", repo):
        hints["license_file"] = target.path
        text = linked(target.path)
        if text is None:
            return None, False
        match = match_text(text)
        if match.resembles:
            hints["resembles"] = match.resembles
        return match.license, True
    if target.repo:
        hints["license_repository"] = target.repo
        base = find_base_model(target.repo)
        name = PurePosixPath(target.path).name
        if base is not None and base.license and (not name or _LICENSE_FILE.fullmatch(name)):
            return base.license, False
    read = identify(target.url, on=on)
    return (None, False) if read.ambiguous else (read.license, False)


def _one_family(one: str, other: str) -> bool:
    """Whether two ids are texts of one license at different dates (`flux-1-dev-nc-1.0`, `-1.1.1`)."""
    return re.sub(r"[-.0-9]+\Z", "", one) == re.sub(r"[-.0-9]+\Z", "", other)
