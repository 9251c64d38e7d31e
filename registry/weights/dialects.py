"""Which dialect a module's name is written in, which component it belongs to, and its path inside that
component.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from .keys import KeyedModule
from .unet_names import PTI_BLOCKS, PTI_LAYERS, flatten, pti_path, text_path, unet_path

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
    "output_blocks", "label_emb", "out_0", "out_2", "encoder_hid_proj",
)  # fmt: skip
# Black Forest Labs' own names for the layers of FLUX; others use `img_in` and `final_layer`, too.
_BFL_BLOCKS = (
    "double_blocks.", "single_blocks.", "time_in.", "vector_in.", "guidance_in.", "double_stream_modulation_",
    "single_stream_modulation.", "distilled_guidance_layer.",
)  # fmt: skip
# Tencent's spelling of the same blocks.
_HUNYUAN = re.compile(
    r"double_blocks\.\d+\.(?:img|txt)_(?:attn_|mlp\.fc|mod\.linear)|single_blocks\.\d+\.modulation\.linear|"
    r"txt_in\.(?:individual_token_refiner|t_embedder|c_embedder)"
)
# What follows `transformer.` or `unet.` where OneTrainer keeps the original repository's names (OMI).
_ORIGINAL_ROOTS = (
    "double_blocks.", "single_blocks.", "joint_blocks.", "double_layers.", "single_layers.", "img_in",
    "txt_in", "time_in.", "vector_in.", "guidance_in.", "final_layer.", "input_blocks.", "middle_block.",
    "output_blocks.", "time_embed.", "label_emb.",
)  # fmt: skip
_ROOTS = re.compile(f"(?:{'|'.join(sorted(_TRANSFORMER_ROOTS + _UNET_ROOTS, key=len, reverse=True))})(?:_|$)")
# Where a language model keeps its layers. `layers.N.attention` is an image model's.
_LLM = re.compile(
    r"(?:model_|language_model_|text_model_|transformer_)*(?:layers_\d+_(?:self_attn|mlp|self_attention|block_sparse_moe)_|"
    r"h_\d+_|encoder_layers?_\d+_self_attention_|decoder_layers_\d+_|encoder_block_\d+_|decoder_block_\d+_)|"
    r"(?:model_)+(?:layers_\d+_|language_model_)|gpt_neox_|(?:distil|ro|al|de)?bert(?:a|_)|backbone_layers_|"
    r"lm_head$|embed_tokens$"
)
# Hearing and seeing models: no language model, and none that makes pictures.
_NOT_IMAGE = re.compile(
    r"(?:model_)?(?:encoder_layers_\d+_(?:self_attn|fc\d)|decoder_layers_\d+_(?:self_attn|encoder_attn|fc\d))|"
    r"(?:model_)?(?:vision_model|vision_tower|visual(?!_transformer_)|vit|dinov2|siglip|image_encoder|"
    r"mask_decoder|whisper|wav2vec2|hubert|sam)_"
)

_KOHYA_TE = re.compile(r"(?:lora|oft|lycoris)_te([1-4]?)_")
_BROKEN_TE = re.compile(r"(?:lora_te([1-4]?)_)?text_encoder(?:_([2-4]))?_(?=text_model_|encoder_)")
_COMFY_TE = re.compile(r"text_encoders\.([^.]+)\.(?:transformer\.|model\.)?")
_DIFFUSERS_TE = re.compile(r"text_encoder(?:_([2-4]))?\.")
_PEFT_TE = re.compile(r"(?:base_model\.model\.)?text_encoder(?:_([2-4]))?\.(?:base_model\.model\.)?")
_ONETRAINER_TE = re.compile(
    r"(clip_l|clip_g|t5|llama)\.(?=text_model\.|text_projection|encoder\.|layers\.|model\.)"
)
_COMFY_SLOTS = {"clip_l": "text_encoder", "clip_g": "text_encoder_2", "t5xxl": "text_encoder_3"}
# What a program's own wrapping leaves before names without a prefix (DiffSynth, Cosmos, AnimateDiff).
_WRAPPERS = re.compile(r"^(?:pipe\.)?(?:dit|net|module)\.(?=\w+\.)")
# prefix -> dialect, the first that matches wins
_DENOISER_PREFIXES = (
    ("lora_unet__", "kohya_double_underscore"),
    ("lora_unet_", "kohya"),
    ("oft_unet_", "kohya"),
    ("lora_transformer_", "onetrainer"),
    ("lycoris_", "lycoris"),
    ("model.diffusion_model.", "comfy"),
    ("diffusion_model.", "comfy"),
    ("unet.base_model.model.", "peft_raw"),
    ("transformer.base_model.model.", "peft_raw"),
    ("base_model.model.unet.", "peft_raw"),
    ("base_model.model.transformer.", "peft_raw"),
    ("base_model.model.", "peft_raw"),
)


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


def read_names(modules: Iterable[KeyedModule]) -> list[ModuleName]:
    """Read the names of all modules of one file; some are clear only beside the others."""
    every = list(modules)
    names = [read_name(module) for module in every]
    if any(module.spelling == "pti" for module in every):
        layers = _pti_layers(every)
        names = [
            _pti(m.name, layers) if m.spelling == "pti" else n for m, n in zip(every, names, strict=True)
        ]
    bare = [m.name for m, name in zip(every, names, strict=True) if name.dialect in ("bfl", "unprefixed")]
    if not bare:
        return names
    flux = any(name.startswith(_BFL_BLOCKS) for name in bare) and not any(map(_HUNYUAN.match, bare))
    dialect = "bfl" if flux else "unprefixed"
    return [replace(n, dialect=dialect) if n.dialect in ("bfl", "unprefixed") else n for n in names]


def read_name(module: KeyedModule) -> ModuleName:
    """Read one module's name alone: prefix, separator style and factor spelling decide the dialect."""
    name, spelling = module.name, module.spelling
    if spelling == "pti":
        return _pti(name, PTI_LAYERS)
    if spelling == "broken" or name.startswith("lora_unet_unet_"):
        return _broken(name)
    if match := _KOHYA_TE.match(name):
        if spelling == "attn_procs":
            return _broken(name)
        slot = f"te{match[1]}"
        dialect = "lycoris" if name.startswith("lycoris_") else "kohya"
        return _text(dialect, _component(match[1]), name[match.end() :], slot)
    if name.startswith("lora_prior_unet_"):
        path = name.removeprefix("lora_prior_unet_")
        return ModuleName("onetrainer", "prior", path, flatten(path), known=False)
    if name.startswith("lora_prior_te_"):
        return _text("onetrainer", "text_encoder", name.removeprefix("lora_prior_te_"), "prior_te")
    return _dotted_text(name, spelling) or _prefixed(name, spelling)


