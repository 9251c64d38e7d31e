"""The sheet as one picture: cells under what their columns apply, rows with prompt and seed, the manifest
inside the PNG.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from inference.recipes import Column, Layout, Role, Row, SheetPlan, canonical_json

MANIFEST_KEY = "kura_manifest"
"""The iTXt chunk that holds the manifest as canonical JSON."""

Pixels = npt.NDArray[np.uint8]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
RGB = tuple[int, int, int]

PAPER: RGB = (250, 249, 246)
INK: RGB = (28, 30, 38)
QUIET: RGB = (108, 112, 124)
LINE: RGB = (222, 220, 214)
ACCENT: RGB = (38, 66, 140)
_SEVERITY: dict[str, RGB] = {"error": (176, 36, 36), "warning": (150, 92, 0), "info": QUIET}
_MARK = {"error": "✕", "warning": "!", "info": "·"}

LEAST_SIDE, MOST_SIDE = 160, 512
# Cells of a sheet with very many columns are smaller: viewers and decoders give up on wider pictures.
MOST_WIDTH = 8000
GAP, MARGIN, LABEL = 8, 32, 220
# Between two groups of columns, with the line that parts them in its middle.
GROUP_GAP = 24
# What one line of the heading takes, and the words over a group of columns.
LINE_HEIGHT, GROUP_HEIGHT = 22, 30
# What the words over a group of rows take.
ROW_CAPTION = 28
_GROUPS = {
    "cfg": "guidance (CFG)", "clip_skip": "clip skip", "negative": "negative prompt", "hires": "second pass",
    "true_cfg": "true guidance",
    "block": "one block alone", "all": "all together", "single": "each alone", "pair": "two together",
    "earlier": "earlier version", "this": "this version",
}  # fmt: skip
_ROW_GROUPS = {
    "seeds": "One scene at several seeds", "scenes": "Other scenes at one seed",
    "silent": "The same without the trigger words", "neutral": "Neutral prompts",
}  # fmt: skip
# Fonts with Japanese first; Pillow's own font has Latin letters only and is the last resort.
_FONTS = (
    "NotoSansCJK-Regular.ttc", "NotoSansCJKjp-Regular.otf", "Hiragino Sans GB.ttc", "meiryo.ttc",
    "msgothic.ttc", "DejaVuSans.ttf",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above and below the cells. `findings` are (severity, sentence)."""

    title: str
    base: str
    recipe: str
    adapter_digest: str
    date: str
    findings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Group:
    """Neighboring columns of one group, from the left edge of the first to the right edge of the last."""

    left: int
    right: int
    name: str


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where everything stands, in pixels: the left edges of the columns, the top of the first row."""

    side: tuple[int, int]
    lefts: tuple[int, ...]
    groups: tuple[_Group, ...]
    top: int
    right: int

    @property
    def width(self) -> int:
        return self.right + MARGIN

    @property
    def grouped(self) -> bool:
        return any(group.name for group in self.groups)


def compose(
    plan: SheetPlan, pixels: Mapping[tuple[int, int], Pixels], heading: Heading, manifest: Mapping[str, Any]
) -> bytes:
    """The contact sheet as PNG. `pixels` holds the picture of each (row, column)."""
    rows, columns, shown = plan.rows, plan.columns, _adapters_shown(plan)
    frame = _frame(plan, columns, lines=len(shown))
    side, legend = frame.side, _legend(plan, columns)
    captions = [_row_caption(rows, index) for index in range(len(rows))]
    body = len(rows) * (side[1] + GAP) + len({row.prompt for row in rows}) * GAP
    body += ROW_CAPTION * sum(map(bool, captions))
    footer = LINE_HEIGHT * (len(heading.findings) + len(legend)) + 40
    image = Image.new("RGB", (frame.width, frame.top + body + footer + MARGIN), PAPER)
    pen = ImageDraw.Draw(image)
    _draw_heading(pen, heading, shown, frame.width)
    _draw_columns(pen, columns, frame)
    y = frame.top
    for index, row in enumerate(rows):
        first_of_prompt = index == 0 or rows[index - 1].prompt != row.prompt
        if first_of_prompt:
            if index:
                color = QUIET if captions[index] else LINE
                pen.line([(MARGIN, y), (frame.width - MARGIN, y)], fill=color, width=1)
            y += GAP
            if captions[index]:
                pen.text((MARGIN, y), captions[index], font=_font(15), fill=ACCENT)
                y += ROW_CAPTION
            _text_block(
                pen, (MARGIN, y), row.text, _font(15), LABEL - 20, INK, lines=max(2, side[1] // 22 - 2)
            )
        seed = f"seed {row.seed}" + ("  · trigger" if row.triggered else "")
        pen.text((MARGIN, y + side[1] - 20), seed, font=_font(13), fill=QUIET)
        for column, left in enumerate(frame.lefts):
            image.paste(_scaled(pixels[index, column], side), (left, y))
        y += side[1] + GAP
    _draw_partings(pen, frame, y - GAP)
    _draw_findings(pen, heading, legend, _alike(plan, columns), y + 12, frame.width)
    return _png(image, manifest)


def _row_caption(rows: Sequence[Row], index: int) -> str:
    """What the rows from here on are there for, "" within a group and where the recipe tells none."""
    group = rows[index].group
    return "" if index and rows[index - 1].group == group else _ROW_GROUPS.get(group, group)


def read_manifest(png: bytes) -> str | None:
    """The manifest inside a sheet's PNG, as canonical JSON; None when there is none."""
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        text = image.info.get(MANIFEST_KEY)
    return None if text is None else str(text)


