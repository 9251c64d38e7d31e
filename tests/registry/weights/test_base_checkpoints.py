"""What a single file is as a base: family, parts, prediction, and why it cannot be rendered with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from registry.weights import read_header
from registry.weights.base_checkpoints import BaseCheckpoint, read_base_checkpoint
from tests.registry.weights.files import Shapes, write_shapes

U = "model.diffusion_model."
CLIP = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
VAE: Shapes = {"first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3)}
FIRST: Shapes = {f"{U}input_blocks.0.0.weight": (320, 4, 3, 3)}
SD1: Shapes = {**FIRST, f"{U}input_blocks.1.1.proj_in.weight": (320, 320, 1, 1), CLIP: (49408, 768), **VAE}
SD2: Shapes = {**FIRST, f"{U}input_blocks.1.1.proj_in.weight": (320, 320),
               "cond_stage_model.model.token_embedding.weight": (49408, 1024), **VAE}  # fmt: skip
SDXL: Shapes = {
    f"{U}input_blocks.0.0.weight": (320, 4, 3, 3), f"{U}input_blocks.4.1.proj_in.weight": (640, 640),
    f"{U}label_emb.0.0.weight": (1280, 2816),
    "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
    "conditioner.embedders.1.model.token_embedding.weight": (49408, 1280), **VAE,
}  # fmt: skip
SD3: Shapes = {
    f"{U}joint_blocks.0.x_block.attn.qkv.weight": (4608, 1536), f"{U}y_embedder.mlp.0.weight": (1536, 2048),
    "text_encoders.clip_l.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
    "text_encoders.clip_g.transformer.text_model.embeddings.token_embedding.weight": (49408, 1280), **VAE,
}  # fmt: skip
FLUX: Shapes = {
    "double_blocks.0.img_attn.qkv.weight": (9216, 3072), "img_in.weight": (3072, 64),
    "vector_in.in_layer.weight": (3072, 768), "final_layer.linear.weight": (64, 3072),
}  # fmt: skip
GUIDED: Shapes = {"guidance_in.in_layer.weight": (3072, 256)}
WHOLE_FLUX: Shapes = {
    **{f"{U}{name}": shape for name, shape in FLUX.items()}, "vae.decoder.conv_in.weight": (512, 16, 3, 3),
    "text_encoders.clip_l.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
    "text_encoders.t5xxl.transformer.shared.weight": (32128, 4096),
}  # fmt: skip


def read(tmp_path: Path, shapes: Shapes, metadata: dict[str, str] | None = None) -> BaseCheckpoint:
    return read_base_checkpoint(read_header(write_shapes(tmp_path / "base.safetensors", shapes, metadata)))


@pytest.mark.parametrize(
    ("shapes", "family", "parts"),
    [
        (SD1, "sd1", {"unet", "vae", "text_encoder"}),
        (SD2, "sd2", {"unet", "vae", "text_encoder"}),
        (SDXL, "sdxl", {"unet", "vae", "text_encoder", "text_encoder_2"}),
        (SD3, "sd3_medium", {"transformer", "vae", "text_encoder", "text_encoder_2"}),
        ({**SD3, f"{U}joint_blocks.0.x_block.attn.ln_q.weight": (64,)}, "sd35_large",
         {"transformer", "vae", "text_encoder", "text_encoder_2"}),
        ({**SD3, f"{U}joint_blocks.0.x_block.attn2.qkv.weight": (4608, 1536)}, "sd35_medium",
         {"transformer", "vae", "text_encoder", "text_encoder_2"}),
        (FLUX, "flux1", {"transformer"}),
        (WHOLE_FLUX, "flux1", {"transformer", "vae", "text_encoder", "text_encoder_2"}),
        ({name.removeprefix("model."): shape for name, shape in SD1.items()}, "sd1",
         {"unet", "vae", "text_encoder"}),
    ],
)  # fmt: skip
def test_families_and_parts_are_told_by_the_names(
    tmp_path: Path, shapes: Shapes, family: str, parts: set[str]
) -> None:
    found = read(tmp_path, shapes)
    assert (found.family, set(found.parts), found.problem) == (family, parts, "")


def test_a_dev_file_has_its_guidance_and_a_schnell_file_none(tmp_path: Path) -> None:
    assert read(tmp_path, {**FLUX, **GUIDED}).distilled
    assert not read(tmp_path, FLUX).distilled


def test_a_rest_of_a_text_encoder_is_none(tmp_path: Path) -> None:
    shapes = {name: shape for name, shape in SD1.items() if name != CLIP}
    rest = CLIP.replace("token_embedding.weight", "position_ids")
    assert set(read(tmp_path, {**shapes, rest: (1, 7)}).parts) == {"unet", "vae"}


def test_old_merges_leave_out_a_level_of_clips_names(tmp_path: Path) -> None:
    short = CLIP.replace(".text_model", "")
    shapes = {(short if name == CLIP else name): shape for name, shape in SD1.items()}
    assert read(tmp_path, shapes).parts["text_encoder"] == {short: CLIP}


@pytest.mark.parametrize(
    ("beside", "metadata", "expected"),
    [
        ({}, {}, ("", False)),
        ({"v_pred": (0,)}, {}, ("v_prediction", False)),
        ({"v_pred": (0,), "ztsnr": (0,)}, {}, ("v_prediction", True)),
        ({}, {"modelspec.prediction_type": "v"}, ("v_prediction", False)),
        ({}, {"modelspec.prediction_type": "epsilon"}, ("epsilon", False)),
        ({"v_pred": (0,)}, {"modelspec.prediction_type": "epsilon"}, ("v_prediction", False)),
        ({}, {"modelspec.prediction_type": "something new"}, ("", False)),
    ],
)
def test_the_prediction_is_what_the_file_says_of_it(
    tmp_path: Path, beside: Shapes, metadata: dict[str, str], expected: tuple[str, bool]
) -> None:
    found = read(tmp_path, {**SDXL, **beside}, metadata)
    assert (found.prediction, found.zero_snr) == expected
    assert set(found.parts) == {"unet", "vae", "text_encoder", "text_encoder_2"}


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        ({**SD1, f"{U}input_blocks.0.0.weight": (320, 9, 3, 3)}, "9 channels"),
        ({f"{U}input_blocks.0.0.weight": (384, 4, 3, 3), f"{U}label_emb.0.0.weight": (1536, 2560)},
         "refiner"),
        ({f"{U}input_blocks.0.0.weight": (8, 4, 3, 3), f"{U}label_emb.0.0.weight": (8, 8),
          "conditioner.embedders.0.model.token_embedding.weight": (9, 8)}, "refiner"),
        ({**SD2, f"{U}label_emb.0.0.weight": (8, 8)}, "unCLIP"),
        ({**SDXL, "edm_mean": (4,)}, "EDM"),
        ({**SDXL, "edm_vpred.sigma_max": ()}, "EDM"),
        ({**FLUX, "img_in.weight": (8, 384)}, "Fill"),
        ({**FLUX, "distilled_guidance_layer.in_proj.weight": (8, 8)}, "Chroma"),
        ({"double_blocks.0.img_attn.qkv.weight": (8, 8), "double_stream_modulation_img.lin.weight": (8, 8)},
         r"FLUX\.2"),
        (VAE, "holds no UNet"),
        ({"blocks.0.self_attn.q.weight": (8, 8)}, "no file of Stable Diffusion"),
        ({"lora_unet_x.lora_up.weight": (8, 2), "lora_unet_x.lora_down.weight": (2, 8)}, "no file of Stable"),
    ],
)  # fmt: skip
def test_what_cannot_be_rendered_with_says_why(tmp_path: Path, shapes: Shapes, says: str) -> None:
    found = read(tmp_path, shapes)
    assert found.problem and not found.parts and not found.quantized
    assert re.search(says, found.problem)


@pytest.mark.parametrize(
    "name",
    [
        "scaled_fp8",
        f"{U}input_blocks.1.1.proj_in.scale_weight",
        f"{U}input_blocks.1.1.proj_in.weight.absmax",
        f"{U}input_blocks.1.1.proj_in.weight.quant_state.bitsandbytes__nf4",
        f"{U}input_blocks.1.1.proj_in.comfy_quant",
    ],
)
def test_quantized_weights_are_told_by_what_stands_beside_them(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, {**SD1, name: (2,)})
    assert found.quantized and "quantized" in found.problem


@pytest.mark.parametrize(
    ("shapes", "twice"),
    [
        ({**SD1, "diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3)}, f"{U}input_blocks.0.0.weight"),
        ({**SD1, CLIP.replace("text_model.", ""): (49408, 768)}, CLIP),
    ],
)
def test_two_tensors_for_one_place_are_refused(tmp_path: Path, shapes: Shapes, twice: str) -> None:
    assert read(tmp_path, shapes).problem == f"It holds two tensors for {twice}."
