"""The weights of a file for people: where the change sits, how much of the rank is used, what to try."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.pages import weight_words, words
from catalog.pages.numbers import (
    amount,
    counted,
    decimal,
    list_of,
    mapping,
    number,
    percent,
    rounded,
    rows_of,
    span,
)
from registry.analysis import measured
from registry.main_files import measurable
from registry.models import File, Version

# Blocks named in the sentence: more than three are a list, not a place.
NAMED = 3
# A text encoder, an input block ...: the part a block belongs to, by the letters its name starts with.
_PART_OF: Final = {
    "BASE": "TE", "CLIP": "TE", "T5": "TE", "TE": "TE", "IN": "IN", "M": "MID", "MID": "MID", "OUT": "OUT",
    "D": "DOUBLE", "S": "SINGLE",
}  # fmt: skip
_LETTERS = re.compile(r"[A-Z]+")


@dataclass(frozen=True)
class Bar:
    """One block of the chart. `height` and `top` are percentages as SVG writes them."""

    name: str
    part: str
    share: str
    modules: int
    norm: str
    spectral: str
    rank: str
    height: str
    top: str
    strong: bool
    strongest: bool
    empty: bool
    first: bool


@dataclass(frozen=True)
class Part:
    """One stretch of the strip that shows how the change is spread; `x` and `width` are percentages."""

    code: str
    label: str
    share: str
    x: str
    width: str


@dataclass(frozen=True)
class Preset:
    """A block-weight vector to try, ready to paste."""

    title: str
    why: str
    tag: str


@dataclass(frozen=True)
class Weights:
    """What the section shows. `state`: done, failed, running, queued, missing, or no_file."""

    state: str
    code: str = ""
    message: str = ""
    bars: list[Bar] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    presets: list[Preset] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    norm: str = ""
    spectral: str = ""
    rank: str = ""
    rank_note: str = ""
    modules: int = 0
    zero: list[str] = field(default_factory=list)
    zero_count: int = 0
    not_finite: list[str] = field(default_factory=list)
    not_finite_count: int = 0
    left_out: int = 0
    strength: str = ""
    base: str = ""
    needs_base: bool = False
    layout: str = ""

    @property
    def silent(self) -> bool:
        """Whether there is no change that could be drawn."""
        return all(bar.empty for bar in self.bars)

    @property
    def wide(self) -> bool:
        """Whether the chart has too many blocks to write each name below its bar."""
        return len(self.bars) > 40


def read_weights(version: Version, file: File | None, rank: Mapping[str, Any] | None) -> Weights:
    """The section for the version's main file: one query, and one more while nothing is measured."""
    if file is None or not measurable(file):
        return Weights("no_file")
    found = measured(version, file.blob_id)
    if found.data is None:
        return Weights(found.state, code=found.code, message=found.message)
    return _weights(found.data, PurePosixPath(file.name).stem, rank)


def _weights(data: Mapping[str, Any], name: str, rank: Mapping[str, Any] | None) -> Weights:
    blocks = rows_of(data.get("blocks"))
    bars = _bars(blocks)
    parts = _parts(rows_of(data.get("profile")))
    effective = mapping(data.get("effective_rank"))
    return Weights(
        state="done",
        bars=bars,
        parts=parts,
        presets=_presets(data, name),
        sentences=_sentences(blocks, parts),
        norm=amount(data.get("frobenius")),
        spectral=amount(data.get("spectral")),
        rank=span(effective, decimals=1),
        rank_note=_rank_note(effective, rank),
        modules=int(number(data.get("modules")) or 0),
        zero=[str(each) for each in list_of(data.get("zero"))],
        zero_count=counted(data, "zero"),
        not_finite=[str(each) for each in list_of(data.get("not_finite"))],
        not_finite_count=counted(data, "not_finite"),
        left_out=counted(data, "left_out"),
        strength=percent(data["strength"]) if number(data.get("strength")) else "",
        base=words.family(str(data.get("base") or "")),
        needs_base=bool(data.get("needs_base")),
        layout=str(data.get("layout") or ""),
    )


# --- The chart ----------------------------------------------------------------------------------------------