def _cell_side(width: int, height: int) -> tuple[int, int]:
    """Small pictures are enlarged by a whole number, so that pixels stay pixels; large ones are reduced."""
    longest = max(width, height)
    if longest <= LEAST_SIDE:
        factor = max(1, round(LEAST_SIDE / longest))
        return width * factor, height * factor
    if longest > MOST_SIDE:
        return width * MOST_SIDE // longest, height * MOST_SIDE // longest
    return width, height


def _frame(plan: SheetPlan, columns: tuple[Column, ...], lines: int) -> _Frame:
    """The places on the sheet. `lines` of the heading name its adapters, where there are several."""
    side = _cell_side(plan.recipe.width, plan.recipe.height)
    partings = sum(column.group != after.group for column, after in pairwise(columns))
    room = MOST_WIDTH - LABEL - 2 * MARGIN - GROUP_GAP * partings
    most = max(LEAST_SIDE, room // len(columns) - GAP)
    if side[0] > most:
        side = most, side[1] * most // side[0]
    lefts: list[int] = []
    groups: list[_Group] = []
    x = MARGIN + LABEL
    for number, column in enumerate(columns):
        if number and columns[number - 1].group == column.group:
            groups[-1] = replace(groups[-1], right=x + side[0])
        else:
            x += GROUP_GAP if number else 0
            groups.append(_Group(x, x + side[0], _group_name(plan, column.group)))
        lefts.append(x)
        x += side[0] + GAP
    heads = GROUP_HEIGHT if any(group.name for group in groups) else 0
    top = MARGIN + 76 + 34 + LINE_HEIGHT * lines + heads
    return _Frame(side, tuple(lefts), tuple(groups), top, x)


def _group_name(plan: SheetPlan, group: str) -> str:
    if group == "all" and plan.recipe.layout is Layout.BLOCKS:
        return "whole adapter"
    return _GROUPS.get(group, group)


def _adapters_shown(plan: SheetPlan) -> list[str]:
    """One line for each adapter where the sheet shows several: what it is here, its name, weight and file."""
    if len(plan.adapters) < 2:
        return []
    versions = plan.recipe.layout is Layout.VERSION
    told = []
    for number, each in enumerate(plan.adapters):
        role = ("this version", "earlier version")[min(number, 1)] if versions else each.role
        weight = "" if versions else f"at {each.weight or plan.recipe.weights[-1]:g}"
        words = f"called by “{each.trigger.words}”" if each.trigger.words else "no trigger words"
        name = f"{role}: {each.label}" if role else each.label or f"adapter {number + 1}"
        file = f"file {each.sha256[:10].upper()}"
        told.append("   ·   ".join(part for part in (name, weight, words, file) if part))
    return told


def _legend(plan: SheetPlan, columns: tuple[Column, ...]) -> list[str]:
    """What the columns of the recipe mean, in a line or two; nothing where they are weights only."""
    recipe, usual = plan.recipe, plan.recipe.weights[-1]
    other_bases = any(column.role is Role.BASE and column.override for column in columns)
    true = f" and true guidance {recipe.true_cfg:g}" if recipe.true_cfg != 1 else ""
    fixed = f"{recipe.steps} steps, {recipe.sampler}, guidance {recipe.cfg:g}{true}, weight {usual:g}"
    told = {
        Layout.LADDER: "",
        Layout.AXES: f"One value changes at a time; the others stay at {fixed}.",
        Layout.BLOCKS: "The whole adapter first, then each of its blocks alone, all others at 0.",
        Layout.STACK: "Each adapter alone, then together; the weights stand under the names in their order.",
        Layout.VERSION: "The earlier file and this one at the same weights; each is called by its own words.",
    }[recipe.layout]
    lines = [told] if told else []
    if other_bases:
        lines.append("A base within a group is sampled as the columns right of it, which compare with it.")
    return lines + [f"Negative prompt: {text}" for text in plan.negatives]


def _alike(plan: SheetPlan, columns: tuple[Column, ...]) -> str:
    changed = {field for column in columns for field, _ in column.override} & {"seed", "trigger"}
    bare = "" if plan.negatives else ", no negative prompt"
    return f"Same seed and prompt in each row{', but where a column says otherwise' if changed else ''}{bare}"


def _scaled(pixels: Pixels, side: tuple[int, int]) -> Image.Image:
    image = Image.fromarray(pixels)
    return image if image.size == side else image.resize(side, Image.Resampling.LANCZOS)


def _draw_heading(pen: ImageDraw.ImageDraw, heading: Heading, shown: list[str], width: int) -> None:
    pen.text(
        (MARGIN, MARGIN - 8), _shorten(heading.title, _font(28), width - 2 * MARGIN), font=_font(28), fill=INK
    )
    facts = (
        f"on {heading.base}   ·   recipe {heading.recipe}   ·   file {heading.adapter_digest[:10].upper()}"
    )
    line = _shorten(f"{facts}   ·   {heading.date}", _font(14), width - 2 * MARGIN)
    pen.text((MARGIN, MARGIN + 32), line, font=_font(14), fill=QUIET)
    for number, adapter in enumerate(shown, start=1):
        spot = (MARGIN, MARGIN + 32 + LINE_HEIGHT * number)
        pen.text(spot, _shorten(adapter, _font(14), width - 2 * MARGIN), font=_font(14), fill=INK)


def _draw_columns(pen: ImageDraw.ImageDraw, columns: tuple[Column, ...], frame: _Frame) -> None:
    top, width = frame.top, frame.side[0]
    plain = {Role.BASE: "no adapter", Role.CONTROL: "control", Role.ADAPTER: "weight"}
    for column, left in zip(columns, frame.lefts, strict=True):
        center = left + width // 2
        color = ACCENT if column.role is Role.ADAPTER else INK
        label, font = _fitting(column.label, width)
        pen.text((center, top - 32), label, font=font, fill=color, anchor="ms")
        # Under a heading of its own a weight needs no more words.
        note = column.note or ("" if column.group == "weight" else plain[column.role])
        pen.text(
            (center, top - 14), _shorten(note, _font(12), width), font=_font(12), fill=QUIET, anchor="ms"
        )
    pen.line([(MARGIN, top - 4), (frame.right, top - 4)], fill=LINE, width=1)
    for group in frame.groups:
        if not group.name:
            continue
        room = group.right - group.left
        name = _shorten(group.name, _font(15), room)
        y = top - 32 - GROUP_HEIGHT
        pen.text(((group.left + group.right) // 2, y), name, font=_font(15), fill=INK, anchor="ms")
        pen.line([(group.left, y + 7), (group.right, y + 7)], fill=QUIET, width=1)


def _draw_partings(pen: ImageDraw.ImageDraw, frame: _Frame, bottom: int) -> None:
    """A line down the sheet between every two groups of columns."""
    if not frame.grouped:
        return
    for group in frame.groups[1:]:
        x = group.left - (GROUP_GAP + GAP) // 2
        pen.line([(x, frame.top - 32 - GROUP_HEIGHT - 12), (x, bottom)], fill=QUIET, width=1)


def _draw_findings(
    pen: ImageDraw.ImageDraw, heading: Heading, legend: list[str], alike: str, y: int, width: int
) -> None:
    for severity, sentence in heading.findings:
        color = _SEVERITY.get(severity, QUIET)
        pen.text((MARGIN, y), _MARK.get(severity, "·"), font=_font(15), fill=color)
        text = _shorten(sentence, _font(15), width - 2 * MARGIN - 20)
        pen.text((MARGIN + 20, y), text, font=_font(15), fill=color if severity != "info" else INK)
        y += LINE_HEIGHT
    for line in legend:
        pen.text((MARGIN, y + 8), _shorten(line, _font(13), width - 2 * MARGIN), font=_font(13), fill=INK)
        y += LINE_HEIGHT
    note = f"{alike}. Limits are preliminary; the manifest is inside this picture."
    pen.text((MARGIN, y + 8), note, font=_font(12), fill=QUIET)


def _text_block(
    pen: ImageDraw.ImageDraw, at: tuple[int, int], text: str, font: Font, width: int, fill: RGB, lines: int
) -> None:
    """Wrapped text of at most `lines` lines; words longer than a line are cut, as Japanese has no blanks."""
    found, line = [], ""
    for word in text.split(" "):
        candidate = f"{line} {word}".strip()
        while font.getlength(candidate) > width:
            if line and candidate != word:
                found.append(line)
                candidate, line = word, ""
                continue
            cut = next((n for n in range(len(candidate), 1, -1) if font.getlength(candidate[:n]) <= width), 1)
            found.append(candidate[:cut])
            candidate = candidate[cut:]
            word = candidate
        line = candidate
    found.append(line)
    if len(found) > lines:
        found = [*found[: lines - 1], _shorten(found[lines - 1] + " …", font, width)]
    for number, content in enumerate(found):
        pen.text((at[0], at[1] + 21 * number), content, font=font, fill=fill)


def _fitting(text: str, width: int) -> tuple[str, Font]:
    """The label in the largest letters that fit into a column, shortened where none do."""
    for size in (18, 16, 14, 13):
        if _font(size).getlength(text) <= width:
            return text, _font(size)
    return _shorten(text, _font(13), width), _font(13)


def _shorten(text: str, font: Font, width: int) -> str:
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


@lru_cache(maxsize=16)
def _font(size: int) -> Font:
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _png(image: Image.Image, manifest: Mapping[str, Any]) -> bytes:
    info = PngInfo()
    info.add_itxt(MANIFEST_KEY, canonical_json(manifest), zip=True)
    info.add_text("Software", "Kura")
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=info)
    return buffer.getvalue()
