"""A base in one file renders, to the last bit, what the same base renders from its diffusers folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inference.base_errors import BaseLacksParts, LayoutDoesNotFit, NoBaseLayout
from inference.errors import BaseNotRenderable
from tests.inference.family_batches import FAMILIES, SEEDS, TEXTS, sampling

if TYPE_CHECKING:
    from inference.engine.ladder import Engine

pytestmark = pytest.mark.engine

Saved = Callable[..., tuple[Path, Path, Path]]


@pytest.fixture(autouse=True)
def _narrow_flux(monkeypatch: pytest.MonkeyPatch) -> None:
    """diffusers' converter of FLUX.1 has the real width written into it; all else of it is run as it is."""
    from diffusers.loaders import single_file_model

    from tests.inference.tiny_families import HIDDEN

    entry = single_file_model.SINGLE_FILE_LOADABLE_CLASSES["FluxTransformer2DModel"]
    real: Any = single_file_model.convert_flux_transformer_checkpoint_to_diffusers
    code = real.__code__
    constants = tuple(HIDDEN if each == 3072 else each for each in code.co_consts)
    assert constants != code.co_consts
    narrow = type(real)(code.replace(co_consts=constants), real.__globals__)
    monkeypatch.setitem(entry, "checkpoint_mapping_fn", narrow)


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """(folder, single file, layout without weights) of a family's tiny pipeline."""

    def save(family: str, *, velocity: bool = True, **beside: Any) -> tuple[Path, Path, Path]:
        import torch

        from tests.inference.single_files import layout_of, save_single_file
        from tests.inference.tiny_families import tiny_pipeline_of

        pipeline = tiny_pipeline_of(family)
        if family.startswith("sd3"):
            with torch.no_grad():
                pipeline.text_encoder.text_projection.weight.copy_(torch.eye(32))
        if family == "sd2" and velocity:
            # What tells a base that predicts velocity.
            torch.manual_seed(5)
            pipeline.unet.up_blocks[3].attentions[2].transformer_blocks[0].norm1.bias.data.normal_(0, 0.5)
        pipeline.save_pretrained(tmp_path / "folder", safe_serialization=True)
        file = save_single_file(family, pipeline, tmp_path / "base.safetensors", **beside)
        return tmp_path / "folder", file, layout_of(tmp_path / "folder", tmp_path / "layout")

    return save


def digests(engine: Engine, family: str) -> list[str]:
    return [picture.digest for picture in engine.render(TEXTS, SEEDS, sampling(family))]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_single_file_renders_the_very_pictures_of_its_folder(saved: Saved, family: str) -> None:
    from inference.engine.ladder import Engine

    folder, file, layout = saved(family)
    whole = Engine.load(folder, threads=1)
    single = Engine.load(file, threads=1, layout=layout)
    assert (single.base.family, single.base.pipeline) == (whole.base.family, whole.base.pipeline)
    assert single.base.modules.keys() == whole.base.modules.keys()
    assert digests(single, family) == digests(whole, family)


