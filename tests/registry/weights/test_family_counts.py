"""Whole adapters as the trainers write them: so many modules, and so they are counted and read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.weights import inspect_file
from tests.registry.weights.files import Shapes, flux_bfl, kohya_file, write_shapes
from tests.registry.weights.spelled import spelled

Layers = dict[str, tuple[int, int]]
CLIP_L = """
    lora_te{N}_text_model_encoder_layers_{0-11}_self_attn_{q,k,v,out}_proj 768 768
    lora_te{N}_text_model_encoder_layers_{0-11}_mlp_fc1 768 3072
    lora_te{N}_text_model_encoder_layers_{0-11}_mlp_fc2 3072 768
"""
CLIP_G = """
    lora_te2_text_model_encoder_layers_{0-31}_self_attn_{q,k,v,out}_proj 1280 1280
    lora_te2_text_model_encoder_layers_{0-31}_mlp_fc1 1280 5120
    lora_te2_text_model_encoder_layers_{0-31}_mlp_fc2 5120 1280
"""
T5 = """
    lora_te2_encoder_block_{0-23}_layer_0_SelfAttention_{q,k,v,o} 4096 4096
    lora_te2_encoder_block_{0-23}_layer_1_DenseReluDense_{wi_0,wi_1} 4096 10240
    lora_te2_encoder_block_{0-23}_layer_1_DenseReluDense_wo 10240 4096
"""


def transformer(at: str, width: int, context: int, depth: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """One spatial transformer of a UNet, as sd-scripts trains it."""
    for end in ("proj_in", "proj_out"):
        yield f"{at}.{end}", (width, width)
    for n in range(depth):
        block = f"{at}.transformer_blocks.{n}"
        for attention in ("attn1", "attn2"):
            for projection in ("to_q", "to_k", "to_v", "to_out.0"):
                crosses = attention == "attn2" and projection in ("to_k", "to_v")
                yield f"{block}.{attention}.{projection}", (context if crosses else width, width)
        yield f"{block}.ff.net.0.proj", (width, 8 * width)
        yield f"{block}.ff.net.2", (4 * width, width)


def sd1() -> Layers:
    places = [(f"down_blocks.{b}.attentions.{a}", w) for b, w in enumerate((320, 640, 1280)) for a in (0, 1)]
    places += [("mid_block.attentions.0", 1280)]
    places += [
        (f"up_blocks.{b}.attentions.{a}", w) for b, w in ((1, 1280), (2, 640), (3, 320)) for a in (0, 1, 2)
    ]
    return dict(layer for at, width in places for layer in transformer(at, width, 768, 1))


def sdxl() -> Layers:
    places = [(f"input_blocks.{b}.1", 640, 2) for b in (4, 5)]
    places += [(f"input_blocks.{b}.1", 1280, 10) for b in (7, 8)]
    places += [("middle_block.1", 1280, 10)]
    places += [(f"output_blocks.{b}.1", 1280, 10) for b in (0, 1, 2)]
    places += [(f"output_blocks.{b}.1", 640, 2) for b in (3, 4, 5)]
    return dict(layer for at, width, depth in places for layer in transformer(at, width, 2048, depth))


def control() -> Shapes:
    """Black Forest Labs' control adapters: every layer, a bias with each, and the scales of the norms."""
    ends: Layers = {
        "img_in": (128, 3072), "txt_in": (4096, 3072), "final_layer.linear": (3072, 64),
        "final_layer.adaLN_modulation.1": (3072, 6144),
        "vector_in.in_layer": (768, 3072), "vector_in.out_layer": (3072, 3072),
    }  # fmt: skip
    for name in ("time_in", "guidance_in"):
        ends |= {f"{name}.in_layer": (256, 3072), f"{name}.out_layer": (3072, 3072)}
    found: Shapes = {}
    for path, (in_dim, out_dim) in (flux_bfl() | ends).items():
        rank = min(128, in_dim, out_dim)
        found[f"{path}.lora_A.weight"] = (rank, in_dim)
        found[f"{path}.lora_B.weight"] = (out_dim, rank)
        found[f"{path}.lora_B.bias"] = (out_dim,)
    for norm in ("query_norm", "key_norm"):
        for n in range(19):
            found |= {f"double_blocks.{n}.{s}_attn.norm.{norm}.scale": (128,) for s in ("img", "txt")}
        found |= {f"single_blocks.{n}.norm.{norm}.scale": (128,) for n in range(38)}
    return found


def clip_l(number: str) -> Shapes:
    return spelled(CLIP_L.replace("{N}", number), "")


WHOLE: dict[str, tuple[Shapes, int, dict[str, int], str]] = {
    "SD 1.5 of sd-scripts": (
        kohya_file(sd1()) | clip_l(""), 264, {"unet": 192, "text_encoder": 72}, "sd1",
    ),
    "SDXL of sd-scripts": (
        kohya_file(sdxl()) | clip_l("1") | spelled(CLIP_G, ""),
        986, {"unet": 722, "text_encoder": 72, "text_encoder_2": 192}, "sdxl",
    ),
    "FLUX.1 of sd-scripts": (kohya_file(flux_bfl()), 304, {"transformer": 304}, "flux1"),
    "FLUX.1 of sd-scripts with CLIP": (
        kohya_file(flux_bfl()) | clip_l("1"), 376, {"transformer": 304, "text_encoder": 72}, "flux1",
    ),
    "FLUX.1 in the BFL's names without modulation": (
        spelled("\n".join(f"{p} {i} {o}" for p, (i, o) in flux_bfl(modulation=False).items()), "comfy"),
        228, {"transformer": 228}, "flux1",
    ),
    "FLUX.1 of OneTrainer, DoRA": (
        spelled(
            """
            transformer_blocks.{0-18}.attn.{to_q,to_k,to_v,to_out.0} 3072 3072
            transformer_blocks.{0-18}.attn.{add_q_proj,add_k_proj,add_v_proj,to_add_out} 3072 3072
            single_transformer_blocks.{0-37}.attn.{to_q,to_k,to_v} 3072 3072
            """,
            "onetrainer", "dora",
        ) | spelled(CLIP_L.replace("{N}", "1"), "", "dora") | spelled(T5, "", "dora"),
        506, {"transformer": 266, "text_encoder": 72, "text_encoder_2": 168}, "flux1",
    ),
    "FLUX.1 of Black Forest Labs, control": (control(), 314, {"transformer": 314}, "flux1"),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_adapter_has_the_modules_that_its_trainer_writes(tmp_path: Path, name: str) -> None:
    shapes, modules, components, family = WHOLE[name]
    got = inspect_file(write_shapes(tmp_path / "a.safetensors", shapes), hashes=False)
    assert got.modules == modules
    assert {part["name"]: part["modules"] for part in got.components} == components
    assert (got.family, got.family_candidates) == (family, [])
    assert not [finding for finding in got.findings if finding["severity"] == "error"]


def test_a_control_adapter_replaces_the_scales_of_the_norms() -> None:
    assert sum(name.endswith("_norm.scale") for name in control()) == 152
