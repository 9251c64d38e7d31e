"""SDXL and all that is trained from it (Pony, Illustrious, NoobAI, SSD-1B ...): two CLIPs and the picture's
size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from inference.engine.base import LoadedBase
from inference.engine.embedder import TextEncoder
from inference.engine.families.family import Conditioning, both_halves
from inference.engine.families.unet import StableDiffusion

PENULTIMATE = 2
"""The layer that SDXL was trained with, counted from the end."""


class StableDiffusionXL(StableDiffusion):
    """Drives StableDiffusionXLPipeline's parts."""

    def __init__(self, base: LoadedBase) -> None:
        super().__init__(base)
        self._second = TextEncoder(
            base.text_encoders["text_encoder_2"],
            base.tokenizers["tokenizer_2"],
            words=base.words["text_encoder_2"],
        )

    def embed(
        self, texts: Sequence[str], negative: str, cfg: float, clip_skip: int, true_cfg: float = 1.0
    ) -> Conditioning:
        """Both CLIPs' layers before the last, side by side, and what the second one pools.

        A `clip_skip` of 1 or 2 is that layer: practitioners write 2 for it. An empty negative prompt is
        encoded, as AUTOMATIC1111 and ComfyUI do, and not zeroed.
        """
        both, guided = both_halves(texts, negative, cfg)
        chunks = max(self._text.chunks(both), self._second.chunks(both))
        layer = max(clip_skip, PENULTIMATE)
        first = self._text.encode(both, chunks, layer=layer)
        second = self._second.encode(both, chunks, layer=layer)
        return Conditioning(torch.cat([first.states, second.states], dim=-1), second.pooled, guided, cfg)

    def _also(self, latents: Tensor, conditioning: Conditioning) -> dict[str, Any]:
        """The pooled text, and the time ids: original size, crop and target size (SDXL paper,
        arXiv:2307.01952, 2.2), here those of an uncropped picture of its own size.
        """
        height, width = (side * self._base.latent_factor for side in latents.shape[-2:])
        ids = torch.tensor(
            [height, width, 0, 0, height, width], dtype=self._base.dtype, device=latents.device
        )
        return {
            "added_cond_kwargs": {
                "text_embeds": conditioning.pooled,
                "time_ids": ids.expand(len(latents), -1),
            }
        }
