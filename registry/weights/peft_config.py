"""PEFT's configurations in a file's metadata: the only place where such a file keeps its alphas.

diffusers writes them under `lora_adapter_metadata`, each key with its component before it
(`unet.lora_alpha`). How a layer's alpha is found: huggingface/peft, `get_pattern_key` and
`LoraModel._create_and_replace`; what is done with it: `LoraLayer.update_layer` (alpha / r, and
alpha / sqrt(r) with `use_rslora`: Kalajdzievski 2023, arXiv:2312.03732).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .metadata_values import mapping_of

KEY = "lora_adapter_metadata"
# A pattern is a regular expression that anybody may have written, so it is not run as it is: the few signs
# used for layers' names are translated, anything else is not understood.
_SIGNS = re.compile(r"\\\.|\\d\+|\[0-9\]\+|\.\*|\.\+|[\w.-]")
_DIGITS = (r"\d+", "[0-9]+")
_ANYTHING = (".*", ".+")
_LONGEST_PATTERN = 300
# Every layer is compared with each pattern of the wild kind; trainers write a handful.
_MOST_WILD = 100


@dataclass(slots=True)
class AlphaRule:
    """The alphas of one component: `everywhere`, unless a pattern names a layer; the first pattern counts.

    `ends` holds the plain patterns, which name the end of a path from a dot on, `whole` those that name all
    of it, each with its place in the list. With `unread`, a pattern that is not understood, no alpha is sure.
    """

    everywhere: float
    rank_stabilized: bool
    ends: dict[str, tuple[int, float]] = field(default_factory=dict)
    whole: dict[str, tuple[int, float]] = field(default_factory=dict)
    wild: list[tuple[int, re.Pattern[str], float]] = field(default_factory=list)
    unread: str = ""

    def alpha(self, path: str, rank: int) -> float:
        """The alpha that makes alpha / rank the scale PEFT applies to the layer at the dotted `path`."""
        stated = min(self._named(path), default=(0, self.everywhere))[1]
        return stated * math.sqrt(rank) if self.rank_stabilized else stated

    def _named(self, path: str) -> Iterator[tuple[int, float]]:
        if len(path) > _LONGEST_PATTERN:
            return
        if path in self.whole:
            yield self.whole[path]
        end = path if self.ends else ""
        while end:
            if end in self.ends:
                yield self.ends[end]
            end = end.partition(".")[2]
        yield from ((place, value) for place, pattern, value in self.wild if pattern.fullmatch(path))

    def add(self, text: str, place: int, value: float) -> bool:
        """Take up one pattern; False when it is not understood. PEFT reads it as `(.*\\.)?(text)$`."""
        inner = text.removeprefix("^").removesuffix("$")
        signs = _SIGNS.findall(inner[:_LONGEST_PATTERN])
        anything = sum(sign in _ANYTHING for sign in signs)
        if "".join(signs) != inner or anything > 1:
            return False
        if not anything and not any(sign in _DIGITS for sign in signs):
            plain = self.whole if text.startswith("^") else self.ends
            plain.setdefault(inner.replace("\\.", "."), (place, value))
            return True
        if len(self.wild) == _MOST_WILD:
            return False
        start = "" if text.startswith("^") else r"(?:.*\.)?"
        self.wild.append((place, re.compile(start + "".join(map(_translated, signs))), value))
        return True


def _translated(sign: str) -> str:
    # Possessive: digits are never given back, so that no name makes a pattern slow.
    if sign in _DIGITS:
        return r"\d++"
    return sign if sign in _ANYTHING else re.escape(sign.removeprefix("\\"))


def alpha_rules(metadata: Mapping[str, str]) -> dict[str, AlphaRule]:
    """Component -> its rule; under "" the rule of a file that is one component."""
    stated = mapping_of(metadata.get(KEY))
    rules: dict[str, AlphaRule] = {}
    for key in stated:
        component, _, last = key.rpartition(".")
        if last == "lora_alpha" and (rule := _rule(stated, component)) is not None:
            rules[component] = rule
    return rules


def _rule(stated: Mapping[str, Any], component: str) -> AlphaRule | None:
    prefix = f"{component}." if component else ""
    everywhere = _number(stated[f"{prefix}lora_alpha"])
    if everywhere is None:
        return None
    rule = AlphaRule(everywhere, stated.get(f"{prefix}use_rslora") is True)
    given = stated.get(f"{prefix}alpha_pattern")
    for place, (text, value) in enumerate(given.items() if isinstance(given, dict) else ()):
        alpha = _number(value)
        if alpha is None or not rule.add(text, place, alpha):
            rule.unread = text[:_LONGEST_PATTERN]
    return rule


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
