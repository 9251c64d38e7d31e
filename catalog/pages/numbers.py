"""Numbers out of stored JSON, read with care and written as the language writes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

NOTHING = "–"


def list_of(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def rows_of(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list; whatever else stands there is left out."""
    return [each for each in list_of(value) if isinstance(each, dict)]


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def number(value: Any) -> float | None:
    """The value if it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def counted(data: Mapping[str, Any], name: str) -> int:
    """How many there are; the list beside it names only the first."""
    stated = number(data.get(f"{name}_count"))
    return len(list_of(data.get(name))) if stated is None else int(stated)


def decimal(value: float, places: int) -> str:
    """A number with so many decimals, rounded: Django's own number_format cuts the rest off."""
    # Adding 0 makes a plain zero of a negative one.
    return number_format(round(value, places) + 0.0, decimal_pos=places)


def percent(value: Any) -> str:
    """A share of one as a percentage with two figures."""
    share = number(value)
    if share is None:
        return NOTHING
    if 0 < share < 0.001:
        text = _("under %(share)s %%") % {"share": decimal(0.1, 1)}
    else:
        places = 0 if share >= 0.0995 or share == 0 else 1
        text = _("%(share)s %%") % {"share": decimal(100 * share, places)}
    # A number is never torn from its sign at the end of a line.
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def amount(value: Any) -> str:
    """A norm with about three figures; very small and large ones with a power of ten."""
    found = number(value)
    if found is None:
        return NOTHING
    if found and not 1e-3 <= abs(found) < 1e5:
        return f"{found:.2e}"
    places = 0 if abs(found) >= 100 else 1 if abs(found) >= 10 else 2 if abs(found) >= 1 else 4
    return decimal(found, places if found else 0)


def rounded(value: Any, decimals: int) -> str:
    """A number with so many decimals."""
    found = number(value)
    return NOTHING if found is None else decimal(found, decimals)


def span(values: Mapping[str, Any], *, decimals: int) -> str:
    """`4.1 to 12.8, median 9.0`; one number where all are the same; empty where nothing is known."""
    low, middle, high = (number(values.get(name)) for name in ("min", "median", "max"))
    if low is None or middle is None or high is None:
        return ""
    if low == high:
        return decimal(middle, decimals)
    return _("%(low)s to %(high)s, median %(median)s") % {
        "low": decimal(low, decimals),
        "high": decimal(high, decimals),
        "median": decimal(middle, decimals),
    }
