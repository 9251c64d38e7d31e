"""The sheet as one picture: cells under their weights, rows with prompt and seed, the manifest inside the
PNG.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from inference.recipes import Role, SheetPlan, canonical_json

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
GAP, MARGIN, LABEL = 8, 32, 220
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


def compose(
    plan: SheetPlan, pixels: Mapping[tuple[int, int], Pixels], heading: Heading, manifest: Mapping[str, Any]
) -> bytes:
    """The contact sheet as PNG. `pixels` holds the picture of each (row, column)."""
    side = _cell_side(plan.recipe.width, plan.recipe.height)
    rows, columns = plan.rows, plan.columns
    top = MARGIN + 76 + 34
    prompts = len(plan.recipe.prompts)
    body = len(rows) * (side[1] + GAP) + prompts * GAP
    width = 2 * MARGIN + LABEL + len(columns) * (side[0] + GAP)
    footer = 22 * len(heading.findings) + 40
    image = Image.new("RGB", (width, top + body + footer + MARGIN), PAPER)
    pen = ImageDraw.Draw(image)
    _draw_heading(pen, heading, width)
    _draw_columns(pen, plan, top, side)
    y = top
    for index, row in enumerate(rows):
        first_of_prompt = index == 0 or rows[index - 1].prompt != row.prompt
        if first_of_prompt:
            if index:
                pen.line([(MARGIN, y), (width - MARGIN, y)], fill=LINE, width=1)
            y += GAP
            _text_block(
                pen, (MARGIN, y), row.text, _font(15), LABEL - 20, INK, lines=max(2, side[1] // 22 - 2)
            )
        seed = f"seed {row.seed}" + ("  · trigger" if row.triggered else "")
        pen.text((MARGIN, y + side[1] - 20), seed, font=_font(13), fill=QUIET)
        for column in range(len(columns)):
            spot = (MARGIN + LABEL + column * (side[0] + GAP), y)
            image.paste(_scaled(pixels[index, column], side), spot)
        y += side[1] + GAP
    _draw_findings(pen, heading, y + 12, width)
    return _png(image, manifest)


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


def _scaled(pixels: Pixels, side: tuple[int, int]) -> Image.Image:
    image = Image.fromarray(pixels)
    return image if image.size == side else image.resize(side, Image.Resampling.LANCZOS)


def _draw_heading(pen: ImageDraw.ImageDraw, heading: Heading, width: int) -> None:
    pen.text(
        (MARGIN, MARGIN - 8), _shorten(heading.title, _font(28), width - 2 * MARGIN), font=_font(28), fill=INK
    )
    facts = (
        f"on {heading.base}   ·   recipe {heading.recipe}   ·   file {heading.adapter_digest[:10].upper()}"
    )
    line = _shorten(f"{facts}   ·   {heading.date}", _font(14), width - 2 * MARGIN)
    pen.text((MARGIN, MARGIN + 32), line, font=_font(14), fill=QUIET)


def _draw_columns(pen: ImageDraw.ImageDraw, plan: SheetPlan, top: int, side: tuple[int, int]) -> None:
    for number, column in enumerate(plan.columns):
        center = MARGIN + LABEL + number * (side[0] + GAP) + side[0] // 2
        note = {Role.BASE: "no adapter", Role.CONTROL: "control", Role.ADAPTER: "weight"}[column.role]
        color = ACCENT if column.role is Role.ADAPTER else INK
        pen.text((center, top - 32), column.label, font=_font(18), fill=color, anchor="ms")
        pen.text((center, top - 14), note, font=_font(12), fill=QUIET, anchor="ms")
    pen.line(
        [(MARGIN, top - 4), (MARGIN + LABEL + len(plan.columns) * (side[0] + GAP), top - 4)],
        fill=LINE,
        width=1,
    )


def _draw_findings(pen: ImageDraw.ImageDraw, heading: Heading, y: int, width: int) -> None:
    for severity, sentence in heading.findings:
        color = _SEVERITY.get(severity, QUIET)
        pen.text((MARGIN, y), _MARK.get(severity, "·"), font=_font(15), fill=color)
        text = _shorten(sentence, _font(15), width - 2 * MARGIN - 20)
        pen.text((MARGIN + 20, y), text, font=_font(15), fill=color if severity != "info" else INK)
        y += 22
    note = "Same seed and prompt in each row. Limits are preliminary; the manifest is inside this picture."
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
