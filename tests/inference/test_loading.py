"""Bases from their folders: parts left out, parts replaced, precisions, and what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from inference.errors import BaseNotRenderable
from tests.inference.family_batches import (
    CLOSE,
    SEEDS,
    TEXTS,
    ours,
    sampling,
    theirs,
)

if TYPE_CHECKING:
    from inference.engine.ladder import Engine

pytestmark = pytest.mark.engine

Engines = Callable[[str], "Engine"]


def test_sd3_without_its_t5_is_driven_as_the_pipeline_does(tmp_path: Path) -> None:
    from inference.engine.ladder import Engine
    from tests.inference.tiny_families import tiny_pipeline_of

    pipeline = tiny_pipeline_of("sd3_medium")
    pipeline.register_modules(text_encoder_3=None, tokenizer_3=None)
    pipeline.save_pretrained(tmp_path, safe_serialization=True)
    how = sampling("sd3_medium")
    engine = Engine.load(tmp_path, threads=1)
    assert "text_encoder_3" not in engine.base.text_encoders
    assert np.abs(ours(engine, how) - theirs("sd3_medium", pipeline, how)).max() <= CLOSE


def test_schnell_takes_no_guidance_and_half_as_much_text(tmp_path: Path) -> None:
    from diffusers import FluxTransformer2DModel

    from inference.engine.ladder import Engine
    from tests.inference.tiny_families import tiny_pipeline_of

    pipeline = tiny_pipeline_of("flux1")
    model: Any = FluxTransformer2DModel
    transformer = model.from_config({**pipeline.transformer.config, "guidance_embeds": False})
    pipeline.register_modules(transformer=transformer.eval().requires_grad_(False))
    pipeline.save_pretrained(tmp_path, safe_serialization=True)
    engine, how = Engine.load(tmp_path, threads=1), sampling("flux1")
    assert engine.family.embed(TEXTS, "", 1.0, 1).states.shape[1] == 256
    expected = theirs("flux1", pipeline, how, max_sequence_length=256)
    assert np.abs(ours(engine, how) - expected).max() <= CLOSE


def test_another_vae_decodes_the_same_latents(engines: Engines, tmp_path: Path) -> None:
    from tests.inference.tiny_families import tiny_pipeline_of

    import torch  # isort: skip

    pipeline, engine = tiny_pipeline_of("sdxl"), engines("sdxl")
    torch.manual_seed(9)
    with torch.no_grad():
        pipeline.vae.decoder.conv_out.weight.normal_()
    pipeline.vae.save_pretrained(tmp_path / "other")
    how = sampling("sdxl")
    other = replace(how, vae=str(tmp_path / "other"))
    rendered = np.stack([picture.pixels for picture in engine.render(TEXTS, SEEDS, other)])
    expected = theirs("sdxl", pipeline, how)
    assert np.abs(rendered / 255 - expected).max() <= 0.5 / 255 + CLOSE
    own = np.stack([picture.pixels for picture in engine.render(TEXTS, SEEDS, how)])
    assert np.abs(rendered.astype(float) - own).max() > 10


def test_a_base_without_one_of_its_weights_is_not_filled_with_random_ones(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from inference.engine.loading import load_base
    from tests.inference.tiny_families import save_tiny_family

    folder = save_tiny_family("sdxl", tmp_path)
    for path in (
        folder / "text_encoder_2" / "model.safetensors",
        folder / "unet" / "diffusion_pytorch_model.safetensors",
    ):
        whole = load_file(path)
        some = dict(whole)
        some.pop(sorted(some)[3])
        save_file(some, path, metadata={"format": "pt"})
        with pytest.raises(BaseNotRenderable, match=f"{path.parent.name} lacks 1 of its weights"):
            load_base(folder)
        save_file(whole, path, metadata={"format": "pt"})
    load_base(folder)


@pytest.mark.parametrize(
    ("family", "dtype"),
    [("sdxl", "float16"), *((family, "bfloat16") for family in ("sd1", "sdxl", "sd35_medium", "flux1"))],
)
def test_a_base_can_be_loaded_in_half_precision_and_its_vae_stays_whole(
    engines: Engines, tmp_path: Path, family: str, dtype: str
) -> None:
    import torch

    from inference.engine.ladder import Engine
    from tests.inference.tiny_families import save_tiny_family

    engine = Engine.load(save_tiny_family(family, tmp_path), threads=1, dtype=dtype)
    assert engine.base.denoiser.dtype == engine.base.dtype
    assert {encoder.dtype for encoder in engine.base.text_encoders.values()} == {engine.base.dtype}
    assert engine.base.vae.dtype == torch.float32
    assert engine.environment["dtype"] == dtype
    half, whole = (
        np.stack([picture.pixels for picture in one.render(TEXTS, SEEDS, sampling(family))]).astype(float)
        for one in (engine, engines(family))
    )
    assert 0 < np.abs(half - whole).mean() < 8
