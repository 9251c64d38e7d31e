"""Tags of adapters in a prompt, as AUTOMATIC1111 reads them: `<lora:name:te:unet:dyn>`, and LoRA Block
Weight's `lbw=`.

Positions and names: extensions-builtin/Lora/extra_networks_lora.py of stable-diffusion-webui, and
hako-mikan/sd-webui-lora-block-weight for the rest. A tag is taken out of the text and leaves everything
around it; weights have no bounds.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from inference.errors import BadPromptTag
from registry.weights import WeightsError
from registry.weights.block_weights import read_lbw

_TAG = re.compile(r"<(lora|lyco):([^>]+)>")
_NAMED = frozenset({"te", "unet", "dyn", "lbw", "w"})
# name, text encoder or both, UNet, rank
_MOST = 4


@dataclass(frozen=True, slots=True)
class AdapterTag:
    """One tag: which adapter, at which weights. `rank` keeps only the first ranks (`dyn`); `blocks` is what
    stands behind `lbw=`, "" without.
    """

    name: str
    text_encoder: float = 1.0
    unet: float = 1.0
    rank: int | None = None
    blocks: str = ""


def parse_tags(prompt: str) -> tuple[str, tuple[AdapterTag, ...]]:
    """The prompt without its tags, and the tags in order. Raises BadPromptTag."""
    return _TAG.sub("", prompt), tuple(_tag(match[2]) for match in _TAG.finditer(prompt))


def _tag(inner: str) -> AdapterTag:
    positional: list[str] = []
    named: dict[str, str] = {}
    for item in inner.split(":"):
        key, equals, value = item.partition("=")
        if not equals or not positional:
            # The adapter's own name may hold an equals sign.
            positional.append(item.strip())
        elif key.strip() not in _NAMED:
            raise BadPromptTag(f"<lora:{inner[:80]}> has {key.strip()[:40]!r}, which is not done here.")
        else:
            named[key.strip()] = value.strip()
    if not positional[0] or len(positional) > _MOST:
        raise BadPromptTag(f"<lora:{inner[:80]}> has no name, or too many parts.")
    blocks = named.get("lbw", named.get("w", ""))
    if not blocks and len(positional) > 2 and not _is_number(positional[2]):
        # The older form of block weights: `<lora:name:1:MIDD>`.
        blocks = positional.pop(2)
    if blocks:
        _check_blocks(blocks, inner)
    both = _number(positional[1], inner) if len(positional) > 1 else 1.0
    text_encoder = _number(named["te"], inner) if "te" in named else both
    unet = text_encoder
    if len(positional) > 2:
        unet = _number(positional[2], inner)
    if "unet" in named:
        unet = _number(named["unet"], inner)
    rank = named.get("dyn", positional[3] if len(positional) > 3 else "")
    return AdapterTag(positional[0], text_encoder, unet, _rank(rank, inner) if rank else None, blocks)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str, inner: str) -> float:
    number = float(text) if _is_number(text) else math.nan
    if not math.isfinite(number):
        raise BadPromptTag(f"<lora:{inner[:80]}> has {text[:40]!r} where a weight belongs.")
    return number


def _rank(text: str, inner: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text)):
        raise BadPromptTag(f"<lora:{inner[:80]}> has {text[:40]!r} where a rank belongs.")
    return int(text)


def _check_blocks(blocks: str, inner: str) -> None:
    try:
        read_lbw(blocks)
    except WeightsError as error:
        raise BadPromptTag(f"<lora:{inner[:80]}>: {error.message}") from None
