"""Which blocks of its base model an adapter touches, in the names of LoRA Block Weight where those are
defined.

The element names and their layout: hako-mikan/sd-webui-lora-block-weight.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .layer_table import template
from .modules import ModuleFacts
from .unet_names import flatten

_UNET = re.compile(
    r"(?:(down|up)_blocks\.([0-9]{1,4})|mid_block)\.(attentions|resnets|downsamplers|upsamplers)\.([0-9]{1,4})\."
)
_FLUX = re.compile(r"(single_transformer_blocks|transformer_blocks|double_blocks|single_blocks)_(\d+)_")
_FLUX_FAMILIES = frozenset({"flux1", "chroma"})
_ORDER = {"BASE": 0, "CLIP": 1, "T5": 2, "IN": 3, "D": 5, "M": 6, "S": 7, "OUT": 8}
_NATURAL = re.compile(r"([0-9]{1,9})")


def touched_blocks(modules: Iterable[ModuleFacts], family: str) -> list[str]:
    """Names of the blocks that hold a module, in the order of the model. A layer in no block has no name
    here.
    """
    return in_order(name for module in modules if (name := block_of(module, family)) is not None)


def in_order(names: Iterable[str]) -> list[str]:
    """Each of the block names once, in the order of the model."""
    return sorted(set(names), key=_sort_key)


def _sort_key(name: str) -> tuple[int, list[tuple[int, str]]]:
    letters = re.match(r"[A-Z]+", name)
    # Split by a group, the numbers stand at the odd places.
    parts = [(int(p), "") if at % 2 else (-1, p) for at, p in enumerate(_NATURAL.split(name))]
    return _ORDER.get(letters[0] if letters else "", 4), parts


def block_of(module: ModuleFacts, family: str) -> str | None:
    """The block that holds the module, None for a layer in no block (conv_out, the time embedding ...)."""
    where = module.where
    if where.component.startswith("text_encoder"):
        if family in _FLUX_FAMILIES:
            return "CLIP" if where.path.startswith("text_model.") else "T5"
        return "BASE"
    if where.component == "unet":
        return _unet_block(where.path)
    if family in _FLUX_FAMILIES:
        return _flux_block(where.flat)
    bare, numbers = template(where.flat)
    return f"{bare.partition('_#')[0]}.{numbers[0]}" if numbers else None


def element_of(component: str, path: str, family: str) -> str | None:
    """The element of LoRA Block Weight that holds a layer of a base model, by diffusers' names; None for one
    in no block, and for families that have no layout.
    """
    if component.startswith("text_encoder"):
        if family in _FLUX_FAMILIES:
            return "CLIP" if component == "text_encoder" else "T5"
        return "BASE"
    if component == "unet":
        return _unet_block(path)
    return _flux_block(flatten(path)) if family in _FLUX_FAMILIES else None


def _flux_block(flat: str) -> str | None:
    if match := _FLUX.match(flat):
        return f"{'S' if match[1].startswith('single') else 'D'}{int(match[2][:9]):02}"
    if flat.startswith(("final_layer", "proj_out", "norm_out")):
        return "OUT"
    # diffusers' embedders are what the repository calls img_in, txt_in, time_in, vector_in and guidance_in.
    return "IN" if "_in_" in f"{flat}_" or flat.endswith("embedder") or "text_embed_" in flat else None


def _unet_block(path: str) -> str | None:
    if path == "conv_in":
        return "IN00"
    match = _UNET.match(path)
    if match is None:
        return None
    side, block, group, layer = match[1], int(match[2] or 0), match[3], int(match[4])
    if side is None:
        return "M00"
    # Two layers and a sampler make three elements on the way down; three layers do on the way up.
    place = 2 if group.endswith("samplers") else layer
    return f"IN{1 + 3 * block + place:02}" if side == "down" else f"OUT{3 * block + place:02}"