def _dotted_text(name: str, spelling: str) -> ModuleName | None:
    """The name of a text encoder's layer in a dotted dialect, or None."""
    if match := _COMFY_TE.match(name):
        return _text("comfy", _slot_component(match[1]), name[match.end() :], match[1])
    if (match := _PEFT_TE.match(name)) and "base_model.model." in match[0]:
        return _text("peft_raw", _component(match[1] or ""), name[match.end() :], "diffusers")
    if match := _DIFFUSERS_TE.match(name):
        return _text(_diffusers(spelling), _component(match[1] or ""), name[match.end() :], "diffusers")
    if name.startswith("base_model.model.text_model.encoder."):
        return _text("peft_raw", "text_encoder", name.removeprefix("base_model.model."), "diffusers")
    if match := _ONETRAINER_TE.match(name):
        slot = "t5xxl" if match[1] == "t5" else match[1]
        return _text("onetrainer", _slot_component(slot), name[match.end() :], slot)
    return None


def _prefixed(name: str, spelling: str) -> ModuleName:
    """The name of a denoiser's layer."""
    for prefix, dialect in _DENOISER_PREFIXES:
        if name.startswith(prefix):
            if spelling == "attn_procs" and prefix in ("lora_unet_", "lora_transformer_"):
                # Attention processors have dots only: somebody's rename of a diffusers file.
                return _broken(name)
            return _denoiser(dialect, name[len(prefix) :])
    for prefix in ("unet.", "transformer.", "transformer_2.", "prior."):
        if name.startswith(prefix):
            path = name[len(prefix) :]
            component = prefix[:-1] if prefix != "unet." else ""
            if spelling == "kohya" and path.startswith(_ORIGINAL_ROOTS):
                # OneTrainer keeps kohya's factor names and the original repository's layers here.
                return _denoiser("onetrainer", path)
            return _denoiser(_diffusers(spelling), path, component)
    path = _WRAPPERS.sub("", name)
    return _denoiser(_bare(path, spelling), path)


def _broken(name: str) -> ModuleName:
    """A diffusers or PEFT name whose dots became underscores, with or without a kohya prefix before it."""
    if match := _BROKEN_TE.match(name):
        component = _component(match[2] or match[1] or "")
        return _text("broken_rename", component, name[match.end() :], f"te{match[2] or match[1] or ''}")
    if match := _KOHYA_TE.match(name):
        return _text("broken_rename", _component(match[1]), name[match.end() :], f"te{match[1]}")
    path = name
    for prefix in ("lora_unet_", "lora_transformer_", "base_model_model_", "diffusion_model_", "unet_"):
        path = path.removeprefix(prefix)
    if path.startswith("transformer_") and not path.startswith("transformer_blocks"):
        path = path.removeprefix("transformer_")
    return _denoiser("broken_rename", path.replace("processor_", ""))


def _component(digit: str) -> str:
    return "text_encoder" if digit in ("", "1") else f"text_encoder_{digit}"


def _slot_component(slot: str) -> str:
    return _COMFY_SLOTS.get(slot, f"text_encoder:{slot}")


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
    if name.startswith(_BFL_BLOCKS) and not _HUNYUAN.match(name):
        return "bfl"
    return "unprefixed"


def _denoiser(dialect: str, path: str, component: str = "") -> ModuleName:
    flat = flatten(path) if dialect != "xlabs" else path.replace(".", "_")
    if dialect in ("peft_raw", "unprefixed", "diffusers_peft"):
        if _NOT_IMAGE.match(flat):
            return ModuleName(dialect, "other", path, flat, known=False)
        if _LLM.match(flat):
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


def _pti(name: str, layers: tuple[str, ...]) -> ModuleName:
    component, _, number = name.partition(":")
    path = pti_path(component, int(number), layers) if number.isdecimal() and len(number) < 5 else None
    return ModuleName("cloneofsimo", component, path or name, flatten(path or name), "te", path is not None)


def _pti_layers(modules: Iterable[KeyedModule]) -> tuple[str, ...]:
    """The layers of one transformer block in a numbered file: without GEGLU there are eight, 128 in all."""
    numbers = [m.name.partition(":")[2] for m in modules if m.name.startswith("unet:")]
    last = max((int(number) for number in numbers if number.isdecimal() and len(number) < 5), default=0)
    attention = tuple(layer for layer in PTI_LAYERS if "attn" in layer)
    return attention if last + 1 == len(PTI_BLOCKS) * len(attention) else PTI_LAYERS
