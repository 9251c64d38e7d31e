"""Adapters as they are found in the wild, written from the trainers' own sources and not from our tables.

Layers with their sizes come from the published models; an algorithm turns a layer into the tensors that its
trainer saves for it, a dialect into the name that they stand under.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Shapes = dict[str, tuple[int, ...]]
Layers = Mapping[str, tuple[int, int]]

# A few layers of each model: path -> (in, out).
SD1_LAYERS: Layers = {
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q": (320, 320),
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k": (768, 320),
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0": (1280, 1280),
    "up_blocks.3.attentions.2.transformer_blocks.0.attn2.to_v": (768, 320),
}
SDXL_LAYERS: Layers = {
    "down_blocks.2.attentions.1.transformer_blocks.9.attn1.to_q": (1280, 1280),
    "down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k": (2048, 640),
    "mid_block.attentions.0.transformer_blocks.3.attn2.to_v": (2048, 1280),
}
SDXL_SGM: Layers = {
    "input_blocks.8.1.transformer_blocks.9.attn1.to_q": (1280, 1280),
    "input_blocks.4.1.transformer_blocks.1.attn2.to_k": (2048, 640),
    "middle_block.1.transformer_blocks.3.attn2.to_v": (2048, 1280),
}
FLUX_BFL: Layers = {
    "double_blocks.18.img_attn.proj": (3072, 3072),
    "double_blocks.3.txt_mod.lin": (3072, 18432),
    "double_blocks.3.img_mlp.0": (3072, 12288),
    "single_blocks.37.linear1": (3072, 21504),
    "single_blocks.20.linear2": (15360, 3072),
}
FLUX_DIFFUSERS: Layers = {
    "transformer_blocks.1.attn.to_out.0": (3072, 3072),
    "transformer_blocks.18.ff.net.0.proj": (3072, 12288),
    "single_transformer_blocks.37.proj_mlp": (3072, 12288),
    "single_transformer_blocks.12.proj_out": (15360, 3072),
}
WAN_14B: Layers = {
    "blocks.0.self_attn.q": (5120, 5120),
    "blocks.39.cross_attn.k": (5120, 5120),
    "blocks.20.ffn.0": (5120, 13824),
}
CLIP_L: Layers = {
    "text_model.encoder.layers.0.self_attn.q_proj": (768, 768),
    "text_model.encoder.layers.11.mlp.fc1": (768, 3072),
}

# What each trainer saves for one linear layer: factor -> shape. Sizes here are all multiples of 32.
RANK = 8


def lora_kohya(i: int, o: int) -> Shapes:
    return {"lora_down.weight": (RANK, i), "lora_up.weight": (o, RANK), "alpha": ()}


def lora_peft(i: int, o: int) -> Shapes:
    return {"lora_A.weight": (RANK, i), "lora_B.weight": (o, RANK)}


def lora_default(i: int, o: int) -> Shapes:
    return {"lora_A.default.weight": (RANK, i), "lora_B.default.weight": (o, RANK)}


def lora_bare(i: int, o: int) -> Shapes:
    return {"lora_A": (RANK, i), "lora_B": (o, RANK)}


def lora_biased(i: int, o: int) -> Shapes:
    return lora_peft(i, o) | {"lora_B.bias": (o,)}


def lora_old_diffusers(i: int, o: int) -> Shapes:
    return {"lora.down.weight": (RANK, i), "lora.up.weight": (o, RANK)}


def lora_linear_layer(i: int, o: int) -> Shapes:
    return {"lora_linear_layer.down.weight": (RANK, i), "lora_linear_layer.up.weight": (o, RANK)}


def dora_kohya(i: int, o: int) -> Shapes:
    return lora_kohya(i, o) | {"dora_scale": (1, i)}


def dora_on_output(i: int, o: int) -> Shapes:
    return lora_kohya(i, o) | {"dora_scale": (o, 1)}


def dora_peft(i: int, o: int) -> Shapes:
    return lora_peft(i, o) | {"lora_magnitude_vector": (o,)}


def dora_peft_weight(i: int, o: int) -> Shapes:
    return lora_peft(i, o) | {"lora_magnitude_vector.weight": (o,)}


def dora_ai_toolkit(i: int, o: int) -> Shapes:
    return lora_peft(i, o) | {"magnitude": (o,)}


def loha(i: int, o: int) -> Shapes:
    return {
        "hada_w1_a": (o, RANK), "hada_w1_b": (RANK, i), "hada_w2_a": (o, RANK), "hada_w2_b": (RANK, i),
        "alpha": (),
    }  # fmt: skip


def loha_dora(i: int, o: int) -> Shapes:
    return loha(i, o) | {"dora_scale": (1, i)}


def lokr_full(i: int, o: int) -> Shapes:
    return {"lokr_w1": (16, 16), "lokr_w2": (o // 16, i // 16), "alpha": ()}


def lokr_half(i: int, o: int) -> Shapes:
    return {"lokr_w1": (16, 16), "lokr_w2_a": (o // 16, RANK), "lokr_w2_b": (RANK, i // 16), "alpha": ()}


def lokr_both(i: int, o: int) -> Shapes:
    half = lokr_half(i, o)
    del half["lokr_w1"]
    return half | {"lokr_w1_a": (16, RANK), "lokr_w1_b": (RANK, 16), "dora_scale": (1, i)}


def ia3(i: int, o: int) -> Shapes:
    return {"on_input": (), "weight": (o,)}


def diag_oft(i: int, o: int) -> Shapes:
    return {"oft_blocks": (o // RANK, RANK, RANK), "alpha": (), "rescale": (o, 1)}


def boft(i: int, o: int) -> Shapes:
    return {"oft_blocks": (3, o // RANK, RANK, RANK), "alpha": ()}


def oft_kohya(i: int, o: int) -> Shapes:
    return {"oft_blocks": (RANK, o // RANK, o // RANK), "alpha": ()}


def oft_peft(i: int, o: int) -> Shapes:
    size = i // RANK
    return {"oft_R.weight": (RANK, size * (size - 1) // 2)}


def oft_onetrainer(i: int, o: int) -> Shapes:
    return oft_peft(i, o) | {"oft_R.scaled_oft": (), "alpha": ()}


def glora(i: int, o: int) -> Shapes:
    return {
        "a1.weight": (i, RANK), "a2.weight": (RANK, i), "b1.weight": (o, RANK), "b2.weight": (RANK, i),
        "alpha": (),
    }  # fmt: skip


def full(i: int, o: int) -> Shapes:
    return {"diff": (o, i), "diff_b": (o,)}


Trainer = Callable[[int, int], Shapes]


def write(layers: Layers, prefix: str, trainer: Trainer, *, flat: bool) -> Shapes:
    """Every layer as `trainer` saves it, under `prefix`; `flat` turns the path's dots into underscores."""
    found: Shapes = {}
    for path, (i, o) in layers.items():
        name = prefix + (path.replace(".", "_") if flat else path)
        found |= {f"{name}.{factor}": shape for factor, shape in trainer(i, o).items()}
    return found


