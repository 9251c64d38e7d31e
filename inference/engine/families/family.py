"""What the engine asks of a family: texts to conditioning, the noise schedule's options, one prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Conditioning:
    """What the denoiser is told of the texts.

    `states` [rows, tokens, width]; `pooled` [rows, width] where the family has it. When `guided` there are
    twice as many rows as pictures, the negative half first, and `guidance` is how far the prediction goes
    from that half to the other. `distilled` is the guidance that distilled models take as an input.
    """

    states: Tensor
    pooled: Tensor | None
    guided: bool
    guidance: float
    distilled: float = 0.0


class Family(Protocol):
    """Drives the denoisers of one family."""

    flow: bool
    """Whether it predicts the velocity of a flow (SD3, FLUX.1) instead of noise."""
    distilled: bool
    """Whether `cfg` is the guidance distilled into it, so that a negative prompt needs a true one besides."""

    @property
    def grid(self) -> int:
        """Width and height of a picture are multiples of this, in pixels."""
        ...

    def embed(
        self, texts: Sequence[str], negative: str, cfg: float, clip_skip: int, true_cfg: float = 1.0
    ) -> Conditioning:
        """The conditioning of a batch. Guidance of exactly 1 leaves the negative half out: it has no part in
        the result. `true_cfg` is that guidance where `cfg` is a distilled one; elsewhere it is 1.
        """
        ...

    def schedule(self, steps: int, latents: Tensor) -> dict[str, Any]:
        """Options for the scheduler's `set_timesteps` beside the number of steps."""
        ...

    def predict(self, latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        """What the denoiser makes of latents `[rows, channels, height, width]`, as many rows as the
        conditioning has; the same shape, float32.
        """
        ...


def both_halves(texts: Sequence[str], negative: str, cfg: float) -> tuple[list[str], bool]:
    """The texts to embed in one call, so that both halves are padded alike, and whether there are two."""
    guided = cfg != 1
    return ([negative] * len(texts) if guided else []) + list(texts), guided


def shift_of(config: Any, tokens: int) -> float:
    """The shift `mu` of a noise schedule for a picture of so many tokens (SD3 paper, arXiv:2403.03206, 5.3.2;
    diffusers' `calculate_shift`).
    """
    short, long = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    low, high = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    slope = (high - low) / (long - short)
    return float(tokens * slope + (low - slope * short))
