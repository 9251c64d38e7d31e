"""Families: one readable table of headers, across families, dialects and algorithms, and what each is.

Names and sizes stand here as the published descriptions give them, independently of the table that reads
them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from registry.weights import inspect_file
from tests.registry.weights.files import write_shapes
from tests.registry.weights.spelled import spelled

# every id of the contract but unknown
FAMILIES = """
    sd1 sd2 sdxl sdxl_refiner ssd1b sd3_medium sd35_medium sd35_large flux1 flux2_dev flux2_klein_4b
    flux2_klein_9b chroma auraflow pixart hunyuan_dit hunyuan_video hunyuan_video_15 hunyuan_image
    wan_1_3b wan_14b wan_5b ltx_2b ltx_13b ltx2 cogvideox_2b cogvideox_5b mochi qwen_image z_image
    lumina2 hidream sana omnigen2 kandinsky5 anima krea2 ideogram4 cascade svd animatediff toybox
"""
LYING = {"ss_base_model_version": "sd_1.5", "software": '{"name": "ai-toolkit"}'}
SD_ATTENTION = """
    down_blocks.{0,0}.attentions.{0,1}.transformer_blocks.0.attn1.{to_q,to_k,to_v,to_out.0} 320 320
    down_blocks.1.attentions.{0,1}.transformer_blocks.0.attn1.{to_q,to_k,to_v,to_out.0} 640 640
    mid_block.attentions.0.transformer_blocks.0.attn1.{to_q,to_k,to_v,to_out.0} 1280 1280
"""
SD1 = SD_ATTENTION + "down_blocks.0.attentions.{0,1}.transformer_blocks.0.attn2.{to_k,to_v} 768 320"
SD2 = SD_ATTENTION + "down_blocks.0.attentions.{0,1}.transformer_blocks.0.attn2.{to_k,to_v} 1024 320"
SDXL = """
    down_blocks.1.attentions.{0,1}.transformer_blocks.{0,1}.attn2.{to_k,to_v} 2048 640
    down_blocks.2.attentions.{0,1}.transformer_blocks.{0-9}.attn1.{to_q,to_k,to_v,to_out.0} 1280 1280
"""
SLIDER = """
    input_blocks.4.1.transformer_blocks.0.attn1.{to_q,to_k,to_v,to_out.0} 640 640
    output_blocks.3.1.transformer_blocks.0.attn1.{to_q,to_k,to_v,to_out.0} 640 640
"""
FLUX_BFL = """
    double_blocks.{0-18}.{img,txt}_attn.qkv 3072 9216
    double_blocks.{0-18}.{img,txt}_mlp.0 3072 12288
    single_blocks.{0-37}.linear1 3072 21504
"""
FLUX_DIFFUSERS = """
    transformer_blocks.{0-18}.attn.{to_q,to_k,to_v,to_out.0,add_q_proj,to_add_out} 3072 3072
    single_transformer_blocks.{0-37}.attn.{to_q,to_k,to_v} 3072 3072
