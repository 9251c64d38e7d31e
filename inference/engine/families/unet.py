"""SD1, SD2 and the toybox: a UNet with one CLIP text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from inference.engine.base import LoadedBase
from inference.engine.embedder import TextEncoder
from inference.engine.families.family import Conditioning, both_halves


class StableDiffusion:
    """Drives StableDiffusionPipeline's parts."""

    flow = False
    distilled = False

    def __init__(self, base: LoadedBase) -> None:
        self._base = base
        self._text = TextEncoder(
            base.text_encoders["text_encoder"], base.tokenizers["tokenizer"], words=base.words["text_encoder"]
        )

    @property
    def grid(self) -> int:
        """Whole latent cells; the UNet pads where its levels do not divide them."""
        return self._base.latent_factor

    def embed(
        self, texts: Sequence[str], negative: str, cfg: float, clip_skip: int, true_cfg: float = 1.0
    ) -> Conditioning:
        """CLIP's last layer, or with `clip_skip` n the n-th from the end, normed as the last one is.

        What SD2's folder calls the last layer is the one before the last of OpenCLIP's model already.
        """
        both, guided = both_halves(texts, negative, cfg)
        encoded = self._text.encode(both, self._text.chunks(both), layer=clip_skip, normed=True)
        return Conditioning(encoded.states, None, guided, cfg)

    def schedule(self, steps: int, latents: Tensor) -> dict[str, Any]:
        """Nothing: the schedule does not depend on the picture's size."""
        return {}

    @torch.inference_mode()
    def predict(self, latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        """Noise or velocity, as the scheduler's `prediction_type` says."""
        predicted: Tensor = self._base.denoiser(
            latents.to(self._base.dtype),
            timestep,
            encoder_hidden_states=conditioning.states,
            return_dict=False,
            **self._also(latents, conditioning),
        )[0]
        return predicted.to(torch.float32)

    def _also(self, latents: Tensor, conditioning: Conditioning) -> dict[str, Any]:
        """Further inputs of the UNet."""
        return {}
