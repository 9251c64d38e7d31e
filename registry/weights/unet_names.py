"""One name for each layer of a Stable Diffusion UNet and of a CLIP text encoder: the one diffusers gives
it.

Underscored names cannot be split at their underscores (`to_out_0`, `time_emb_proj`); they are read against
the known vocabulary instead. SGM names (`input_blocks_4_1_...`) map onto it by the layout of two layers a
block.
"""

from __future__ import annotations

import re

_TRANSFORMER = {
    "norm1": "norm1", "norm2": "norm2", "norm3": "norm3",
    "ff_net_0_proj": "ff.net.0.proj", "ff_net_2": "ff.net.2",
} | {
    f"attn{n}_{flat}": f"attn{n}.{dotted}"
    for n in (1, 2)
    for flat, dotted in (
        ("to_q", "to_q"), ("to_k", "to_k"), ("to_v", "to_v"), ("to_out_0", "to_out.0"), ("to_out",
        "to_out.0"),
    )
}  # fmt: skip
_ATTENTION = ("norm", "proj_in", "proj_out")
_RESNET = ("norm1", "conv1", "time_emb_proj", "norm2", "conv2", "conv_shortcut")
_TOP = {
    "conv_in": "conv_in", "conv_out": "conv_out", "conv_norm_out": "conv_norm_out",
    "time_embedding_linear_1": "time_embedding.linear_1",
    "time_embedding_linear_2": "time_embedding.linear_2",
    "add_embedding_linear_1": "add_embedding.linear_1", "add_embedding_linear_2": "add_embedding.linear_2",
    # the same layers in SGM's words
    "input_blocks_0_0": "conv_in", "out_0": "conv_norm_out", "out_2": "conv_out",
    "time_embed_0": "time_embedding.linear_1", "time_embed_2": "time_embedding.linear_2",
    "label_emb_0_0": "add_embedding.linear_1", "label_emb_0_2": "add_embedding.linear_2",
}  # fmt: skip
_SGM_RESNET = {
    "in_layers_0": "norm1", "in_layers_2": "conv1", "emb_layers_1": "time_emb_proj",
    "out_layers_0": "norm2", "out_layers_3": "conv2", "skip_connection": "conv_shortcut",
}  # fmt: skip

# The number of a block or layer: one of more figures is no layer's, and Python refuses to read 4301 of them.
_N = "([0-9]{1,4})"
_BLOCK = re.compile(rf"(?:(down|up)_blocks_{_N}|(mid_block))_(attentions|resnets)_{_N}_(.+)")
_SAMPLER = re.compile(rf"(down|up)_blocks_{_N}_(downsamplers|upsamplers)_0_conv")
_DEPTH = re.compile(rf"transformer_blocks_{_N}_(.+)")
_SGM = re.compile(rf"(input|output)_blocks_{_N}_{_N}_(.+)")
_SGM_MIDDLE = re.compile(r"middle_block_(\d)_(.+)")

_TEXT_LAYER = {
    "self_attn_q_proj": "self_attn.q_proj", "self_attn_k_proj": "self_attn.k_proj",
    "self_attn_v_proj": "self_attn.v_proj", "self_attn_out_proj": "self_attn.out_proj",
    "self_attn_to_q": "self_attn.q_proj", "self_attn_to_k": "self_attn.k_proj",
    "self_attn_to_v": "self_attn.v_proj", "self_attn_to_out": "self_attn.out_proj",
    "mlp_fc1": "mlp.fc1", "mlp_fc2": "mlp.fc2", "layer_norm1": "layer_norm1", "layer_norm2": "layer_norm2",
    # the same layers in OpenCLIP's words
    "attn_out_proj": "self_attn.out_proj", "mlp_c_fc": "mlp.fc1", "mlp_c_proj": "mlp.fc2",
    "ln_1": "layer_norm1", "ln_2": "layer_norm2",
}  # fmt: skip
_TEXT_TOP = {
    "embeddings_token_embedding": "text_model.embeddings.token_embedding",
    "embeddings_position_embedding": "text_model.embeddings.position_embedding",
    "final_layer_norm": "text_model.final_layer_norm",
    "text_projection": "text_projection",
}
_TEXT = re.compile(rf"(?:encoder_layers|transformer_resblocks)_{_N}_(.+)")

