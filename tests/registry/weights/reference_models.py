"""The layers of published models: recorded ones, and diffusers' own built again without weights."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[2] / "data" / "families" / "layers.json"
_BLOCK = re.compile(r"(?<=s\.)\d+(?=\.|$)|(?<=refiner\.)\d+(?=\.|$)")

# model -> (class, configuration of the published weights where it is not the default)
_SD3 = {"caption_projection_dim": 1536, "joint_attention_dim": 4096, "pooled_projection_dim": 2048}
DIFFUSERS: dict[str, tuple[str, dict[str, Any]]] = {
    "pixart": ("PixArtTransformer2DModel", {
        "sample_size": 128, "num_attention_heads": 16, "attention_head_dim": 72, "in_channels": 4,
        "out_channels": 8, "num_layers": 28, "cross_attention_dim": 1152, "caption_channels": 4096,
    }),
    "hunyuan_dit": ("HunyuanDiT2DModel", {
        "num_attention_heads": 16, "attention_head_dim": 88, "in_channels": 4, "num_layers": 40,
        "mlp_ratio": 4.3637, "cross_attention_dim": 1024, "cross_attention_dim_t5": 2048, "hidden_size": 1408,
        "learn_sigma": True, "pooled_projection_dim": 1024, "activation_fn": "gelu-approximate",
        "sample_size": 128, "patch_size": 2,
    }),
    "sd3_medium": ("SD3Transformer2DModel", _SD3 | {
        "num_layers": 24, "num_attention_heads": 24, "attention_head_dim": 64,
    }),
    "sd35_medium": ("SD3Transformer2DModel", _SD3 | {
        "num_layers": 24, "num_attention_heads": 24, "attention_head_dim": 64,
        "dual_attention_layers": tuple(range(13)), "qk_norm": "rms_norm",
    }),
    "sd35_large": ("SD3Transformer2DModel", _SD3 | {
        "num_layers": 38, "num_attention_heads": 38, "attention_head_dim": 64, "caption_projection_dim": 2432,
        "qk_norm": "rms_norm",
    }),
    "auraflow": ("AuraFlowTransformer2DModel", {}),
    "flux1": ("FluxTransformer2DModel", {"guidance_embeds": True}),
    "chroma": ("ChromaTransformer2DModel", {}),
    "flux2_dev": ("Flux2Transformer2DModel", {}),
    "flux2_klein_4b": ("Flux2Transformer2DModel", {
        "num_layers": 5, "num_single_layers": 20, "num_attention_heads": 24, "joint_attention_dim": 7680,
    }),
    "flux2_klein_9b": ("Flux2Transformer2DModel", {
        "num_layers": 8, "num_single_layers": 24, "num_attention_heads": 32, "joint_attention_dim": 12288,
    }),
    "cogvideox_2b": ("CogVideoXTransformer3DModel", {"num_attention_heads": 30, "num_layers": 30}),
    "cogvideox_5b": ("CogVideoXTransformer3DModel", {"num_attention_heads": 48, "num_layers": 42}),
    "mochi": ("MochiTransformer3DModel", {}),
    "hunyuan_video": ("HunyuanVideoTransformer3DModel", {}),
    "framepack": ("HunyuanVideoFramepackTransformer3DModel", {
        "has_image_proj": True, "has_clean_x_embedder": True,
    }),
    "hunyuan_video_15": ("HunyuanVideo15Transformer3DModel", {}),
    "hunyuan_image": ("HunyuanImageTransformer2DModel", {}),
    "sana": ("SanaTransformer2DModel", {}),
    "sana_06": ("SanaTransformer2DModel", {
        "num_layers": 28, "num_attention_heads": 36, "attention_head_dim": 32,
        "num_cross_attention_heads": 16, "cross_attention_head_dim": 72, "cross_attention_dim": 1152,
    }),
    "sana_48": ("SanaTransformer2DModel", {"num_layers": 60}),
    "ltx_2b": ("LTXVideoTransformer3DModel", {}),
    "ltx_13b": ("LTXVideoTransformer3DModel", {
        "attention_head_dim": 128, "cross_attention_dim": 4096, "num_layers": 48,
    }),
    "ltx2": ("LTX2VideoTransformer3DModel", {}),
    "lumina2": ("Lumina2Transformer2DModel", {
        "hidden_size": 2304, "num_layers": 26, "num_attention_heads": 24, "num_kv_heads": 8,
        "cap_feat_dim": 2304,
    }),
    "wan_1_3b": ("WanTransformer3DModel", {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}),
    "wan_14b_i2v": ("WanTransformer3DModel", {
        "in_channels": 36, "image_dim": 1280, "added_kv_proj_dim": 5120,
    }),
    "wan_5b": ("WanTransformer3DModel", {
        "num_attention_heads": 24, "ffn_dim": 14336, "num_layers": 30, "in_channels": 48, "out_channels": 48,
    }),
    "wan_vace": ("WanVACETransformer3DModel", {}),
    "qwen_image": ("QwenImageTransformer2DModel", {}),
    "z_image": ("ZImageTransformer2DModel", {}),
    "hidream": ("HiDreamImageTransformer2DModel", {
        "patch_size": 2, "in_channels": 16, "out_channels": 16, "num_layers": 16, "num_single_layers": 32,
        "attention_head_dim": 128, "num_attention_heads": 20, "caption_channels": [4096, 4096],
        "text_emb_dim": 2048, "num_routed_experts": 4, "num_activated_experts": 2,
        "axes_dims_rope": (64, 32, 32), "max_resolution": (128, 128), "llama_layers": list(range(32)),
    }),
    "kandinsky5": ("Kandinsky5Transformer3DModel", {
        "model_dim": 1792, "ff_dim": 7168, "num_text_blocks": 2, "num_visual_blocks": 32, "time_dim": 512,
    }),
    "kandinsky5_image": ("Kandinsky5Transformer3DModel", {
        "model_dim": 2560, "ff_dim": 10240, "num_text_blocks": 2, "num_visual_blocks": 50, "time_dim": 512,
    }),
    "kandinsky5_pro": ("Kandinsky5Transformer3DModel", {
        "model_dim": 4096, "ff_dim": 16384, "num_text_blocks": 4, "num_visual_blocks": 60, "time_dim": 1024,
    }),
    "krea2": ("Krea2Transformer2DModel", {}),
    "ideogram4": ("Ideogram4Transformer2DModel", {}),
    "ernie": ("ErnieImageTransformer2DModel", {}),
    "ace": ("AceStepTransformer1DModel", {}),
    "cosmos2b": ("CosmosTransformer3DModel", {
        "in_channels": 16, "num_attention_heads": 16, "num_layers": 28,
    }),
}  # fmt: skip


def recorded() -> list[dict[str, Any]]:
    """The recorded models: `{name, family, names, layers}`, as the folder's README describes."""
    models: list[dict[str, Any]] = json.loads(RECORDED.read_text())
    return models


