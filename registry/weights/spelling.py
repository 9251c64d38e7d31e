"""The name of a UNet's or text encoder's layer in each dialect: the other direction of `unet_names`.

Prefixes: kohya-ss/sd-scripts (`lora_unet_`, `lora_te_`, for two text encoders `lora_te1_` and `lora_te2_`),
huggingface/diffusers (`unet.`, `text_encoder.`, `text_encoder_2.`), huggingface/peft (`base_model.model.`).
"""

from __future__ import annotations

import re

from .unet_names import flatten

# factor -> how each dialect spells it after the module's name.
KOHYA_FACTORS = {
    "down": "lora_down.weight", "up": "lora_up.weight", "mid": "lora_mid.weight", "alpha": "alpha",
}  # fmt: skip
PEFT_FACTORS = {
    "down": "lora_A.weight", "up": "lora_B.weight", "down_bias": "lora_A.bias", "up_bias": "lora_B.bias",
    "alpha": "alpha", "magnitude": "lora_magnitude_vector",
}  # fmt: skip
_PREFIX = "base_model.model."

_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
_TOP = {
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip
_LAYER = re.compile(r"(?:(down|up)_blocks\.(\d+)|mid_block)\.(attentions|resnets)\.(\d+)\.(.+)")
_SAMPLER = re.compile(r"(down|up)_blocks\.(\d+)\.(?:downsamplers|upsamplers)\.0\.conv")


def kohya_module(component: str, path: str, *, two_encoders: bool) -> str:
    """The module's name as sd-scripts writes it. With two text encoders (SDXL) the UNet's are SGM's names."""
    if component == "unet":
        return f"lora_unet_{flatten(sgm_path(path) if two_encoders else path)}"
    if component == "text_encoder":
        return f"lora_te{'1' if two_encoders else ''}_{flatten(path)}"
    return f"lora_te{component.removeprefix('text_encoder_')}_{flatten(path)}"


def diffusers_module(component: str, path: str) -> str:
    """The module's name as diffusers writes it."""
    return f"{component}.{path}"


def peft_module(path: str) -> str:
    """The module's name as PEFT itself saves an adapter of one model."""
    return _PREFIX + path


def sgm_path(path: str) -> str:
    """SGM's path of the UNet layer that diffusers calls `path`; one that SGM has no name for stays as it is.

    For UNets of two layers a block (SD1, SD2, SDXL), where SGM counts conv_in as input block 0, gives each
    downsampler a block of its own, and puts an upsampler behind the last layer of its block.
    """
    if path in _TOP:
        return _TOP[path]
    if match := _SAMPLER.fullmatch(path):
        block = int(match[2])
        if match[1] == "down":
            return f"input_blocks.{3 * block + 3}.0.op"
        # SDXL's upsamplers follow an attention, so each is the third part of its block.
        return f"output_blocks.{3 * block + 2}.2.conv"
    if not (match := _LAYER.fullmatch(path)):
        return path
    side, block, group, layer = match[1], int(match[2] or 0), match[3], int(match[4])
    leaf = match[5] if group == "attentions" else _RESNET.get(match[5], match[5])
    if side is None:
        return f"middle_block.{1 if group == 'attentions' else 2 * layer}.{leaf}"
    number = 3 * block + layer + (side == "down")
    return f"{'input' if side == 'down' else 'output'}_blocks.{number}.{int(group == 'attentions')}.{leaf}"
