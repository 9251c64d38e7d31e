"""The circle and cross table of Japanese model cards: Civitai's permissions line by line, marked ○ or ×.

The six lines are those of Civitai's old pop-over ("This model permits users to:"), a seventh is "Run on
Civitai"; each maps to one flag (civitai/civitai@ebed661, PermissionIndicator.tsx). The order is free, a line
may be missing, and the mark may stand before, behind, above or below its line. A missing line states nothing:
absence is not ×.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from typing import Final

from registry.licensing.civitai import COMMERCIAL_USES

LONGEST: Final = 100_000

_YES: Final = "○◯〇⭕⚪◎✓✔✅☑🙆🆗"
_NO: Final = "×✕✖✗✘❌❎☓╳⨯⛔🚫🙅"
_YES_WORDS: Final = ("ok", "可能", "可", "許可", "允许", "yes", "はい")
_NO_WORDS: Final = ("ng", "不可能", "不可", "禁止", "不允许", "不許可", "no", "いいえ")
# The check and the cross that Hugging Face's and Civitai's pages draw as vector paths.
_DRAWN: Final = (("M4.5 12.75l6 6 9-13.5", "○"), ("M6 18L18 6M6 6l12 12", "×"))
_BREAK: Final = re.compile(
    r"</?(?:br|tr|td|th|p|li|ul|ol|div|table|tbody|thead|dd|dt|dl|h[1-6])\b[^<>]{0,300}>", re.I
)
_TAG: Final = re.compile(r"<[^<>]{0,1000}>")
_RULE: Final = re.compile(r"[\s|:\-=_*.]*")
# A longer line is prose about commerce, not a line of a table.
_SHORT_LINE: Final = 40
_TRIM: Final = " \t|・*-+>:;,.。、[]()【】「」`#~_/"


def _alternatives(signs: str, words: Iterable[str]) -> str:
    return "|".join([f"[{signs}]", *sorted(map(re.escape, words), key=len, reverse=True)])


_MARK: Final = f"(?P<yes>{_alternatives(_YES, _YES_WORDS)})|(?P<no>{_alternatives(_NO, _NO_WORDS)})"
# A Latin o or x counts only where nothing else stands in the cell.
_ALONE: Final = re.compile(
    rf"(?:(?P<yes>[{_YES}]|o|{'|'.join(_YES_WORDS)})|(?P<no>[{_NO}]|x|{'|'.join(_NO_WORDS)}))"
)
_AT_START: Final = re.compile(rf"(?:{_MARK})(?![a-z])")
_AT_END: Final = re.compile(rf"(?<![a-z])(?:{_MARK})(?:です|とします|とする)?\Z")
_UNDECIDED: Final = re.compile(r"[△▲❓?]|要相談|要確認|応相談")
# Lines that are no flag: refused they say enough, granted they say too little.
_ONLY_REFUSED: Final = frozenset({"commerce", "redistribution"})
_WHOLE_COMMERCE: Final = ("Image", "Rent", "Sell")


@dataclass(frozen=True)
class CircleTable:
    """A table as it was understood.

    flags: the stated ones as Civitai's API prints them; `allowCommercialUse` lists the granted uses, and
    `unstatedCommercialUse` those on which no line speaks. unread: lines that were not understood, and lines
    that contradict another (there the refusal counts). forbidden: acts that a × refuses and no flag is about.
    lines: those understood.
    """

    flags: dict[str, object]
    unread: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    @property
    def understood(self) -> bool:
        return bool(self.flags or self.forbidden)


def parse_circle_table(text: str) -> CircleTable:
    """Read a pasted table: plain text, Markdown or HTML."""
    marks: dict[str, bool] = {}
    unread: list[str] = []
    lines: list[str] = []
    for row in _rows(text):
        if row.item is None or row.mark is None:
            unread.append(row.wording)
        elif marks.get(row.item, row.mark) != row.mark:
            marks[row.item] = False
            unread.append(row.wording)
        elif row.mark and row.item in _ONLY_REFUSED:
            # "Commercial use: fine" does not say which of the uses the author has in mind.
            unread.append(row.wording)
        else:
            marks[row.item] = row.mark
            lines.append(
                f"{'○' if row.mark != row.inverted else '×'} {row.wording}" if row.lent else row.wording
            )
    if marks.pop("commerce", None) is False:
        for use in _WHOLE_COMMERCE:
            if marks.get(use):
                unread.append(f"{use}: ○")
            marks[use] = False
    forbidden = ("redistribute_adapter",) if marks.pop("redistribution", None) is False else ()
    left = tuple(dict.fromkeys(line for line in unread if line))
    return CircleTable(_flags(marks), left, forbidden, tuple(dict.fromkeys(lines)))


def _flags(marks: dict[str, bool]) -> dict[str, object]:
    flags: dict[str, object] = {
        name: marks[name]
        for name in ("allowNoCredit", "allowDerivatives", "allowDifferentLicense")
        if name in marks
    }
    stated = [use for use in COMMERCIAL_USES if use in marks]
    if stated:
        flags["allowCommercialUse"] = [use for use in stated if marks[use]]
        if unstated := [use for use in COMMERCIAL_USES if use not in marks]:
            flags["unstatedCommercialUse"] = unstated
    return flags


@dataclass
class _Row:
    wording: str
    item: str | None = None
    # `lent`: the mark stands on a line of its own.
    mark: bool | None = None
    inverted: bool = False
    lent: bool = False


def _rows(text: str) -> Iterator[_Row]:
    """Pair items with marks. A mark on a line of its own belongs to the next item where the first such mark
    comes before the first item, else to the item before it."""
    lines = [_Row(*parts) for parts in map(_line, _lines(text))]
    lone = [n for n, row in enumerate(lines) if row.item is None and row.mark is not None and not row.wording]
    items = [n for n, row in enumerate(lines) if row.item is not None]
    before = bool(lone and items and lone[0] < items[0])
    if not before:
        lines.reverse()
    paired: list[_Row] = []
    pending: bool | None = None
    last: _Row | None = None
    for row in lines:
        if row.item is None:
            if row.wording:
                paired.append(row)
                last = None
            elif row.mark is not None:
                pending, last = row.mark, None
            continue
        if row.mark is None and last is not None and last.item == row.item:
            # The same line in another language.
            continue
        if row.mark is None and pending is not None:
            row.mark, row.lent, pending = pending, True, None
        paired.append(row)
        last = row if row.mark is not None else None
    if not before:
        paired.reverse()
    return _without_echoes(paired)


def _without_echoes(rows: list[_Row]) -> Iterator[_Row]:
    """Leave out unmarked lines whose neighbor says the same with a mark; turn inverted marks round."""
    for number, row in enumerate(rows):
        beside = [rows[n] for n in (number - 1, number + 1) if 0 <= n < len(rows)]
        if row.mark is None and row.item and any(b.item == row.item and b.mark is not None for b in beside):
            continue
        if row.inverted and row.mark is not None:
            row.mark = not row.mark
        yield row


def _undrawn(source: str) -> Iterator[str]:
    """The text with each drawn check or cross as a sign; other drawings are left out."""
    first, *rest = re.split(r"<svg\b", source, flags=re.IGNORECASE)
    yield first
    for part in rest:
        drawing, closed, after = part.partition("</svg>")
        if not closed:
            yield part
            continue
        yield next((mark for path, mark in _DRAWN if path in drawing), " ")
        yield after


def _lines(text: str) -> Iterator[str]:
    source = text[:LONGEST]
    source = "".join(_undrawn(source))
    source = unescape(_TAG.sub(" ", _BREAK.sub("\n", source)))
    for line in source.replace("\ufe0f", "").splitlines():
        yield " ".join(line.split())


def _line(line: str) -> tuple[str, str | None, bool | None, bool]:
    """(wording, item, mark, whether the line is worded the other way round); a lone mark has no wording."""
    if _RULE.fullmatch(line):
        return "", None, None, False
    folded = unicodedata.normalize("NFKC", line).casefold().strip(_TRIM)
    if alone := _ALONE.fullmatch(folded):
        return "", None, alone["yes"] is not None, False
    mark, rest = _mark(folded)
    item, inverted = _item(rest)
    if item is None and inverted:
        return line, None, None, False
    return line, item, None if _UNDECIDED.search(folded) else mark, inverted


def _mark(folded: str) -> tuple[bool | None, str]:
    for cell in (folded.split("|")[0].strip(_TRIM), folded.split("|")[-1].strip(_TRIM)):
        if "|" in folded and (alone := _ALONE.fullmatch(cell)):
            return alone["yes"] is not None, folded.replace(cell, " ", 1)
    # Behind the line first: "商用利用可" names the use and the answer in one go.
    for found in (_AT_END.search(folded), _AT_START.match(folded)):
        if found:
            return found["yes"] is not None, folded[: found.start()] + " " + folded[found.end() :]
    return None, folded


def _has(text: str, *words: str) -> bool:
    return any(word in text for word in words)


def _item(line: str) -> tuple[str | None, bool]:
    """The flag a line speaks on, and whether its wording asks for the opposite of what the flag grants."""
    selling = _has(line, "sell", "販売", "売", "商用", "商業", "出售", "贩卖", "卖", "commercial")
    model = _has(line, "モデル", "model", "模型", "merge", "マージ", "lora", "融合")
    picture = _has(line, "画像", "image", "图", "圖", "イラスト", "生成物", "出力", "output", "picture")
    service = _has(line, "サービス", "service", "服务", "服務")
    if _has(line, "クレジット", "credit", "著作者表記", "作者表記", "作者名", "署名"):
        if _has(
            line,
            "入れず",
            "いれず",
            "なし",
            "無し",
            "せず",
            "しない",
            "without",
            "no credit",
            "不要",
            "不署名",
            "无需",
        ):
            # "不要" beside a mark answers itself: the mark says whether leaving the credit out is fine.
            return "allowNoCredit", False
        return ("allowNoCredit", True) if _has(line, "必須", "必要", "required", "must") else (None, False)
    if _has(line, "異なる", "別の", "違う", "different", "不同") and _has(
        line, "権限", "許可", "許諾", "permission", "ライセンス", "license", "许可", "权限", "條件", "条件"
    ):
        return "allowDifferentLicense", False
    if "civitai" in line and _has(line, "run", "実行", "生成", "使用", "利用", "generation", "use on"):
        return "RentCivit", False
    if service and (
        picture or selling or _has(line, "生成", "generat", "有料", "有償", "money", "营利", "付费")
    ):
        return "Rent", False
    if picture and selling:
        return "Image", False
    if model and selling:
        return "Sell", False
    if _has(line, "マージ", "merge", "融合") and _has(
        line, "共有", "配布", "公開", "share", "sharing", "分享", "发布"
    ):
        return "allowDerivatives", False
    if _has(line, "再配布", "二次配布", "転載", "redistribut", "reupload", "re-upload", "转载", "轉載"):
        return "redistribution", False
    if _has(line, "商用", "商業", "commercial") and len(line) <= _SHORT_LINE:
        return "commerce", False
    return None, False