def test_a_transformer_alone_takes_its_text_encoders_and_vae_from_the_layout(
    saved: Saved, tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    from inference.engine.ladder import Engine
    from tests.inference.single_files import bfl_transformer
    from tests.inference.tiny_families import tiny_pipeline_of

    folder, _, layout = saved("flux1")
    tensors = bfl_transformer(tiny_pipeline_of("flux1").transformer)
    save_file({name: each.clone() for name, each in tensors.items()}, tmp_path / "flux1-dev.safetensors")
    alone = Engine.load(tmp_path / "flux1-dev.safetensors", threads=1, layout=folder)
    assert digests(alone, "flux1") == digests(Engine.load(folder, threads=1), "flux1")
    with pytest.raises(BaseLacksParts, match="has no text_encoder"):
        Engine.load(tmp_path / "flux1-dev.safetensors", threads=1, layout=layout)


def test_a_unet_alone_is_read_in_either_dialect(saved: Saved, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from inference.engine.ladder import Engine
    from tests.inference.single_files import ldm_unet
    from tests.inference.tiny_families import tiny_pipeline_of

    folder, _, _ = saved("sdxl")
    unet = tiny_pipeline_of("sdxl").unet
    bare = {name.removeprefix("model.diffusion_model."): each for name, each in ldm_unet(unet).items()}
    expected = digests(Engine.load(folder, threads=1), "sdxl")
    for number, tensors in enumerate((bare, unet.state_dict())):
        path = tmp_path / f"unet{number}.safetensors"
        save_file({name: each.clone() for name, each in tensors.items()}, path)
        assert digests(Engine.load(path, threads=1, layout=folder), "sdxl") == expected


def test_half_precision_files_render_as_the_folder_in_that_precision(saved: Saved) -> None:
    from safetensors.torch import load_file, save_file

    from inference.engine.ladder import Engine

    folder, file, layout = saved("sd1")
    save_file({name: each.half() for name, each in load_file(file).items()}, file)
    for path in folder.rglob("*.safetensors"):
        save_file({name: each.half() for name, each in load_file(path).items()}, path, {"format": "pt"})
    for dtype in ("", "bfloat16"):
        single = Engine.load(file, threads=1, layout=layout, dtype=dtype)
        assert digests(single, "sd1") == digests(Engine.load(folder, threads=1, dtype=dtype), "sd1")


@pytest.mark.parametrize(
    ("family", "beside", "velocity", "row", "expected"),
    [
        ("sdxl", (), False, "", ("epsilon", False)),
        ("sdxl", ("v_pred",), False, "", ("v_prediction", False)),
        ("sdxl", ("v_pred", "ztsnr"), False, "", ("v_prediction", True)),
        ("sdxl", ("v_pred", "ztsnr"), False, "epsilon", ("epsilon", True)),
        ("sdxl", (), False, "v_prediction_zero_snr", ("v_prediction", True)),
        ("sd2", (), True, "", ("v_prediction", False)),
        ("sd2", (), False, "", ("epsilon", False)),
        ("sd2", (), False, "v_prediction", ("v_prediction", False)),
    ],
)
def test_what_the_denoiser_predicts_is_what_the_row_the_file_or_the_layout_says(
    saved: Saved, family: str, beside: tuple[str, ...], velocity: bool, row: str, expected: tuple[str, bool]
) -> None:
    import torch

    from inference.engine.loading import load_base
    from inference.engine.sampling import make_scheduler

    marks = {name: torch.zeros(0) for name in beside}
    _, file, layout = saved(family, velocity=velocity, **marks)
    config = load_base(file, layout=layout, prediction=row).scheduler_config
    made = make_scheduler("dpmpp_2m_karras", config).config
    assert (made.prediction_type, bool(made.rescale_betas_zero_snr)) == expected


def test_v_prediction_gives_the_pictures_of_a_folder_that_says_so(saved: Saved) -> None:
    import json

    import torch

    from inference.engine.ladder import Engine

    folder, file, layout = saved("sdxl", v_pred=torch.zeros(0), ztsnr=torch.zeros(0))
    config = folder / "scheduler" / "scheduler_config.json"
    told = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    config.write_text(json.dumps(json.loads(config.read_text()) | told))
    single = Engine.load(file, threads=1, layout=layout)
    assert digests(single, "sdxl") == digests(Engine.load(folder, threads=1), "sdxl")


def test_an_adapter_patches_a_single_file_and_leaves_it_as_it_was(saved: Saved, tmp_path: Path) -> None:
    from inference.engine.ladder import Engine

    folder, file, layout = saved("sd1")
    engines = [Engine.load(folder, threads=1), Engine.load(file, threads=1, layout=layout)]
    before = file.read_bytes()
    rendered = []
    for engine in engines:
        plain = digests(engine, "sd1")
        adapter = engine.load_adapter(write_lora(tmp_path / "lora.safetensors"))
        pictures = engine.render_adapter(TEXTS, SEEDS, sampling("sd1"), adapter, 0.8)
        rendered.append([picture.digest for picture in pictures])
        assert digests(engine, "sd1") == plain != rendered[-1]
    assert rendered[0] == rendered[1]
    assert file.read_bytes() == before


def write_lora(path: Path) -> Path:
    import numpy as np
    from safetensors.numpy import save_file

    from tests.inference.adapters import random_floats

    stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    save_file(
        {
            f"{stem}.lora_up.weight": random_floats(1, 16, 2, scale=0.8),
            f"{stem}.lora_down.weight": random_floats(2, 2, 16, scale=0.8),
            f"{stem}.alpha": np.array(2.0, dtype=np.float32),
        },
        path,
    )
    return path


def test_a_layout_of_another_architecture_is_refused_before_any_picture(saved: Saved, tmp_path: Path) -> None:
    import json

    from inference.engine.loading import load_base
    from tests.inference.tiny_families import save_tiny_family

    _, file, layout = saved("sd1")
    with pytest.raises(NoBaseLayout, match="single file"):
        load_base(file)
    for family in ("sdxl", "sd2", "flux1"):
        with pytest.raises(LayoutDoesNotFit, match=f"family sd1, {family} of {family}"):
            load_base(file, layout=save_tiny_family(family, tmp_path / family))
    # One level less, and other widths.
    config = layout / "unet" / "config.json"
    told = json.loads(config.read_text())
    config.write_text(json.dumps(told | {"block_out_channels": [16, 32, 32, 64]}))
    with pytest.raises(LayoutDoesNotFit, match="The unet of base"):
        load_base(file, layout=layout)
    config.write_text(json.dumps(told | {"mid_block_type": None}))
    with pytest.raises(LayoutDoesNotFit, match="has room for"):
        load_base(file, layout=layout)


@pytest.mark.parametrize(
    "name",
    [
        "model.diffusion_model.out.2.weight",
        "first_stage_model.decoder.conv_out.bias",
        "cond_stage_model.transformer.text_model.final_layer_norm.weight",
    ],
)
def test_a_file_without_one_of_its_weights_is_not_filled_with_random_ones(saved: Saved, name: str) -> None:
    from safetensors.torch import load_file, save_file

    from inference.engine.loading import load_base

    _, file, layout = saved("sd1")
    tensors = load_file(file)
    del tensors[name]
    save_file(tensors, file)
    with pytest.raises(BaseNotRenderable, match=r"lacks|not as layout says"):
        load_base(file, layout=layout)


def test_a_vae_in_a_file_of_its_own_takes_the_place_of_the_bases(saved: Saved, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from inference.engine.ladder import Engine
    from tests.inference.single_files import ldm_vae
    from tests.inference.tiny_families import tiny_pipeline_of

    folder, file, layout = saved("sd1")
    vae = tiny_pipeline_of("sd1").vae
    torch.manual_seed(3)
    with torch.no_grad():
        vae.decoder.conv_out.weight.normal_()
    save_file({name: each.clone() for name, each in ldm_vae(vae, "").items()}, tmp_path / "vae.safetensors")
    vae.save_pretrained(tmp_path / "other")
    expected = digests(Engine.load(folder, threads=1, vae=tmp_path / "other"), "sd1")
    for weights, where in ((folder, None), (file, layout)):
        other = Engine.load(weights, threads=1, layout=where, vae=tmp_path / "vae.safetensors")
        assert digests(other, "sd1") == expected
