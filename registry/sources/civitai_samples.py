"""Recommended settings of a version with their evidence: the author's words, and the pictures shown for it.

Shape of `ListedVersion.settings` (empty when nothing tells; every part may be absent):

    {"weight":    {"min", "default", "max", "source", "count"},
     "weights":   {"author":   {"min", "default", "max", "count", "wording": [text]},
                   "pictures": {"min", "default", "max", "lowest", "highest", "count", "named_by": {how: n}}},
     "sampler":   {"value", "count", "of", "source"},   likewise "scheduler", "size", "checkpoint"
     "cfg":       {"min", "default", "max", "count", "source"},   likewise "steps", "clip_skip", "guidance"
     "pictures":  {"shown", "told", "reproducible"}}

`weight` is what to recommend: the author's where the author says any, else the pictures'; `source` is
`author` or `pictures`, `count` the number of statements or pictures behind it. Of pictures, `default` is the
median, `min` and `max` the first and third quartile (statistics.quantiles, inclusive: Hyndman and Fan's
type 7), `lowest` and `highest` the extremes. `named_by` counts how the pictures name this adapter: `version`
(Civitai's id of it), `hash`, `name` (its file's), or `only` (one single LoRA, under another name than the
file's, in all pictures that have any). `told`: pictures with parameters; `reproducible`: those with prompt,
seed, steps, sampler and guidance scale.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.sources.civitai_pictures import UsedLora, bare, lora_tags
from registry.sources.stated_weights import LONGEST_TEXT, stated_weights

REPRODUCIBLE = ("prompt", "seed", "steps", "sampler", "cfgScale")
_MOST_USED = {"sampler": "sampler", "scheduler": "scheduler", "size": "Size", "checkpoint": "Model"}
_RANGES = {"cfg": "cfgScale", "guidance": "guidance", "steps": "steps", "clip_skip": "clipSkip"}


@dataclass(frozen=True, slots=True)
class Identity:
    """By what a picture may name the version: Civitai's id, its files' hashes (lower case) and names."""

    version: str
    hashes: frozenset[str]
    names: frozenset[str]


def identity(version_key: str, hashes: Iterable[str], names: Iterable[str]) -> Identity:
    """The version's marks; hashes as announced, file names as they are."""
    stems = frozenset(found for name in names if (found := bare(name)))
    return Identity(version_key, frozenset(each.lower() for each in hashes), stems)


def settings_evidence(
    version: Identity, pictures: Sequence[Mapping[str, Any]], texts: Iterable[str]
) -> dict[str, Any]:
    """What to recommend and why. `pictures`: parameters as read_pictures gives them; `texts`: plain texts."""
    used = _weights(version, pictures)
    author = _author(version, list(texts), used)
    found: dict[str, Any] = {}
    told = {"author": author, "pictures": _shown(used)}
    weights = {source: each for source, each in told.items() if each}
    if weights:
        source, best = next(iter(weights.items()))
        found["weight"] = {name: best[name] for name in ("min", "default", "max")} | {
            "source": source,
            "count": best["count"],
        }
        found["weights"] = weights
    for name, key in _MOST_USED.items():
        values = [value for each in pictures if isinstance(value := each.get(key), str) and value]
        if values:
            value, count = Counter(values).most_common(1)[0]
            found[name] = {"value": value, "count": count, "of": len(values), "source": "pictures"}
    for name, key in _RANGES.items():
        values_told = (_number(each.get(key)) for each in pictures)
        numbers = [number for number in values_told if number is not None and 0 < number < 1000]
        if numbers:
            found[name] = _spread(numbers) | {"source": "pictures"}
    facts = [each for each in pictures if each]
    if pictures:
        found["pictures"] = {
            "shown": len(pictures),
            "told": len(facts),
            "reproducible": sum(is_reproducible(each) for each in facts),
        }
    return found


def is_reproducible(parameters: Mapping[str, Any]) -> bool:
    """Whether a picture tells enough to make it again with the same program and checkpoint."""
    return all(name in parameters for name in REPRODUCIBLE)


def _author(
    version: Identity, texts: Sequence[str], used: Sequence[tuple[float, str]]
) -> dict[str, Any] | None:
    """The author's recommendation: words first, then `<lora:...>` tags written for copying."""
    stated = [each for text in texts for each in stated_weights(text)]
    tags = [tag for text in texts for tag in lora_tags(text[:LONGEST_TEXT]) if tag.weight is not None]
    mine = [tag for tag in tags if bare(tag.name) in version.names]
    if not mine and len({bare(tag.name) for tag in tags}) == 1:
        mine = tags
    values = [tag.weight for tag in mine if tag.weight is not None]
    shown = [weight for weight, _ in used]
    if not stated and not values:
        return None
    least = [low for low, _, _ in stated if low is not None]
    most = [high for _, high, _ in stated if high is not None]
    low = min(least or [*values, *shown] or most)
    high = max(most or [*values, *shown] or least)
    low = min(low, high)
    inside = [each for group in (values, shown) for each in group if low <= each <= high]
    middles = [(a + b) / 2 for a, b, _ in stated if a is not None and b is not None]
    candidates = [
        [each for each in values if low <= each <= high],
        middles and [statistics.median(middles)],
        inside,
    ]
    default = next((statistics.median(each) for each in candidates if each), high)
    wording = [words for _, _, words in stated] or [f"<lora:{tag.name}:{tag.weight:g}>" for tag in mine]
    return {
        "min": _round(low),
        "default": _round(default),
        "max": _round(high),
        "count": len(stated) or len(values),
        "wording": list(dict.fromkeys(wording))[:5],
    }


def _shown(used: Sequence[tuple[float, str]]) -> dict[str, Any] | None:
    if not used:
        return None
    weights = [weight for weight, _ in used]
    extremes = {"lowest": _round(min(weights)), "highest": _round(max(weights))}
    return _spread(weights) | extremes | {"named_by": dict(Counter(how for _, how in used))}


def _weights(version: Identity, pictures: Sequence[Mapping[str, Any]]) -> list[tuple[float, str]]:
    """The weight at which each picture uses this adapter, and how it names it."""
    found: list[tuple[float, str]] = []
    lone: list[UsedLora] = []
    others: set[str] = set()
    for parameters in pictures:
        used = [UsedLora(**each) for each in parameters.get("loras", [])]
        named = next(
            (
                (each, how)
                for how in ("version", "hash", "name")
                for each in used
                if _names(version, each, how)
            ),
            None,
        )
        if named:
            if named[0].weight is not None:
                found.append((named[0].weight, named[1]))
        elif len(used) == 1 and not _contradicts(version, used[0]):
            lone.append(used[0])
        others.update(bare(each.name) for each in used if not named)
    if lone and not found and len(others) == 1:
        found = [(each.weight, "only") for each in lone if each.weight is not None]
    return found


def _names(version: Identity, used: UsedLora, how: str) -> bool:
    if how == "version":
        return bool(used.version) and used.version == version.version
    if used.version and used.version != version.version:
        return False
    if how == "hash":
        return bool(used.hash) and any(
            each.startswith(used.hash) or used.hash.startswith(each) for each in version.hashes
        )
    return bool(used.name) and bare(used.name) in version.names


def _contradicts(version: Identity, used: UsedLora) -> bool:
    return bool(used.version) and used.version != version.version


def _spread(values: Sequence[float]) -> dict[str, Any]:
    """Median and quartiles; of a single value all three are that value."""
    low, middle, high = (
        statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    )
    return {"min": _round(low), "default": _round(middle), "max": _round(high), "count": len(values)}


def _round(value: float) -> float:
    return round(value, 3)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
