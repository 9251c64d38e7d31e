"""Embedding, sampling and batches, against diffusers' own pipeline where the two must agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from inference.errors import BaseNotRenderable, WrongBase
from tests.inference import adapters

if TYPE_CHECKING:
    from inference.engine.ladder import Engine, Sampling

pytestmark = pytest.mark.engine

TEXTS = ["a cat", "a house by the sea"]
SEEDS = [3, 4]
LONG = "word " * 60  # five tokens each without merges: four chunks
REAL_LORA = Path(__file__).parent / "data" / "catundchat_lora_head.safetensors"


@pytest.fixture
def how() -> Sampling:
    """Three steps at the tiny base's size."""
    from inference.engine.ladder import Sampling

    return Sampling(steps=3, cfg=4.0, width=16, height=16, sampler="dpmpp_2m_karras", negative="")


def floats(pictures: list[Any]) -> Any:
    """The pixels of a batch as floats 0..255."""
    return np.stack([picture.pixels for picture in pictures]).astype(float)


def embed(engine: Engine, texts: list[str]) -> Any:
    """The texts as the tiny base's text encoder has them, `[batch, tokens, width]`."""
    # Guidance of 1 leaves the negative half out.
    return engine.family.embed(texts, "", 1.0, 1).states


def test_a_plain_prompt_is_embedded_as_diffusers_does(engine: Engine) -> None:
    import torch

    from tests.inference.tiny import tiny_pipeline

    expected, negative = tiny_pipeline().encode_prompt(TEXTS[1], "cpu", 1, True, negative_prompt="")
    with torch.inference_mode():
        ours = engine.family.embed([TEXTS[1]], "", 4.0, 1).states
    assert torch.allclose(ours[1:], expected, atol=1e-6)
    assert torch.allclose(ours[:1], negative, atol=1e-6)


def test_long_prompts_take_more_chunks_and_short_ones_are_padded_to_them(engine: Engine) -> None:
    assert embed(engine, [TEXTS[0]]).shape == (1, 77, 16)
    both = embed(engine, [TEXTS[0], LONG])
    assert both.shape[1] % 77 == 0
    assert both.shape[1] >= 3 * 77
    # The first chunk of the short prompt is what it is alone; the rest is the empty prompt.
    assert np.allclose(both[0, :77], embed(engine, [TEXTS[0]])[0], atol=1e-6)
    assert np.allclose(both[0, 77:154], embed(engine, [""])[0], atol=1e-6)


def test_emphasis_moves_only_the_prompt_that_has_it_and_keeps_its_mean(engine: Engine) -> None:
    plain, strong, other = embed(engine, ["a cat", "a (cat:1.6)", "a house"])
    alone = embed(engine, ["a cat", "a house"])
    assert np.allclose(plain, alone[0], atol=1e-6)
    assert np.allclose(other, alone[1], atol=1e-6)
    assert not np.allclose(strong, plain, atol=1e-2)
    assert float(strong.mean()) == pytest.approx(float(plain.mean()), abs=1e-4)


def test_a_batch_shows_what_diffusers_shows_for_the_same_latents(engine: Engine, how: Sampling) -> None:
    import torch

    from inference.engine.sampling import noise
    from tests.inference.tiny import tiny_pipeline

    ours = floats(engine.render(TEXTS, SEEDS, how))
    theirs = tiny_pipeline()(
        prompt=TEXTS,
        num_inference_steps=how.steps,
        guidance_scale=how.cfg,
        latents=noise(SEEDS, (4, 8, 8)),
        output_type="np",
    ).images
    assert torch.isfinite(torch.from_numpy(theirs)).all()
    assert np.abs(ours - theirs * 255).max() <= 1.0


