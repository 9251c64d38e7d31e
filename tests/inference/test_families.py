"""Every family against diffusers' own pipeline: the same text, noise and sampler give the same picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from inference.errors import SamplingDoesNotFit
from tests.inference.family_batches import (
    CLOSE,
    FAMILIES,
    FLOWS,
    HEIGHT,
    LATENT,
    LONG,
    SEEDS,
    TEXTS,
    WIDTH,
    WITH_UNET,
    as_array,
    generators,
    ours,
    sampling,
    theirs,
)

if TYPE_CHECKING:
    from inference.engine.ladder import Engine

pytestmark = pytest.mark.engine

Engines = Callable[[str], "Engine"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_is_what_the_pipeline_of_the_family_makes_of_it(
    engines: Engines, tiny_families: Callable[[str], Any], family: str
) -> None:
    how = sampling(family)
    pipeline = tiny_families(family)
    assert np.abs(ours(engines(family), how) - theirs(family, pipeline, how)).max() <= CLOSE


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "flux1"])
def test_a_negative_prompt_counts_as_it_does_in_the_pipeline(
    engines: Engines, tiny_families: Callable[[str], Any], family: str
) -> None:
    how = sampling(family, negative="a red car")
    pictures = ours(engines(family), how)
    assert np.abs(pictures - theirs(family, tiny_families(family), how)).max() <= CLOSE
    assert np.abs(pictures - ours(engines(family), sampling(family))).max() > 100 * CLOSE


@pytest.mark.parametrize("family", FAMILIES)
def test_the_engine_rounds_what_was_compared(engines: Engines, family: str) -> None:
    how = sampling(family)
    rendered = np.stack([picture.pixels for picture in engines(family).render(TEXTS, SEEDS, how)])
    assert rendered.shape == (2, HEIGHT, WIDTH, 3)
    assert np.abs(rendered / 255 - ours(engines(family), how)).max() <= 0.5 / 255 + CLOSE


@pytest.mark.parametrize("family", FAMILIES)
def test_without_guidance_only_the_prompt_is_computed(
    engines: Engines, tiny_families: Callable[[str], Any], family: str
) -> None:
    how = replace(sampling(family), cfg=1.0)
    assert np.abs(ours(engines(family), how) - theirs(family, tiny_families(family), how)).max() <= CLOSE
    assert len(engines(family).family.embed(TEXTS, "", 1.0, 1).states) == len(TEXTS)


@pytest.mark.parametrize("negative", ["blurry, bad hands", ""])
@pytest.mark.parametrize("cfg", [3.5, 1.0])
def test_flux_takes_a_negative_prompt_by_a_true_guidance_beside_the_distilled_one(
    engines: Engines, tiny_families: Callable[[str], Any], negative: str, cfg: float
) -> None:
    how = replace(sampling("flux1", negative=negative), cfg=cfg, true_cfg=3.0)
    rendered = ours(engines("flux1"), how)
    assert np.abs(rendered - theirs("flux1", tiny_families("flux1"), how)).max() <= CLOSE
    without = replace(how, negative="", true_cfg=1.0)
    assert np.abs(rendered - ours(engines("flux1"), without)).max() > 1e-3
    # A longer negative prompt pads both halves alike.
    long = replace(how, negative=LONG)
    assert len(engines("flux1").family.embed(TEXTS, LONG, cfg, 1, 3.0).states) == 2 * len(TEXTS)
    assert np.isfinite(ours(engines("flux1"), long)).all()


@pytest.mark.parametrize("family", WITH_UNET)
@pytest.mark.parametrize("sampler", ["euler_a", "dpmpp_sde_karras"])
@pytest.mark.filterwarnings("ignore:Should have t")  # diffusers leaves its Brownian tree by a rounding
def test_the_samplers_that_add_noise_draw_it_row_by_row(
    engines: Engines, tiny_families: Callable[[str], Any], family: str, sampler: str
) -> None:
    import diffusers

    schedulers: Any = diffusers
    how = sampling(family, sampler=sampler)
    pipeline = tiny_families(family)
    kept = pipeline.scheduler
    betas = {
        name: kept.config[name] for name in ("beta_start", "beta_end", "beta_schedule", "prediction_type")
    }
    pipeline.scheduler = (
        schedulers.EulerAncestralDiscreteScheduler(**betas)
        if sampler == "euler_a"
        else schedulers.DPMSolverSDEScheduler(**betas, use_karras_sigmas=True, noise_sampler_seed=SEEDS)
    )
    try:
        expected = theirs(family, pipeline, how)
    finally:
        pipeline.scheduler = kept
    pictures = ours(engines(family), how)
    assert np.abs(pictures - expected).max() <= CLOSE
    # The same picture alone: what stands beside it in the batch is nothing to it.
    assert np.abs(pictures[0] - ours(engines(family), how, TEXTS[:1])[0]).max() <= CLOSE


def image_to_image(family: str, pipeline: Any) -> Any:
    """diffusers' pipeline for image to image, of the same parts."""
    import diffusers

    name = {"sdxl": "StableDiffusionXL", "flux1": "Flux"}.get(family, "StableDiffusion")
    if family.startswith("sd3"):
        name = "StableDiffusion3"
    found: Any = getattr(diffusers, f"{name}Img2ImgPipeline")(**pipeline.components)
    found.set_progress_bar_config(disable=True)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_second_pass_goes_on_from_a_picture_as_image_to_image_does(
    engines: Engines, tiny_families: Callable[[str], Any], family: str
) -> None:
    import torch

    from inference.engine.decoding import decode
    from inference.engine.sampling import RowNoise, Start, denoise, noise

    how, engine = sampling(family), engines(family)
    pipeline = image_to_image(family, tiny_families(family))
    latents = noise([7, 8], LATENT)
    conditioning = engine.family.embed(TEXTS, "", how.cfg, 1)
    made = denoise(
        engine.family, how.sampler, engine.base.scheduler_config, conditioning, RowNoise(SEEDS), LATENT, 4,
        device=torch.device("cpu"), start=Start(latents, 0.5),
    )  # fmt: skip
    options: dict[str, Any] = {} if family == "flux1" else {"negative_prompt": [""] * 2}
    if family in FLOWS:
        options |= {"height": HEIGHT, "width": WIDTH}
    expected = pipeline(
        prompt=TEXTS,
        image=latents,
        strength=0.5,
        num_inference_steps=4,
        guidance_scale=how.cfg,
        generator=generators(),
        output_type="np",
        **options,
    ).images
    assert np.abs(as_array(decode(engine.base.vae, made)) - expected).max() <= CLOSE


