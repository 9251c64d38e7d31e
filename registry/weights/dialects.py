"""Which dialect a module's name is written in, which component it belongs to, and its path inside that
component.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .keys import KeyedModule
from .unet_names import flatten, pti_path, text_path, unet_path

DENOISERS = ("unet", "transformer", "prior")

# The first words of a module's path in the denoisers that have no UNet, dotted or underscored alike.
_TRANSFORMER_ROOTS = (
    "double_blocks", "single_blocks", "transformer_blocks", "single_transformer_blocks", "joint_blocks",
    "joint_transformer_blocks", "double_layers", "single_layers", "double_stream_blocks",
    "single_stream_blocks",
    "visual_transformer_blocks", "text_transformer_blocks", "blocks", "layers", "noise_refiner",
    "context_refiner",
    "vace_blocks", "nerf_blocks", "img_in", "txt_in", "x_embedder", "context_embedder", "time_in",
    "vector_in",
    "guidance_in", "final_layer", "time_text_embed", "proj_out", "norm_out", "time_guidance_embed",
    "distilled_guidance_layer", "txtfusion", "txtmlp", "text_fusion", "llm_adapter", "tmlp", "tproj",
    "first", "last",
    "patch_embedding", "text_embedding", "time_embedding", "time_projection", "head", "img_emb",
    "adaln_single",
    "caption_projection", "cap_embedder", "t_embedder", "double_stream_modulation",
    "single_stream_modulation",
    "time_caption_embed", "y_embedder", "embed_image_indicator", "time_embed", "img_in_patch",
)  # fmt: skip
_UNET_ROOTS = (
    "down_blocks", "up_blocks", "mid_block", "conv_in", "conv_out", "add_embedding", "input_blocks",
    "middle_block",
    "output_blocks", "label_emb", "out_0", "out_2",
)  # fmt: skip
# Black Forest Labs' own names for the layers of FLUX.
_BFL_ROOTS = (
    "double_blocks.", "single_blocks.", "img_in", "txt_in", "time_in", "vector_in", "guidance_in",
    "final_layer.",
)  # fmt: skip
_ROOTS = re.compile(f"(?:{'|'.join(sorted(_TRANSFORMER_ROOTS + _UNET_ROOTS, key=len, reverse=True))})(?:_|$)")
_LLM = re.compile(
    r"(?:model_)*(?:layers_\d+_(?:self_attn|mlp)_|transformer_h_\d+_|h_\d+_|gpt_neox|distilbert|bert_|roberta|"
    r"encoder_layers?_\d+_|decoder_layers?_\d+_|vision_model|vit_|whisper|backbone)"
)

_KOHYA_TE = re.compile(r"(?:lora|oft|lycoris)_te([1-4]?)_")
_COMFY_TE = re.compile(r"text_encoders\.([^.]+)\.(?:transformer\.|model\.)?")
_DIFFUSERS_TE = re.compile(r"text_encoder(?:_([2-4]))?\.")
_COMFY_SLOTS = {"clip_l": "text_encoder", "clip_g": "text_encoder_2", "t5xxl": "text_encoder_3"}


@dataclass(frozen=True, slots=True)
class ModuleName:
    """A module's name read: `component` is unet, transformer, prior, text_encoder, text_encoder_2 ..., or
    other.

    `path` is the layer inside the component: the diffusers path where that is known, else as written
    without its prefix. `flat` is the path as written, with dots as underscores; `slot` tells text encoders
    apart as written (te, te1, te2 ..., diffusers). `known` is False when the path is no layer that we can
    name.
    """

    dialect: str
    component: str
    path: str
    flat: str
    slot: str = ""
    known: bool = True


def read_name(module: KeyedModule) -> ModuleName:
    """Read one module's name: prefix, separator style and factor spelling decide the dialect."""
    name, spelling = module.name, module.spelling
    if spelling == "pti":
        return _pti(name)
    if spelling == "broken" or name.startswith("lora_unet_unet_"):
        return _denoiser("broken_rename", name.removeprefix("lora_unet_").removeprefix("unet_"))
    if match := _KOHYA_TE.match(name):
        slot = f"te{match[1]}"
        dialect = "lycoris" if name.startswith("lycoris_") else "kohya"
        return _text(dialect, _component(match[1]), name[match.end() :], slot)
    for prefix, dialect in (
        ("lora_unet__", "kohya_double_underscore"),
        ("lora_unet_", "kohya"),
        ("oft_unet_", "kohya"),
        ("lora_transformer_", "onetrainer"),
        ("lora_prior_unet_", "onetrainer"),
        ("lycoris_", "lycoris"),
        ("diffusion_model.", "comfy"),
        ("unet.base_model.model.", "peft_raw"),
        ("base_model.model.unet.", "peft_raw"),
        ("base_model.model.transformer.", "peft_raw"),
        ("base_model.model.", "peft_raw"),
    ):
        if name.startswith(prefix):
            path = name[len(prefix) :]
            if prefix == "lora_prior_unet_":
                return ModuleName(dialect, "prior", path, flatten(path), known=False)
            return _denoiser(dialect, path)
    if name.startswith("lora_prior_te_"):
        return _text("onetrainer", "text_encoder", name.removeprefix("lora_prior_te_"), "prior_te")
    if match := _COMFY_TE.match(name):
        component = _COMFY_SLOTS.get(match[1], f"text_encoder:{match[1]}")
        return _text("comfy", component, name[match.end() :], match[1])
    if match := _DIFFUSERS_TE.match(name):
        return _text(_diffusers(spelling), _component(match[1] or ""), name[match.end() :], "diffusers")
    for prefix in ("unet.", "transformer.", "prior."):
        if name.startswith(prefix):
            path = name[len(prefix) :]
            if spelling == "kohya" and path.startswith(("double_blocks.", "single_blocks.")):
                # OneTrainer's BFL-named export keeps kohya's factor names under diffusers' prefix.
                return _denoiser("onetrainer", path)
            return _denoiser(_diffusers(spelling), path, prefix[:-1] if prefix != "unet." else "")
    return _denoiser(_bare(name, spelling), name)


