"""Which part of its base model carries an adapter's change."""

from __future__ import annotations

import re

from .family_table import FAMILY_ROWS
from .modules import ModuleFacts

# In the order in which they are shown.
PARTS = ("TE", "IN", "MID", "OUT", "DOUBLE", "SINGLE", "EARLY", "MIDDLE", "LATE", "OTHER")

_UNET_PARTS = {"IN": "IN", "M": "MID", "OUT": "OUT"}
_SINGLE = re.compile(r"single_")
# The main stacks of the transformers; refiners and adapters beside them are other layers.
_STACK = re.compile(
    r"(?:double_blocks|double_layers|double_stream_blocks|joint_blocks|joint_transformer_blocks|transformer_blocks|"
    r"visual_transformer_blocks|blocks|layers)\.(\d+)"
)
# Families whose blocks are of two kinds, double and single stream.
_TWO_STREAMS = {row.family for row in FAMILY_ROWS if "S" in row.sizes} | {"auraflow", "hidream", "chroma"}
# The highest block number of the others.
_LAST = {row.family: row.sizes["D"] for row in FAMILY_ROWS if "D" in row.sizes}


def part_of(module: ModuleFacts, block: str | None, family: str, deepest: int) -> str:
    """The part of the model that holds the module: TE, IN, MID, OUT in a UNet; DOUBLE, SINGLE where blocks
    are of two kinds; EARLY, MIDDLE, LATE thirds of the depth elsewhere; OTHER for what is in no block.

    `deepest` is the highest block number of the file, for a family whose depth is not known.
    """
    component = module.where.component
    if component.startswith("text_encoder"):
        return "TE"
    if block is None:
        return "OTHER"
    if component == "unet":
        return _UNET_PARTS.get(block.rstrip("0123456789"), "OTHER")
    if re.fullmatch(r"[DS]\d+", block):
        return "DOUBLE" if block[0] == "D" else "SINGLE"
    if _SINGLE.match(block):
        return "SINGLE"
    match = _STACK.fullmatch(block)
    if match is None:
        return "OTHER"
    if family in _TWO_STREAMS:
        return "DOUBLE"
    depth = max(_LAST.get(family, 0), deepest) + 1
    return ("EARLY", "MIDDLE", "LATE")[min(2, 3 * int(match[1]) // depth)]


def depth_in(block: str | None) -> int:
    """The number of a block in its main stack, 0 for any other."""
    match = _STACK.fullmatch(block or "")
    return int(match[1][:9]) if match else 0
