"""The size that each layer of a Stable Diffusion UNet must have, worked out from the UNet's few numbers.

The arithmetic is that of UNet2DConditionModel (huggingface/diffusers, models/unets/unet_2d_condition.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .modules import ModuleFacts

_PATH = re.compile(
    r"(?:(down|up)_blocks\.(\d+)|(mid_block))\.(attentions|resnets|downsamplers|upsamplers)\.(\d+)\.(.+)"
)
_DEPTH = re.compile(r"transformer_blocks\.(\d+)\.(.+)")
_SGM = ("input_blocks_", "output_blocks_", "middle_block_")
# Latents; with instruct-pix2pix's picture; with inpainting's mask and picture.
_CONV_IN = (4, 8, 9)


@dataclass(frozen=True, slots=True)
class UNetShape:
    """A Stable Diffusion UNet: its channels, text width, transformer depth of each down block and of the
    middle.

    `up_depths`: those of each attention of each up block, where they do not mirror the down blocks; `added`:
    the widths that its further conditions may have; `middle` 0: a middle of one resnet alone.
    """

    family: str
    channels: tuple[int, ...]
    context: int
    depths: tuple[int, ...]
    middle: int
    layers: int = 2
    linear_projection: bool = False
    added: tuple[int, ...] = ()
    up_depths: tuple[tuple[int, ...], ...] = ()


UNETS: list[UNetShape] = [
    UNetShape("sd1", (320, 640, 1280, 1280), 768, (1, 1, 1, 0), 1),
    UNetShape("sd2", (320, 640, 1280, 1280), 1024, (1, 1, 1, 0), 1, linear_projection=True),
    # Kolors is SDXL but for its text encoder, from which 5632 come instead of 2816.
    UNetShape("sdxl", (320, 640, 1280), 2048, (0, 2, 10), 10, linear_projection=True, added=(2816, 5632)),
    UNetShape("sdxl_refiner", (384, 768, 1536, 1536), 1280, (0, 4, 4, 0), 4, linear_projection=True,
              added=(2560,)),
    # a distilled SDXL: the same layers, but fewer (segmind/SSD-1B)
    UNetShape("ssd1b", (320, 640, 1280), 2048, (0, 2, 4), 0, linear_projection=True, added=(2816,),
              up_depths=((4, 4, 10), (2, 1, 1), (0, 0, 0))),
    UNetShape("toybox", (48, 80, 96, 112), 64, (1, 1, 1, 0), 1, layers=1),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class LayerSize:
    """in_features, out_features (channels of a convolution; those allowed, where there are several) and
    whether the kernel is 3 x 3.
    """

    in_dim: int | tuple[int, ...]
    out_dim: int
    wide: bool = False
    linear: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    side: str
    block: int
    group: str
    index: int
    depth: int
    leaf: str


def fitting_unets(modules: Iterable[ModuleFacts]) -> list[str]:
    """The families whose UNet has every layer of `modules` in its size."""
    placed = [(m, _place(m.where.path)) for m in modules if m.where.known and not m.facts.problem]
    if not placed:
        return []
    # kohya-style trainers write SGM block names for SDXL and its refiner only, diffusers' for SD 1 and 2.
    sgm = any(m.where.flat.startswith(_SGM) and m.where.dialect == "kohya" for m, _ in placed)
    return [
        unet.family
        for unet in UNETS
        if not (sgm and unet.family in ("sd1", "sd2", "toybox"))
        and all(_fits(unet, module, place) for module, place in placed)
    ]


def _place(path: str) -> _Place | None:
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    side, block, _, group, index, leaf = match.groups()
    depth = -1
    if inner := _DEPTH.fullmatch(leaf):
        depth, leaf = int(inner[1]), inner[2]
    return _Place(side or "mid", int(block or 0), group, int(index), depth, leaf)


def _fits(unet: UNetShape, module: ModuleFacts, place: _Place | None) -> bool:
    size = layer_size(unet, module.where.path) if place is None else _sized(unet, place)
    if size is None:
        return False
    facts = module.facts
    if size.linear and facts.four_d:
        return False
    if facts.kernel and (math.prod(facts.kernel) > 1) != size.wide:
        return False
    # Without a kernel of its own, LoHa and LoKr fold a 3 x 3 one into the inputs.
    folded = 9 if size.wide and not facts.kernel and facts.algorithm in ("loha", "lokr") else 1
    allowed = size.in_dim if isinstance(size.in_dim, tuple) else (size.in_dim,)
    if facts.in_dim is not None and facts.in_dim not in (n * folded for n in allowed):
        return False
    if facts.algorithm == "ia3":
        return facts.out_dim in (None, *allowed, size.out_dim)
    return facts.out_dim is None or facts.out_dim == size.out_dim


def layer_size(unet: UNetShape, path: str) -> LayerSize | None:
    """The size of the layer at a diffusers path, or None when this UNet has none there."""
    first, time = unet.channels[0], 4 * unet.channels[0]
    match path:
        case "conv_in":
            return LayerSize(_CONV_IN, first, wide=True)
        case "conv_out":
            return LayerSize(first, 4, wide=True)
        case "conv_norm_out":
            return LayerSize(first, first)
        case "time_embedding.linear_1":
            return LayerSize(first, time, linear=True)
        case "time_embedding.linear_2":
            return LayerSize(time, time, linear=True)
        case "add_embedding.linear_1" if unet.added:
            return LayerSize(unet.added, time, linear=True)
        case "add_embedding.linear_2" if unet.added:
            return LayerSize(time, time, linear=True)
    place = _place(path)
    return None if place is None else _sized(unet, place)


def _sized(unet: UNetShape, place: _Place) -> LayerSize | None:
    levels = len(unet.channels)
    if place.block >= levels:
        return None
    if place.side == "up":
        level, layers = levels - 1 - place.block, unet.layers + 1
    elif place.side == "down":
        level, layers = place.block, unet.layers
    else:
        level, layers = levels - 1, 2 if unet.middle else 1
    width = unet.channels[level]
    if place.group == "downsamplers" or place.group == "upsamplers":
        last = place.block == levels - 1
        right_side = place.group.startswith(place.side)
        return LayerSize(width, width, wide=True) if right_side and not last and place.index == 0 else None
    if place.group == "attentions":
        if place.index >= (1 if place.side == "mid" else layers):
            return None
        depth = _depth(unet, place, level)
        return _attention(unet, place.leaf, width) if place.depth < depth and depth else None
    return _resnet(unet, place, level, layers) if place.index < layers else None


def _depth(unet: UNetShape, place: _Place, level: int) -> int:
    """How many transformer blocks the attention has."""
    if place.side == "mid":
        return unet.middle
    if place.side == "up" and unet.up_depths:
        return unet.up_depths[place.block][place.index]
    return unet.depths[level]


def _attention(unet: UNetShape, leaf: str, width: int) -> LayerSize | None:
    if leaf in ("proj_in", "proj_out"):
        return LayerSize(width, width, linear=unet.linear_projection)
    if leaf in ("attn2.to_k", "attn2.to_v"):
        return LayerSize(unet.context, width, linear=True)
    if leaf == "ff.net.0.proj":
        return LayerSize(width, 8 * width, linear=True)
    if leaf == "ff.net.2":
        return LayerSize(4 * width, width, linear=True)
    if leaf.startswith(("attn1.", "attn2.", "norm")):
        return LayerSize(width, width, linear=True)
    return None


def _resnet(unet: UNetShape, place: _Place, level: int, layers: int) -> LayerSize | None:
    width = unet.channels[level]
    if place.side == "mid":
        enters = width
    elif place.side == "down":
        enters = unet.channels[max(level - 1, 0)] if place.index == 0 else width
    else:
        # An up block's resnet takes what came from below and the skip from the way down, side by side.
        below = unet.channels[min(level + 1, len(unet.channels) - 1)] if place.index == 0 else width
        skip = unet.channels[max(level - 1, 0)] if place.index == layers - 1 else width
        enters = below + skip
    match place.leaf:
        case "conv1":
            return LayerSize(enters, width, wide=True)
        case "conv2":
            return LayerSize(width, width, wide=True)
        case "time_emb_proj":
            return LayerSize(4 * unet.channels[0], width, linear=True)
        case "conv_shortcut":
            return LayerSize(enters, width) if enters != width else None
        case "norm1":
            return LayerSize(enters, enters)
        case "norm2":
            return LayerSize(width, width)
    return None
