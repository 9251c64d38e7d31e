"""The Engine: one base in memory that renders batches with or without adapters in its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from inference.engine.base import LoadedBase, environment, set_threads
from inference.engine.embedder import Embedder
from inference.engine.loading import load_base
from inference.engine.patcher import FittedAdapter, WeightOf, WeightPatcher
from inference.engine.sampling import Picture, decode, denoise, make_scheduler, noise


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the pictures of a batch are sampled; sizes in pixels."""

    steps: int
    cfg: float
    width: int
    height: int
    sampler: str
    negative: str


def everywhere(weight: float) -> WeightOf:
    """The same weight for every module."""
    return lambda component, path: weight


class Engine:
    """Renders batches on one base."""

    def __init__(self, base: LoadedBase) -> None:
        self.base = base
        self.patcher = WeightPatcher(base.modules, base.family)
        self.environment = environment(base)
        self._embedder = Embedder(base)

    @classmethod
    def load(cls, folder: Path, *, threads: int = 0) -> Engine:
        """The engine of a base in a local folder; 0 threads leaves torch its own choice.

        Raises BaseNotRenderable.
        """
        set_threads(threads)
        return cls(load_base(folder))

    def load_adapter(self, path: Path) -> FittedAdapter:
        """The adapter in a safetensors file, fitted to the base.

        Raises a SheetRefused, or an error of the reader.
        """
        return self.patcher.load(path)

    def render(
        self,
        texts: Sequence[str],
        seeds: Sequence[int],
        how: Sampling,
        adapters: Sequence[tuple[FittedAdapter, WeightOf]] = (),
    ) -> list[Picture]:
        """One batch: picture i shows texts[i] from the noise of seeds[i], all adapters applied at their
        weights.
        """
        with self.patcher.applied(adapters):
            return self._sample(texts, seeds, how)

    def render_adapter(
        self, texts: Sequence[str], seeds: Sequence[int], how: Sampling, adapter: FittedAdapter, weight: float
    ) -> list[Picture]:
        """One batch with one adapter at one weight in all its modules."""
        return self.render(texts, seeds, how, [(adapter, everywhere(weight))])

    def render_control(
        self, texts: Sequence[str], seeds: Sequence[int], how: Sampling, adapter: FittedAdapter
    ) -> list[Picture]:
        """The weight-0 control: the adapter is applied at 1.0, taken out again, and the batch rendered as
        the base is.
        """
        with self.patcher.applied([(adapter, everywhere(1.0))]):
            pass
        return self._sample(texts, seeds, how)

    @torch.inference_mode()
    def _sample(self, texts: Sequence[str], seeds: Sequence[int], how: Sampling) -> list[Picture]:
        base, factor = self.base, self.base.latent_factor
        # Both halves go through one call, so they are padded to the same number of chunks.
        embeddings = self._embedder.embed([how.negative] * len(texts) + list(texts))
        shape = (base.latent_channels, how.height // factor, how.width // factor)
        latents = noise(seeds, shape).to(base.device)
        scheduler = make_scheduler(how.sampler, base.scheduler_config)
        return decode(base, denoise(base, scheduler, embeddings, latents, how.steps, how.cfg))
