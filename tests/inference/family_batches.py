"""A batch of a tiny family by the engine and by diffusers' own pipeline, to compare the two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from inference.engine.ladder import Engine, Sampling

FAMILIES = ["sd1", "sd2", "sdxl", "sd3_medium", "sd35_medium", "flux1"]
WITH_UNET = ["sd1", "sd2", "sdxl"]
FLOWS = ["sd3_medium", "sd35_medium", "flux1"]
TEXTS = ["a cat", "a house by the sea"]
SEEDS = [3, 4]
WIDTH, HEIGHT = 32, 16
LATENT = (4, 8, 16)
LONG = "word " * 130  # more than a chunk of T5 too, at a token a letter
CLOSE = 1e-5


def sampling(family: str, **fields: Any) -> Sampling:
    """Three steps at the tiny bases' size."""
    from inference.engine.ladder import Sampling

    sampler = "euler_flow" if family in FLOWS else "dpmpp_2m_karras"
    given = {"sampler": sampler, "negative": "", **fields}
    return Sampling(steps=3, cfg=4.0, width=WIDTH, height=HEIGHT, **given)


def ours(engine: Engine, how: Sampling, texts: list[str] = TEXTS) -> Any:
    """The batch before it is rounded to bytes, `[batch, height, width, 3]`, 0 to 1."""
    import torch

    from inference.engine.decoding import decode
    from inference.engine.sampling import RowNoise, denoise

    base = engine.base
    conditioning = engine.family.embed(texts, how.negative, how.cfg, how.clip_skip, how.true_cfg)
    latents = denoise(
        engine.family, how.sampler, base.scheduler_config, conditioning, RowNoise(SEEDS[: len(texts)]),
        LATENT, how.steps, device=torch.device("cpu"),
    )  # fmt: skip
    return as_array(decode(base.vae, latents))


def as_array(decoded: Any) -> Any:
    return (decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()


def generators() -> list[Any]:
    import torch

    return [torch.Generator("cpu").manual_seed(seed) for seed in SEEDS]


def theirs(family: str, pipeline: Any, how: Sampling, **options: Any) -> Any:
    """What diffusers' pipeline makes of the same batch."""
    if family != "flux1" or how.true_cfg != 1:
        options["negative_prompt"] = [how.negative] * len(TEXTS)
    if how.true_cfg != 1:
        options["true_cfg_scale"] = how.true_cfg
    found: Any = pipeline(
        prompt=TEXTS,
        num_inference_steps=how.steps,
        guidance_scale=how.cfg,
        height=how.height,
        width=how.width,
        generator=generators(),
        output_type="np",
        **options,
    ).images
    assert np.isfinite(found).all()
    assert found.std() > 0.01
    return found
