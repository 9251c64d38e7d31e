"""What a safetensors file is when it is not (only) an adapter: the first names tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from .embeddings import is_embedding
from .header import TensorInfo
from .modules import ModuleFacts

# What a name starts with only in a file of that kind; the first kind that any name tells wins. What contains
# others (a checkpoint its VAE, a ControlNet half a UNet) stands before them.
_MARKS: list[tuple[str, re.Pattern[str]]] = [
    (kind, re.compile(marks))
    for kind, marks in (
        ("control_adapter",
         r"lllite_|lora_controlnet|adapter\.body\.|body\.\d+\.(?:in_conv|block[12])\.|style_embedding|"
         r"transformer_layes\."),
        ("ip_adapter",
         r"ip_adapter\.|image_proj(?:_model)?\.|ip_adapter_proj_model\.|ip_image_proj\.|"
         r".+\.processor\.(?:ip_adapter_\w+|to_[kv]_ip)\.|adapter_modules\.\d+\.to_[kv]_ip\."),
        ("motion_module", r".*\bmotion_modules\."),
        ("checkpoint",
         r"model\.diffusion_model\.|cond_stage_model\.|conditioner\.embedders\.|model_ema\."),
        ("controlnet",
         r"control_model\.|controlnet_|controlnet\.|input_hint_block\.|zero_convs\.|control_layers\.|"
         r"control_noise_refiner\.|control_all_x_embedder\."),
        ("vae",
         r"first_stage_model\.|vae\.|taesd_|quant_conv\.|post_quant_conv\.|"
         r"(?:en|de)coder\.(?:down_blocks|up_blocks|down|up|mid|mid_block|conv_in|conv_out|middle|upsamples|"
         r"downsamples)\."),
        ("upscaler",
         r"params_ema\.|params\.|body\.0\.rdb1\.|body\.\d+\.(?:weight|bias)$|model\.0\.weight$|"
         r"model\.1\.sub\.|conv_first\."),
        ("text_encoder",
         r"(?:model\.)?layers\.\d+\.(?:self_attn\.(?:q_proj|qkv_proj)|attention\.wq|input_layernorm)\.|"
         r"model\.embed_tokens\.|encoder\.block\.\d+\.layer\.|shared\.weight$|text_encoder(?:_\d|s)?\."),
        ("clip_vision", r"vision_model\.|visual\.|vision_tower\."),
        ("text_encoder", r"text_model\.|transformer\.resblocks\.|token_embedding\."),
        ("other", r"cls_token|class_token|mask_token|embeddings\.cls_token|.+_custom_diffusion\.weight$"),
        ("unet",
         r"(?:unet\.|transformer\.|diffusion_model\.)?(?:down_blocks|input_blocks|double_blocks|single_blocks|"
         r"joint_blocks|transformer_blocks|single_transformer_blocks|joint_transformer_blocks|"
         r"double_stream_blocks|single_stream_blocks|visual_transformer_blocks|double_layers|single_layers)\.|"
         r"(?:diffusion_model\.|transformer\.)?(?:blocks\.\d+\.(?:self_attn|cross_attn|attn\d?|ffn|mlp|"
         r"modulation|adaln)|layers\.\d+\.(?:attention\.(?:qkv|to_q|out)|attn\.to_|feed_forward\.|"
         r"adaLN_modulation))"),
    )
]  # fmt: skip
_CHECKPOINT = dict(_MARKS)["checkpoint"]
# The parts of a pipeline that diffusers keeps in folders; two of them in one file are a whole model.
_FOLDERS = frozenset({"unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3"})
_IP_ADAPTER = dict(_MARKS)["ip_adapter"]
_FLUX_DIALECTS = frozenset({"bfl", "bfl_control", "unprefixed"})


def kind_of(tensors: Mapping[str, TensorInfo], modules: list[ModuleFacts], rest: Iterable[str]) -> str:
    """The contract's `kind` of a file with these tensors, adapter modules and left-over names."""
    left = list(rest)
    usable = [m for m in modules if not m.facts.problem]
    if any(name.startswith(("lllite_", "lora_controlnet")) for name in left):
        return "control_adapter"
    if usable and not _mostly_checkpoint(usable, left):
        # The identity adapters of the IP-Adapter family bring a LoRA along.
        return "ip_adapter" if any(map(_IP_ADAPTER.match, left)) else _adapter_kind(usable, left)
    if is_embedding(tensors):
        return "embedding"
    if len({name.partition(".")[0] for name in left} & _FOLDERS) > 1:
        return "checkpoint"
    return next((kind for kind, marks in _MARKS if any(map(marks.match, left))), "other")


def is_flux_control(modules: Iterable[ModuleFacts], rest: Iterable[str]) -> bool:
    """Control LoRAs of FLUX.1 bring an image input of their own, with biases or the norms' scales beside."""
    inputs = [m for m in modules if m.where.flat in ("img_in", "x_embedder")]
    if any(_pads_image_input(module) for module in inputs):
        return True
    scales = any(name.endswith("_norm.scale") for name in rest)
    return scales and any(m.where.flat == "img_in" and m.where.dialect in _FLUX_DIALECTS for m in inputs)


def _pads_image_input(module: ModuleFacts) -> bool:
    """FLUX.1 sees 64 channels, and 128 with the control image; FLUX.2, which sees 128, has no biases."""
    return "reshape_weight" in module.factors or (
        (module.in_dim, module.out_dim) == (128, 3072) and "up_bias" in module.factors
    )


def _mostly_checkpoint(modules: list[ModuleFacts], rest: list[str]) -> bool:
    model = sum(_CHECKPOINT.match(name) is not None for name in rest)
    return model > sum(len(module.factors) for module in modules)


def _adapter_kind(modules: list[ModuleFacts], rest: list[str]) -> str:
    if is_flux_control(modules, rest):
        return "control_adapter"
    components = [m.where.component for m in modules]
    spoken = components.count("language_model")
    foreign = spoken + components.count("other")
    dialects = {m.where.dialect for m in modules if m.where.component in ("language_model", "other")}
    if foreign == len(modules) and dialects <= {"peft_raw", "unprefixed", "diffusers_peft"}:
        # An adapter of something that is no image model that we know.
        return "language_adapter" if 2 * spoken >= foreign else "other"
    return "adapter"
