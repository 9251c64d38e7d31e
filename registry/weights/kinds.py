"""What a safetensors file is when it is not (only) an adapter: the first names tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .header import TensorInfo
from .modules import ModuleFacts

# (what some tensor's name starts with, what it therefore is), the first that matches wins.
_BY_PREFIX: list[tuple[str, str]] = [
    ("lllite_unet", "control_adapter"),
    ("lora_controlnet", "control_adapter"),
    ("model.diffusion_model.", "checkpoint"),
    ("cond_stage_model.", "checkpoint"),
    ("conditioner.embedders.", "checkpoint"),
    ("control_model.", "controlnet"),
    ("controlnet_cond_embedding.", "controlnet"),
    ("controlnet_blocks.", "controlnet"),
    ("controlnet_down_blocks.", "controlnet"),
    ("controlnet_", "controlnet"),
    ("input_hint_block.", "controlnet"),
    ("ip_adapter.", "ip_adapter"),
    ("image_proj.", "ip_adapter"),
    ("adapter.body.", "control_adapter"),
    ("first_stage_model.", "vae"),
    ("decoder.up_blocks.", "vae"),
    ("decoder.up.", "vae"),
    ("encoder.down_blocks.", "vae"),
    ("vision_model.", "clip_vision"),
    ("visual.", "clip_vision"),
    ("params_ema.", "upscaler"),
    ("body.0.rdb1.", "upscaler"),
    ("model.0.weight", "upscaler"),
    ("conv_first.", "upscaler"),
    ("text_model.", "text_encoder"),
    ("encoder.block.0.layer.0.SelfAttention", "text_encoder"),
    ("shared.weight", "text_encoder"),
    ("transformer.resblocks.", "text_encoder"),
    ("model.layers.", "text_encoder"),
    ("down_blocks.", "unet"),
    ("input_blocks.", "unet"),
    ("double_blocks.", "unet"),
    ("single_blocks.", "unet"),
    ("joint_blocks.", "unet"),
    ("transformer_blocks.", "unet"),
    ("single_transformer_blocks.", "unet"),
    ("diffusion_model.", "unet"),
    ("blocks.", "unet"),
    ("layers.", "unet"),
]
_BFL = ("bfl", "bfl_control")
_EMBEDDING_KEYS = frozenset({"emb_params", "clip_l", "clip_g", "t5", "t5xxl", "qwen25_7b", "gemma"})


def kind_of(tensors: Mapping[str, TensorInfo], modules: list[ModuleFacts], rest: Iterable[str]) -> str:
    """The contract's `kind` of a file with these tensors, adapter modules and left-over names."""
    left = list(rest)
    usable = [m for m in modules if not m.facts.problem]
    if any(name.startswith(("lllite_unet", "lora_controlnet")) for name in left):
        return "control_adapter"
    if usable:
        return _adapter_kind(usable, left)
    if not tensors:
        return "other"
    if any("motion_modules." in name for name in left):
        return "motion_module"
    if _is_embedding(tensors):
        return "embedding"
    for prefix, kind in _BY_PREFIX:
        if any(name.startswith(prefix) for name in left):
            return kind
    return "adapter" if modules else "other"


def is_flux_control(modules: Iterable[ModuleFacts], rest: Iterable[str]) -> bool:
    """Black Forest Labs' control LoRAs bring an image input of their own and replace the norms' scales."""
    return any(m.where.flat == "img_in" and m.where.dialect in _BFL for m in modules) and any(
        name.endswith("_norm.scale") for name in rest
    )


def _adapter_kind(modules: list[ModuleFacts], rest: list[str]) -> str:
    if is_flux_control(modules, rest):
        return "control_adapter"
    components = {m.where.component for m in modules}
    if components <= {"language_model"}:
        return "language_adapter"
    if components <= {"other", "language_model"} and {m.where.dialect for m in modules} <= {
        "peft_raw",
        "unprefixed",
    }:
        # An adapter of something that is neither a known image model nor a known language model.
        return "other"
    return "adapter"


def _is_embedding(tensors: Mapping[str, TensorInfo]) -> bool:
    """Learned vectors only: the trainers' fixed names, or one token's rows."""
    if all(name in _EMBEDDING_KEYS or name.startswith("string_to_param.") for name in tensors):
        return all(len(t.shape) in (1, 2) for t in tensors.values())
    if len(tensors) == 1:
        name, tensor = next(iter(tensors.items()))
        return "." not in name and len(tensor.shape) == 2 and tensor.shape[0] < 512
    return False


def learned_tokens(tensors: Mapping[str, TensorInfo], rest: Iterable[str]) -> dict[str, list[str]]:
    """Token -> the tensors that hold its vectors: `bundle_emb.<token>.<encoder>`, and PTI's `<token>`.

    The token may hold dots, so only the ends of the name are read.
    """
    found: dict[str, list[str]] = {}
    for name in rest:
        token = None
        if name.startswith("bundle_emb."):
            inner = name.removeprefix("bundle_emb.")
            token = inner.rpartition(".string_to_param.")[0] or inner.rpartition(".")[0]
        elif name.startswith("<") and name.endswith(">") and len(tensors[name].shape) in (1, 2):
            token = name
        if token:
            found.setdefault(token, []).append(name)
    return found
