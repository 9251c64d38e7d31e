"""From the weights of an adapter to the weight of each layer: text encoder, denoiser, and block by block.

Layouts, presets and the elements' names: hako-mikan/sd-webui-lora-block-weight, read in `registry.weights`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from registry.weights.block_weights import by_element, read_lbw
from registry.weights.blocks import element_of

WeightOf = Callable[[str, str], float]
"""(component, path of the base's layer) -> weight: one number for all, or another one for each block."""


def weight_of(
    unet: float,
    text_encoder: float | None = None,
    vector: str | Sequence[float] | None = None,
    family: str = "",
) -> WeightOf:
    """The weight of a layer: the denoiser's or the text encoders' (the denoiser's where None), times its
    block's.

    `vector` is what stands behind `lbw=`, or its numbers; None or "" leaves the blocks alone. A layer in no
    block (time embedding, conv_out) keeps its weight whole, as in the extension. Raises BadBlockWeights.
    """
    if text_encoder is None:
        text_encoder = unet
    numbers = read_lbw(vector) if isinstance(vector, str) and vector else vector
    ratios = by_element(numbers, family) if numbers and not isinstance(numbers, str) else {}

    def weight(component: str, path: str) -> float:
        whole = text_encoder if component.startswith("text_encoder") else unet
        if not ratios:
            return whole
        element = element_of(component, path, family)
        return whole if element is None else whole * ratios.get(element, 0.0)

    return weight


def everywhere(weight: float) -> WeightOf:
    """The same weight for every layer."""
    return lambda component, path: weight
