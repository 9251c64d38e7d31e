"""Writes a tiny pipeline as one checkpoint, with the names under which the real ones were published.

The inverse of what loading does, written from the other side: the names of CompVis' latent-diffusion and
Stability AI's generative-models as huggingface's `convert_diffusers_to_original_stable_diffusion.py` and
`convert_diffusers_to_original_sdxl.py` give them, of OpenCLIP's `transformer.py`, of Stability AI's
`sd3-ref/mmditx.py`, of Black Forest Labs' `flux/model.py`, and ComfyUI's prefixes around the last two.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

Tensors = dict[str, Tensor]
_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
_UNET_TOP = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip
_OPEN_CLIP = {
    "self_attn.out_proj": "attn.out_proj", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
    "layer_norm1": "ln_1", "layer_norm2": "ln_2",
}  # fmt: skip


def save_single_file(family: str, pipeline: Any, path: Path, **beside: Tensor) -> Path:
    """The pipeline's weights in one file; `beside` are further tensors by name."""
    tensors = WRITERS[family](pipeline) | beside
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, path)
    return path


def layout_of(folder: Path, to: Path) -> Path:
    """The folder's configurations and tokenizers, without any weights."""
    return Path(shutil.copytree(folder, to, ignore=shutil.ignore_patterns("*.safetensors")))


def ldm_unet(unet: Any) -> Tensors:
    state, found = unet.state_dict(), {}
    with_attention = {name.partition(".attentions")[0] for name in state if ".attentions." in name}
    for name, tensor in state.items():
        path, _, kind = name.rpartition(".")
        found[f"model.diffusion_model.{_ldm_path(path, with_attention)}.{kind}"] = tensor
    return found


def _ldm_path(path: str, with_attention: set[str]) -> str:
    if path in _UNET_TOP:
        return _UNET_TOP[path]
    if match := re.fullmatch(r"mid_block\.attentions\.0\.(.+)", path):
        return f"middle_block.1.{match[1]}"
    if match := re.fullmatch(r"mid_block\.resnets\.(\d)\.(.+)", path):
        return f"middle_block.{2 * int(match[1])}.{_RESNET[match[2]]}"
    match = re.fullmatch(
        r"(down|up)_blocks\.(\d)\.(resnets|attentions|downsamplers|upsamplers)\.(\d)\.(.+)", path
    )
    assert match is not None, path
    side, level, kind, number, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    if kind == "downsamplers":
        return f"input_blocks.{3 * (level + 1)}.0.op"
    if kind == "upsamplers":
        place = 2 if f"up_blocks.{level}" in with_attention else 1
        return f"output_blocks.{3 * level + 2}.{place}.conv"
    block = (
        f"input_blocks.{3 * level + number + 1}" if side == "down" else f"output_blocks.{3 * level + number}"
    )
    return f"{block}.0.{_RESNET[rest]}" if kind == "resnets" else f"{block}.1.{rest}"


def ldm_vae(vae: Any, prefix: str = "first_stage_model.") -> Tensors:
    last = len(vae.config.block_out_channels) - 1
    found = {}
    for name, tensor in vae.state_dict().items():
        name = re.sub(r"down_blocks\.(\d)\.resnets\.", r"down.\1.block.", name)
        name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0\.", r"down.\1.downsample.", name)
        name = re.sub(r"up_blocks\.(\d)\.resnets\.", lambda m: f"up.{last - int(m[1])}.block.", name)
        name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0\.", lambda m: f"up.{last - int(m[1])}.upsample.", name)
        name = re.sub(r"mid_block\.resnets\.(\d)\.", lambda m: f"mid.block_{int(m[1]) + 1}.", name)
        name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        if "mid_block.attentions.0." in name:
            name = name.replace("mid_block.attentions.0.", "mid.attn_1.").replace("to_out.0", "proj_out")
            name = name.replace("group_norm", "norm")
            name = re.sub(r"to_([qkv])\.", r"\1.", name)
            if name.endswith("weight") and ".norm." not in name:
                tensor = tensor[:, :, None, None]
        found[prefix + name] = tensor
    return found


def clip(model: Any, prefix: str) -> Tensors:
    """OpenAI's CLIP as transformers names it, text model and all."""
    found = {}
    for name, tensor in model.state_dict().items():
        whole = name if name.startswith(("text_model.", "text_projection")) else f"text_model.{name}"
        found[prefix + whole] = tensor
    return found