@pytest.mark.parametrize("family", FAMILIES)
def test_both_passes_are_the_two_pipelines_one_after_the_other(
    engines: Engines, tiny_families: Callable[[str], Any], family: str
) -> None:
    import torch

    from inference.engine.ladder import Hires

    how, pipeline, noise = sampling(family), tiny_families(family), generators()
    options: dict[str, Any] = {
        "prompt": TEXTS, "guidance_scale": how.cfg, "generator": noise, "output_type": "pt"
    }  # fmt: skip
    if family != "flux1":
        options["negative_prompt"] = [""] * 2
    small = pipeline(num_inference_steps=3, height=HEIGHT, width=WIDTH, **options).images * 2 - 1
    large = torch.nn.functional.interpolate(
        small, (2 * HEIGHT, 2 * WIDTH), mode="bicubic", antialias=True
    ).clamp(-1, 1)
    vae = pipeline.vae
    latents = vae.encode(large).latent_dist.mode() - (vae.config.shift_factor or 0)
    latents = latents * vae.config.scaling_factor
    if family in FLOWS:
        options |= {"height": 2 * HEIGHT, "width": 2 * WIDTH}
    again = image_to_image(family, pipeline)
    expected = again(image=latents, strength=0.5, num_inference_steps=4, **options).images
    pictures = engines(family).render(
        TEXTS, SEEDS, replace(how, hires=Hires(scale=2.0, steps=4, strength=0.5))
    )
    rendered = np.stack([picture.pixels for picture in pictures])
    assert rendered.shape == (2, 2 * HEIGHT, 2 * WIDTH, 3)
    assert np.abs(rendered / 255 - expected.permute(0, 2, 3, 1).numpy()).max() <= 0.5 / 255 + 10 * CLOSE


