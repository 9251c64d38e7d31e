"""PEFT's configurations in a file's metadata: the only place where such a file keeps its alphas.

diffusers writes them under `lora_adapter_metadata`, each key with its component before it
(`unet.lora_alpha`). How a layer's alpha is found: huggingface/peft, `get_pattern_key` and
`LoraModel._create_and_replace`; what is done with it: `LoraLayer.update_layer` (alpha / r, and
alpha / sqrt(r) with `use_rslora`: Kalajdzievski 2023, arXiv:2312.03732).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEY = "lora_adapter_metadata"
# A pattern is a regular expression. Anybody may have written it, so it is not run: the few signs that are
# used for layers' names are translated, anything else is not understood.
_SIGNS = re.compile(r"\\\.|\\d\+|\[0-9\]\+|\.\*|\.\+|[\w.-]")
_MEANINGS = {r"\.": r"\.", r"\d+": r"\d+", "[0-9]+": r"\d+", ".*": ".*", ".+": ".+"}
_MOST_WILDCARDS = 4
_LONGEST_PATTERN = 300


@dataclass(frozen=True, slots=True)
class AlphaRule:
    """The alphas of one component: `everywhere`, unless a layer's name ends as a pattern says.

    `unread` names a pattern that is not understood: then no layer's alpha is sure.
    """

    everywhere: float
    patterns: tuple[tuple[re.Pattern[str], float], ...]
    rank_stabilized: bool
    unread: str = ""

    def alpha(self, path: str, rank: int) -> float:
        """The alpha that makes alpha / rank the scale PEFT applies to the layer at the dotted `path`."""
        stated = next((value for pattern, value in self.patterns if pattern.fullmatch(path)), self.everywhere)
        return stated * math.sqrt(rank) if self.rank_stabilized else stated


def alpha_rules(metadata: Mapping[str, str]) -> dict[str, AlphaRule]:
    """Component -> its rule; under "" the rule of a file that is one component."""
    try:
        stated = json.loads(metadata.get(KEY, ""))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(stated, dict):
        return {}
    rules: dict[str, AlphaRule] = {}
    for key in stated:
        component, _, last = key.rpartition(".")
        if last == "lora_alpha" and (rule := _rule(stated, component)) is not None:
            rules[component] = rule
    return rules


def _rule(stated: dict[str, Any], component: str) -> AlphaRule | None:
    prefix = f"{component}." if component else ""
    everywhere = _number(stated[f"{prefix}lora_alpha"])
    if everywhere is None:
        return None
    patterns: list[tuple[re.Pattern[str], float]] = []
    unread = ""
    given = stated.get(f"{prefix}alpha_pattern")
    for text, value in given.items() if isinstance(given, dict) else ():
        pattern, alpha = _pattern(text), _number(value)
        if pattern is None or alpha is None:
            unread = text[:_LONGEST_PATTERN]
        else:
            patterns.append((pattern, alpha))
    return AlphaRule(everywhere, tuple(patterns), stated.get(f"{prefix}use_rslora") is True, unread)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _pattern(text: str) -> re.Pattern[str] | None:
    """PEFT matches the end of a layer's name at a dot, or all of it after `^`."""
    inner = text.removeprefix("^").removesuffix("$")
    signs = _SIGNS.findall(inner)
    wild = sum(sign in _MEANINGS and sign != r"\." for sign in signs)
    if "".join(signs) != inner or wild > _MOST_WILDCARDS or len(inner) > _LONGEST_PATTERN:
        return None
    start = "" if text.startswith("^") else r"(?:.*\.)?"
    return re.compile(start + "".join(_MEANINGS.get(sign, re.escape(sign)) for sign in signs))
