"""Which families an adapter's text encoder modules allow."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .modules import ModuleFacts

_CLIP = re.compile(r"text_model\.encoder\.layers\.(\d+)\.(?:self_attn\.(?:q|k|v|out)_proj|mlp\.fc([12]))")
_T5 = re.compile(r"encoder_block_(\d+)_layer_\d_(SelfAttention_[qkvo]|DenseReluDense_w[io](?:_[01])?)")
_LANGUAGE = re.compile(r"(?:model_)?layers_(\d+)_(self_attn|mlp)_(\w+)")


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


_SD3 = ("sd3_medium", "sd35_medium", "sd35_large")
TEXT_ENCODERS: list[TextShape] = [
    _text("sd1", "text_encoder", "te diffusers clip_l", "clip", 768, 11),
    _text("sd2", "text_encoder", "te diffusers clip_h", "clip", 1024, 23),
    _text("sdxl", "text_encoder", "te1 diffusers clip_l", "clip", 768, 11),
    _text("sdxl", "text_encoder_2", "te2 diffusers clip_g", "clip", 1280, 31),
    _text("sdxl_refiner", "text_encoder_2", "te2 diffusers clip_g", "clip", 1280, 31),
    _text("flux1", "text_encoder", "te1 diffusers clip_l", "clip", 768, 11),
    _text("flux1", "text_encoder_2", "te2 diffusers", "t5", 4096, 23),
    _text("flux1", "text_encoder_3", "te3 t5xxl", "t5", 4096, 23),
    *(_text(f, "text_encoder", "te1 diffusers clip_l", "clip", 768, 11) for f in _SD3),
    *(_text(f, "text_encoder_2", "te2 diffusers clip_g", "clip", 1280, 31) for f in _SD3),
    *(_text(f, "text_encoder_3", "te3 diffusers t5xxl", "t5", 4096, 23) for f in _SD3),
    _text("hunyuan_video", "text_encoder_2", "te2 diffusers", "clip", 768, 11),
    _text("hunyuan_video", "text_encoder", "clip_l", "clip", 768, 11),
    *(_text(f, "text_encoder", "te te1 diffusers", "t5", 4096, 23) for f in ("pixart", "ltx_2b", "ltx_13b")),
    *(
        _text(f, "text_encoder", "te te1 diffusers", "t5", 4096, 23)
        for f in ("mochi", "cogvideox_2b", "cogvideox_5b")
    ),
    _text("anima", "text_encoder", "te te1", "language", 1024, 27),
    _text("lumina2", "text_encoder", "te te1 diffusers", "language", 2304, 25),
    _text("z_image", "text_encoder", "te te1 diffusers", "language", 2560, 35),
    _text("qwen_image", "text_encoder", "te te1 diffusers", "language", 3584, 27),
    _text("toybox", "text_encoder", "te diffusers", "clip", 64, 2),
]


def fitting_text_families(modules: Iterable[ModuleFacts]) -> list[str]:
    """The families that have every one of these text encoder layers, in the table's order; [] when none
    does.
    """
    left: set[str] | None = None
    for module in modules:
        shape = _read(module)
        if shape is None:
            continue
        kind, width, layer = shape
        fits = {row.family for row in TEXT_ENCODERS if _fits(row, module, kind, width, layer)}
        left = fits if left is None else left & fits
    return list(dict.fromkeys(row.family for row in TEXT_ENCODERS if row.family in (left or ())))


def _fits(row: TextShape, module: ModuleFacts, kind: str, width: int | None, layer: int) -> bool:
    where = module.where
    return (
        row.component == where.component
        and where.slot in row.slots
        and row.kind == kind
        and layer <= row.last
        and width in (None, row.width)
    )


def _read(module: ModuleFacts) -> tuple[str, int | None, int] | None:
    """`(kind, width, layer)` of one text encoder module; None when the path tells nothing."""
    if match := _CLIP.fullmatch(module.where.path):
        width = module.out_dim if match[2] == "2" else module.in_dim
        return "clip", width, int(match[1][:9])
    if match := _T5.fullmatch(module.where.flat):
        return "t5", module.out_dim if match[2] == "DenseReluDense_wo" else module.in_dim, int(match[1][:9])
    if match := _LANGUAGE.fullmatch(module.where.flat):
        # Attention outputs may be narrower than the model (grouped heads); its inputs are not, save o_proj's.
        width = None if match[3] == "o_proj" else module.out_dim if match[3] == "down_proj" else module.in_dim
        return "language", width, int(match[1][:9])
    return None