@pytest.mark.parametrize("family", WITH_UNET)
def test_clip_skip_counts_layers_from_the_end(
    engines: Engines, tiny_families: Callable[[str], Any], family: str
) -> None:
    import torch

    engine, pipeline = engines(family), tiny_families(family)
    ids = pipeline.tokenizer(TEXTS, padding="max_length", max_length=77, return_tensors="pt").input_ids
    with torch.inference_mode():
        layers = pipeline.text_encoder(ids, output_hidden_states=True).hidden_states
        norm = pipeline.text_encoder.final_layer_norm
        found = {skip: engine.family.embed(TEXTS, "", 1.0, skip).states for skip in (1, 2, 3)}
        width = layers[-1].shape[-1]
        expected = {skip: layers[-max(skip, 2)] for skip in found}
        if family != "sdxl":
            expected = {skip: norm(layers[-skip]) for skip in found}
    for skip, states in found.items():
        assert torch.allclose(states[..., :width], expected[skip], atol=1e-5), skip
    assert not torch.allclose(found[2], found[3], atol=1e-2)


@pytest.mark.parametrize("family", FAMILIES)
def test_long_texts_and_emphasis_reach_every_text_encoder(engines: Engines, family: str) -> None:
    import torch

    with torch.inference_mode():
        engine = engines(family).family
        short, both = engine.embed(["a cat"], "", 1.0, 1), engine.embed([LONG, "a cat"], "", 1.0, 1)
        strong = engine.embed(["a (cat:1.5)"], "", 1.0, 1)
    assert both.states.shape[1] > short.states.shape[1]
    assert both.states.shape[2] == short.states.shape[2]
    first = 77 if family != "flux1" else short.states.shape[1]
    assert torch.allclose(both.states[1, :first], short.states[0, :first], atol=1e-5)
    # What lies behind the first chunk of the long one is seen too.
    cut = engines(family).family.embed([LONG[: -len("word word ")] + "bird bird ", "a cat"], "", 1.0, 1)
    assert not torch.allclose(cut.states[0], both.states[0], atol=1e-3)
    assert not torch.allclose(strong.states[0], short.states[0], atol=1e-3)
    for pooled in (short.pooled, strong.pooled):
        assert (pooled is None) == (family in ("sd1", "sd2"))
    if short.pooled is not None and both.pooled is not None:
        # CLIP pools the first chunk only.
        assert torch.allclose(both.pooled[1], short.pooled[0], atol=1e-5)


@pytest.mark.parametrize(
    ("family", "fields", "says"),
    [
        ("sd1", {"sampler": "euler_flow"}, "dpmpp_2m_karras"),
        ("flux1", {"sampler": "dpmpp_2m_karras"}, "euler_flow"),
        ("sdxl", {"sampler": "plms"}, "no sampler"),
        ("flux1", {"negative": "ugly"}, "needs a true one above 1"),
        ("flux1", {"negative": "ugly", "true_cfg": 0.5}, "at least 1"),
        ("sd1", {"true_cfg": 2.0}, "true one already"),
        ("sd1", {"width": 33}, "multiples of 2"),
        ("flux1", {"height": 18}, "multiples of 4"),
        ("sd1", {"steps": 0}, "at least 1"),
        ("sd1", {"clip_skip": 0}, "at least 1"),
    ],
)
def test_what_a_base_cannot_be_sampled_with_is_refused_before_any_pixel(
    engines: Engines, family: str, fields: dict[str, Any], says: str
) -> None:
    how = replace(sampling(family), **fields)
    with pytest.raises(SamplingDoesNotFit, match=says):
        engines(family).render(TEXTS, SEEDS, how)
