"""From noise to pictures: seeded noise, the samplers by their common names, the denoising loop, the
decoder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor

from inference.engine.base import LoadedBase

# Each sampler's scheduler class with the values it needs on top of the base's own (which keep the prediction
# type).
_SAMPLERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "dpmpp_2m_karras": (
        DPMSolverMultistepScheduler,
        {"algorithm_type": "dpmsolver++", "solver_order": 2, "use_karras_sigmas": True},
    ),
}


@dataclass(frozen=True, slots=True)
class Picture:
    """One rendered picture: RGB bytes [height, width, 3], and what the decoder gave before rounding.

    `digest` is the SHA256 of the float32 pixels: equal digests mean equal to the last bit. `deviation` is the
    standard deviation of the pixels (0..1); near zero the picture is one flat color.
    """

    pixels: npt.NDArray[np.uint8]
    finite: bool
    deviation: float
    digest: str

    @property
    def usable(self) -> bool:
        """False for black, flat and non-finite pictures."""
        return self.finite and self.deviation >= 1e-3


def noise(seeds: Sequence[int], shape: tuple[int, int, int]) -> Tensor:
    """Unit noise `[len(seeds), *shape]`, one CPU generator per seed: the same on every device, whatever the
    batch.
    """
    return torch.stack(
        [
            torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32)
            for seed in seeds
        ]
    )


def make_scheduler(sampler: str, config: Mapping[str, Any]) -> Any:
    """A fresh scheduler: its state belongs to one run. Honors the base's prediction type and betas."""
    cls, options = _SAMPLERS[sampler]
    return cls.from_config(dict(config), **options)


@torch.inference_mode()
def denoise(
    base: LoadedBase,
    scheduler: Any,
    embeddings: Tensor,
    latents: Tensor,
    steps: int,
    cfg: float,
) -> Tensor:
    """Run the sampler. `embeddings` is [2 * batch, tokens, width], the negative half first; `latents` is
    unit noise.
    """
    scheduler.set_timesteps(steps, device=base.device)
    latents = latents * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        doubled = scheduler.scale_model_input(torch.cat([latents, latents]), timestep)
        predicted = base.denoiser(
            doubled.to(base.dtype), timestep, encoder_hidden_states=embeddings, return_dict=False
        )[0]
        without, with_prompt = predicted.to(torch.float32).chunk(2)
        guided = without + cfg * (with_prompt - without)
        latents = scheduler.step(guided, timestep, latents, return_dict=False)[0]
    return latents


@torch.inference_mode()
def decode(base: LoadedBase, latents: Tensor) -> list[Picture]:
    """Pictures of the latents, in order."""
    config = base.vae.config
    shifted = latents.to(torch.float32) / config.scaling_factor + (
        getattr(config, "shift_factor", None) or 0.0
    )
    decoded = base.vae.decode(shifted, return_dict=False)[0]
    images = (decoded.to(torch.float32) / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return [_picture(image) for image in images]


def _picture(image: npt.NDArray[np.float32]) -> Picture:
    finite = bool(np.isfinite(image).all())
    clean = np.nan_to_num(image, nan=0.0)
    return Picture(
        pixels=(clean * 255).round().astype(np.uint8),
        finite=finite,
        deviation=float(clean.std()),
        digest=hashlib.sha256(image.tobytes()).hexdigest(),
    )
