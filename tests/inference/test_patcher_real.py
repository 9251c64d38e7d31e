"""Adapters that people published, in Stable Diffusion 1.5 at its full size (random weights)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.slow]

DATA = Path(__file__).parent / "data"
# A folder with more of them, which are too large to be kept here.
MORE = os.environ.get("KURA_REAL_LORAS", "")
FILES = [
    DATA / "cloneofsimo__lora_disney.safetensors",
    *sorted(Path(MORE).glob("*.safetensors") if MORE else []),
]
# Layers of attention (128), of attention and GEGLU (144), and of the text encoder's attention (48).
MODULES = {
    "cloneofsimo__lora_disney": (192, 2),
    "cloneofsimo__analog_svd_rank4": (192, 0),
    "catundchat__pytorch_lora_weights": (128, 0),
}


def test_every_module_of_a_published_adapter_has_its_place_and_comes_out_again() -> None:
    import torch

    from benchmarks.full_models import full_clip, full_unet, modules_of
    from inference.engine.block_weights import everywhere
    from inference.engine.patcher import WeightPatcher

    unet, text_encoder = full_unet("sd1", torch.bfloat16), full_clip("clip_l", torch.bfloat16)
    patcher = WeightPatcher(modules_of(unet=unet, text_encoder=text_encoder), "sd1")
    for file in FILES:
        fitted = patcher.load(file)
        words = len(fitted.words.get("text_encoder", {}))
        assert (len(fitted.targets), words) == MODULES.get(file.stem, (len(fitted.targets), words))
        layers = [place.module.weight for target in fitted.targets for place in target.places]
        before = [layer.detach().clone() for layer in layers]  # type: ignore[operator]
        with patcher.applied([(fitted, everywhere(1.0))]) as changed:
            assert changed == len(fitted.targets)
            # A bfloat16 layer may be too coarse for the smallest changes, so not every one must differ.
            differ = sum(not torch.equal(layer, own) for layer, own in zip(layers, before, strict=True))  # type: ignore[arg-type]
            assert differ > len(layers) // 2
        assert all(torch.equal(layer, own) for layer, own in zip(layers, before, strict=True))  # type: ignore[arg-type]