# cloneofsimo's PTI numbers the layers of Stable Diffusion 1 in module order: down, up, then mid.
PTI_BLOCKS = [
    *(f"down_blocks.{b}.attentions.{a}" for b in (0, 1, 2) for a in (0, 1)),
    *(f"up_blocks.{b}.attentions.{a}" for b in (1, 2, 3) for a in (0, 1, 2)),
    "mid_block.attentions.0",
]
PTI_LAYERS = (
    "attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "ff.net.0.proj",
    "attn2.to_q", "attn2.to_k", "attn2.to_v", "attn2.to_out.0",
)  # fmt: skip
_PTI_TEXT = ("k_proj", "v_proj", "q_proj", "out_proj")


def flatten(path: str) -> str:
    """Dots to underscores, attention processors left out: the form in which all dialects agree."""
    return path.replace(".processor.", ".").replace(".", "_")


def unet_path(path: str) -> str | None:
    """The diffusers path of the UNet layer that `path` (dotted, underscored or SGM) names, or None."""
    flat = flatten(path)
    if flat in _TOP:
        return _TOP[flat]
    if match := _BLOCK.fullmatch(flat):
        side, number, _, group, index, leaf = match.groups()
        block = f"{side}_blocks.{number}" if side else "mid_block"
        inner = _attention_leaf(leaf) if group == "attentions" else (leaf if leaf in _RESNET else None)
        return inner and f"{block}.{group}.{index}.{inner}"
    if match := _SAMPLER.fullmatch(flat):
        side, number, kind = match.groups()
        return f"{side}_blocks.{number}.{kind}.0.conv" if kind.startswith(side) else None
    if match := _SGM_MIDDLE.fullmatch(flat):
        return _sgm(
            "mid_block", "attentions.0" if match[1] == "1" else f"resnets.{int(match[1]) // 2}", match[2]
        )
    if match := _SGM.fullmatch(flat):
        return _sgm_block(match[1], int(match[2]), int(match[3]), match[4])
    return None


def _attention_leaf(leaf: str) -> str | None:
    if leaf in _ATTENTION:
        return leaf
    if match := _DEPTH.fullmatch(leaf):
        inner = _TRANSFORMER.get(match[2])
        return inner and f"transformer_blocks.{match[1]}.{inner}"
    return None


def _sgm_block(side: str, number: int, part: int, leaf: str) -> str | None:
    """SGM counts conv_in as input block 0 and gives each sampler a block of its own (input) or a part
    (output).
    """
    if side == "input":
        block, layer = divmod(number - 1, 3)
        if layer == 2:
            return f"down_blocks.{block}.downsamplers.0.conv" if leaf == "op" else None
        name = f"down_blocks.{block}"
    else:
        block, layer = divmod(number, 3)
        name = f"up_blocks.{block}"
        if leaf == "conv":
            return f"{name}.upsamplers.0.conv"
    return _sgm(name, f"{'attentions' if part == 1 else 'resnets'}.{layer}", leaf)


def _sgm(block: str, group: str, leaf: str) -> str | None:
    inner = _attention_leaf(leaf) if group.startswith("attentions") else _SGM_RESNET.get(leaf)
    return inner and f"{block}.{group}.{inner}"


def text_path(path: str) -> str | None:
    """The transformers path of the CLIP layer that `path` names, with its `text_model.`, or None."""
    flat = flatten(path).removeprefix("text_model_")
    if flat in _TEXT_TOP:
        return _TEXT_TOP[flat]
    if match := _TEXT.fullmatch(flat):
        leaf = _TEXT_LAYER.get(match[2])
        return leaf and f"text_model.encoder.layers.{match[1]}.{leaf}"
    return None


def pti_path(component: str, number: int, layers: tuple[str, ...] = PTI_LAYERS) -> str | None:
    """The path of module `number` in a cloneofsimo file; `layers` are those of a transformer block in it."""
    if component == "text_encoder":
        layer, projection = divmod(number, len(_PTI_TEXT))
        return f"text_model.encoder.layers.{layer}.self_attn.{_PTI_TEXT[projection]}" if layer < 24 else None
    block, layer = divmod(number, len(layers))
    if block >= len(PTI_BLOCKS):
        return None
    return f"{PTI_BLOCKS[block]}.transformer_blocks.0.{layers[layer]}"
