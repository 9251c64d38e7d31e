"""How complete a model's page on Civitai is, line by line, as practitioners check it before they use it.

Shape of `ListedVersion.page`: `{"score", "of", "lines": [{"code", "state", "found"}]}`. `state` is `yes`,
`partly` or `no`, or `not_applicable`; a yes counts 1, a partly 0.5. `of` is the number of lines that apply,
`score` their mean.
`found` holds what was found, as counts and the author's own words:

- `version_differences`: the notes of a later version say what is new in it. `{notes}`
- `samples_reproducible`: pictures that tell prompt, seed, steps, sampler and guidance. `{count, of}`
- `dependencies`: base, checkpoint, VAE, embeddings or other models that it needs or was shown with.
  `{base, checkpoints, links}`
- `update_history`: dates of the versions. `{versions, dated, noted}`
- `trigger_words`: stated, or said to be needless. `{words}`
- `recommended_settings`: stated by the author (`yes`), or only to be inferred from pictures (`partly`).
- `license`: a license, terms in words, or flags that somebody set (`yes`); flags as the form presets them
  (`partly`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from registry.models import ClaimKind
from registry.sources.civitai_samples import is_reproducible
from registry.sources.listing import ListedClaim
from registry.sources.text import line, moment, plain

_POINTS = {"yes": 1.0, "partly": 0.5, "no": 0.0}
_NO_TRIGGER = re.compile(
    r"\b(no|without( any)?|not? need(ed)?( for)?( any)?|doesn'?t (need|require)( any)?)\s+(trigger|activat)"
    r"|(无需|不需要|不用)触发",
    re.IGNORECASE,
)
_LINKED = re.compile(r"https?://[^\s\"'<>]*?/models/(\d+)")
_PART = re.compile(
    r"\b(checkpoint|vae|embedding|textual inversion|control\s*net|upscaler|base model)\b|底模|大模型",
    re.IGNORECASE,
)
_UNKNOWN_BASES = {"", "other", "unknown"}


def page_completeness(
    model: Mapping[str, Any],
    version: Mapping[str, Any],
    *,
    words: Sequence[str],
    pictures: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    claims: Sequence[ListedClaim],
) -> dict[str, Any]:
    """The checklist for one version; words, pictures, settings and claims as they were read for it."""
    told = f"{plain(model.get('description'))}\n{plain(version.get('description'))}"
    versions = [each for each in model.get("modelVersions") or [] if isinstance(each, Mapping)]
    lines = [
        _differences(version, versions),
        _samples(version, pictures),
        _dependencies(
            version, pictures, told, str(model.get("description")) + str(version.get("description"))
        ),
        _history(versions or [version]),
        _trigger_words(words, told),
        _settings(settings),
        _license(claims),
    ]
    counted = [_POINTS[each["state"]] for each in lines if each["state"] in _POINTS]
    return {"score": round(sum(counted) / len(counted), 2), "of": len(counted), "lines": lines}


def _line(code: str, state: str, **found: Any) -> dict[str, Any]:
    return {"code": code, "state": state, "found": found}


def _differences(version: Mapping[str, Any], versions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    notes = line(plain(version.get("description")).replace("\n", " "), 200)
    if notes:
        return _line("version_differences", "yes", notes=notes)
    first = min(versions, key=_began, default=None)
    alone = len(versions) < 2 or (first is not None and first.get("id") == version.get("id"))
    return _line("version_differences", "not_applicable" if alone else "no", notes="")


def _samples(version: Mapping[str, Any], pictures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    count = sum(is_reproducible(each) for each in pictures)
    state = "no" if not count else "yes" if count * 2 >= len(pictures) else "partly"
    return _line("samples_reproducible", state, count=count, of=len(pictures))


def _dependencies(
    version: Mapping[str, Any], pictures: Sequence[Mapping[str, Any]], told: str, markup: str
) -> dict[str, Any]:
    base = line(version.get("baseModel"), 100)
    checkpoints = [each["Model"] for each in pictures if isinstance(each.get("Model"), str)]
    links = list(dict.fromkeys(_LINKED.findall(markup)))[:10]
    named = bool(checkpoints or links or _PART.search(told))
    known = base.casefold() not in _UNKNOWN_BASES
    state = "yes" if known and named else "partly" if known or named else "no"
    return _line(
        "dependencies", state, base=base, checkpoints=list(dict.fromkeys(checkpoints))[:5], links=links
    )


def _history(versions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    dated = sum(bool(_began(each)) for each in versions)
    noted = sum(bool(plain(each.get("description"))) for each in versions)
    found = {"versions": len(versions), "dated": dated, "noted": noted}
    if len(versions) < 2:
        return _line("update_history", "not_applicable", **found)
    state = "yes" if dated == len(versions) and noted * 2 >= len(versions) else "partly" if dated else "no"
    return _line("update_history", state, **found)


def _trigger_words(words: Sequence[str], told: str) -> dict[str, Any]:
    state = "yes" if words or _NO_TRIGGER.search(told) else "no"
    return _line("trigger_words", state, words=list(words)[:20])


def _settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    weights = settings.get("weights") or {}
    if "author" in weights:
        return _line("recommended_settings", "yes", wording=weights["author"]["wording"])
    inferred = sorted(set(settings) - {"pictures", "weights"})
    return _line("recommended_settings", "partly" if inferred else "no", inferred=inferred)


def _license(claims: Sequence[ListedClaim]) -> dict[str, Any]:
    stated = [each for each in claims if each.kind in {ClaimKind.LICENSE, ClaimKind.TEXT_TERMS}]
    flags = [each for each in claims if each.kind == ClaimKind.CIVITAI_FLAGS and each.value is not None]
    if stated:
        return _line("license", "yes", wording=[line(each.wording, 200) for each in stated][:3])
    if flags:
        preset = bool(flags[0].hints.get("flags_are_default"))
        return _line("license", "partly" if preset else "yes", flags_are_default=preset)
    return _line("license", "no")


def _began(version: Mapping[str, Any]) -> str:
    """The version's first date as sortable text, empty where none is told."""
    found = moment(version.get("publishedAt")) or moment(version.get("createdAt"))
    return found.isoformat() if found else ""
