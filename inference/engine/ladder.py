"""The Engine: one base in memory that renders batches with or without adapters in its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from inference.engine.base import LoadedBase, environment, set_threads
from inference.engine.block_weights import WeightOf, everywhere
from inference.engine.decoding import Picture, decode, encode, pictures
from inference.engine.families import family_of
from inference.engine.loading import load_base, load_vae
from inference.engine.memory import laid_out
from inference.engine.patcher import FittedAdapter, WeightPatcher
from inference.engine.sampling import RowNoise, Start, check_sampler, denoise
from inference.errors import BaseNotRenderable, SamplingDoesNotFit
from inference.layouts import WHOLE, BatchLayout
from inference.recipes import Hires


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the pictures of a batch are sampled; sizes in pixels.

    `sampler` is one of `sampling.SAMPLERS`; `cfg` is the guidance, for FLUX.1 the one that is distilled into
    it, beside which `true_cfg` above 1 is the one by the negative prompt. `clip_skip` counts as practitioners
    do: 1 is the layer that the family was made for. `vae` is the folder of a VAE to decode with instead of
    the base's, "" for its own.
    """

    steps: int
    cfg: float
    width: int
    height: int
    sampler: str
    negative: str
    clip_skip: int = 1
    hires: Hires | None = None
    vae: str = ""
    true_cfg: float = 1.0


class Engine:
    """Renders batches on one base."""

    def __init__(self, base: LoadedBase) -> None:
        self.base = base
        self.family = family_of(base)
        self.patcher = WeightPatcher(base.modules, base.family, words=base.words)
        self.environment = environment(base)
        self._other_vae: tuple[str, Any] | None = None

    @classmethod
    def load(
        cls,
        weights: Path,
        *,
        threads: int = 0,
        dtype: str = "",
        vae: Path | None = None,
        layout: Path | None = None,
        prediction: str = "",
        offload: bool = False,
    ) -> Engine:
        """The engine of a base in a local folder or file; 0 threads leaves torch its own choice.

        All else, and what is raised, as in `load_base`.
        """
        set_threads(threads)
        return cls(
            load_base(weights, dtype=dtype, vae=vae, layout=layout, prediction=prediction, offload=offload)
        )

    def load_adapter(self, path: Path) -> FittedAdapter:
        """The adapter in a safetensors file, fitted to the base.

        Raises a SheetRefused, or an error of the reader.
        """
        return self.patcher.load(path)

    def check(self, how: Sampling) -> None:
        """Raise SamplingDoesNotFit when the base cannot be sampled so, before any pixel."""
        check_sampler(how.sampler, self.family, self.base.scheduler_config)
        grid = self.family.grid
        if how.width % grid or how.height % grid or min(how.width, how.height) < grid:
            raise SamplingDoesNotFit(
                f"{how.width} x {how.height} pixels do not fit: this base needs multiples of {grid}."
            )
        if how.steps < 1 or how.clip_skip < 1:
            raise SamplingDoesNotFit("Steps and clip skip are at least 1.")
        if self.family.distilled:
            if how.true_cfg < 1:
                raise SamplingDoesNotFit("A true guidance is at least 1.")
            if how.negative and how.true_cfg == 1:
                raise SamplingDoesNotFit(
                    "The guidance of this base is built in: a negative prompt needs a true one above 1."
                )
        elif how.true_cfg != 1:
            raise SamplingDoesNotFit("The guidance of this base is a true one already.")
        if how.hires is not None and not (
            how.hires.scale > 1 and how.hires.strength <= 1 and int(how.hires.steps * how.hires.strength) >= 1
        ):
            raise SamplingDoesNotFit(
                "A second pass enlarges (scale above 1) and takes at least one step (steps times strength)."
            )

    def render(
        self,
        texts: Sequence[str],
        seeds: Sequence[int],
        how: Sampling,
        adapters: Sequence[tuple[FittedAdapter, WeightOf]] = (),
        layout: BatchLayout = WHOLE,
    ) -> list[Picture]:
        """One batch: picture i shows texts[i] from the noise of seeds[i], all adapters applied at their
        weights. Raises SamplingDoesNotFit.
        """
        self.check(how)
        found: list[Picture] = []
        with self.patcher.applied(adapters), laid_out(self.base, layout):
            for part in layout.parts(len(texts)):
                found += self._sample(texts[part], seeds[part], how)
        return found

    def render_adapter(
        self, texts: Sequence[str], seeds: Sequence[int], how: Sampling, adapter: FittedAdapter, weight: float
    ) -> list[Picture]:
        """One batch with one adapter at one weight in all its modules."""
        return self.render(texts, seeds, how, [(adapter, everywhere(weight))])

    def render_control(
        self,
        texts: Sequence[str],
        seeds: Sequence[int],
        how: Sampling,
        adapters: Sequence[FittedAdapter],
        layout: BatchLayout = WHOLE,
    ) -> list[Picture]:
        """The weight-0 control: the adapters are applied at 1.0, taken out again, and the batch rendered as
        the base is.
        """
        self.check(how)
        with self.patcher.applied([(adapter, everywhere(1.0)) for adapter in adapters]):
            pass
        return self.render(texts, seeds, how, layout=layout)

    @torch.inference_mode()
    def _sample(self, texts: Sequence[str], seeds: Sequence[int], how: Sampling) -> list[Picture]:
        conditioning = self.family.embed(texts, how.negative, how.cfg, how.clip_skip, how.true_cfg)
        rows, vae = RowNoise(seeds), self._vae(how.vae)

        def run(width: int, height: int, steps: int, start: Start | None = None) -> Tensor:
            factor = self.base.latent_factor
            return denoise(
                self.family,
                how.sampler,
                self.base.scheduler_config,
                conditioning,
                rows,
                (self.base.latent_channels, height // factor, width // factor),
                steps,
                device=self.base.device,
                start=start,
            )

        decoded = decode(vae, run(how.width, how.height, how.steps))
        if how.hires is not None:
            width, height = (self._enlarged(side, how.hires.scale) for side in (how.width, how.height))
            # In pixels: enlarged latents need so many steps again that little of the picture stays.
            shown = decoded.clamp(-1, 1)
            larger = functional.interpolate(shown, (height, width), mode="bicubic", antialias=True)
            start = Start(encode(vae, larger.clamp(-1, 1)), how.hires.strength)
            decoded = decode(vae, run(width, height, how.hires.steps, start))
        return pictures(decoded)

    def _enlarged(self, side: int, scale: float) -> int:
        return max(1, round(side * scale / self.family.grid)) * self.family.grid

    def _vae(self, folder: str) -> Any:
        """The base's VAE, or the one in the folder; of those the last one is kept."""
        if not folder:
            return self.base.vae
        if self._other_vae is None or self._other_vae[0] != folder:
            self._other_vae = None
            vae, own = load_vae(Path(folder)), self.base.vae
            if (vae.config.latent_channels, len(vae.config.block_out_channels)) != (
                own.config.latent_channels,
                len(own.config.block_out_channels),
            ):
                raise BaseNotRenderable(f"The VAE {Path(folder).name} is made for other latents.")
            self._other_vae = (folder, vae.to(self.base.device).eval().requires_grad_(False))
        self._other_vae[1].use_slicing = self.base.vae.use_slicing
        return self._other_vae[1]