def layers_in(model: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Every layer of a recorded model, written out: path -> (in, out)."""
    found = {}
    for pattern, shape, *axes in model["layers"]:
        for numbers in product(*(list(_numbers(axis)) for axis in axes)):
            path = pattern
            for number in numbers:
                path = path.replace("#", str(number), 1)
            found[path] = (shape[1], shape[0])
    return found


def _numbers(ranges: str) -> Iterator[int]:
    for each in ranges.split(","):
        first, _, last = each.partition("-")
        yield from range(int(first), int(last or first) + 1)


def recorded_form(shapes: Mapping[str, tuple[int, ...]]) -> list[list[Any]]:
    """A model's weights in the form of the record, to compare with it."""
    groups: dict[tuple[str, tuple[int, ...]], list[tuple[int, ...]]] = defaultdict(list)
    for path, shape in shapes.items():
        groups[_BLOCK.sub("#", path), shape].append(tuple(int(n) for n in _BLOCK.findall(path)))
    rows = []
    for (pattern, shape), places in groups.items():
        axes = [sorted({place[axis] for place in places}) for axis in range(len(places[0]))]
        rows.append([pattern, list(shape), *(_ranges(axis) for axis in axes)])
    return sorted(rows, key=lambda row: (row[0], row[1]))


def _ranges(numbers: list[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{first}-{last}" if first != last else str(first) for first, last in runs)
