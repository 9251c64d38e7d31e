"""Which families an adapter's text encoder modules allow.

Widths and depths: the published configurations of each family's text encoders (huggingface/diffusers
pipelines); where a name's prefix puts them: kohya-ss/sd-scripts, Nerogar/OneTrainer and ComfyUI.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .modules import ModuleFacts

_CLIP = re.compile(r"text_model\.encoder\.layers\.(\d+)\.(?:self_attn\.(?:q|k|v|out)_proj|mlp\.fc([12]))")
_T5 = re.compile(r"encoder_block_(\d+)_layer_\d_(SelfAttention_[qkvo]|DenseReluDense_w[io](?:_[01])?)")
_LANGUAGE = re.compile(r"(?:model_|language_model_)*layers_(\d+)_(self_attn|mlp)_(\w+)")


@dataclass(frozen=True, slots=True)
class TextShape:
    """A text encoder of a family: where it may stand, of which kind and width, and its highest layer.

    `slots`: as the name's prefix has it: te, te1, te2, te3 (kohya, OneTrainer), diffusers, or ComfyUI's word.
    """

    family: str
    component: str
    slots: frozenset[str]
    kind: str
    width: int
    last: int


def _text(family: str, component: str, slots: str, kind: str, width: int, last: int) -> TextShape:
    return TextShape(family, component, frozenset(slots.split()), kind, width, last)


def _first(families: str, kind: str, width: int, last: int, comfy: str = "") -> list[TextShape]:
    """The text encoder of families that have it first, and so call it te or te1."""
    slots = f"te te1 diffusers {comfy}"
    return [_text(family, "text_encoder", slots, kind, width, last) for family in families.split()]


_SD3 = ("sd3_medium", "sd35_medium", "sd35_large")
TEXT_ENCODERS: list[TextShape] = [
    _text("sd1", "text_encoder", "te diffusers clip_l", "clip", 768, 11),
    _text("sd2", "text_encoder", "te diffusers clip_h", "clip", 1024, 23),
    _text("sdxl", "text_encoder", "te1 diffusers clip_l", "clip", 768, 11),
    _text("sdxl", "text_encoder_2", "te2 diffusers clip_g", "clip", 1280, 31),
    _text("sdxl_refiner", "text_encoder_2", "te2 diffusers clip_g", "clip", 1280, 31),
    _text("flux1", "text_encoder", "te1 diffusers clip_l", "clip", 768, 11),
    # T5 is the third in sd-scripts, which counts as in SD 3, and the second in OneTrainer
    _text("flux1", "text_encoder_2", "te2 diffusers", "t5", 4096, 23),
    _text("flux1", "text_encoder_3", "te3 t5xxl", "t5", 4096, 23),
    *(_text(f, "text_encoder", "te1 diffusers clip_l", "clip", 768, 11) for f in _SD3),
    *(_text(f, "text_encoder_2", "te2 diffusers clip_g", "clip", 1280, 31) for f in _SD3),
    *(_text(f, "text_encoder_3", "te3 diffusers t5xxl", "t5", 4096, 23) for f in _SD3),
    _text("hunyuan_dit", "text_encoder", "te te1 diffusers", "bert", 1024, 23),
    _text("hunyuan_dit", "text_encoder_2", "te2 diffusers", "t5", 2048, 23),
    _text("auraflow", "text_encoder", "te te1 diffusers", "t5", 2048, 23),
    _text("cascade", "text_encoder", "prior_te te diffusers clip_g", "clip", 1280, 31),
    _text("hunyuan_video", "text_encoder", "te1 diffusers llama", "language", 4096, 31),
    _text("hunyuan_video", "text_encoder_2", "te2 diffusers", "clip", 768, 11),
    _text("hunyuan_video", "text_encoder", "clip_l", "clip", 768, 11),
    *_first("pixart ltx_2b ltx_13b mochi cogvideox_2b cogvideox_5b chroma wan_1_3b wan_14b wan_5b",
            "t5", 4096, 23),
    _text("chroma", "text_encoder_3", "te3 t5xxl", "t5", 4096, 23),
    _text("hidream", "text_encoder", "te1 diffusers clip_l", "clip", 768, 11),
    _text("hidream", "text_encoder_2", "te2 diffusers clip_g", "clip", 1280, 31),
    _text("hidream", "text_encoder_3", "te3 diffusers t5xxl", "t5", 4096, 23),
    _text("hidream", "text_encoder_4", "te4 diffusers llama", "language", 4096, 31),
    *_first("anima", "language", 1024, 27),
    *_first("lumina2 sana", "language", 2304, 25),
    *_first("omnigen2", "language", 2048, 35),
    *_first("z_image flux2_klein_4b krea2", "language", 2560, 35),
    *_first("qwen_image hunyuan_image hunyuan_video_15 kandinsky5", "language", 3584, 27),
    *_first("ltx2", "language", 3840, 47),
    *_first("flux2_klein_9b ideogram4", "language", 4096, 35),
    *_first("flux2_dev", "language", 5120, 39),
    _text("kandinsky5", "text_encoder_2", "te2 diffusers clip_l", "clip", 768, 11),
    _text("toybox", "text_encoder", "te diffusers", "clip", 64, 2),
]  # fmt: skip


def fitting_text_families(modules: Iterable[ModuleFacts]) -> list[str]:
    """The families that have every one of these text encoder layers, in the table's order; [] when none
    does, or when no path tells anything.
    """
    left: set[str] | None = None
    for module in modules:
        shape = _read(module)
        if shape is None:
            continue
        kind, width, layer = shape
        fits = {
            row.family
            for row in TEXT_ENCODERS
            if row.component == module.where.component
            and module.where.slot in row.slots
            and _fits(row, kind, width, layer)
        }
        left = fits if left is None else left & fits
    return list(dict.fromkeys(row.family for row in TEXT_ENCODERS if row.family in (left or ())))


def contradicted_by_text(family: str, modules: Iterable[ModuleFacts]) -> bool:
    """Whether some layer is in no text encoder of `family`, wherever it stands.

    Programs disagree on the numbers of text encoders, so only kind, width and depth count here. Nothing is
    contradicted where the table has no text encoder of the family.
    """
    rows = [row for row in TEXT_ENCODERS if row.family == family]
    shapes = [shape for module in modules if (shape := _read(module)) is not None]
    return bool(rows) and any(not any(_fits(row, *shape) for row in rows) for shape in shapes)


def _fits(row: TextShape, kind: str, width: int | None, layer: int) -> bool:
    return row.kind == kind and layer <= row.last and width in (None, row.width)


def _read(module: ModuleFacts) -> tuple[str, int | None, int] | None:
    """`(kind, width, layer)` of one text encoder module; None when the path tells nothing."""
    if module.facts.problem:
        return None
    if match := _CLIP.fullmatch(module.where.path):
        return "clip", _width(module, inner=match[2] == "2"), int(match[1][:9])
    if match := _T5.fullmatch(module.where.flat):
        return (
            "t5",
            _width(module, inner=match[2] in ("DenseReluDense_wo", "SelfAttention_o")),
            int(match[1][:9]),
        )
    if match := _LANGUAGE.fullmatch(module.where.flat):
        # Attention outputs may be narrower than the model (grouped heads); its inputs are not, save o_proj's.
        return "language", _width(module, inner=match[3] in ("o_proj", "down_proj")), int(match[1][:9])
    return None


def _width(module: ModuleFacts, *, inner: bool) -> int | None:
    """The model's width: what the layer takes, or, where that is an inner width, what it gives."""
    if module.facts.algorithm == "ia3":
        return None
    return module.out_dim if inner else module.in_dim