def test_the_base_is_rendered_bitwise_alike_before_and_after_any_adapter(
    engine: Engine, how: Sampling
) -> None:
    samples = (adapters.lora(), adapters.locon(), adapters.lora(adapters.TEXT, component="text_encoder"))
    fitted = engine.patcher.fit({sample.tensors.name: sample.tensors for sample in samples})
    before = [picture.digest for picture in engine.render(TEXTS, SEEDS, how)]
    changed = [picture.digest for picture in engine.render_adapter(TEXTS, SEEDS, how, fitted, 1.0)]
    control = [picture.digest for picture in engine.render_control(TEXTS, SEEDS, how, [fitted])]
    assert control == before
    assert not set(changed) & set(before)


def test_weight_zero_equals_the_base_to_the_bit(engine: Engine, how: Sampling) -> None:
    fitted = engine.patcher.fit({"m": adapters.lora().tensors})
    base = [picture.digest for picture in engine.render(TEXTS, SEEDS, how)]
    zero = [picture.digest for picture in engine.render_adapter(TEXTS, SEEDS, how, fitted, 0.0)]
    assert zero == base


def test_a_row_depends_on_its_own_seed_only(engine: Engine, how: Sampling) -> None:
    both = floats(engine.render(["a cat", "a cat"], [3, 4], how))
    swapped = floats(engine.render(["a cat", "a cat"], [4, 3], how))
    assert np.abs(both - swapped[::-1]).max() <= 1.0
    assert np.abs(both[0] - both[1]).max() > 1.0


def test_two_adapters_can_be_shown_at_once(engine: Engine, how: Sampling) -> None:
    from inference.engine.block_weights import everywhere

    first = engine.patcher.fit({"m": adapters.lora(seed=1).tensors})
    second = engine.patcher.fit({"m": adapters.lora(adapters.PROJECTION, seed=5).tensors})
    digests = {
        tuple(picture.digest for picture in engine.render(TEXTS, SEEDS, how, stack))
        for stack in (
            [(first, everywhere(1.0))],
            [(second, everywhere(1.0))],
            [(first, everywhere(1.0)), (second, everywhere(1.0))],
        )
    }
    assert len(digests) == 3


def test_a_picture_of_one_color_or_without_numbers_is_not_usable() -> None:
    from inference.engine.decoding import picture

    rng = np.random.default_rng(0)
    good = rng.random((8, 8, 3)).astype(np.float32)
    broken = good.copy()
    broken[0, 0] = np.nan
    assert picture(good).usable
    assert not picture(np.zeros((8, 8, 3), np.float32)).usable
    assert not picture(broken).usable
    assert not picture(broken).finite


def test_the_prediction_type_of_the_base_reaches_the_sampler(engine: Engine) -> None:
    from inference.engine.sampling import make_scheduler

    scheduler = make_scheduler("dpmpp_2m_karras", engine.base.scheduler_config)
    assert scheduler.config.prediction_type == "v_prediction"
    assert scheduler.config.use_karras_sigmas
    assert scheduler.config.beta_end == pytest.approx(0.02)


@pytest.mark.parametrize(
    "content",
    [None, "{}", "[]", '{"_class_name": "FluxPipeline"}', '{"_class_name": "WanPipeline"}', "not json"],
)
def test_a_folder_that_is_no_known_pipeline_is_refused(tmp_path: Path, content: str | None) -> None:
    from inference.engine.loading import load_base

    if content is not None:
        (tmp_path / "model_index.json").write_text(content)
        (tmp_path / "scheduler").mkdir()
        (tmp_path / "scheduler" / "scheduler_config.json").write_text("{}")
    with pytest.raises(BaseNotRenderable):
        load_base(tmp_path)


def test_a_folder_with_a_missing_part_is_refused_in_one_line(tiny_base: Path, tmp_path: Path) -> None:
    import shutil

    from inference.engine.loading import load_base

    broken = tmp_path / "broken"
    shutil.copytree(tiny_base, broken)
    (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"cut")
    with pytest.raises(BaseNotRenderable) as caught:
        load_base(broken)
    assert "\n" not in str(caught.value)


def test_a_real_adapter_of_stable_diffusion_is_the_wrong_base_here(engine: Engine) -> None:
    with pytest.raises(WrongBase, match="other shapes than the base"):
        engine.load_adapter(REAL_LORA)
