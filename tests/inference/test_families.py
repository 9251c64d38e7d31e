"""Every family against diffusers' own pipeline: the same text, noise and sampler give the same picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from inference.errors import BaseNotRenderable, SamplingDoesNotFit

if TYPE_CHECKING:
    from pathlib import Path

    from inference.engine.ladder import Engine, Sampling

pytestmark = pytest.mark.engine

FAMILIES = ["sd1", "sd2", "sdxl", "sd3_medium", "sd35_medium", "flux1"]
WITH_UNET = ["sd1", "sd2", "sdxl"]
FLOWS = ["sd3_medium", "sd35_medium", "flux1"]
TEXTS = ["a cat", "a house by the sea"]
SEEDS = [3, 4]
WIDTH, HEIGHT = 32, 16
LATENT = (4, 8, 16)
LONG = "word " * 130  # more than a chunk of T5 too, at a token a letter
CLOSE = 1e-5

Engines = Callable[[str], "Engine"]


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Engines:
    """Family -> an engine that loaded its tiny base from a folder, once."""

    @cache
    def load(family: str) -> Engine:
        from inference.engine.ladder import Engine
        from tests.inference.tiny_families import save_tiny_family

        return Engine.load(save_tiny_family(family, tmp_path_factory.mktemp(family)), threads=1)

    return load


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
    conditioning = engine.family.embed(texts, how.negative, how.cfg, how.clip_skip)
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
    if family != "flux1":
        options["negative_prompt"] = [how.negative] * len(TEXTS)
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


@pytest.mark.parametrize(
    ("family", "fields", "says"),
    [
        ("sd1", {"sampler": "euler_flow"}, "dpmpp_2m_karras"),
        ("flux1", {"sampler": "dpmpp_2m_karras"}, "euler_flow"),
        ("sdxl", {"sampler": "plms"}, "no sampler"),
        ("flux1", {"negative": "ugly"}, "no negative prompt"),
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