def open_clip(model: Any, prefix: str) -> Tensors:
    state = {name.removeprefix("text_model."): tensor for name, tensor in model.state_dict().items()}
    found = {
        "positional_embedding": state["embeddings.position_embedding.weight"],
        "token_embedding.weight": state["embeddings.token_embedding.weight"],
        "ln_final.weight": state["final_layer_norm.weight"],
        "ln_final.bias": state["final_layer_norm.bias"],
        "logit_scale": torch.tensor(4.6),
    }
    if "text_projection.weight" in state:
        found["text_projection"] = state["text_projection.weight"].T
    for name, tensor in state.items():
        match = re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", name)
        if match is None:
            continue
        block = f"transformer.resblocks.{match[1]}"
        if match[2] == "self_attn.q_proj":
            three = [state[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
            found[f"{block}.attn.in_proj_{match[3]}"] = torch.cat(three)
        elif match[2] in _OPEN_CLIP:
            found[f"{block}.{_OPEN_CLIP[match[2]]}.{match[3]}"] = tensor
    return {prefix + name: tensor for name, tensor in found.items()}


def _sd1(pipe: Any) -> Tensors:
    return ldm_unet(pipe.unet) | ldm_vae(pipe.vae) | clip(pipe.text_encoder, "cond_stage_model.transformer.")


def _sd2(pipe: Any) -> Tensors:
    """With the last layer and the projection that Stable Diffusion 2 leaves out."""
    prefix = "cond_stage_model.model."
    text = open_clip(pipe.text_encoder, prefix)
    width = pipe.text_encoder.config.hidden_size
    last = {
        name.replace(".resblocks.22.", ".resblocks.23."): tensor + 1
        for name, tensor in text.items()
        if ".resblocks.22." in name
    }
    text |= last | {f"{prefix}text_projection": torch.eye(width)}
    return ldm_unet(pipe.unet) | ldm_vae(pipe.vae) | text


def _sdxl(pipe: Any) -> Tensors:
    first = clip(pipe.text_encoder, "conditioner.embedders.0.transformer.")
    second = open_clip(pipe.text_encoder_2, "conditioner.embedders.1.model.")
    return ldm_unet(pipe.unet) | ldm_vae(pipe.vae) | first | second


def _swapped(tensor: Tensor) -> Tensor:
    """Scale and shift in the published order: diffusers has the scale first."""
    scale, shift = tensor.chunk(2)
    return torch.cat([shift, scale])


def _mmdit(transformer: Any) -> Tensors:
    state, found = transformer.state_dict(), {}
    last = transformer.config.num_layers - 1

    def take(ours: str, published: str, change: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> None:
        for kind in ("weight", "bias"):
            if f"{ours}.{kind}" in state:
                found[f"{published}.{kind}"] = change(state[f"{ours}.{kind}"])

    def fuse(ours: list[str], published: str) -> None:
        for kind in ("weight", "bias"):
            found[f"{published}.{kind}"] = torch.cat([state[f"{name}.{kind}"] for name in ours])

    found["pos_embed"] = state["pos_embed.pos_embed"]
    take("pos_embed.proj", "x_embedder.proj")
    for number, place in ((1, 0), (2, 2)):
        take(f"time_text_embed.timestep_embedder.linear_{number}", f"t_embedder.mlp.{place}")
        take(f"time_text_embed.text_embedder.linear_{number}", f"y_embedder.mlp.{place}")
    take("context_embedder", "context_embedder")
    take("proj_out", "final_layer.linear")
    take("norm_out.linear", "final_layer.adaLN_modulation.1", _swapped)
    for number in range(last + 1):
        ours, block = f"transformer_blocks.{number}", f"joint_blocks.{number}"
        x, context = f"{block}.x_block", f"{block}.context_block"
        fuse([f"{ours}.attn.to_{one}" for one in "qkv"], f"{x}.attn.qkv")
        fuse([f"{ours}.attn.add_{one}_proj" for one in "qkv"], f"{context}.attn.qkv")
        take(f"{ours}.attn.to_out.0", f"{x}.attn.proj")
        take(f"{ours}.attn.to_add_out", f"{context}.attn.proj")
        for one in "qk":
            take(f"{ours}.attn.norm_{one}", f"{x}.attn.ln_{one}")
            take(f"{ours}.attn.norm_added_{one}", f"{context}.attn.ln_{one}")
            take(f"{ours}.attn2.norm_{one}", f"{x}.attn2.ln_{one}")
        if f"{ours}.attn2.to_q.weight" in state:
            fuse([f"{ours}.attn2.to_{one}" for one in "qkv"], f"{x}.attn2.qkv")
            take(f"{ours}.attn2.to_out.0", f"{x}.attn2.proj")
        take(f"{ours}.norm1.linear", f"{x}.adaLN_modulation.1")
        change = _swapped if number == last else lambda tensor: tensor
        take(f"{ours}.norm1_context.linear", f"{context}.adaLN_modulation.1", change)
        for theirs, side in (("ff", x), ("ff_context", context)):
            take(f"{ours}.{theirs}.net.0.proj", f"{side}.mlp.fc1")
            take(f"{ours}.{theirs}.net.2", f"{side}.mlp.fc2")
    return {f"model.diffusion_model.{name}": tensor for name, tensor in found.items()}


def _sd3(pipe: Any) -> Tensors:
    """CLIP's projection is not in the file: it is the identity."""
    first = clip(pipe.text_encoder, "text_encoders.clip_l.transformer.")
    del first["text_encoders.clip_l.transformer.text_projection.weight"]
    second = clip(pipe.text_encoder_2, "text_encoders.clip_g.transformer.")
    return _mmdit(pipe.transformer) | ldm_vae(pipe.vae) | first | second | _t5(pipe.text_encoder_3)


def _t5(model: Any) -> Tensors:
    return {f"text_encoders.t5xxl.transformer.{name}": tensor for name, tensor in model.state_dict().items()}


def bfl_transformer(transformer: Any) -> Tensors:
    """Under the bare names of a file with the transformer alone."""
    state, found = transformer.state_dict(), {}
    tops = {
        "time_text_embed.timestep_embedder": "time_in", "time_text_embed.text_embedder": "vector_in",
        "time_text_embed.guidance_embedder": "guidance_in",
    }  # fmt: skip
    double = {
        "norm1.linear": "img_mod.lin", "norm1_context.linear": "txt_mod.lin", 
        "attn.to_out.0": "img_attn.proj",
        "attn.to_add_out": "txt_attn.proj", "ff.net.0.proj": "img_mlp.0", "ff.net.2": "img_mlp.2",
        "ff_context.net.0.proj": "txt_mlp.0", "ff_context.net.2": "txt_mlp.2",
    }  # fmt: skip
    scales = {
        "attn.norm_q": "img_attn.norm.query_norm", "attn.norm_k": "img_attn.norm.key_norm",
        "attn.norm_added_q": "txt_attn.norm.query_norm", "attn.norm_added_k": "txt_attn.norm.key_norm",
    }  # fmt: skip
    for kind in ("weight", "bias"):
        for ours, published in tops.items():
            if f"{ours}.linear_1.{kind}" in state:
                found[f"{published}.in_layer.{kind}"] = state[f"{ours}.linear_1.{kind}"]
                found[f"{published}.out_layer.{kind}"] = state[f"{ours}.linear_2.{kind}"]
        found[f"img_in.{kind}"] = state[f"x_embedder.{kind}"]
        found[f"txt_in.{kind}"] = state[f"context_embedder.{kind}"]
        found[f"final_layer.linear.{kind}"] = state[f"proj_out.{kind}"]
        found[f"final_layer.adaLN_modulation.1.{kind}"] = _swapped(state[f"norm_out.linear.{kind}"])
        for number in range(transformer.config.num_layers):
            ours, block = f"transformer_blocks.{number}", f"double_blocks.{number}"
            for name, published in double.items():
                found[f"{block}.{published}.{kind}"] = state[f"{ours}.{name}.{kind}"]
            for side, names in (("img", ("to_q", "to_k", "to_v")),
                                ("txt", ("add_q_proj", "add_k_proj", "add_v_proj"))):  # fmt: skip
                three = [state[f"{ours}.attn.{name}.{kind}"] for name in names]
                found[f"{block}.{side}_attn.qkv.{kind}"] = torch.cat(three)
        for number in range(transformer.config.num_single_layers):
            ours, block = f"single_transformer_blocks.{number}", f"single_blocks.{number}"
            four = [
                state[f"{ours}.{name}.{kind}"] for name in ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
            ]
            found[f"{block}.linear1.{kind}"] = torch.cat(four)
            found[f"{block}.linear2.{kind}"] = state[f"{ours}.proj_out.{kind}"]
            found[f"{block}.modulation.lin.{kind}"] = state[f"{ours}.norm.linear.{kind}"]
    for number in range(transformer.config.num_layers):
        for name, published in scales.items():
            scale = state[f"transformer_blocks.{number}.{name}.weight"]
            found[f"double_blocks.{number}.{published}.scale"] = scale
    for number in range(transformer.config.num_single_layers):
        for one, name in (("q", "query_norm"), ("k", "key_norm")):
            scale = state[f"single_transformer_blocks.{number}.attn.norm_{one}.weight"]
            found[f"single_blocks.{number}.norm.{name}.scale"] = scale
    return found


def _flux(pipe: Any) -> Tensors:
    """As ComfyUI saves a whole checkpoint."""
    transformer = {f"model.diffusion_model.{k}": v for k, v in bfl_transformer(pipe.transformer).items()}
    text = clip(pipe.text_encoder, "text_encoders.clip_l.transformer.")
    return transformer | ldm_vae(pipe.vae, "vae.") | text | _t5(pipe.text_encoder_2)


WRITERS: dict[str, Callable[[Any], Tensors]] = {
    "sd1": _sd1, "sd2": _sd2, "sdxl": _sdxl, "sd3_medium": _sd3, "sd35_medium": _sd3, "flux1": _flux,
}  # fmt: skip
