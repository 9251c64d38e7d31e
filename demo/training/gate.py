"""The quality gate: a classifier trained on the drawer's own labels judges 200 pictures of the base."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from demo import draw
from demo.training.autoencoder import HELD_OUT, as_tensor
from demo.training.loop import console
from demo.training.models import Pipeline

PROMPTS = 200
STEPS, GUIDANCE = 20, 5.0
THRESHOLDS = {"object": 0.80, "color": 0.80, "ground": 0.90}
_COLORS = tuple(draw.COLORS)


class Judge(nn.Module):
    """A small convolutional classifier with three answers: thing, color, ground."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 64, 64)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        self.heads = nn.ModuleList(
            nn.Linear(64 * 16, count) for count in (len(draw.THINGS), len(_COLORS), len(draw.GROUNDS))
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Pictures -1..1 -> three rows of logits."""
        features = self.trunk(pictures).flatten(1)
        return [head(features) for head in self.heads]


def _labels(subjects: list[draw.Subject]) -> Tensor:
    rows = [
        (draw.THINGS.index(s.thing), _COLORS.index(s.color), draw.GROUNDS.index(s.ground)) for s in subjects
    ]
    return torch.tensor(rows)


def _batch(first: int, count: int) -> tuple[Tensor, Tensor]:
    subjects = [draw.subject(seed, varied=True) for seed in range(first, first + count)]
    pictures = np.stack([np.asarray(draw.draw(subject)) for subject in subjects])
    return as_tensor(pictures), _labels(subjects)


def _weather(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Blur, noise and small color shifts, so that the judge reads soft pictures too."""
    soft = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    count = len(pictures)
    mix = torch.rand(count, 1, 1, 1, generator=generator)
    noise = (
        torch.randn(pictures.shape, generator=generator)
        * 0.12
        * torch.rand(count, 1, 1, 1, generator=generator)
    )
    shift = (torch.rand(count, 3, 1, 1, generator=generator) - 0.5) * 0.2
    return (pictures * mix + soft * (1 - mix) + noise + shift).clamp(-1, 1)


def train_judge(steps: int = 600, batch: int = 64, seed: int = 5) -> Judge:
    """Trains the judge on pictures that the base never saw; about a minute on one core."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    judge = Judge().train()
    optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for step in range(steps):
        pictures, labels = _batch(2 * HELD_OUT + step * batch, batch)
        answers = judge(_weather(pictures, generator))
        loss = sum(
            (F.cross_entropy(answer, labels[:, i]) for i, answer in enumerate(answers)), torch.zeros(())
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return judge.eval()


def trained_judge(file: Path) -> Judge:
    """The judge kept in `file`, or a new one that is then kept there."""
    if not file.exists():
        judge = train_judge()
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(judge.state_dict(), file)
    judge = Judge()
    judge.load_state_dict(torch.load(file, weights_only=True))
    return judge.eval()


@torch.no_grad()
def _right(judge: Judge, pictures: Tensor, labels: Tensor) -> Tensor:
    """Which answers are right: N x 3."""
    return torch.stack([answer.argmax(1) for answer in judge(pictures)], dim=1) == labels


def gate_subjects(count: int = PROMPTS, seed: int = 7) -> list[draw.Subject]:
    """The judged prompts: every thing, color and ground equally often, in shuffled combinations."""
    rng = random.Random(seed)

    def column(names: tuple[str, ...]) -> list[str]:
        values = [names[i % len(names)] for i in range(count)]
        rng.shuffle(values)
        return values

    rows = zip(column(draw.THINGS), column(_COLORS), column(draw.GROUNDS), strict=True)
    return [
        draw.Subject(thing, color, ground, seed=1000 + i) for i, (thing, color, ground) in enumerate(rows)
    ]


def render(pipeline: Pipeline, prompts: list[str], seeds: list[int]) -> list[Image.Image]:
    """One picture per prompt, each with its own seed."""
    pictures: list[Image.Image] = []
    for first in range(0, len(prompts), 20):
        generators = [torch.Generator().manual_seed(seed) for seed in seeds[first : first + 20]]
        pictures += pipeline(
            prompts[first : first + 20],
            generator=generators,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            height=draw.SIDE,
            width=draw.SIDE,
        ).images
    return pictures


@dataclass(frozen=True)
class Verdict:
    """What the gate found; shares of 1."""

    object: float
    color: float
    ground: float
    all_three: float
    judge_on_drawings: tuple[float, float, float]
    wrong: list[str]

    @property
    def passed(self) -> bool:
        """Whether all three thresholds are met."""
        return all(getattr(self, name) >= least for name, least in THRESHOLDS.items())


def judge_base(pipeline: Pipeline, judge: Judge) -> tuple[Verdict, list[Image.Image]]:
    """Renders the gate's prompts and judges them."""
    held, labels = _batch(3 * HELD_OUT, 512)
    own = _right(judge, held, labels).float().mean(0).tolist()
    subjects = gate_subjects()
    pictures = render(pipeline, [s.words() for s in subjects], [s.seed for s in subjects])
    right = _right(judge, as_tensor(np.stack([np.asarray(p) for p in pictures])), _labels(subjects))
    shares = right.float().mean(0).tolist()
    wrong = [subject.words() for subject, row in zip(subjects, right, strict=True) if not bool(row.all())]
    verdict = Verdict(
        round(shares[0], 4),
        round(shares[1], 4),
        round(shares[2], 4),
        all_three=round(float(right.all(1).float().mean()), 4),
        judge_on_drawings=(round(own[0], 4), round(own[1], 4), round(own[2], 4)),
        wrong=wrong,
    )
    return verdict, pictures


def sheet(pictures: list[Image.Image], columns: int, zoom: int = 2) -> Image.Image:
    """Pictures in a grid."""
    side = draw.SIDE * zoom
    rows = -(-len(pictures) // columns)
    grid = Image.new("RGB", (columns * (side + 4), rows * (side + 4)), (255, 255, 255))
    for index, picture in enumerate(pictures):
        large = picture.resize((side, side), Image.Resampling.BICUBIC)
        grid.paste(large, ((index % columns) * (side + 4) + 2, (index // columns) * (side + 4) + 2))
    return grid


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_verdict(base: Path, verdict: Verdict, psnr: float) -> None:
    """Writes gate.json, bound to the weights it speaks of."""
    weights = (
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
    )
    answer = {
        "prompts": PROMPTS,
        "steps": STEPS,
        "guidance": GUIDANCE,
        "object": verdict.object,
        "color": verdict.color,
        "ground": verdict.ground,
        "all_three": verdict.all_three,
        "thresholds": THRESHOLDS,
        "passed": verdict.passed,
        "judge_on_drawings": verdict.judge_on_drawings,
        "vae_psnr_db": round(psnr, 2),
        "wrong": verdict.wrong,
        "sha256": {name: sha256(base / name) for name in weights},
    }
    (base / "gate.json").write_text(json.dumps(answer, indent=2) + "\n")
    console.print(answer)
