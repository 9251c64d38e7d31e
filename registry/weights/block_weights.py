"""LoRA Block Weight: the layouts of its vectors, its presets, and which layout fits a file.

Layouts and element names: hako-mikan/sd-webui-lora-block-weight. A program that is given a shorter vector
sets the elements it lacks to 0, so a file needs the layout that names every element it touches.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from .errors import BadBlockWeights

_IN = tuple(f"IN{n:02}" for n in range(12))
_OUT = tuple(f"OUT{n:02}" for n in range(12))

LAYOUTS: dict[str, tuple[str, ...]] = {
    "17": ("BASE", "IN01", "IN02", "IN04", "IN05", "IN07", "IN08", "M00", *_OUT[3:]),
    "26": ("BASE", *_IN, "M00", *_OUT),
    "12": ("BASE", "IN04", "IN05", "IN07", "IN08", "M00", *_OUT[:6]),
    "20": ("BASE", *_IN[:9], "M00", *_OUT[:9]),
    "61": ("CLIP", "T5", "IN", *(f"D{n:02}" for n in range(19)), *(f"S{n:02}" for n in range(38)), "OUT"),
}
# The presets that the extension comes with (its DEF_WEIGHT_PRESET); all but the last are of 17.
PRESETS: dict[str, str] = {
    "NONE": "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0",
    "ALL": "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
    "INS": "1,1,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0",
    "IND": "1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0",
    "INALL": "1,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0",
    "MIDD": "1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0",
    "OUTD": "1,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0",
    "OUTS": "1,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1",
    "OUTALL": "1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1",
    "ALL0.5": ",".join(["0.5"] * 17),
    "FLUXALL": ",".join(["1"] * 61),
}
# Of each family's layouts the shortest comes first.
_OF_FAMILY: dict[str, tuple[str, ...]] = {
    "sd1": ("17", "26"), "sd2": ("17", "26"), "toybox": ("17", "26"),
    "sdxl": ("12", "20"), "ssd1b": ("12", "20"),
    "flux1": ("61",), "chroma": ("61",),
}  # fmt: skip


def layout_for(family: str, elements: Iterable[str]) -> str | None:
    """The shortest layout that names all of `elements`, None where the family has none that does."""
    touched = set(elements)
    return next((name for name in _OF_FAMILY.get(family, ()) if touched <= set(LAYOUTS[name])), None)


def vector(layout: str, lowered: Mapping[str, float]) -> list[float]:
    """One weight for each element of `layout`: 1 but for those that `lowered` names."""
    return [lowered.get(element, 1.0) for element in LAYOUTS[layout]]


def as_lbw(weights: Sequence[float]) -> str:
    """The vector as it is written in a prompt after `lbw=`."""
    return ",".join(f"{weight:g}" for weight in weights)


def read_lbw(text: str) -> tuple[float, ...]:
    """What is written after `lbw=`: a preset's name, or the numbers of one of the layouts.

    Raises BadBlockWeights for another count, for what is no finite number, and for `R`, `U` and `X`, which
    the extension replaces by other numbers in every run.
    """
    parts = [part.strip() for part in PRESETS.get(text.strip(), text).split(",")]
    if str(len(parts)) not in LAYOUTS:
        counts = ", ".join(sorted(LAYOUTS, key=int))
        raise BadBlockWeights(
            f"{text[:80]!r} is no preset and has {len(parts)} numbers; a vector has {counts}."
        )
    try:
        weights = tuple(float(part) for part in parts)
    except ValueError:
        weights = (math.nan,)
    if not all(math.isfinite(weight) for weight in weights):
        raise BadBlockWeights(f"{text[:80]!r} holds something that is no number.")
    return weights


def by_element(weights: Sequence[float], family: str) -> dict[str, float]:
    """Element -> weight, of all elements that the family has: those that a short vector does not name are 0.

    Raises BadBlockWeights where the count is no layout's, or one of the other kind of model, and for a family
    without blocks of these names.
    """
    elements = LAYOUTS.get(str(len(weights)))
    layouts = _OF_FAMILY.get(family)
    if elements is None or layouts is None or (len(weights) == 61) != (layouts == ("61",)):
        known = ", ".join(layouts or ())
        raise BadBlockWeights(
            f"{len(weights)} block weights do not fit {family}; "
            + (f"its layouts have {known}." if known else "it has no layout.")
        )
    every = LAYOUTS["61" if layouts == ("61",) else "26"]
    return dict.fromkeys(every, 0.0) | dict(zip(elements, weights, strict=True))
