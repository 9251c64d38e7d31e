"""Finds the weights that an author recommends in words, in the languages that model pages are written in."""

from __future__ import annotations

import re

from registry.sources.text import line

_NUMBER = r"(-?(?:\d+(?:[.,]\d+)?|\.\d+))(?![\d%])"
_TO = r"\s*(?:-|~|–|—|to|and|until|至|到|〜|～)\s*"
# Whole words; "denoise strength" and "ControlNet weight" are something else.
_WEIGHT = (
    r"(?<![\w.])(?<!denois)(?<!control)(?:(?:lora|model|recommended|suggested|best)\s+)*"
    r"(?:weights?|strengths?)(?![\w_])|权重|權重|强度|強度|重み|가중치"
)
_OTHER = re.compile(
    r"(denois\w*|noise|control\s*net|control|prompt|hires|hi-res|upscal\w*|loss|ip[- ]?adapter)\W*\Z", re.I
)
_RANGE = re.compile(rf"(?:{_WEIGHT})[^\d.\n<>;。]{{0,30}}?{_NUMBER}{_TO}{_NUMBER}", re.IGNORECASE)
_UP_TO = re.compile(
    rf"(?:{_WEIGHT})\s*(?:[:：]\s*)?(?:<=?|≤|up\s+to|not\s+(?:above|over)|below|under|max(?:imum)?\W|不要超过|不超过|低于)\s*{_NUMBER}",
    re.IGNORECASE,
)
_ONE = re.compile(
    rf"(?:{_WEIGHT})\s*(?:[:：=~]|is|of|to|at|around|about|为|在|は|を|:?\s+)\s*(?:around|about|~)?\s*{_NUMBER}(?!\s*[-~–]\s*\d)",
    re.IGNORECASE,
)
# "<lora:ink:0.8> works quite well between 0.2 and 1"
_BETWEEN = re.compile(
    rf"<lora:[^<>]+>[^\d\n<>]{{0,40}}?(?:between|from|在)\s*{_NUMBER}{_TO}{_NUMBER}", re.IGNORECASE
)
_HIGHEST = 3.0
LONGEST_TEXT = 20_000


def stated_weights(text: str) -> list[tuple[float | None, float | None, str]]:
    """Weights that a text recommends in words: (least, most, wording); one value gives it twice.

    "weight: 0.6-0.8", "strength of 0.7", "<lora:ink:0.8> works from 0.2 to 1"; "权重 <= 0.9" has no least.
    Left out: other kinds of strength (denoising, ControlNet ...), and values above 3, which are mistyped.
    """
    text = text[:LONGEST_TEXT]
    found: list[tuple[float | None, float | None, str]] = []
    taken: list[tuple[int, int]] = []
    for pattern, kind in ((_BETWEEN, "range"), (_RANGE, "range"), (_UP_TO, "most"), (_ONE, "one")):
        for match in pattern.finditer(text):
            start, end = match.span()
            if any(start < e and s < end for s, e in taken) or _OTHER.search(
                text[max(0, start - 25) : start]
            ):
                continue
            taken.append((start, end))
            numbers = sorted(float(each.replace(",", ".")) for each in match.groups() if each)
            if not numbers or numbers[-1] > _HIGHEST or numbers[0] < -_HIGHEST:
                continue
            least = None if kind == "most" else numbers[0]
            found.append((least, numbers[-1], line(match.group(0), 200)))
    return found
