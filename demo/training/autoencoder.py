"""Stage one: the autoencoder, trained on the drawer's pictures and on the adapters' styles."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from demo import draw, styles
from demo.training.loop import Plan, side_by_side, train
from demo.training.models import Autoencoder, make_autoencoder

PLAN = Plan(steps=6500, rate=2e-3, warmup=100, decay=4600, average=0.998, weight_decay=0.0, seed=1)
BATCH = 8
HELD_OUT = 10_000_000
"""Seeds from here on are never trained on."""


def picture(seed: int) -> np.ndarray:
    """One picture of the training mixture, uint8 HWC: three in four as drawn, one in four styled."""
    subject = draw.subject(seed, varied=seed % 2 == 0)
    kind = (seed * 2_654_435_761 >> 7) % 28
    if kind == 0:
        return np.asarray(styles.draw_momo(subject))
    image = draw.draw(subject)
    if kind <= len(styles.STYLES):
        image = list(styles.STYLES.values())[kind - 1](image)
    return np.asarray(image)


def as_tensor(pictures: np.ndarray) -> Tensor:
    """uint8 NHWC -> float NCHW in -1..1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def reconstruction_loss(output: Tensor, target: Tensor) -> Tensor:
    """Absolute, squared and gradient error: squared for PSNR, the others for edges."""
    rows, columns = (F.l1_loss(output.diff(dim=dim), target.diff(dim=dim)) for dim in (2, 3))
    return F.l1_loss(output, target) + 2 * F.mse_loss(output, target) + 0.3 * (rows + columns)


def _loss(vae: Autoencoder, rank: int, generator: torch.Generator, step: int) -> Tensor:
    first = (step * 2 + rank) * BATCH
    target = as_tensor(np.stack([picture(seed) for seed in range(first, first + BATCH)]))
    with torch.autocast("cpu", torch.bfloat16):
        posterior = vae.encode(target).latent_dist
        latents = posterior.sample(generator)
        output = vae.decode(latents).sample
    loss: Tensor = reconstruction_loss(output.float(), target) + 1e-5 * posterior.kl().float().mean() / 16
    return loss


def _work(rank: int, folder: Path, plan: Plan) -> None:
    torch.manual_seed(plan.seed)
    vae = make_autoencoder()

    def snapshot(step: int) -> None:
        torch.save(vae.state_dict(), folder / "vae.pt")

    train({"vae": vae}, plan, partial(_loss, vae, rank), folder / "vae.state", "autoencoder", rank, snapshot)
    if rank == 0:
        torch.save(vae.state_dict(), folder / "vae.pt")


def train_autoencoder(folder: Path, plan: Plan = PLAN) -> Autoencoder:
    """Trains (or resumes) into `folder`/vae.pt and returns the averaged model."""
    side_by_side(_work, folder, plan, meeting=folder / "meeting")
    return load_autoencoder(folder)


def load_autoencoder(folder: Path) -> Autoencoder:
    """The newest averaged autoencoder of a run."""
    vae = make_autoencoder()
    vae.load_state_dict(torch.load(folder / "vae.pt", weights_only=True))
    return vae.eval()


@torch.no_grad()
def held_out_psnr(vae: Autoencoder, count: int = 256) -> float:
    """Mean PSNR in dB over held-out pictures of the training mixture, through the posterior's mean."""
    values: list[Tensor] = []
    for first in range(HELD_OUT, HELD_OUT + count, 32):
        target = as_tensor(np.stack([picture(seed) for seed in range(first, first + 32)]))
        output = vae.decode(vae.encode(target).latent_dist.mode()).sample.clamp(-1, 1)
        error = ((output - target) / 2).square().mean(dim=(1, 2, 3))
        values.append(-10 * torch.log10(error.clamp_min(1e-10)))
    return float(torch.cat(values).mean())