def _component(digit: str) -> str:
    return "text_encoder" if digit in ("", "1") else f"text_encoder_{digit}"


def _diffusers(spelling: str) -> str:
    return {
        "lora.down": "diffusers_lora",
        "kohya": "diffusers_lora",
        "attn_procs": "diffusers_attn_procs",
    }.get(spelling, "diffusers_peft")


def _bare(name: str, spelling: str) -> str:
    if spelling == "xlabs":
        return "xlabs"
    if spelling == "attn_procs":
        return "diffusers_attn_procs"
    if name.startswith(_BFL_ROOTS):
        return "bfl"
    return "unprefixed"


def _denoiser(dialect: str, path: str, component: str = "") -> ModuleName:
    flat = flatten(path) if dialect != "xlabs" else path.replace(".", "_")
    if dialect in ("peft_raw", "unprefixed", "diffusers_peft") and _LLM.match(flat):
        return ModuleName(dialect, "language_model", path, flat, known=False)
    if (canonical := unet_path(path)) is not None and component != "transformer":
        return ModuleName(dialect, "unet", canonical, flat)
    known = _ROOTS.match(flat) is not None
    if known:
        is_unet = flat.startswith(_UNET_ROOTS) and component != "transformer"
        # A UNet root with a leaf that no UNet of ours has is still a UNet's.
        return ModuleName(
            dialect, component or ("unet" if is_unet else "transformer"), path, flat, known=not is_unet
        )
    if component:
        return ModuleName(dialect, component, path, flat, known=False)
    return ModuleName(dialect, "other", path, flat, known=False)


def _text(dialect: str, component: str, path: str, slot: str) -> ModuleName:
    canonical = text_path(path)
    return ModuleName(dialect, component, canonical or path, flatten(path), slot, canonical is not None)


def _pti(name: str) -> ModuleName:
    component, _, number = name.partition(":")
    path = pti_path(component, int(number)) if len(number) < 5 else None
    return ModuleName("cloneofsimo", component, path or name, flatten(path or name), "te", path is not None)