def part_of(block: str) -> str:
    """The part of the model that a block belongs to, empty where its name does not tell."""
    letters = _LETTERS.match(block)
    return _PART_OF.get(letters[0], "") if letters else ""


def _bars(blocks: Sequence[Mapping[str, Any]]) -> list[Bar]:
    shares = [number(block.get("share")) or 0.0 for block in blocks]
    highest = max(shares, default=0.0)
    strong = {id(block) for block in _strongest(blocks)}
    bars: list[Bar] = []
    for block, share in zip(blocks, shares, strict=True):
        name = str(block.get("name", ""))
        height = 100 * share / highest if highest else 0.0
        bars.append(
            Bar(
                name=name,
                part=part_of(name),
                share=percent(share),
                modules=int(number(block.get("modules")) or 0),
                norm=amount(block.get("frobenius")),
                spectral=amount(block.get("spectral")),
                rank=rounded(block.get("effective_rank"), 1),
                height=f"{height:.2f}%",
                top=f"{100 - height:.2f}%",
                strong=id(block) in strong,
                strongest=bool(highest) and share == highest,
                empty=not share,
                first=not bars or bars[-1].part != part_of(name),
            )
        )
    return bars


def _parts(profile: Sequence[Mapping[str, Any]]) -> list[Part]:
    parts: list[Part] = []
    x = 0.0
    for each in profile:
        share = number(each.get("share")) or 0.0
        code = str(each.get("part", ""))
        parts.append(
            Part(code, weight_words.part(code), percent(share), f"{100 * x:.2f}%", f"{100 * share:.2f}%")
        )
        x += share
    return parts


def _strongest(blocks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    touched = [block for block in blocks if (number(block.get("share")) or 0.0) > 0]
    return sorted(touched, key=lambda block: -(number(block.get("share")) or 0.0))[:NAMED]


def _sentences(blocks: Sequence[Mapping[str, Any]], parts: Sequence[Part]) -> list[str]:
    named = _strongest(blocks)
    if not named:
        return [_("It changes nothing: every module that could be measured is zero.")]
    told = []
    if len(parts) > 1:
        first = max(parts, key=lambda part: float(part.width.rstrip("%")))
        most = float(first.width.rstrip("%")) >= 50
        text = (
            _("Most of the change sits in one part: %(part)s, %(share)s.")
            if most
            else _("The largest part of the change: %(part)s, %(share)s.")
        )
        told.append(text % {"part": first.label, "share": first.share})
    if len(blocks) > 1:
        listed = _(", ").join(f"{block.get('name')} ({percent(block.get('share'))})" for block in named)
        told.append(
            ngettext("Strongest block: %(blocks)s.", "Strongest blocks: %(blocks)s.", len(named))
            % {"blocks": listed}
        )
    return told


def _presets(data: Mapping[str, Any], name: str) -> list[Preset]:
    presets = []
    for each in rows_of(data.get("presets")):
        if each.get("lbw"):
            code = str(each.get("code", ""))
            presets.append(
                Preset(weight_words.preset(code), _why(code, each), f"<lora:{name}:1:lbw={each['lbw']}>")
            )
    return presets


def _why(code: str, preset: Mapping[str, Any]) -> str:
    """Which blocks the vector lowers and why those; as the worker wrote it where the code is not known."""
    meaning = weight_words.preset_why(code)
    elements = [str(each) for each in list_of(preset.get("elements"))]
    if not meaning or not elements:
        return str(preset.get("why") or "")
    return _("Lowers %(blocks)s, which carry %(share)s of the change. %(meaning)s") % {
        "blocks": _(", ").join(elements),
        "share": percent(preset.get("share")),
        "meaning": meaning,
    }


def _rank_note(effective: Mapping[str, Any], rank: Mapping[str, Any] | None) -> str:
    used, held = number(effective.get("median")), number((rank or {}).get("median"))
    if used is None or not held:
        return ""
    share = used / held
    if share > 1:
        return ""
    if share < 0.5:
        text = _("Of rank %(rank)s about %(used)s carry the change; a smaller rank would hold most of it.")
    else:
        text = _("Of rank %(rank)s about %(used)s carry the change.")
    return text % {"rank": decimal(held, 0), "used": decimal(used, 0)}
