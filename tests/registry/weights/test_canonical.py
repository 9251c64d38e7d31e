"""Canonical layers: a file in any dialect changes the layers that diffusers' own conversion says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from registry.weights.algorithms import describe
from registry.weights.canonical import canonical_layers
from registry.weights.dialects import read_name
from registry.weights.keys import split_keys
from registry.weights.modules import ModuleFacts

Arrays = dict[str, npt.NDArray[Any]]


def modules_of(shapes: Mapping[str, tuple[int, ...]]) -> list[ModuleFacts]:
    keyed, rest = split_keys(shapes)
    assert not rest
    return [
        ModuleFacts(
            name,
            read_name(module),
            describe({factor: shapes[key] for factor, key in module.factors.items()}),
            module.factors,
        )
        for name, module in keyed.items()
    ]


def lora(names: Mapping[str, tuple[int, int]], spelling: tuple[str, str]) -> Arrays:
    """Rank-1 factors for layers given as name -> (inputs, outputs)."""
    random = np.random.default_rng(0)
    tensors: Arrays = {}
    for name, (inputs, outputs) in names.items():
        tensors[f"{name}.{spelling[0]}.weight"] = random.normal(size=(1, inputs)).astype(np.float32)
        tensors[f"{name}.{spelling[1]}.weight"] = random.normal(size=(outputs, 1)).astype(np.float32)
    return tensors


def canonical_changes(tensors: Arrays, family: str) -> Arrays:
    """Change of each diffusers layer, put together from the parts that `canonical_layers` names."""
    pieces: dict[str, list[tuple[slice | None, npt.NDArray[Any]]]] = {}
    for module in modules_of({name: array.shape for name, array in tensors.items()}):
        change = tensors[module.factors["up"]] @ tensors[module.factors["down"]]
        for part in canonical_layers(module, family):
            rows = change if part.rows is None else change[part.rows]
            pieces.setdefault(f"{part.component}.{part.path}", []).append((part.into, rows))
    whole: Arrays = {}
    for path, found in pieces.items():
        target = np.zeros((sum(len(rows) for _, rows in found), found[0][1].shape[1]), np.float32)
        for into, rows in found:
            target[into or slice(None)] = rows
        whole[path] = target
    return whole


def diffusers_changes(converted: Mapping[str, Any]) -> Arrays:
    return {
        name.removesuffix(".lora_A.weight"): (
            converted[name.replace("lora_A", "lora_B")].numpy() @ value.numpy()
        )
        for name, value in converted.items()
        if name.endswith(".lora_A.weight")
    }


H, M = 3072, 12288
KOHYA, PEFT, XLABS = ("lora_down", "lora_up"), ("lora_A", "lora_B"), ("down", "up")
WAN = {f"{a}.{p}": (16, 16) for a in ("self_attn", "cross_attn") for p in "qkvo"} | {
    "cross_attn.k_img": (16, 16), "cross_attn.v_img": (16, 16), "ffn.0": (16, 40), "ffn.2": (40, 16)
}  # fmt: skip
CASES: dict[str, tuple[str, str, tuple[str, str], dict[str, tuple[int, int]]]] = {
    "FLUX.1 kohya": ("flux1", "_convert_kohya_flux_lora_to_diffusers", KOHYA, {
        f"lora_unet_{name}": size
        for name, size in {
            "double_blocks_0_img_attn_qkv": (H, 3 * H), "double_blocks_0_txt_attn_qkv": (H, 3 * H),
            "double_blocks_0_img_attn_proj": (H, H), "double_blocks_18_txt_attn_proj": (H, H),
            "double_blocks_0_img_mlp_0": (H, M), "double_blocks_0_txt_mlp_2": (M, H),
            "double_blocks_3_img_mod_lin": (H, 6 * H), "double_blocks_3_txt_mod_lin": (H, 6 * H),
            "single_blocks_37_linear1": (H, 3 * H + M), "single_blocks_37_linear2": (H + M, H),
            "single_blocks_1_modulation_lin": (H, 3 * H), "img_in": (64, H), "txt_in": (4096, H),
        }.items()
    }),
    "FLUX.1 XLabs": ("flux1", "_convert_xlabs_flux_lora_to_diffusers", XLABS, {
        "double_blocks.0.processor.qkv_lora1": (H, 3 * H), "double_blocks.0.processor.qkv_lora2": (H, 3 * H),
        "double_blocks.1.processor.proj_lora1": (H, H), "double_blocks.1.processor.proj_lora2": (H, H),
        "single_blocks.37.processor.qkv_lora": (H, 3 * H), "single_blocks.37.processor.proj_lora": (H, H),
    }),
    "FLUX.2 ComfyUI": ("flux2_klein_4b", "_convert_non_diffusers_flux2_lora_to_diffusers", PEFT, {
        f"diffusion_model.{name}": size
        for name, size in {
            "double_blocks.0.img_attn.qkv": (8, 24), "double_blocks.0.txt_attn.qkv": (8, 24),
            "double_blocks.0.img_attn.proj": (8, 8), "double_blocks.0.txt_attn.proj": (8, 8),
            "double_blocks.0.img_mlp.0": (8, 48), "double_blocks.0.txt_mlp.2": (24, 8),
            "single_blocks.0.linear1": (8, 72), "single_blocks.0.linear2": (32, 8), "img_in": (4, 8),
            "single_stream_modulation.lin": (8, 24), "time_in.in_layer": (4, 8), "final_layer.linear": (8, 4),
        }.items()
    }),
    "FLUX.2 kohya": ("flux2_dev", "_convert_kohya_flux2_lora_to_diffusers", KOHYA, {
        "lora_unet_double_blocks_0_img_attn_qkv": (8, 24), "lora_unet_double_blocks_0_txt_mlp_0": (8, 48),
        "lora_unet_single_blocks_0_linear1": (8, 72), "lora_unet_single_blocks_0_linear2": (32, 8),
    }),
    "HunyuanVideo": ("hunyuan_video", "_convert_hunyuan_video_lora_to_diffusers", PEFT, {
        f"diffusion_model.{name}": size
        for name, size in {
            "double_blocks.0.img_attn_qkv": (H, 3 * H), "double_blocks.0.txt_attn_qkv": (H, 3 * H),
            "double_blocks.0.img_attn_proj": (H, H), "double_blocks.0.img_mlp.fc1": (H, M),
            "double_blocks.0.txt_mlp.fc2": (M, H), "double_blocks.0.txt_mod.linear": (H, 6 * H),
            "single_blocks.0.linear1": (H, 3 * H + M), "single_blocks.0.linear2": (H + M, H),
            "single_blocks.0.modulation.linear": (H, 3 * H),
        }.items()
    }),
    "Lumina 2": ("lumina2", "_convert_non_diffusers_lumina2_lora_to_diffusers", PEFT, {
        f"diffusion_model.{block}.{name}": size
        for block in ("layers.0", "noise_refiner.0")
        for name, size in {
            "attention.qkv": (2304, 3840), "attention.out": (2304, 2304), "feed_forward.w1": (2304, 9216),
            "feed_forward.w2": (9216, 2304), "feed_forward.w3": (2304, 9216),
            "adaLN_modulation.1": (1024, 9216),
        }.items()
    }),
    "Wan ComfyUI": ("wan_14b", "_convert_non_diffusers_wan_lora_to_diffusers", PEFT, {
        f"diffusion_model.blocks.0.{name}": size for name, size in WAN.items()
    } | {
        "diffusion_model.time_projection.1": (16, 96), "diffusion_model.head.head": (16, 8),
        "diffusion_model.text_embedding.0": (8, 16), "diffusion_model.time_embedding.0": (8, 16),
        "diffusion_model.text_embedding.2": (16, 16), "diffusion_model.time_embedding.2": (16, 16),
        "diffusion_model.img_emb.proj.1": (8, 8), "diffusion_model.img_emb.proj.3": (8, 16),
    }),
    "Qwen-Image kohya": ("qwen_image", "_convert_non_diffusers_qwen_lora_to_diffusers", KOHYA, {
        f"lora_unet_{name}": size
        for name, size in {
            "transformer_blocks_59_attn_to_q": (8, 8), "transformer_blocks_0_attn_to_out_0": (8, 8),
            "transformer_blocks_0_attn_add_k_proj": (8, 8), "transformer_blocks_0_attn_to_add_out": (8, 8),
            "transformer_blocks_0_img_mlp_net_0_proj": (8, 32), "transformer_blocks_0_txt_mlp_net_2": (32, 8),
            "transformer_blocks_0_img_mod_1": (8, 48), "img_in": (4, 8), "norm_out_linear": (8, 16),
        }.items()
    }),
    "Anima": ("anima", "_convert_non_diffusers_anima_lora_to_diffusers", PEFT, {
        f"diffusion_model.blocks.3.{name}": size
        for name, size in {
            "self_attn.q_proj": (8, 8), "self_attn.output_proj": (8, 8), "cross_attn.k_proj": (4, 8),
            "mlp.layer1": (8, 32), "mlp.layer2": (32, 8), "adaln_modulation_mlp.2": (4, 24),
        }.items()
    }),
    "Z-Image": ("z_image", "_convert_non_diffusers_z_image_lora_to_diffusers", KOHYA, {
        f"lora_unet_{block}_{name}": size
        for block in ("layers_0", "noise_refiner_1", "context_refiner_0")
        for name, size in {
            "attention_to_q": (8, 8), "attention_out": (8, 8), "feed_forward_w1": (8, 24),
            "adaLN_modulation_0": (4, 32),
        }.items()
    }),
    "Ideogram 4": ("ideogram4", "_convert_non_diffusers_ideogram4_lora_to_diffusers", PEFT, {
        "diffusion_model.layers.0.attention.qkv": (8, 24), "diffusion_model.layers.0.attention.o": (8, 8),
        "diffusion_model.layers.0.feed_forward.w3": (8, 24),
    }),
    "Krea 2": ("krea2", "_convert_non_diffusers_krea2_lora_to_diffusers", PEFT, {
        f"diffusion_model.{name}": size
        for name, size in {
            "blocks.0.attn.wq": (8, 8), "blocks.0.attn.gate": (8, 8), "blocks.0.mlp.down": (16, 8),
            "txtfusion.refiner_blocks.1.attn.wo": (8, 8), "txtmlp.3": (8, 8), "tproj.1": (8, 48),
            "last.linear": (8, 4), "first": (4, 8),
        }.items()
    }),
}  # fmt: skip


@pytest.mark.engine
@pytest.mark.parametrize("case", CASES)
def test_every_dialect_changes_the_layers_that_diffusers_says(case: str) -> None:
    torch = pytest.importorskip("torch")
    conversions = pytest.importorskip("diffusers.loaders.lora_conversion_utils")
    family, function, spelling, names = CASES[case]
    tensors = lora(names, spelling)
    convert: Callable[[dict[str, Any]], dict[str, Any]] = getattr(conversions, function)
    expected = diffusers_changes(
        convert({name: torch.from_numpy(array.copy()) for name, array in tensors.items()})
    )
    found = canonical_changes(tensors, family)
    # Some of the conversions name the layer without its component.
    assert {path.removeprefix("transformer.") for path in expected} == {
        path.removeprefix("transformer.") for path in found
    }
    for path, change in expected.items():
        ours = found[f"transformer.{path.removeprefix('transformer.')}"]
        np.testing.assert_allclose(ours, change, atol=1e-6, err_msg=path)


def test_shift_and_scale_trade_places_in_the_last_norm() -> None:
    (module,) = modules_of(
        {
            "diffusion_model.final_layer.adaLN_modulation.1.lora_A.weight": (4, 8),
            "diffusion_model.final_layer.adaLN_modulation.1.lora_B.weight": (16, 4),
        }
    )
    parts = canonical_layers(module, "flux1")
    assert {part.path for part in parts} == {"norm_out.linear"}
    assert [(part.rows, part.into) for part in parts] == [
        (slice(0, 8), slice(8, 16)),
        (slice(8, 16), slice(0, 8)),
    ]


# Family and the spellings of one of its layers.
SAME_LAYER = [
    line.split()
    for line in """
    flux1 lora_transformer_transformer_blocks_7_attn_to_out_0 diffusion_model.double_blocks.7.img_attn.proj
    flux1 transformer.transformer_blocks.7.attn.to_out.0 lora_unet_double_blocks_7_img_attn_proj
    flux1 lycoris_transformer_blocks_7_attn_to_out_0 base_model.model.transformer_blocks.7.attn.to_out.0
    flux1 diffusion_model.double_blocks.7.img_attn.proj base_model.model.transformer_blocks.7.attn.to_out.0
    sdxl lora_unet_input_blocks_4_1_proj_in lora_unet_down_blocks_1_attentions_0_proj_in
    sdxl lora_unet_input_blocks_4_1_proj_in unet.down_blocks.1.attentions.0.proj_in
    sdxl lora_te2_text_model_encoder_layers_3_mlp_fc1 text_encoder_2.text_model.encoder.layers.3.mlp.fc1
    sdxl lora_te2_text_projection text_encoders.clip_g.transformer.text_projection
    flux1 lora_te3_encoder_block_0_layer_0_SelfAttention_k  lora_te2_encoder_block_0_layer_0_SelfAttention_k
    flux1 text_encoder_2.encoder.block.1.layer.0.SelfAttention.q lora_te3_block_1_layer_0_SelfAttention_q
    sd3_medium lora_unet_joint_blocks_5_context_block_attn_proj transformer_blocks.5.attn.to_add_out
    auraflow diffusion_model.double_layers.2.attn.w1o transformer.joint_transformer_blocks.2.attn.to_add_out
    pixart lora_unet_blocks_8_cross_attn_q_linear transformer.transformer_blocks.8.attn2.to_q
    mochi blocks.3.attn.proj_y transformer.transformer_blocks.3.attn1.to_add_out
    wan_14b lora_unet_blocks_3_cross_attn_o lora_unet__blocks_3_cross_attn_o blocks.3.attn2.to_out.0
    hidream single_stream_blocks.1.block.ff_t.w1 lora_unet_single_stream_blocks_1_block_ff_t_w1
    unknown lora_transformer_transformer_blocks_7_attn_to_q transformer.transformer_blocks.7.attn.to_q
    unknown lora_unet_some_new_layers_4_to_q diffusion_model.some.new.layers.4.to_q
    """.strip().splitlines()
]  # fmt: skip


@pytest.mark.parametrize("line", SAME_LAYER, ids=lambda line: f"{line[0]} {line[1]}")
def test_all_spellings_of_a_layer_have_one_key(line: list[str]) -> None:
    family, *names = line
    keys = set()
    for name in names:
        spelling = KOHYA if name.startswith(("lora_", "lycoris_")) else PEFT
        (module,) = modules_of(
            {f"{name}.{spelling[0]}.weight": (4, 64), f"{name}.{spelling[1]}.weight": (64, 4)}
        )
        (part,) = canonical_layers(module, family)
        keys.add(part.key)
    assert len(keys) == 1


def test_a_fused_projection_is_split_where_its_shapes_say() -> None:
    (module,) = modules_of(
        {
            "lora_unet_layers_0_attention_qkv.lora_down.weight": (4, 2304),
            "lora_unet_layers_0_attention_qkv.lora_up.weight": (3840, 4),
        }
    )
    parts = canonical_layers(module, "lumina2")
    assert [(part.path, part.rows) for part in parts] == [
        ("layers.0.attn.to_q", slice(0, 2304)),
        ("layers.0.attn.to_k", slice(2304, 3072)),
        ("layers.0.attn.to_v", slice(3072, 3840)),
    ]
