"""Block-weight vectors to try when an adapter changes a face, clothing or the background too much.

Starting points, not measurements of the pictures: which blocks carry what was found by users trying. For
Stable Diffusion 1 the elements are those of the presets that circulate with LoRA Block Weight (FACE: OUT03
to OUT05; CLOTHING without FACE: IN01 to IN05; KEEPCHAR leaves out IN07, IN08, M00, OUT10 and OUT11). For
SDXL they are the blocks at the same share of the picture's resolution, corrected by B-LoRA (Frenkel et al.
2024, arXiv:2403.14572: OUT00 holds the object, OUT01 the style) and InstantStyle (Wang et al. 2024,
arXiv:2404.02733: IN08 holds the layout). For FLUX.1 only the single blocks 7, 12, 16 and 20 are known, from
trainers that reach a likeness with these alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .block_weights import as_lbw, vector

# Low enough to see a difference; 0 would take the part out altogether.
CALMED = 0.3
# Below this share of the change there is nothing to calm.
_NEGLIGIBLE = 0.02

_SD1 = {
    "calm_face": ("OUT03", "OUT04", "OUT05"),
    "calm_clothing": ("IN01", "IN02", "IN04", "IN05"),
    "calm_background": ("IN07", "IN08", "M00", "OUT10", "OUT11"),
}
_SDXL = {
    "calm_face": ("OUT00",),
    "calm_clothing": ("IN04", "IN05"),
    "calm_background": ("IN07", "IN08", "M00"),
}
_ELEMENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "17": _SD1, "26": _SD1, "12": _SDXL, "20": _SDXL, "61": {"calm_face": ("S07", "S12", "S16", "S20")},
}  # fmt: skip
_WHAT = {"calm_face": "faces", "calm_clothing": "clothing", "calm_background": "the background"}


@dataclass(frozen=True, slots=True)
class Preset:
    """A vector to try. Of the elements it lowers the file touches `elements`; they carry `share` of its
    change.
    """

    code: str
    layout: str
    weights: list[float]
    elements: tuple[str, ...]
    share: float

    @property
    def why(self) -> str:
        named = (
            ", ".join(self.elements[:-1]) + (" and " if len(self.elements) > 1 else "") + self.elements[-1]
        )
        verb = "carries" if len(self.elements) == 1 else "carry"
        return (
            f"{named} {verb} {100 * self.share:.0f} % of this change; users who tried block by block tie "
            f"{_WHAT[self.code]} to them. A starting point: try it, then raise or lower the {CALMED:g}."
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "layout": self.layout,
            "vector": self.weights,
            "lbw": as_lbw(self.weights),
            "why": self.why,
            "elements": list(self.elements),
            "share": round(self.share, 4),
        }


def suggest(layout: str | None, shares: Mapping[str, float]) -> list[Preset]:
    """Presets for a file with these shares of energy by element; none where the elements carry next to
    nothing.
    """
    found = []
    for code, elements in _ELEMENTS.get(layout or "", {}).items():
        touched = tuple(element for element in elements if shares.get(element))
        share = sum(shares[element] for element in touched)
        if layout and share >= _NEGLIGIBLE:
            found.append(
                Preset(code, layout, vector(layout, dict.fromkeys(elements, CALMED)), touched, share)
            )
    return found
