"""JSON exactly as the official safetensors reader (Rust, serde_json) accepts it, which Python's json does
not.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from .errors import HeaderNotJson, HeaderOverLimit, HeaderTooDeep

# serde_json refuses the 128th level; the header itself is the first.
DEPTH_LIMIT = 128
U64_MAX = 2**64 - 1
I64_MIN = -(2**63)
# A JSON value costs up to 300 bytes once parsed, and a tensor is ten of them; no adapter comes near so many.
VALUE_LIMIT = 500_000
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)

_SURROGATE = re.compile("[\ud800-\udfff]")


class Pairs(list[tuple[str, Any]]):
    """A JSON object as the list of its pairs, so that a key given twice is seen."""


def _constant(text: str) -> NoReturn:
    raise HeaderNotJson(f"The header holds {text}, which is not JSON.")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise HeaderNotJson("The header holds a number out of range.")
    return value


def _int(text: str) -> int | float:
    # serde reads whole numbers as u64 or i64; beyond them, and for -0, as a float.
    if text == "-0":
        return -0.0
    if len(text) > 20:
        return _float(text)
    value = int(text)
    return value if I64_MIN <= value <= U64_MAX else float(value)


_decoder = json.JSONDecoder(
    object_pairs_hook=Pairs, parse_float=_float, parse_int=_int, parse_constant=_constant, strict=True
)


def parse(text: str) -> Any:
    """Parse `text`; objects come back as `Pairs`. Raises HeaderNotJson, HeaderTooDeep or HeaderOverLimit."""
    if too_many_values(text):
        raise HeaderOverLimit(f"The header holds more than {VALUE_LIMIT} values.")
    try:
        value = _decoder.decode(text)
    except RecursionError:
        raise HeaderTooDeep("The header's JSON is nested too deep.") from None
    except ValueError as error:
        raise HeaderNotJson(f"The header is not JSON: {error}.") from None
    if "\\u" in text and _has_lone_surrogate(value):
        raise HeaderNotJson("The header holds half of a surrogate pair.")
    return value


def too_many_values(text: str) -> bool:
    """Whether JSON holds more than VALUE_LIMIT values, told by its punctuation outside of strings: before
    anything is built.
    """
    return _punctuation(text) > VALUE_LIMIT and _punctuation(_STRING.sub("", text)) > VALUE_LIMIT


def _punctuation(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


def _has_lone_surrogate(value: Any) -> bool:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if _SURROGATE.search(item):
                return True
        elif isinstance(item, Pairs):
            for key, inner in item:
                stack += (key, inner)
        elif isinstance(item, list):
            stack += item
    return False


def check_depth(value: Any, depth: int) -> None:
    """Raise HeaderTooDeep where `value`, itself standing at level `depth`, reaches the limit."""
    stack = [(value, depth)]
    while stack:
        item, level = stack.pop()
        if not isinstance(item, list):
            continue
        if level >= DEPTH_LIMIT:
            raise HeaderTooDeep(f"The header's JSON is nested deeper than {DEPTH_LIMIT - 1} levels.")
        if isinstance(item, Pairs):
            stack += ((inner, level + 1) for _, inner in item)
        else:
            stack += ((inner, level + 1) for inner in item)
