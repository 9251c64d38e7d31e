"""SD3 and SD3.5: a transformer with two CLIPs and, where the folder has it, T5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from inference.engine.base import LoadedBase
from inference.engine.embedder import TextEncoder
from inference.engine.families.family import Conditioning, both_halves, shift_of
from inference.engine.families.sdxl import PENULTIMATE

T5_TOKENS = 256
"""Tokens of T5 that SD3 was trained with, its end token among them."""


class StableDiffusion3:
    """Drives StableDiffusion3Pipeline's parts."""

    flow = True
    distilled = False

    def __init__(self, base: LoadedBase) -> None:
        self._base = base
        texts, tokenizers, words = base.text_encoders, base.tokenizers, base.words
        self._clips = [
            TextEncoder(texts["text_encoder"], tokenizers["tokenizer"], words=words["text_encoder"]),
            TextEncoder(texts["text_encoder_2"], tokenizers["tokenizer_2"], words=words["text_encoder_2"]),
        ]
        self._t5 = None
        if "text_encoder_3" in texts:
            self._t5 = TextEncoder(
                texts["text_encoder_3"],
                tokenizers["tokenizer_3"],
                length=T5_TOKENS,
                words=words["text_encoder_3"],
            )

    @property
    def grid(self) -> int:
        """Latents are cut into patches."""
        return self._base.latent_factor * int(self._base.denoiser.config.patch_size)

    def embed(
        self, texts: Sequence[str], negative: str, cfg: float, clip_skip: int, true_cfg: float = 1.0
    ) -> Conditioning:
        """The CLIPs side by side, padded with zeros to T5's width, and T5 after them.

        `clip_skip` 1 and 2 are the layer before the last, which SD3 was trained with. Zeros stand for a T5
        that is not there.
        """
        both, guided = both_halves(texts, negative, cfg)
        chunks = max(clip.chunks(both) for clip in self._clips)
        found = [clip.encode(both, chunks, layer=max(clip_skip, PENULTIMATE)) for clip in self._clips]
        clips = torch.cat([encoded.states for encoded in found], dim=-1)
        pooled = torch.cat([encoded.pooled for encoded in found if encoded.pooled is not None], dim=-1)
        if self._t5 is None:
            width = int(self._base.denoiser.config.joint_attention_dim)
            t5 = torch.zeros((len(both), T5_TOKENS, width), dtype=clips.dtype, device=clips.device)
        else:
            t5 = self._t5.encode(both, self._t5.chunks(both)).states
        clips = functional.pad(clips, (0, t5.shape[-1] - clips.shape[-1]))
        return Conditioning(torch.cat([clips, t5], dim=-2), pooled, guided, cfg)

    def schedule(self, steps: int, latents: Tensor) -> dict[str, Any]:
        """The shift for the picture's size, where the base wants one."""
        config = self._base.scheduler_config
        if not config.get("use_dynamic_shifting"):
            return {}
        patch = int(self._base.denoiser.config.patch_size)
        return {"mu": shift_of(config, (latents.shape[-2] // patch) * (latents.shape[-1] // patch))}

    @torch.inference_mode()
    def predict(self, latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        """The flow's velocity."""
        predicted: Tensor = self._base.denoiser(
            hidden_states=latents.to(self._base.dtype),
            timestep=timestep.expand(len(latents)),
            encoder_hidden_states=conditioning.states,
            pooled_projections=conditioning.pooled,
            return_dict=False,
        )[0]
        return predicted.to(torch.float32)
