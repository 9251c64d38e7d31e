"""LoRA Block Weight: the layouts of its vectors, and which one fits a file.

Layouts and element names: hako-mikan/sd-webui-lora-block-weight. A program that is given a shorter vector
sets the elements it lacks to 0, so a file needs the layout that names every element it touches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

_IN = tuple(f"IN{n:02}" for n in range(12))
_OUT = tuple(f"OUT{n:02}" for n in range(12))

LAYOUTS: dict[str, tuple[str, ...]] = {
    "17": ("BASE", "IN01", "IN02", "IN04", "IN05", "IN07", "IN08", "M00", *_OUT[3:]),
    "26": ("BASE", *_IN, "M00", *_OUT),
    "12": ("BASE", "IN04", "IN05", "IN07", "IN08", "M00", *_OUT[:6]),
    "20": ("BASE", *_IN[:9], "M00", *_OUT[:9]),
    "61": ("CLIP", "T5", "IN", *(f"D{n:02}" for n in range(19)), *(f"S{n:02}" for n in range(38)), "OUT"),
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