"""
FLUX_ATTENTION = "transformer_blocks.{0-18}.attn.{to_q,to_k,to_v,to_out.0} 3072 3072"
QWEN_ATTENTION = "transformer_blocks.{0-59}.attn.{to_q,to_k,to_v,to_out.0} 3072 3072"
TE1 = "lora_te1_text_model_encoder_layers_{0-11}_self_attn_{q,k,v}_proj 768 768"
TE2 = "lora_te2_text_model_encoder_layers_{0-31}_mlp_fc1 1280 5120"


@dataclass(frozen=True)
class Row:
    """One header; `expected` is its family, or the candidates where the layers leave it open."""

    title: str
    dialect: str
    algorithm: str
    layers: str
    expected: str | list[str]
    metadata: dict[str, str] = field(default_factory=dict)


ROWS: list[Row] = [
    # Stable Diffusion
    Row("SD 1.5, kohya", "kohya", "lora", SD1, "sd1"),
    Row("SD 1.5, PEFT", "diffusers unet", "lora", SD1, "sd1"),
    Row("SD 1.5, DoRA", "kohya", "dora", SD1, "sd1"),
    Row("SD 1.5, LoHa", "kohya", "loha", SD1, "sd1"),
    Row("SD 1.5, LoKr", "kohya", "lokr", SD1, "sd1"),
    Row("SD 1.5, GLoRA", "kohya", "glora", SD1, "sd1"),
    Row("SD 1.5, whole differences", "kohya", "full", SD1, "sd1"),
    Row("SD 1.5, (IA)^3 on its text inputs", "kohya", "ia3 on input",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.{to_k,to_v} 768 320", "sd1"),
    Row("SD 1.5, OFT tells outputs only", "kohya", "oft", SD1, ["sd1", "sd2"]),
    Row("SD 1.5, one 1x1 convolution", "kohya", "conv1", "down_blocks.0.attentions.0.proj_in 320 320", "sd1"),
    Row("SD 1.5, LoCon of an up block", "kohya", "conv",
        "up_blocks.3.resnets.2.conv1 640 320", ["sd1", "sd2"]),
    Row("SD 2.1, kohya", "kohya", "lora", SD2, "sd2"),
    Row("SD 2.1 beats what the metadata says", "kohya", "lora",
        SD2, "sd2", {"ss_base_model_version": "sd_v1"}),
    Row("self-attention alone", "kohya", "lora", SD_ATTENTION, ["sd1", "sd2"]),
    Row("the same, with its text encoder", "kohya", "lora",
        SD_ATTENTION + "lora_te_text_model_encoder_layers_0_mlp_fc1 768 3072", "sd1"),
    Row("SDXL, kohya with SGM's names", "kohya", "lora",
        "input_blocks.7.1.transformer_blocks.9.attn2.to_k 2048 1280", "sdxl"),
    Row("SDXL, PEFT", "diffusers unet", "lora", SDXL, "sdxl"),
    Row("SDXL, LoKr", "kohya", "lokr decomposed", SDXL, "sdxl"),
    Row("SDXL, OFT", "kohya", "oft", SDXL, "sdxl"),
    Row("SDXL slider of self-attention, SGM", "kohya", "lora", SLIDER, "sdxl"),
    Row("SDXL slider of self-attention, depth 1", "kohya", "lora",
        "up_blocks.1.attentions.0.transformer_blocks.1.attn1.to_q 640 640", "sdxl"),
    Row("a slider in 640 wide blocks of depth 0", "kohya", "lora",
        "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q 640 640", ["sd1", "sd2", "sdxl"]),
    Row("SDXL refiner", "kohya", "lora", "input_blocks.4.1.transformer_blocks.3.attn2.to_k 1280 768",
        "sdxl_refiner"),
    Row("SDXL with Kolors' conditions", "diffusers unet", "lora", "add_embedding.linear_1 5632 1280", "sdxl"),
    Row("SSD-1B as stated", "diffusers unet", "lora",
        "down_blocks.2.attentions.1.transformer_blocks.3.attn2.to_k 2048 1280", "ssd1b",
        {"modelspec.architecture": "ssd-1b"}),
    Row("SSD-1B stated, refuted by depth", "diffusers unet", "lora",
        "down_blocks.2.attentions.1.transformer_blocks.9.attn2.to_k 2048 1280", "sdxl",
        {"modelspec.architecture": "ssd-1b"}),
    Row("toybox", "diffusers unet", "lora",
        "mid_block.attentions.0.transformer_blocks.0.attn2.to_k 64 112", "toybox"),
    Row("AnimateDiff motion LoRA", "", "xlabs",
        "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0"
        ".processor.to_q_lora 320 320", "animatediff"),
    Row("Stable Video Diffusion", "diffusers unet", "lora",
        "down_blocks.0.attentions.0.temporal_transformer_blocks.0.attn1.to_q 320 320", "svd"),
    Row("Stable Cascade", "", "dora", "lora_prior_unet_down_blocks_0_2_attention_to_q 2048 2048", "cascade"),
    # text encoders alone
    Row("CLIP under lora_te", "", "lora",
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj 768 768", "sd1"),
    Row("OpenCLIP-H under lora_te", "", "lora",
        "lora_te_text_model_encoder_layers_22_mlp_fc2 4096 1024", "sd2"),
    Row("CLIP-L under lora_te1", "", "lora", TE1,
        ["sdxl", "flux1", "sd3_medium", "sd35_medium", "sd35_large", "hidream"]),
    Row("both CLIPs", "", "lora", f"{TE1}; {TE2}",
        ["sdxl", "sd3_medium", "sd35_medium", "sd35_large", "hidream"]),
    Row("T5 as third", "", "lora", "lora_te3_encoder_block_23_layer_0_SelfAttention_q 4096 4096",
        ["flux1", "sd3_medium", "sd35_medium", "sd35_large", "hidream"]),
    Row("Qwen3 under lora_te", "", "lora", "lora_te_layers_0_self_attn_q_proj 1024 2048", "anima"),
    # FLUX and its relatives
    Row("FLUX.1, kohya with modulation", "kohya", "lora",
        FLUX_BFL + "double_blocks.{0-18}.img_mod.lin 3072 18432", "flux1"),
    Row("FLUX.1, ComfyUI's prefix", "comfy", "lora", FLUX_BFL, "flux1"),
    Row("FLUX.1, lying metadata", "comfy", "lora", FLUX_BFL, "flux1", LYING),
    Row("FLUX.1, four blocks, lying metadata", "diffusers", "lora",
        "single_transformer_blocks.{7,12,16,20}.proj_out 15360 3072", "flux1", LYING),
    Row("the same four blocks without metadata", "diffusers", "lora",
        "single_transformer_blocks.{7,12,16,20}.proj_out 15360 3072", ["flux1", "hunyuan_video"]),
    Row("FLUX.1, diffusers", "diffusers", "lora", FLUX_DIFFUSERS, "flux1"),
    Row("FLUX.1, raw PEFT", "raw peft", "lora", FLUX_DIFFUSERS, "flux1"),
    Row("FLUX.1, OneTrainer DoRA", "onetrainer", "dora", FLUX_DIFFUSERS, "flux1"),
    Row("FLUX.1, SimpleTuner LoKr", "lycoris", "lokr", FLUX_DIFFUSERS, "flux1"),
    Row("FLUX.1, XLabs", "bare", "xlabs",
        "double_blocks.{0,10}.processor.qkv_{lora1,lora2} 3072 9216", "flux1"),
    Row("FLUX.1, (IA)^3 on inputs", "kohya", "ia3 on input",
        "double_blocks.3.img_mlp.2 12288 3072", ["flux1", "flux2_klein_9b"]),
    Row("FLUX.1, OFT", "kohya", "oft", "double_blocks.3.img_mlp.0 3072 12288", "flux1"),
    Row("FLUX.1 Fill, its image input", "diffusers", "lora",
        "x_embedder 384 3072; single_transformer_blocks.{0-37}.norm.linear 3072 9216; "
        "transformer_blocks.{0-18}.attn.to_q 3072 3072", "flux1"),
    Row("Chroma as stated", "comfy", "lora", FLUX_BFL, "chroma", {"ss_base_model_version": "chroma"}),
    Row("Chroma stated, refuted by modulation", "comfy", "lora",
        FLUX_BFL + "double_blocks.0.img_mod.lin 3072 18432", "flux1", {"ss_base_model_version": "chroma"}),
    Row("Chroma stated, refuted by time", "comfy", "lora", FLUX_BFL + "time_in.in_layer 256 3072", "flux1",
        {"ss_base_model_version": "chroma"}),
    Row("Chroma by a layer of its own", "comfy", "lora",
        FLUX_BFL + "distilled_guidance_layer.layers.0.in_layer 5120 5120", "chroma"),
    Row("attention in FLUX's and Qwen's names", "diffusers", "lora", FLUX_ATTENTION,
        ["flux1", "hunyuan_video", "qwen_image"]),
    Row("the same, whatever is stated", "diffusers", "lora", FLUX_ATTENTION,
        ["flux1", "hunyuan_video", "qwen_image"], {"ss_base_model_version": "qwen_image"}),
    Row("FLUX.2 dev", "comfy", "lora", "double_blocks.0.img_attn.qkv 6144 18432", "flux2_dev"),
    Row("FLUX.2 klein 9B", "comfy", "lora", "single_blocks.23.linear1 4096 36864", "flux2_klein_9b"),
    Row("FLUX.2 klein 4B", "kohya", "lora", "single_blocks.0.linear1 3072 27648", "flux2_klein_4b"),
    Row("FLUX.2 klein 4B, diffusers", "diffusers", "lora",
        "single_transformer_blocks.0.attn.to_qkv_mlp_proj 3072 27648", "flux2_klein_4b"),
    # Stable Diffusion 3
    Row("SD 3 or 3.5 medium", "comfy", "lora", "joint_blocks.{0-23}.x_block.attn.qkv 1536 4608",
        ["sd3_medium", "sd35_medium"]),
    Row("SD 3 medium by its modulation", "comfy", "lora",
        "joint_blocks.0.x_block.adaLN_modulation.1 1536 9216", "sd3_medium"),
    Row("SD 3 or 3.5 medium, a later modulation", "comfy", "lora",
        "joint_blocks.13.x_block.adaLN_modulation.1 1536 9216", ["sd3_medium", "sd35_medium"]),
    Row("SD 3.5 medium by its modulation", "comfy", "lora",
        "joint_blocks.0.x_block.adaLN_modulation.1 1536 13824", "sd35_medium"),
    Row("SD 3.5 medium by its second attention", "diffusers", "lora",
        "transformer_blocks.12.attn2.to_q 1536 1536", "sd35_medium"),
    Row("no second attention there", "diffusers", "lora", "transformer_blocks.13.attn2.to_q 1536 1536", []),
    Row("SD 3.5 large", "kohya", "lora", "joint_blocks.37.context_block.attn.qkv 2432 7296", "sd35_large"),
    # other image models
    Row("Qwen-Image, attention of all blocks", "diffusers", "lora", QWEN_ATTENTION, "qwen_image"),
    Row("Qwen-Image, one modulation", "diffusers", "lora", "transformer_blocks.3.img_mod.1 3072 18432",
        "qwen_image"),
    Row("Qwen-Image, unprefixed names are its own", "bare", "lora", FLUX_ATTENTION, "qwen_image"),
    Row("AuraFlow", "comfy", "lora", "double_layers.3.attn.w2q 3072 3072", "auraflow"),
    Row("AuraFlow, diffusers", "diffusers", "lora", "single_transformer_blocks.31.attn.to_out.0 3072 3072",
        "auraflow"),
    Row("PixArt", "bare", "lora", "blocks.27.cross_attn.kv_linear 1152 2304", "pixart"),
    Row("PixArt or Sana 0.6B", "diffusers", "lora", "transformer_blocks.3.attn1.to_q 1152 1152",
        ["pixart", "sana"]),
    Row("Sana 4.8B", "diffusers", "lora", "transformer_blocks.59.attn1.to_q 2240 2240", "sana"),
    Row("HunyuanDiT", "raw peft", "lora", "blocks.39.attn1.Wqkv 1408 4224", "hunyuan_dit"),
    Row("HunyuanImage 2.1", "kohya", "lora", "single_blocks.39.linear1 3584 25088", "hunyuan_image"),
    Row("Z-Image", "double underscore", "lora", "layers.0.attention.to_q 3840 3840", "z_image"),
    Row("Lumina 2", "comfy", "lora", "layers.25.attention.qkv 2304 3840", "lumina2"),
    Row("Lumina 2, diffusers", "diffusers", "lora", "layers.25.attn.to_k 2304 768", "lumina2"),
    Row("OmniGen2", "bare", "lora", "layers.31.attn.to_k 2520 840", "omnigen2"),
    Row("HiDream", "diffusers", "lora", "single_stream_blocks.31.block.attn1.to_q 2560 2560", "hidream"),
    Row("Anima", "kohya", "lora", "blocks.0.self_attn.q_proj 2048 2048", "anima"),
    Row("Cosmos-Predict2 14B is no family of ours", "kohya", "lora",
        "blocks.35.self_attn.q_proj 5120 5120", []),
    Row("Krea 2", "kohya", "lora", "blocks.27.attn.wk 6144 1536", "krea2"),
    Row("Krea 2, diffusers", "diffusers", "lora", "transformer_blocks.0.attn.to_k 6144 1536", "krea2"),
    Row("Ideogram 4", "kohya", "lora", "layers.33.attention.o 4608 4608", "ideogram4"),
    Row("ERNIE-Image is no family of ours", "diffusers", "lora",
        "layers.{0-23}.self_attention.to_q 3072 3072; layers.{0-23}.mlp.gate_proj 3072 8192", []),
    # video models
    Row("HunyuanVideo, kohya's words are FLUX's", "kohya", "lora",
        "double_blocks.0.img_attn_qkv 3072 9216; double_blocks.0.img_mlp.fc1 3072 12288", "hunyuan_video"),
    Row("HunyuanVideo, diffusion-pipe keeps its underscore", "comfy", "lora",
        "double_blocks.7.img_attn_qkv 3072 9216", "hunyuan_video"),
    Row("FLUX.1 has a dot there", "comfy", "lora", "double_blocks.7.img_attn.qkv 3072 9216", "flux1"),
    Row("no dots, no difference", "kohya", "lora", "double_blocks.7.img_attn.qkv 3072 9216",
        ["flux1", "hunyuan_video"]),
    Row("HunyuanVideo by its last block", "kohya", "lora",
        "single_blocks.39.linear1 3072 21504", "hunyuan_video"),
    Row("FramePack", "kohya", "lora",
        "transformer_blocks.{0-19}.ff_context.net.2 12288 3072", "hunyuan_video"),
    Row("HunyuanVideo 1.5", "kohya", "lora", "double_blocks.53.img_attn_q 2048 2048", "hunyuan_video_15"),
    Row("Wan 1.3B", "kohya", "lora", "blocks.0.self_attn.q 1536 1536", "wan_1_3b"),
    Row("Wan-Fun, kohya with two underscores", "double underscore", "lora", "blocks.0.cross_attn.k 5120 5120",
        "wan_14b"),
    Row("Wan 14B image to video", "comfy", "lora", "blocks.39.cross_attn.k_img 5120 5120", "wan_14b"),
    Row("Wan 14B VACE", "comfy", "lora", "vace_blocks.7.self_attn.q 5120 5120", "wan_14b"),
    Row("Wan 5B, diffusers", "diffusers", "lora", "blocks.29.ffn.net.0.proj 3072 14336", "wan_5b"),
    Row("LTX-Video 2B", "diffusers", "lora", "transformer_blocks.27.attn2.to_k 2048 2048", "ltx_2b"),
    Row("LTX-Video 13B or LTX-2", "diffusers", "lora", "transformer_blocks.{0-47}.attn1.to_q 4096 4096",
        ["ltx_13b", "ltx2"]),
    Row("LTX-Video 13B by its text width", "comfy", "lora",
        "caption_projection.linear_1 4096 4096", "ltx_13b"),
    Row("LTX-2", "comfy", "lora", "transformer_blocks.0.audio_to_video_attn.to_q 4096 2048", "ltx2"),
    Row("CogVideoX 2B", "bare", "lora", "transformer_blocks.29.attn1.to_q 1920 1920", "cogvideox_2b"),
    Row("CogVideoX 5B or Mochi", "bare", "lora", "transformer_blocks.3.attn1.to_q 3072 3072",
        ["cogvideox_5b", "mochi"]),
    Row("CogVideoX 5B by its feed-forward", "bare", "lora", "transformer_blocks.3.ff.net.0.proj 3072 12288",
        ["flux1", "cogvideox_5b", "hunyuan_video"]),
    Row("CogVideoX 5B, both", "bare", "lora",
        "transformer_blocks.3.attn1.to_q 3072 3072; transformer_blocks.3.ff.net.0.proj 3072 12288",
        "cogvideox_5b"),
    Row("Mochi", "bare", "lora", "blocks.47.attn.qkv_y 1536 9216", "mochi"),
    Row("Kandinsky 5 lite", "diffusers", "lora",
        "visual_transformer_blocks.31.self_attention.to_query 1792 1792",
        "kandinsky5"),
    # nothing that anyone knows
    Row("a language model", "raw peft", "lora", "model.layers.0.self_attn.q_proj 4096 4096", []),
    Row("widths of no known model", "diffusers", "lora", "transformer_blocks.0.attn.to_q 1000 1000", []),
]  # fmt: skip


def read(tmp_path: Path, row: Row) -> dict[str, Any]:
    shapes = spelled(row.layers, row.dialect, row.algorithm)
    path = write_shapes(tmp_path / "a.safetensors", shapes, row.metadata)
    return inspect_file(path, hashes=False).as_dict()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
def test_a_header_is_of_the_family_that_its_layers_allow(tmp_path: Path, row: Row) -> None:
    got = read(tmp_path, row)
    expected = row.expected
    if isinstance(expected, str):
        assert (got["family"], got["family_candidates"]) == (expected, [])
    else:
        assert (got["family"], got["family_candidates"]) == ("unknown", expected)


@pytest.mark.parametrize("row", [row for row in ROWS if row.metadata == LYING], ids=lambda row: row.title)
def test_metadata_that_lies_is_a_conflict(tmp_path: Path, row: Row) -> None:
    got = read(tmp_path, row)
    assert got["declared_base"]["family"] == "sd1"
    assert got["base_conflict"]
    assert "base_conflict" in {finding["code"] for finding in got["findings"]}


def test_every_family_has_a_header_of_its_own() -> None:
    assert {row.expected for row in ROWS if isinstance(row.expected, str)} == set(FAMILIES.split())
