"""Kinds: what a file is, told from the few names that tell it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from registry.weights import inspect_file
from tests.registry.weights import wild
from tests.registry.weights.files import Shapes, kohya, peft, write_shapes

SIZE = (8, 8)


def read(
    tmp_path: Path, shapes: Shapes, name: str = "a.safetensors", metadata: dict[str, str] | None = None
) -> dict[str, Any]:
    return inspect_file(write_shapes(tmp_path / name, shapes, metadata), hashes=False).as_dict()


def codes(got: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in got["findings"]}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("checkpoint", ["model.diffusion_model.out.2.weight", "first_stage_model.decoder.conv_in.weight"]),
        ("checkpoint", ["model.diffusion_model.double_blocks.0.img_attn.qkv.weight"]),
        ("checkpoint", ["conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight"]),
        ("checkpoint", ["unet.conv_in.weight", "vae.decoder.conv_in.weight", "text_encoder.x.weight"]),
        ("checkpoint", ["transformer.transformer_blocks.0.attn.to_q.weight", "vae.encoder.conv_in.weight"]),
        ("unet", ["down_blocks.0.resnets.0.conv1.weight", "conv_in.weight", "mid_block.x.weight"]),
        ("unet", ["input_blocks.0.0.weight", "out.2.weight"]),
        ("unet", ["diffusion_model.double_blocks.0.img_attn.qkv.weight"]),
        ("unet", ["double_blocks.0.img_attn.qkv.weight", "img_in.weight"]),
        ("unet", ["transformer_blocks.0.attn.to_q.weight", "x_embedder.weight"]),
        ("unet", ["joint_blocks.0.x_block.attn.qkv.weight"]),
        ("unet", ["blocks.0.self_attn.q.weight", "patch_embedding.weight", "text_embedding.0.weight"]),
        ("unet", ["layers.0.attention.qkv.weight", "cap_embedder.0.weight"]),
        ("vae", ["decoder.up_blocks.0.resnets.0.conv1.weight", "encoder.down_blocks.0.x.weight"]),
        ("vae", ["decoder.mid.block_1.conv1.weight", "quant_conv.weight"]),
        ("vae", ["first_stage_model.decoder.conv_in.weight"]),
        ("vae", ["decoder.middle.0.residual.0.gamma", "encoder.downsamples.0.residual.2.weight"]),
        ("text_encoder", ["text_model.encoder.layers.0.mlp.fc1.weight"]),
        ("text_encoder", ["encoder.block.0.layer.0.SelfAttention.q.weight", "shared.weight"]),
        ("text_encoder", ["model.layers.0.self_attn.q_proj.weight", "visual.x.weight"]),
        ("text_encoder", ["transformer.resblocks.0.attn.in_proj_weight", "token_embedding.weight"]),
        ("clip_vision", ["vision_model.encoder.layers.0.mlp.fc1.weight", "visual_projection.weight"]),
        ("controlnet", ["control_model.input_blocks.0.0.weight", "control_model.x.weight"]),
        ("controlnet", ["controlnet_cond_embedding.conv_in.weight", "down_blocks.0.x.weight"]),
        ("controlnet", ["controlnet_blocks.0.weight", "transformer_blocks.0.attn.to_q.weight"]),
        ("controlnet", ["input_hint_block.0.weight", "double_blocks.0.img_attn.qkv.weight"]),
        ("control_adapter", ["adapter.body.0.resnets.0.block1.weight", "adapter.conv_in.weight"]),
        ("control_adapter", ["body.0.in_conv.weight", "body.0.block1.weight", "conv_in.weight"]),
        ("control_adapter", ["lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.down.0.weight"]),
        ("control_adapter", ["lora_controlnet", "input_blocks.1.1.proj_in.up", "input_blocks.1.1.x.down"]),
        ("ip_adapter", ["image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"]),
        ("ip_adapter", ["down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_ip.weight"]),
        ("ip_adapter", ["double_blocks.0.processor.ip_adapter_double_stream_k_proj.weight"]),
        ("upscaler", ["params_ema.conv_first.weight", "params_ema.body.0.rdb1.conv1.weight"]),
        ("upscaler", ["model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"]),
        ("upscaler", ["body.0.weight", "body.1.weight"]),
        ("motion_module", ["down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight"]),
        ("other", ["blocks.0.attn.qkv.weight", "cls_token", "pos_embed"]),
        ("other", ["down_blocks.0.attentions.0.x.attn2.processor.to_k_custom_diffusion.weight"]),
        ("other", ["w_a_000", "w_b_000", "w_a_001", "w_b_001"]),
    ],
)  # fmt: skip
def test_a_few_names_tell_the_kind(tmp_path: Path, kind: str, names: list[str]) -> None:
    got = read(tmp_path, dict.fromkeys(names, SIZE))
    assert (got["kind"], got["modules"], got["family"]) == (kind, 0, "unknown")


@pytest.mark.parametrize(
    "shapes",
    [
        {"emb_params": (4, 768)},
        {"emb_params": (1, 1024)},
        {"<momo>": (1, 768)},
        {"<momo>": (768,)},
        {"<momo>": (768,), "<momo>_1": (768,)},
        {"my.style": (3, 1024)},
        {"絵": (2, 768)},
        {"clip_l": (4, 768), "clip_g": (4, 1280)},
        {"clip_l": (4, 768), "t5": (4, 4096)},
        {"t5xxl": (4, 4096)},
        {"string_to_param.*": (4, 768)},
        {"bundle_emb.tok.clip_l": (4, 768), "bundle_emb.tok.clip_g": (4, 1280)},
    ],
)
def test_learned_vectors_are_an_embedding(tmp_path: Path, shapes: Shapes) -> None:
    got = read(tmp_path, shapes)
    assert (got["kind"], got["algorithm"], got["modules"]) == ("embedding", None, 0)


@pytest.mark.parametrize(
    ("shapes", "family", "candidates"),
    [
        ({"emb_params": (4, 768)}, "sd1", []),
        ({"string_to_param.*": (4, 1024)}, "sd2", []),
        ({"clip_l": (4, 768), "clip_g": (4, 1280)}, "sdxl", []),
        ({"clip_l": (4, 768), "t5": (4, 4096)}, "flux1", []),
        ({"bundle_emb.a.b.clip_l": (4, 768), "bundle_emb.a.b.clip_g_out": (4, 1280)}, "sdxl", []),
        ({"<momo>": (1, 1024)}, "sd2", []),
        ({"<momo>": (1, 768)}, "unknown", ["sd1", "sdxl"]),
        (
            {"clip_l": (4, 768), "clip_g": (4, 1280), "t5": (4, 4096)},
            "unknown",
            ["sd3_medium", "sd35_medium", "sd35_large"],
        ),
        ({"emb_params": (4, 2048)}, "unknown", []),
    ],
)
def test_the_form_and_width_of_an_embedding_tell_its_family(
    tmp_path: Path, shapes: Shapes, family: str, candidates: list[str]
) -> None:
    got = read(tmp_path, shapes)
    assert (got["kind"], got["family"], got["family_candidates"]) == ("embedding", family, candidates)


@pytest.mark.parametrize(
    "shapes", [{"weight": (4, 768)}, {"norm.weight": (768,)}, {"x": (4000, 768)}, {"x": (2, 5)}]
)
def test_a_matrix_is_no_embedding(tmp_path: Path, shapes: Shapes) -> None:
    assert read(tmp_path, shapes)["kind"] == "other"


@pytest.mark.parametrize(
    ("kind", "module"),
    [
        ("language_adapter", "base_model.model.model.layers.0.self_attn.q_proj"),
        ("language_adapter", "base_model.model.model.layers.31.mlp.down_proj"),
        ("language_adapter", "model.layers.0.attention.wqkv"),
        ("language_adapter", "base_model.model.transformer.h.0.attn.c_attn"),
        ("language_adapter", "base_model.model.transformer.encoder.layers.0.self_attention.query_key_value"),
        ("language_adapter", "base_model.model.gpt_neox.layers.0.attention.query_key_value"),
        ("language_adapter", "base_model.model.distilbert.transformer.layer.0.attention.q_lin"),
        ("language_adapter", "base_model.model.roberta.encoder.layer.0.attention.self.query"),
        ("language_adapter", "base_model.model.encoder.block.0.layer.0.SelfAttention.q"),
        ("language_adapter", "base_model.model.language_model.model.layers.0.self_attn.v_proj"),
        ("language_adapter", "base_model.model.model.language_model.layers.0.self_attn.v_proj"),
        ("other", "base_model.model.model.encoder.layers.0.self_attn.q_proj"),
        ("other", "base_model.model.vit.encoder.layer.0.attention.attention.query"),
        ("other", "base_model.model.image_encoder.blocks.0.attn.qkv"),
    ],
)
def test_an_adapter_of_no_image_model_is_none_of_ours(tmp_path: Path, kind: str, module: str) -> None:
    extra = {"base_model.model.classifier.weight": (2, 768)}
    for shapes in (peft(module, 768, 768), peft(module, 768, 768) | extra):
        got = read(tmp_path, shapes)
        assert (got["kind"], got["family"]) == (kind, "unknown")


@pytest.mark.parametrize(
    "module", ["base_model.model.layers.0.attention.qkv", "base_model.model.visual_transformer_blocks.0.x"]
)
def test_image_models_with_such_names_stay_image_models(tmp_path: Path, module: str) -> None:
    assert read(tmp_path, peft(module, 3840, 11520))["kind"] == "adapter"


def test_a_clip_adapter_of_peft_is_an_adapter_of_a_text_encoder(tmp_path: Path) -> None:
    got = read(tmp_path, peft("base_model.model.text_model.encoder.layers.0.self_attn.q_proj", 768, 768))
    assert got["kind"] == "adapter"
    assert got["components"] == [{"name": "text_encoder", "modules": 1, "dialect": "peft_raw"}]


def test_a_face_adapter_that_brings_a_lora_is_an_ip_adapter(tmp_path: Path) -> None:
    shapes: Shapes = {"image_proj.proj.weight": SIZE, "ip_adapter.1.to_k_ip.weight": SIZE}
    shapes |= {
        "ip_adapter.0.to_q_lora.down.weight": (128, 320),
        "ip_adapter.0.to_q_lora.up.weight": (320, 128),
    }
    assert read(tmp_path, shapes)["kind"] == "ip_adapter"


def test_a_checkpoint_with_a_lora_left_in_it_is_a_checkpoint(tmp_path: Path) -> None:
    names = [f"model.diffusion_model.input_blocks.{n}.0.in_layers.2.weight" for n in range(9)]
    shapes: Shapes = dict.fromkeys(names, SIZE)
    assert (
        read(tmp_path, shapes | kohya("lora_unet_mid_block_attentions_0_proj_in", 8, 8))["kind"]
        == "checkpoint"
    )


@pytest.mark.parametrize(
    ("name", "metadata", "said"),
    [
        ("a.safetensors", {}, "full checkpoint"),
        ("my_dreambooth.safetensors", {}, "DreamBooth"),
        ("a.safetensors", {"modelspec.title": "dream booth of a dog"}, "DreamBooth"),
    ],
)
def test_a_full_checkpoint_is_named_and_the_way_to_a_lora_told(
    tmp_path: Path, name: str, metadata: dict[str, str], said: str
) -> None:
    got = read(tmp_path, {"model.diffusion_model.input_blocks.0.0.weight": SIZE}, name, metadata)
    (finding,) = [f for f in got["findings"] if f["code"] == "full_checkpoint"]
    assert finding["severity"] == "info"
    assert said in finding["message"]
    assert "manage.py extract" in finding["message"]


def test_a_control_lora_is_told_by_its_image_input(tmp_path: Path) -> None:
    wide = wild.write({"img_in": (128, 3072)}, "diffusion_model.", wild.lora_peft, flat=False)
    comfy = wide | {"diffusion_model.img_in.reshape_weight": (2,)}
    trained = wild.write({"x_embedder": (128, 3072)}, "transformer.", wild.lora_biased, flat=False)
    blocks = wild.write(wild.FLUX_BFL, "diffusion_model.", wild.lora_peft, flat=False)
    for shapes, kind in (
        (comfy | blocks, "control_adapter"),
        (trained, "control_adapter"),
        (wide | blocks, "adapter"),
    ):
        assert read(tmp_path, shapes)["kind"] == kind


def test_part_of_a_sharded_file_is_refused(tmp_path: Path) -> None:
    shapes = wild.write(wild.SD1_LAYERS, "lora_unet_", wild.lora_kohya, flat=True)
    got = read(tmp_path, shapes, "adapter_model-00001-of-00002.safetensors")
    assert {"code": "part_of_a_set", "severity": "error"}.items() <= next(
        f for f in got["findings"] if f["code"] == "part_of_a_set"
    ).items()
