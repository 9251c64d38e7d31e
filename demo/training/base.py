"""Stage two: text encoder and UNet, trained together from nothing on v-prediction over cached latents."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPTokenizer

from demo import draw
from demo.training.autoencoder import as_tensor, load_autoencoder
from demo.training.loop import Plan, console, side_by_side, train
from demo.training.models import (
    Autoencoder,
    Tokenizer,
    make_scheduler,
    make_text_encoder,
    make_unet,
    save_pipeline,
)

PLAN = Plan(steps=3700, rate=1e-3, warmup=200, decay=1800, average=0.999, seed=2)
BATCH = 24
CENTERED, VARIED = 24_000, 24_000
VARIED_FROM = 0.2
"""Up to this share of the plan all pictures are centered; then varied ones grow to nine in ten."""


@dataclass(frozen=True)
class Latents:
    """Cached posterior means and deviations, and the subjects they show; `scale` makes them unit variance."""

    mean: Tensor
    std: Tensor
    subjects: list[draw.Subject]
    scale: float


@torch.no_grad()
def encode(vae: Autoencoder, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures in -1..1 -> posterior mean and standard deviation."""
    means, deviations = [], []
    for part in torch.split(pictures, 64):
        posterior = vae.encode(part).latent_dist
        means.append(posterior.mean)
        deviations.append(posterior.std)
    return torch.cat(means), torch.cat(deviations)


def _stack(subjects: list[draw.Subject]) -> Tensor:
    return as_tensor(np.stack([np.asarray(draw.draw(subject)) for subject in subjects]))


def cache_latents(folder: Path) -> None:
    """Draws and encodes the training set once, into `folder`/latents.pt."""
    vae = load_autoencoder(folder)
    means, deviations = [], []
    for first in range(0, CENTERED + VARIED, 1024):
        subjects = [_subject(seed) for seed in range(first, min(first + 1024, CENTERED + VARIED))]
        mean, std = encode(vae, _stack(subjects))
        means.append(mean)
        deviations.append(std)
    mean, std = torch.cat(means), torch.cat(deviations)
    scale = float(1 / mean.std())
    console.print(f"{len(mean)} latents, scale {scale:.4f}, posterior deviation {float(std.mean()):.4f}")
    torch.save({"mean": mean, "std": std, "scale": scale}, folder / "latents.pt")


def _subject(seed: int) -> draw.Subject:
    return draw.subject(seed, varied=seed >= CENTERED)


def load_latents(folder: Path) -> Latents:
    """What `cache_latents` left."""
    stored = torch.load(folder / "latents.pt", weights_only=True)
    subjects = [_subject(seed) for seed in range(CENTERED + VARIED)]
    return Latents(stored["mean"], stored["std"], subjects, stored["scale"])


class Noiser:
    """Adds noise to latents and says what v the network must answer."""

    def __init__(self) -> None:
        kept = make_scheduler().alphas_cumprod
        self._signal, self._noise = kept.sqrt(), (1 - kept).sqrt()

    def __call__(self, latents: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Latents -> noised latents, time steps (stratified over the batch), target v."""
        count = len(latents)
        spread = (torch.arange(count) + torch.rand(count, generator=generator)) / count
        times = (spread * 1000).long().clamp(0, 999)
        noise = torch.randn(latents.shape, generator=generator)
        signal, strength = self._signal[times].view(-1, 1, 1, 1), self._noise[times].view(-1, 1, 1, 1)
        return signal * latents + strength * noise, times, signal * noise - strength * latents


class Words:
    """Token ids of captions, remembered."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._one = lru_cache(maxsize=200_000)(self._tokenize)

    def _tokenize(self, text: str) -> Tensor:
        ids = self._tokenizer(text, padding="max_length", max_length=77, truncation=True).input_ids
        return torch.tensor(ids)

    def __call__(self, texts: list[str]) -> Tensor:
        """Texts -> ids, N x 77."""
        return torch.stack([self._one(text) for text in texts])


def _work(rank: int, folder: Path, pipeline: Path, plan: Plan) -> None:
    torch.manual_seed(plan.seed)
    tokenizer = CLIPTokenizer.from_pretrained(pipeline / "tokenizer")
    text, unet = make_text_encoder(tokenizer), make_unet()
    latents, words, noiser = load_latents(folder), Words(tokenizer), Noiser()

    def loss_of(generator: torch.Generator, step: int) -> Tensor:
        progress = step / plan.steps
        varied = 0.0 if progress < VARIED_FROM else min(0.9, (progress - VARIED_FROM) * 4)
        from_varied = torch.rand(BATCH, generator=generator) < varied
        index = torch.randint(CENTERED, (BATCH,), generator=generator) + CENTERED * from_varied
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        ids = words([draw.caption(latents.subjects[i], rng) for i in index.tolist()])
        deviation = latents.std[index] * torch.randn(latents.std[index].shape, generator=generator)
        noised, times, target = noiser((latents.mean[index] + deviation) * latents.scale, generator)
        with torch.autocast("cpu", torch.bfloat16):
            states = text(ids).last_hidden_state
            output = unet(noised, times, states).sample
        return F.mse_loss(output.float(), target)

    def snapshot(step: int) -> None:
        torch.save({"text": text.state_dict(), "unet": unet.state_dict(), "step": step}, folder / "base.pt")

    modules = {"text": text, "unet": unet}
    train(modules, plan, loss_of, folder / "base.state", "base", rank, snapshot)
    if rank == 0:
        snapshot(plan.steps)


def train_base(folder: Path, pipeline: Path, plan: Plan = PLAN) -> None:
    """Trains (or resumes) into `folder`/base.pt; the tokenizer is read from `pipeline`."""
    if not (folder / "latents.pt").exists():
        cache_latents(folder)
    side_by_side(_work, folder, pipeline, plan, meeting=folder / "meeting-base")


def assemble(folder: Path, tokenizer_from: Path, target: Path) -> None:
    """Writes the newest averaged weights of a run as a pipeline folder."""
    tokenizer = CLIPTokenizer.from_pretrained(tokenizer_from / "tokenizer")
    text, unet, vae = make_text_encoder(tokenizer), make_unet(), load_autoencoder(folder)
    state = torch.load(folder / "base.pt", weights_only=True)
    for key in ("is_local", "local_files_only"):  # where it was read from is no property of it
        tokenizer.init_kwargs.pop(key, None)
    text.load_state_dict(state["text"])
    unet.load_state_dict(state["unet"])
    vae.register_to_config(
        scaling_factor=torch.load(folder / "latents.pt", weights_only=True, mmap=True)["scale"]
    )
    save_pipeline(target, tokenizer, vae, text, unet)
    (folder / "base.json").write_text(json.dumps({"steps": int(state["step"])}) + "\n")
