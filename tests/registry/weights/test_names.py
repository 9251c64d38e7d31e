"""Names: every dialect's spelling of a layer leads to the one that diffusers gives it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.weights.dialects import read_name
from registry.weights.keys import KeyedModule, split_keys
from registry.weights.unet_fit import UNETS, UNetShape, layer_size
from registry.weights.unet_names import pti_path, text_path, unet_path

LAYERS = [
    "conv_in",
    "conv_out",
    "time_embedding.linear_1",
    "add_embedding.linear_2",
    "down_blocks.0.resnets.1.time_emb_proj",
    "down_blocks.1.resnets.0.conv_shortcut",
    "down_blocks.2.downsamplers.0.conv",
    "up_blocks.0.upsamplers.0.conv",
    "up_blocks.3.resnets.2.conv2",
    "mid_block.resnets.1.conv1",
    "mid_block.attentions.0.proj_in",
    "down_blocks.2.attentions.1.transformer_blocks.9.attn1.to_out.0",
    "up_blocks.1.attentions.2.transformer_blocks.0.attn2.to_k",
    "up_blocks.1.attentions.2.transformer_blocks.0.ff.net.0.proj",
    "up_blocks.1.attentions.2.transformer_blocks.0.ff.net.2",
    "up_blocks.1.attentions.2.proj_out",
]


@pytest.mark.parametrize("path", LAYERS)
def test_dotted_and_underscored_names_lead_to_one_layer(path: str) -> None:
    assert unet_path(path) == path
    assert unet_path(path.replace(".", "_")) == path


@pytest.mark.parametrize(
    ("sgm", "path"),
    [
        ("input_blocks_0_0", "conv_in"),
        ("input_blocks_3_0_op", "down_blocks.0.downsamplers.0.conv"),
        ("input_blocks_4_0_in_layers_2", "down_blocks.1.resnets.0.conv1"),
        ("input_blocks_4_1_proj_in", "down_blocks.1.attentions.0.proj_in"),
        (
            "input_blocks_8_1_transformer_blocks_9_attn2_to_k",
            "down_blocks.2.attentions.1.transformer_blocks.9.attn2.to_k",
        ),
        (
            "middle_block_1_transformer_blocks_3_ff_net_0_proj",
            "mid_block.attentions.0.transformer_blocks.3.ff.net.0.proj",
        ),
        ("middle_block_2_emb_layers_1", "mid_block.resnets.1.time_emb_proj"),
        (
            "output_blocks_0_1_transformer_blocks_0_attn1_to_out_0",
            "up_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0",
        ),
        ("output_blocks_5_2_conv", "up_blocks.1.upsamplers.0.conv"),
        ("output_blocks_8_0_skip_connection", "up_blocks.2.resnets.2.conv_shortcut"),
        ("label_emb_0_0", "add_embedding.linear_1"),
        ("out_2", "conv_out"),
    ],
)
def test_sgm_names_lead_to_the_same_layer(sgm: str, path: str) -> None:
    assert unet_path(sgm) == path


@given(st.text(alphabet="abcdefgnoprstuvx_.0123456789", max_size=60))
def test_any_name_is_read_or_refused(name: str) -> None:
    assert unet_path(name) is None or "." in str(unet_path(name)) or str(unet_path(name)).startswith("conv")
    text_path(name)
    read_name(KeyedModule(name))


def test_text_encoder_layers_keep_one_name_too() -> None:
    path = "text_model.encoder.layers.11.self_attn.out_proj"
    assert text_path("text_model_encoder_layers_11_self_attn_out_proj") == path
    assert text_path("encoder.layers.11.self_attn.out_proj") == path
    assert text_path("text_model.encoder.layers.11.self_attn.to_out") == path
    assert text_path("encoder_block_0_layer_0_SelfAttention_k") is None


def test_numbered_layers_stand_in_module_order() -> None:
    assert pti_path("unet", 0) == "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    assert pti_path("unet", 4) == "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.0.proj"
    assert pti_path("unet", 143) == "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0"
    assert pti_path("unet", 144) is None
    assert pti_path("text_encoder", 2) == "text_model.encoder.layers.0.self_attn.q_proj"


def only(*names: str) -> KeyedModule:
    modules, rest = split_keys(names)
    assert not rest
    (module,) = modules.values()
    return module


@pytest.mark.parametrize(
    ("names", "dialect", "component", "path"),
    [
        (
            ["lora_unet_mid_block_attentions_0_proj_in.lora_down.weight"],
            "kohya",
            "unet",
            "mid_block.attentions.0.proj_in",
        ),
        (
            ["lora_unet_mid_block_attentions_0_proj_in.hada_w1_a"],
            "kohya",
            "unet",
            "mid_block.attentions.0.proj_in",
        ),
        (
            ["unet.mid_block.attentions.0.proj_in.lora_A.weight"],
            "diffusers_peft",
            "unet",
            "mid_block.attentions.0.proj_in",
        ),
        (
            ["unet.mid_block.attentions.0.proj_in.lora_A.default.weight"],
            "diffusers_peft",
            "unet",
            "mid_block.attentions.0.proj_in",
        ),
        (
            ["unet.mid_block.attentions.0.proj_in.lora.down.weight"],
            "diffusers_lora",
            "unet",
            "mid_block.attentions.0.proj_in",
        ),
        (
            ["unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.up.weight"],
            "diffusers_attn_procs",
            "unet",
            "mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0",
        ),
        (
            ["mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.up.weight"],
            "diffusers_attn_procs",
            "unet",
            "mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
        ),
        (
            ["base_model.model.mid_block.attentions.0.proj_in.lora_A.weight"],
            "peft_raw",
            "unet",
            "mid_block.attentions.0.proj_in",
        ),
        (
            ["lora_unet_unet_mid_block_attentions_0_proj_in_lora_down.weight"],
            "broken_rename",
            "unet",
            "mid_block.attentions.0.proj_in",
        ),
        (
            ["unet:135:down"],
            "cloneofsimo",
            "unet",
            "mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
        ),
        (
            ["lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_up.weight"],
            "kohya",
            "text_encoder",
            "text_model.encoder.layers.0.mlp.fc1",
        ),
        (
            ["text_encoder_2.text_model.encoder.layers.0.mlp.fc1.lora_B.weight"],
            "diffusers_peft",
            "text_encoder_2",
            "text_model.encoder.layers.0.mlp.fc1",
        ),
        (
            ["text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down.weight"],
            "diffusers_lora",
            "text_encoder",
            "text_model.encoder.layers.0.self_attn.q_proj",
        ),
        (
            ["text_encoders.clip_g.transformer.text_model.encoder.layers.0.mlp.fc1.lora_up.weight"],
            "comfy",
            "text_encoder_2",
            "text_model.encoder.layers.0.mlp.fc1",
        ),
        (
            ["diffusion_model.double_blocks.0.img_attn.qkv.lora_A.weight"],
            "comfy",
            "transformer",
            "double_blocks.0.img_attn.qkv",
        ),
        (
            ["lora_unet__blocks_0_cross_attn_k.lora_down.weight"],
            "kohya_double_underscore",
            "transformer",
            None,
        ),
        (
            ["lora_transformer_single_transformer_blocks_13_attn_to_q.lora_up.weight"],
            "onetrainer",
            "transformer",
            None,
        ),
        (["transformer.double_blocks.0.img_attn.proj.lora_down.weight"], "onetrainer", "transformer", None),
        (["double_blocks.0.processor.proj_lora1.down.weight"], "xlabs", "transformer", None),
        (["double_blocks.0.img_attn.proj.lora_A.weight"], "bfl", "transformer", None),
        (["transformer_blocks.0.attn.to_q.lora_A.default.weight"], "unprefixed", "transformer", None),
        (["blocks.0.attn.qkv_x.lora_A"], "unprefixed", "transformer", None),
        (["lycoris_transformer_blocks_0_attn_to_q.lokr_w1"], "lycoris", "transformer", None),
        (
            ["base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"],
            "peft_raw",
            "language_model",
            None,
        ),
        (["lora_prior_unet_down_blocks_0_x.lora_down.weight"], "onetrainer", "prior", None),
    ],
)
def test_each_dialect_is_told_by_its_names(
    names: list[str], dialect: str, component: str, path: str | None
) -> None:
    found = read_name(only(*names))
    assert (found.dialect, found.component) == (dialect, component)
    if path is not None:
        assert found.path == path
        assert found.known


def test_plain_weights_count_only_beside_their_algorithm() -> None:
    modules, rest = split_keys(["m.weight", "m.on_input", "n.weight", "n.a1.weight", "m.alpha2"])
    assert modules["m"].factors == {"on_input": "m.on_input", "ia3_weight": "m.weight"}
    assert set(rest) == {"n.weight", "n.a1.weight", "m.alpha2"}


def test_an_alpha_alone_is_no_module() -> None:
    modules, rest = split_keys(["m.alpha", "n.on_input"])
    assert not modules
    assert set(rest) == {"m.alpha", "n.on_input"}


SHAPES: dict[str, dict[str, Any]] = {
    "sd1": {"block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768},
    "sd2": {
        "block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 1024,
        "use_linear_projection": True,
    },
    "sdxl": {
        "block_out_channels": (320, 640, 1280), "cross_attention_dim": 2048, "use_linear_projection": True,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10), "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
    },
    "sdxl_refiner": {
        "block_out_channels": (384, 768, 1536, 1536), "cross_attention_dim": 1280,
        "use_linear_projection": True,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": 4, "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2560,
    },
    "ssd1b": {
        "block_out_channels": (320, 640, 1280), "cross_attention_dim": 2048, "use_linear_projection": True,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "mid_block_type": "UNetMidBlock2D",
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 4),
        "reverse_transformer_layers_per_block": ((4, 4, 10), (2, 1, 1), 1),
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
    },
    "toybox": {
        "block_out_channels": (48, 80, 96, 112), "cross_attention_dim": 64, "layers_per_block": 1,
        "norm_num_groups": 4,
    },
}  # fmt: skip


@pytest.mark.engine
@pytest.mark.parametrize("unet", UNETS, ids=lambda unet: unet.family)
def test_every_layer_of_the_real_unet_has_our_name_and_size(unet: UNetShape) -> None:
    torch = pytest.importorskip("torch")
    diffusers = pytest.importorskip("diffusers")
    with torch.device("meta"):
        model = diffusers.UNet2DConditionModel(attention_head_dim=1, **SHAPES[unet.family])
    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Linear):
            expected = (layer.in_features, layer.out_features, False)
        elif isinstance(layer, torch.nn.Conv2d):
            expected = (layer.in_channels, layer.out_channels, layer.kernel_size[0] == 3)
        else:
            continue
        assert unet_path(name.replace(".", "_")) == name
        size = layer_size(unet, name)
        assert size is not None, name
        # The first convolution of an inpainting model and Kolors' conditions are wider: several are allowed.
        allowed = size.in_dim if isinstance(size.in_dim, tuple) else (size.in_dim,)
        assert expected[0] in allowed, name
        assert (size.out_dim, size.wide) == expected[1:], name
