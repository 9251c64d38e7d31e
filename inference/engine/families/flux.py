"""FLUX.1: a transformer over packed latents, with what CLIP pools, T5, and distilled guidance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inference.engine.base import LoadedBase
from inference.engine.embedder import TextEncoder
from inference.engine.families.family import Conditioning, both_halves, shift_of

PATCH = 2
"""Latent cells on a side of one token."""
TRAIN_STEPS = 1000
"""The scheduler counts in thousandths of the flow's time."""
T5_TOKENS, T5_TOKENS_SCHNELL = 512, 256
"""Tokens of T5 that FLUX.1 dev and schnell were trained with (black-forest-labs/flux, `load_t5`)."""


class Flux:
    """Drives FluxPipeline's parts. The guidance is an input of the model; a negative prompt takes part by
    `true_cfg` above 1, with a second prediction of each step, as in diffusers' FluxPipeline.
    """

    flow = True
    distilled = True

    def __init__(self, base: LoadedBase) -> None:
        self._base = base
        texts, tokenizers, words = base.text_encoders, base.tokenizers, base.words
        length = T5_TOKENS if base.denoiser.config.guidance_embeds else T5_TOKENS_SCHNELL
        self._clip = TextEncoder(texts["text_encoder"], tokenizers["tokenizer"], words=words["text_encoder"])
        self._t5 = TextEncoder(
            texts["text_encoder_2"], tokenizers["tokenizer_2"], length=length, words=words["text_encoder_2"]
        )

    @property
    def grid(self) -> int:
        """A token is a patch of latent cells."""
        return self._base.latent_factor * PATCH

    def embed(
        self, texts: Sequence[str], negative: str, cfg: float, clip_skip: int, true_cfg: float = 1.0
    ) -> Conditioning:
        """T5, and what CLIP pools of the first 75 tokens; `clip_skip` concerns neither."""
        both, guided = both_halves(texts, negative, true_cfg)
        pooled = self._clip.encode(both, 1, layer=1).pooled
        states = self._t5.encode(both, self._t5.chunks(both)).states
        return Conditioning(states, pooled, guided, true_cfg, distilled=cfg)

    def schedule(self, steps: int, latents: Tensor) -> dict[str, Any]:
        """Even sigmas down to 1 / steps, and the shift for the picture's size."""
        tokens = (latents.shape[-2] // PATCH) * (latents.shape[-1] // PATCH)
        sigmas = np.linspace(1.0, 1 / steps, steps)
        return {"sigmas": sigmas, "mu": shift_of(self._base.scheduler_config, tokens)}

    @torch.inference_mode()
    def predict(self, latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        """The flow's velocity. Schnell, which has no guidance, is given none."""
        rows, _, height, width = latents.shape
        guidance = None
        if self._base.denoiser.config.guidance_embeds:
            guidance = torch.full((rows,), conditioning.distilled, device=latents.device)
        predicted: Tensor = self._base.denoiser(
            hidden_states=pack(latents).to(self._base.dtype),
            timestep=timestep.expand(rows) / TRAIN_STEPS,
            guidance=guidance,
            pooled_projections=conditioning.pooled,
            encoder_hidden_states=conditioning.states,
            txt_ids=torch.zeros((conditioning.states.shape[1], 3), device=latents.device),
            img_ids=positions(height // PATCH, width // PATCH, latents.device),
            return_dict=False,
        )[0]
        return unpack(predicted.to(torch.float32), height, width)


def pack(latents: Tensor) -> Tensor:
    """Latents `[rows, channels, height, width]` as tokens `[rows, height * width / 4, channels * 4]`."""
    rows, channels, height, width = latents.shape
    patches = latents.reshape(rows, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    return patches.permute(0, 2, 4, 1, 3, 5).reshape(rows, -1, channels * PATCH * PATCH)


def unpack(tokens: Tensor, height: int, width: int) -> Tensor:
    """The inverse of `pack`."""
    rows, _, wide = tokens.shape
    channels = wide // (PATCH * PATCH)
    patches = tokens.reshape(rows, height // PATCH, width // PATCH, channels, PATCH, PATCH)
    return patches.permute(0, 3, 1, 4, 2, 5).reshape(rows, channels, height, width)


def positions(height: int, width: int, device: torch.device) -> Tensor:
    """Row and column of each token, `[height * width, 3]`; the first number is unused."""
    ids = torch.zeros((height, width, 3), device=device)
    ids[..., 1] = torch.arange(height, device=device)[:, None]
    ids[..., 2] = torch.arange(width, device=device)[None, :]
    return ids.reshape(height * width, 3)
