"""Families: decided only where the bytes decide, and then rightly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from registry.weights import inspect_file
from tests.registry.weights.files import (
    Shapes,
    flux_bfl,
    flux_diffusers,
    kohya,
    kohya_file,
    merge,
    peft_file,
    unet_attention,
    write_shapes,
)

SAMPLES = Path(__file__).parents[2] / "data" / "state_dicts"
SD = (320, 640, 1280, 1280)


def read(tmp_path: Path, shapes: Shapes, metadata: dict[str, str] | None = None) -> dict[str, Any]:
    return inspect_file(write_shapes(tmp_path / "a.safetensors", shapes, metadata), hashes=False).as_dict()


@pytest.mark.parametrize(
    ("sample", "algorithm", "dora", "dialect", "family"),
    [
        ("anima_lora_kohya_format", "lora", False, "kohya", "anima"),
        ("anima_lora_kohya_with_te_format", "lora", False, "kohya", "anima"),
        ("anima_lora_lokr_format", "lokr", True, "comfy", "anima"),
        ("anima_lora_peft_format", "lora", False, "comfy", "anima"),
        ("flux_lokr_bfl_format", "lokr", False, "comfy", "flux1"),
        ("flux_lora_xlabs_format", "lora", False, "xlabs", "flux1"),
        ("krea2_lora_kohya_format", "lora", False, "kohya", "krea2"),
        ("qwen_image_lora_diffusers_format", "lora", False, "unprefixed", "qwen_image"),
        ("qwen_image_lora_kohya_format", "lokr", False, "kohya", "qwen_image"),
    ],
)
def test_recorded_adapters_are_read_as_what_they_are(
    tmp_path: Path, sample: str, algorithm: str, dora: bool, dialect: str, family: str
) -> None:
    shapes = json.loads((SAMPLES / f"{sample}.json").read_text())
    got = read(tmp_path, shapes)
    assert got["kind"] == "adapter"
    assert (got["algorithm"], got["weight_decomposed"]) == (algorithm, dora)
    assert (got["dialect"], got["family"]) == (dialect, family)


def test_factors_that_multiply_to_no_layer_leave_only_the_names(tmp_path: Path) -> None:
    got = read(tmp_path, json.loads((SAMPLES / "flux_lokr_bfl_format.json").read_text()))
    assert got["family_candidates"] == [
        "flux1", "hunyuan_image", "flux2_dev", "flux2_klein_9b", "flux2_klein_4b",
    ]  # fmt: skip
    assert "impossible_shapes" in {finding["code"] for finding in got["findings"]}


@pytest.mark.parametrize(
    ("channels", "context", "layers", "family"),
    [(SD, 768, 2, "sd1"), (SD, 1024, 2, "sd2"), ((48, 80, 96, 112), 64, 1, "toybox")],
)
@pytest.mark.parametrize("dialect", ["kohya", "diffusers_peft"])
def test_the_text_width_decides_between_unets_of_one_layout(
    tmp_path: Path, channels: tuple[int, ...], context: int, layers: int, family: str, dialect: str
) -> None:
    attention = unet_attention(channels, context, layers)
    shapes = kohya_file(attention) if dialect == "kohya" else peft_file(attention, "unet.")
    got = read(tmp_path, shapes)
    assert (got["family"], got["family_candidates"], got["dialect"]) == (family, [], dialect)


def test_self_attention_alone_does_not_tell_sd1_from_sd2(tmp_path: Path) -> None:
    shapes = kohya("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q", 320, 320)
    got = read(tmp_path, shapes)
    assert got["family"] == "unknown"
    assert got["family_candidates"] == ["sd1", "sd2"]
    assert "family_unknown" in {finding["code"] for finding in got["findings"]}


def test_a_convolution_as_projection_refutes_sd2(tmp_path: Path) -> None:
    shapes = kohya("lora_unet_down_blocks_0_attentions_0_proj_in", 320, 320, kernel=(1, 1))
    assert read(tmp_path, shapes)["family"] == "sd1"


def test_the_text_encoder_decides_where_the_unet_does_not(tmp_path: Path) -> None:
    unet = kohya("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q", 320, 320)
    text = kohya("lora_te_text_model_encoder_layers_0_self_attn_q_proj", 1024, 1024)
    assert read(tmp_path, unet | text)["family"] == "sd2"


def test_a_second_transformer_block_proves_sdxl(tmp_path: Path) -> None:
    shapes = kohya("lora_unet_down_blocks_1_attentions_0_transformer_blocks_1_attn1_to_q", 640, 640)
    assert read(tmp_path, shapes)["family"] == "sdxl"


def test_sgm_block_names_prove_sdxl(tmp_path: Path) -> None:
    shapes = kohya("lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q", 640, 640)
    assert read(tmp_path, shapes)["family"] == "sdxl"


def test_the_refiner_has_widths_of_its_own(tmp_path: Path) -> None:
    shapes = kohya("lora_unet_input_blocks_4_1_transformer_blocks_3_attn2_to_k", 1280, 768)
    assert read(tmp_path, shapes)["family"] == "sdxl_refiner"


@pytest.mark.parametrize(
    ("modules", "candidates"),
    [
        (["lora_te_text_model_encoder_layers_0_self_attn_q_proj"], []),
        (
            ["lora_te1_text_model_encoder_layers_0_self_attn_q_proj"],
            ["sdxl", "flux1", "sd3_medium", "sd35_medium", "sd35_large", "hidream"],
        ),
    ],
)
def test_a_text_encoder_alone_decides_only_by_its_place(
    tmp_path: Path, modules: list[str], candidates: list[str]
) -> None:
    got = read(tmp_path, merge([kohya(module, 768, 768) for module in modules]))
    assert got["family_candidates"] == candidates
    assert got["family"] == ("unknown" if candidates else "sd1")


FLUX: dict[str, tuple[Shapes, str]] = {
    "kohya": (kohya_file(flux_bfl()), "kohya"),
    "comfy without modulation": (peft_file(flux_bfl(modulation=False), "diffusion_model."), "comfy"),
    "diffusers": (peft_file(flux_diffusers(), "transformer."), "diffusers_peft"),
    "raw peft": (peft_file(flux_diffusers(), "base_model.model."), "peft_raw"),
    "onetrainer": (kohya_file(flux_diffusers(), "lora_transformer_"), "onetrainer"),
    "bare": (peft_file(flux_bfl(), ""), "bfl"),
}


@pytest.mark.parametrize("case", FLUX)
def test_flux_is_known_in_every_dialect(tmp_path: Path, case: str) -> None:
    shapes, dialect = FLUX[case]
    got = read(tmp_path, shapes)
    assert (got["family"], got["dialect"], got["base_conflict"]) == ("flux1", dialect, False)


def test_a_few_shared_layers_leave_the_family_open(tmp_path: Path) -> None:
    layers = {"transformer_blocks.4.attn.to_q": (3072, 3072)}
    got = read(tmp_path, peft_file(layers, "transformer."))
    assert got["family"] == "unknown"
    assert {"flux1", "qwen_image", "hunyuan_video", "flux2_klein_4b"} <= set(got["family_candidates"])


def test_a_block_past_the_last_one_refutes_a_family(tmp_path: Path) -> None:
    layers = {"transformer_blocks.40.attn.to_q": (3072, 3072)}
    assert read(tmp_path, peft_file(layers, "transformer."))["family"] == "qwen_image"


@pytest.mark.parametrize(
    ("layers", "prefix", "family"),
    [
        ({"blocks.0.self_attn.q": (1536, 1536)}, "diffusion_model.", "wan_1_3b"),
        ({"blocks.39.cross_attn.k_img": (5120, 5120)}, "diffusion_model.", "wan_14b"),
        ({"blocks.0.ffn.0": (3072, 14336)}, "diffusion_model.", "wan_5b"),
        ({"layers.0.attention.qkv": (3840, 11520)}, "diffusion_model.", "z_image"),
        ({"layers.0.attention.qkv": (2304, 3840)}, "diffusion_model.", "lumina2"),
        ({"joint_blocks.30.x_block.attn.qkv": (2432, 7296)}, "diffusion_model.", "sd35_large"),
        ({"joint_blocks.3.x_block.attn2.qkv": (1536, 4608)}, "diffusion_model.", "sd35_medium"),
        ({"double_blocks.0.img_mlp.0": (6144, 36864)}, "diffusion_model.", "flux2_dev"),
        ({"double_blocks.0.img_mlp.0": (3072, 18432)}, "diffusion_model.", "flux2_klein_4b"),
        ({"single_blocks.0.linear1": (4096, 36864)}, "diffusion_model.", "flux2_klein_9b"),
        ({"double_blocks.0.img_mlp.fc1": (3072, 12288)}, "lora_unet_", "hunyuan_video"),
        ({"blocks.0.attn.qkv": (1152, 3456)}, "", "pixart"),
        ({"blocks.0.attn1.Wqkv": (1408, 4224)}, "base_model.model.", "hunyuan_dit"),
        ({"transformer_blocks.0.attn1.to_q": (1920, 1920)}, "transformer.", "cogvideox_2b"),
        ({"transformer_blocks.0.attn1.to_q": (2240, 2240)}, "transformer.", "sana"),
        ({"transformer_blocks.0.attn2.to_k": (2048, 2048)}, "transformer.", "ltx_2b"),
        ({"joint_transformer_blocks.0.attn.to_q": (3072, 3072)}, "transformer.", "auraflow"),
        ({"blocks.0.attn.qkv_x": (3072, 9216)}, "", "mochi"),
        ({"layers.0.attn.to_q": (2520, 2520)}, "", "omnigen2"),
        ({"down_blocks.0.motion_modules.0.temporal_transformer.proj_in": (320, 320)}, "unet.", "animatediff"),
    ],
)
def test_one_decisive_layer_is_enough(
    tmp_path: Path, layers: dict[str, tuple[int, int]], prefix: str, family: str
) -> None:
    shapes = kohya_file(layers, prefix) if prefix.endswith("_") else peft_file(layers, prefix)
    got = read(tmp_path, shapes)
    assert (got["family"], got["family_candidates"]) == (family, [])


def test_widths_of_no_known_family_stay_unknown(tmp_path: Path) -> None:
    got = read(tmp_path, kohya_file(unet_attention((100, 200, 300, 400), 50)))
    assert (got["family"], got["family_candidates"]) == ("unknown", [])


def test_layers_of_two_families_stay_unknown(tmp_path: Path) -> None:
    both = {"blocks.0.self_attn.q": (1536, 1536), "layers.0.attention.qkv": (3840, 11520)}
    assert read(tmp_path, peft_file(both, "diffusion_model."))["family"] == "unknown"


def test_layers_outside_the_family_make_it_only_possible(tmp_path: Path) -> None:
    mixed = {"blocks.0.self_attn.q": (1536, 1536), "blocks.0.some_new_thing": (1536, 1536)}
    got = read(tmp_path, peft_file(mixed, "diffusion_model."))
    assert (got["family"], got["family_candidates"]) == ("unknown", ["wan_1_3b"])


def test_tensor_evidence_beats_lying_metadata(tmp_path: Path) -> None:
    shapes, _ = FLUX["kohya"]
    got = read(tmp_path, shapes, {"ss_base_model_version": "sd_1.5"})
    assert got["family"] == "flux1"
    assert got["declared_base"] == {"value": "sd_1.5", "source": "ss_base_model_version", "family": "sd1"}
    assert got["base_conflict"]
    assert "base_conflict" in {finding["code"] for finding in got["findings"]}


def test_what_the_metadata_states_settles_nothing_that_the_layers_leave_open(tmp_path: Path) -> None:
    layers = {"transformer_blocks.4.attn.to_q": (3072, 3072)}
    got = read(tmp_path, peft_file(layers, "transformer."), {"ss_base_model_version": "qwen_image"})
    assert got["family"] == "unknown"
    assert {"flux1", "qwen_image"} <= set(got["family_candidates"])
    assert got["declared_base"]["family"] == "qwen_image"
    assert not got["base_conflict"]


def test_chroma_has_the_layers_of_flux_without_modulation(tmp_path: Path) -> None:
    stated = {"ss_base_model_version": "chroma"}
    without = peft_file(flux_bfl(modulation=False), "diffusion_model.")
    assert read(tmp_path, without, stated)["family"] == "chroma"
    got = read(tmp_path, peft_file(flux_bfl(), "diffusion_model."), stated)
    assert (got["family"], got["base_conflict"]) == ("flux1", True)


def test_a_trainer_that_cannot_train_a_family_refutes_it_and_this_is_said(tmp_path: Path) -> None:
    layers = {f"single_transformer_blocks.{n}.proj_out": (15360, 3072) for n in (7, 12, 16, 20)}
    shapes = peft_file(layers, "transformer.")
    assert read(tmp_path, shapes)["family_candidates"] == ["flux1", "hunyuan_video"]
    got = read(tmp_path, shapes, {"software": '{"name": "ai-toolkit"}'})
    assert got["family"] == "flux1"
    assert "family_from_metadata" in {finding["code"] for finding in got["findings"]}
