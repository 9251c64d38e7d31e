"""SPDX license expressions over our license ids: AND joins, OR offers a choice, WITH needs its own row."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from license_expression import ExpressionError, LicenseSymbol, Licensing
from license_expression import ParseError as ExpressionParseError

from registry.licensing.errors import UnknownLicense
from registry.licensing.schema import License
from registry.licensing.table import LICENSES, Table, find_license, folded_id

Alternative = tuple[License, ...]
"""Licenses that apply at the same time."""

MOST_ALTERNATIVES: Final = 32
LONGEST: Final = 1000
_OPERATOR: Final = re.compile(r"[\s()](AND|OR|WITH)[\s()]", re.IGNORECASE)
_OPERATORS: Final = frozenset({"and", "or", "with"})


@lru_cache(maxsize=8)
def _licensing(table: Table) -> Any:
    return Licensing(
        [LicenseSymbol(license_id, aliases=(f"LicenseRef-{license_id}",)) for license_id in table]
    )


@lru_cache(maxsize=4096)
def alternatives(text: str, table: Table = LICENSES) -> tuple[Alternative, ...]:
    """The choices an id or expression offers, each a group of licenses that bind together.

    `MIT OR (Apache-2.0 AND CC-BY-4.0)` gives `((MIT,), (Apache-2.0, CC-BY-4.0))`. One alternative is picked
    for the whole use, never the best cell of each (SPDX 2.3, annex D.4). Raises `UnknownLicense`.
    """
    if not _OPERATOR.search(text):
        return ((find_license(text, table),),)
    if len(text) > LONGEST:
        raise UnknownLicense(f"The license expression is longer than {LONGEST} characters.")
    try:
        tree = _licensing(table).parse(text, validate=True)
    except (ExpressionError, ExpressionParseError) as error:
        raise UnknownLicense(
            f"The license expression {text!r} cannot be read: {error}. Known: {', '.join(table)}.",
            next_step="Join ids of the license table with AND, OR and parentheses.",
        ) from error
    return _choices(tree, table)


def named_in(text: str) -> set[str]:
    """The ids an expression names, folded as `folded_id` does; the expression need not be sound.

    >>> sorted(named_in("(LicenseRef-pony-license-v7 OR MIT) AND Apache-2.0"))
    ['apache-2.0', 'mit', 'pony-license-v7']
    """
    return {folded_id(word) for word in re.findall(r"[^\s()]+", text)} - _OPERATORS


def _choices(tree: Any, table: Table) -> tuple[Alternative, ...]:
    if isinstance(tree, LicenseSymbol):
        return ((find_license(str(tree.key), table),),)
    parts = [_choices(part, table) for part in tree.args]
    if tree.operator.strip().upper() == "OR":
        return _bounded(tuple(choice for part in parts for choice in part))
    joined: tuple[Alternative, ...] = ((),)
    for part in parts:
        joined = _bounded(tuple((*left, *right) for left in joined for right in part))
    return joined


def _bounded(choices: tuple[Alternative, ...]) -> tuple[Alternative, ...]:
    if len(choices) > MOST_ALTERNATIVES:
        raise UnknownLicense(f"The license expression offers more than {MOST_ALTERNATIVES} choices.")
    return choices
