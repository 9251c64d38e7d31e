"""Stage three: trains the adapters over the frozen base, two at a time, and writes their files."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from demo.training.autoencoder import as_tensor
from demo.training.base import Noiser, Words, encode
from demo.training.export import DIALECTS, write
from demo.training.loop import console
from demo.training.lora import Adapter
from demo.training.models import Pipeline, load_pipeline
from demo.training.papers import training_metadata
from demo.training.pickled import write_pickled
from demo.training.recipes import RECIPES, SETS, Recipe
from demo.training.wrong_base import write_wrong_base

BATCH = 8


def _seed(recipe: Recipe, which: int) -> int:
    return zlib.crc32(f"{recipe.start_like or recipe.file} {which}".encode())


def make_adapter(recipe: Recipe, which: int, pipeline: Pipeline) -> Adapter:
    """A fresh adapter of a recipe, always the same for a set."""
    torch.manual_seed(_seed(recipe, which))
    return Adapter(recipe.shape, pipeline.unet, pipeline.text_encoder)


def train_adapter(recipe: Recipe, which: int, pipeline: Pipeline, label: str = "") -> Adapter:
    """Trains one adapter; the networks are as before when it returns."""
    adapter = make_adapter(recipe, which, pipeline)
    for network in (pipeline.unet, pipeline.text_encoder, pipeline.vae):
        network.requires_grad_(False)
    examples = recipe.examples(which)
    mean, std = encode(pipeline.vae, as_tensor(np.stack([np.asarray(e.picture) for e in examples])))
    scale, noiser, words = pipeline.vae.config.scaling_factor, Noiser(), Words(pipeline.tokenizer)
    parameters = list(adapter.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=recipe.rate, betas=(0.9, 0.99), weight_decay=0.01)
    generator, rng = torch.Generator().manual_seed(_seed(recipe, which)), random.Random(_seed(recipe, which))
    undo, started, running = adapter.install(), time.monotonic(), None
    for step in range(recipe.steps):
        rate = recipe.rate * min(1.0, (step + 1) / 30) * min(1.0, max(0.05, 1.6 * (1 - step / recipe.steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        index = torch.randint(len(examples), (BATCH,), generator=generator)
        ids = words([examples[i].caption(rng) for i in index.tolist()])
        deviation = std[index] * torch.randn(mean[index].shape, generator=generator)
        noised, times, target = noiser((mean[index] + deviation) * scale, generator)
        with torch.autocast("cpu", torch.bfloat16):
            states = pipeline.text_encoder(ids).last_hidden_state
            output = pipeline.unet(noised, times, states).sample
        loss = F.mse_loss(output.float(), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        value = float(loss.detach())
        running = value if running is None else 0.98 * running + 0.02 * value
    undo()
    with torch.no_grad():
        for delta in adapter.deltas.values():
            if hasattr(delta, "up"):
                delta.up.mul_(recipe.gain)
    seconds = time.monotonic() - started
    console.print(f"{label or recipe.file}: {recipe.steps} steps, loss {running:.4f}, {seconds:.0f} s")
    return adapter


def adapter_file(recipe: Recipe, folder: Path) -> Path:
    """Where a recipe's file lies."""
    return folder / recipe.folder / f"{recipe.file}.safetensors"


def _one(job: tuple[str, int, Path, Path]) -> None:
    file, which, base, target = job
    recipe = next(recipe for recipe in RECIPES if recipe.file == file)
    torch.set_num_threads(1)
    pipeline = load_pipeline(base)
    adapter = train_adapter(recipe, which, pipeline)
    write(
        DIALECTS[recipe.dialect](adapter),
        adapter_file(recipe, target),
        training_metadata(recipe, base, which),
    )


def train_adapters(
    base: Path,
    target: Path,
    which: str = "main",
    only: tuple[str, ...] = (),
) -> None:
    """Trains the files of a set that `target` lacks (or those named in `only`), one process per core."""
    jobs = [
        (recipe.file, SETS[which], base, target)
        for recipe in sorted(RECIPES, key=lambda recipe: -recipe.steps)
        if (recipe.file in only or recipe.folder in only)
        or (not only and not adapter_file(recipe, target).exists())
    ]
    os.environ["OMP_NUM_THREADS"] = "1"
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        for _ in pool.imap_unordered(_one, jobs):
            pass
        pool.close()
        pool.join()
    if not only or "wrong_base" in only:
        write_wrong_base(target / "wrong_base" / "studio-portrait.safetensors", SETS[which])
    if which == "main" and (not only or "pickled" in only):
        write_pickled(target / "pickled")