def attn_procs(layers: Layers, prefix: str) -> Shapes:
    """As diffusers wrote attention processors before 0.20: `attn1.processor.to_q_lora.down.weight`."""
    found: Shapes = {}
    for path, (i, o) in layers.items():
        block, _, projection = path.removesuffix(".0").rpartition(".")
        name = f"{prefix}{block}.processor.{projection}_lora"
        found |= {f"{name}.down.weight": (RANK, i), f"{name}.up.weight": (o, RANK)}
    return found


def xlabs(blocks: int = 3) -> Shapes:
    """As XLabs' x-flux writes: lora1 for the picture's stream, lora2 for the text's."""
    found: Shapes = {}
    for n in range(blocks):
        for layer, out in (("qkv", 9216), ("proj", 3072)):
            for stream in (1, 2):
                name = f"double_blocks.{n}.processor.{layer}_lora{stream}"
                found |= {f"{name}.down.weight": (RANK, 3072), f"{name}.up.weight": (out, RANK)}
    return found


def uso(blocks: int = 3) -> Shapes:
    """As ByteDance's USO writes: XLabs' names, single blocks, too."""
    found = xlabs(blocks)
    for n in range(blocks):
        for layer, out in (("qkv", 9216), ("proj", 3072)):
            name = f"single_blocks.{n}.processor.{layer}_lora"
            found |= {f"{name}.down.weight": (RANK, 3072), f"{name}.up.weight": (out, RANK)}
    return found


def pti(geglu: bool = True) -> Shapes:
    """As cloneofsimo/lora writes: numbered layers of SD 1, down blocks, up blocks, then the middle."""
    widths = [320, 320, 640, 640, 1280, 1280, 1280, 1280, 1280, 640, 640, 640, 320, 320, 320, 1280]
    found: Shapes = {}
    number = 0
    for w in widths:
        geglus = [(w, 8 * w)] if geglu else []
        attn2 = [(w, w), (768, w), (768, w), (w, w)]
        for i, o in [(w, w)] * 4 + geglus + attn2:
            found |= {f"unet:{number}:down": (1, i), f"unet:{number}:up": (o, 1)}
            number += 1
    for number in range(48):
        found |= {f"text_encoder:{number}:down": (1, 768), f"text_encoder:{number}:up": (768, 1)}
    return found


def broken(layers: Layers) -> Shapes:
    """A diffusers file renamed dot by dot, seen in the wild without metadata and alphas."""
    found: Shapes = {}
    for path, (i, o) in layers.items():
        name = f"lora_unet_unet_{path.replace('.', '_')}"
        found |= {f"{name}_lora_down.weight": (RANK, i), f"{name}_lora_up.weight": (o, RANK)}
    return found


def omi_flux(blocks: int = 2) -> Shapes:
    """As OneTrainer's OMI export writes FLUX: BFL's names under `transformer.`, fused layers in parts."""
    layers: dict[str, tuple[int, int]] = {}
    for n in range(blocks):
        for stream in ("img", "txt"):
            layers |= {f"double_blocks.{n}.{stream}_attn.qkv.{part}": (3072, 3072) for part in range(3)}
            layers[f"double_blocks.{n}.{stream}_attn.proj"] = (3072, 3072)
            layers[f"double_blocks.{n}.{stream}_mod.lin"] = (3072, 18432)
        layers |= {f"single_blocks.{n}.linear1.{part}": (3072, 3072) for part in range(3)}
        layers[f"single_blocks.{n}.linear1.3"] = (3072, 12288)
        layers[f"single_blocks.{n}.linear2"] = (15360, 3072)
    return (
        write(layers, "transformer.", lora_kohya, flat=False)
        | write(CLIP_L, "clip_l.", lora_kohya, flat=False)
        | write({"encoder.block.0.layer.0.SelfAttention.k": (4096, 4096)}, "t5.", lora_kohya, flat=False)
    )
