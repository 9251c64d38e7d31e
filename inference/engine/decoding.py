"""Between latents and pictures: the VAE's two directions, and what is kept of a picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


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


@torch.inference_mode()
def decode(vae: Any, latents: Tensor) -> Tensor:
    """Pictures `[rows, 3, height, width]` of the latents, about -1 to 1, float32."""
    config = vae.config
    shifted = latents.to(torch.float32) / config.scaling_factor + (
        getattr(config, "shift_factor", None) or 0.0
    )
    decoded: Tensor = vae.decode(shifted, return_dict=False)[0]
    return decoded.to(torch.float32)


@torch.inference_mode()
def encode(vae: Any, images: Tensor) -> Tensor:
    """The inverse of `decode`: the middle of the distribution that the encoder gives, so that it is the same
    every time.
    """
    config = vae.config
    mode: Tensor = vae.encode(images, return_dict=False)[0].mode()
    shift, scale = getattr(config, "shift_factor", None) or 0.0, float(config.scaling_factor)
    return (mode.to(torch.float32) - shift) * scale


def pictures(decoded: Tensor) -> list[Picture]:
    """The decoder's pictures, in order."""
    images = (decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return [picture(image) for image in images]


def picture(image: npt.NDArray[np.float32]) -> Picture:
    """A picture of float32 pixels 0..1, [height, width, 3]."""
    finite = bool(np.isfinite(image).all())
    clean = np.nan_to_num(image, nan=0.0)
    return Picture(
        pixels=(clean * 255).round().astype(np.uint8),
        finite=finite,
        deviation=float(clean.std()),
        digest=hashlib.sha256(image.tobytes()).hexdigest(),
    )
